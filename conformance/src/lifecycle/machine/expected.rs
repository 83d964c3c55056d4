//! The model's world in the machine's own records, whole, so that nothing of them is left out of a comparison.

use std::collections::BTreeSet;
use std::fmt::{Debug, Display};

use vm_core::{
    Address, ContractRecord, HistoryEntry, HostPolicy, Lifecycle, Organisations, Policy, Right, Room, Rule,
    VersionRecord,
};

use super::super::model::{Contract, Endorsers, Entry, Host, Rights, Situation, Version};
use super::super::request::{address, name, parsed};

/// Whether two things are the same, or in what they differ.
pub(super) fn same<T: PartialEq + Debug>(what: impl Display, found: &T, expected: &T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what}: {found:#?}\ninstead of {expected:#?}")) }
}

pub(super) fn record(text: &str, of: &Contract) -> Result<ContractRecord, String> {
    let now = situation(&of.now)?;
    Ok(ContractRecord {
        name: name(text)?,
        lifecycle: now.lifecycle,
        runtime: now.runtime,
        version: now.version,
        code: now.code,
        owner: address(of.owner),
        guarded: of.is_guarded(),
        policy: now.policy,
        capabilities: parsed(of.capabilities)?,
        room: now.room,
        versions: of.versions.len() as u32,
        deployed_in: of.deployed_in,
        entries: of.history.len() as u64,
    })
}

fn situation(of: &Situation) -> Result<vm_core::Situation, String> {
    let lifecycle = match of.life {
        "active" => Lifecycle::Active,
        "frozen" => Lifecycle::Frozen,
        _ => Lifecycle::Revoked,
    };
    Ok(vm_core::Situation {
        lifecycle,
        runtime: of.program.kind,
        version: parsed(of.version)?,
        code: of.program.hash(),
        policy: of.policy,
        room: of.room.map(|(keys, bytes)| Room { keys, bytes }),
    })
}

pub(super) fn versions(of: &[Version]) -> Result<Vec<VersionRecord>, String> {
    let record = |(ordinal, version): (u32, &Version)| {
        Ok(VersionRecord {
            version: parsed(version.name)?,
            ordinal,
            runtime: version.program.kind,
            code: version.program.hash(),
            author: address(version.author),
            reason: version.reason.to_owned(),
            block: version.block,
            evm_code: None,
        })
    };
    (1..).zip(of).map(record).collect()
}

pub(super) fn history(of: &[Entry]) -> Result<Vec<HistoryEntry>, String> {
    let entry = |(number, entry): (u64, &Entry)| {
        Ok(HistoryEntry {
            number,
            operation: entry.operation,
            migration: entry.migration,
            migrated_from: entry.migrated_from.map(parsed).transpose()?,
            actor: address(entry.actor),
            endorsers: addresses(&entry.endorsers),
            reason: entry.reason.to_owned(),
            before: entry.before.as_ref().map(situation).transpose()?,
            after: situation(&entry.after)?,
            block: entry.block,
        })
    };
    (1..).zip(of).map(entry).collect()
}

pub(super) fn policy(of: &Rights) -> Result<Policy, String> {
    let mut policy = Policy::default();
    for (right, who) in of {
        policy.set(parsed::<Right>(right)?, parsed::<Rule>(who.text())?);
    }
    Ok(policy)
}

pub(in super::super) fn host_policy(of: &Host, version: u32) -> Result<HostPolicy, String> {
    let (mut policy, mut organisations) = (HostPolicy::default(), Organisations::default());
    for (organisation, role, member) in &of.members {
        organisations.enrol(organisation, role, address(member)).map_err(|error| error.to_string())?;
    }
    policy.version = version;
    policy.author = of.author.map_or(Address::ZERO, address);
    policy.endorsers = addresses(&of.endorsers);
    of.reason.clone_into(&mut policy.reason);
    policy.block = of.block;
    policy.deploy = parsed(of.deploys.text())?;
    policy.administrators = parsed(of.administrators.text())?;
    policy.organisations = organisations;
    policy.contracts = self::policy(&of.begins)?;
    Ok(policy)
}

fn addresses(of: &Endorsers) -> BTreeSet<Address> {
    of.iter().map(|name| address(name)).collect()
}
