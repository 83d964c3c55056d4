//! Shows who may do what.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::json;
use vm_core::{Address, ContractName, HistoryEntry, HostPolicy, Policy, Right, Vm, printable};

use super::failure::Usage;
use super::inspect::{columns, joined, trimmed, unknown, write_refused};
use super::output::Output;
use super::records::Records;

/// Shows the policy of a contract, or of the host.
pub(super) fn show(
    vm: &Vm,
    records: &Records,
    output: Output,
    name: Option<&ContractName>,
    version: Option<u32>,
) -> anyhow::Result<ExitCode> {
    let missing = |version: u32, newest: u32| {
        Usage(format!("there is no version {version} of the policy; the newest is version {newest}"))
    };
    match name {
        Some(name) => {
            let record = vm.record(name)?.ok_or_else(|| unknown(name))?;
            let version = version.unwrap_or(record.policy);
            let policy = vm.policy_version(name, version)?.ok_or_else(|| missing(version, record.policy))?;
            let signatures = Signatures::of(vm, name, &policy);
            // The entry of the history that it came with.
            let history = vm.history(name, 1, usize::MAX)?;
            let came = history.into_iter().find(|entry| entry.after.policy == version);
            output.print(
                || {
                    let entry = came.as_ref();
                    json!({
                        "ok": true,
                        "policy": policy,
                        "signatures": signatures,
                        "version": version,
                        "author": entry.map(|entry| entry.actor),
                        "endorsers": entry.map(|entry| &entry.endorsers),
                        "reason": entry.map(|entry| &entry.reason),
                        "block": entry.map(|entry| entry.block),
                    })
                },
                |out| {
                    if let Some(HistoryEntry { actor, endorsers, reason, block, .. }) = &came {
                        write_origin(out, version, (actor, endorsers), reason, *block)?;
                    }
                    write_rights(out, &policy, &signatures)
                },
            )?;
        }
        None => {
            // What was refused belongs to no version.
            let (policy, refused) = match version {
                Some(version) => {
                    let newest = vm.host_policy()?.version;
                    (vm.host_policy_version(version)?.ok_or_else(|| missing(version, newest))?, Vec::new())
                }
                None => (vm.host_policy()?, records.refused(None, None)),
            };
            output.print(
                || json!({ "ok": true, "policy": policy, "refused": refused }),
                |out| write_host(out, &policy).and_then(|()| write_refused(out, &refused)),
            )?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn write_rights(out: &mut dyn Write, policy: &Policy, signatures: &Signatures) -> io::Result<()> {
    let mut table = columns(&["RIGHT", "WHO"]);
    for (right, rule) in policy.iter() {
        table.add_row([signatures.tell(&right), rule.to_string()]);
    }
    writeln!(out, "{}", trimmed(&table))
}

/// What the methods are called that a policy knows by their selectors, as far as the contract says.
#[derive(Default, serde::Serialize)]
pub(super) struct Signatures(BTreeMap<String, String>);

impl Signatures {
    pub(super) fn of(vm: &Vm, name: &ContractName, policy: &Policy) -> Self {
        let is_selector = |method: &&String| method.starts_with("0x");
        let mut selectors = policy.methods.keys().filter(is_selector).peekable();
        // A contract whose runtime is not available has a policy, too.
        let contract = selectors.peek().and_then(|_| vm.contract(name).ok());
        let Some(contract) = contract else { return Self::default() };
        let signature = |selector: &String| Some((selector.clone(), contract.interface().described(selector)?));
        Self(selectors.filter_map(signature).collect())
    }

    /// A right, with the signature beside the selector.
    pub(super) fn tell(&self, right: &Right) -> String {
        match right {
            Right::Method(method) => match self.0.get(method) {
                Some(signature) => format!("{right} {signature}"),
                None => right.to_string(),
            },
            right => right.to_string(),
        }
    }
}

/// Which version it is, and where it comes from.
fn write_origin(
    out: &mut dyn Write,
    version: u32,
    (author, endorsers): (&Address, &BTreeSet<Address>),
    reason: &str,
    block: u64,
) -> io::Result<()> {
    let reason = if reason.is_empty() { String::new() } else { format!(": {}", printable(reason)) };
    let endorsed = if endorsers.is_empty() { String::new() } else { format!(", endorsed by {}", joined(endorsers)) };
    writeln!(out, "version {version}, by {author} in block {block}{endorsed}{reason}\n")
}

fn write_host(out: &mut dyn Write, policy: &HostPolicy) -> io::Result<()> {
    let HostPolicy { version, author, endorsers, reason, block, .. } = policy;
    write_origin(out, *version, (author, endorsers), reason, *block)?;
    let mut table = columns(&["HOST", "WHO"]);
    table.add_row(["deploy".to_owned(), policy.deploy.to_string()]);
    table.add_row(["administrators".to_owned(), policy.administrators.to_string()]);
    for (organisation, role, members) in policy.organisations.iter() {
        table.add_row([format!("{role} of {organisation}"), joined(members)]);
    }
    writeln!(out, "{}\n\nnew contracts begin with", trimmed(&table))?;
    write_rights(out, &policy.contracts, &Signatures::default())
}
