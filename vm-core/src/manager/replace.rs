//! How a contract gets other code, or other state for its code: what upgrade, rollback and migration have in common.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::operation::{Actor, Approached, Note, settle, step};
use super::{Top, enter, phase};
use crate::access::cautions;
use crate::transaction::Transaction;
use crate::{
    Address, Arguments, Contract, ContractName, ContractRecord, Encoded, Entry, ErrorKind, Gas, Journal, Lifecycle,
    Operation, Outcome, Phase, Refusal, RuntimeKind, Situation, StateError, Transition, Version, VersionRecord,
    VmError,
};

/// A contract whose code is about to be replaced, or whose state is about to be migrated.
pub(super) struct Replacing {
    pub(super) record: ContractRecord,
    before: Situation,
    endorsers: BTreeSet<Address>,
}

impl Replacing {
    /// Begins, unless the state machine forbids it.
    pub(super) fn begin(approached: Approached) -> Result<Self, Refusal> {
        let Approached { mut record, endorsers } = approached;
        let before = Situation::from(&record);
        step(&mut record, Transition::BeginUpgrade)?;
        Ok(Self { record, before, endorsers })
    }

    /// What is to be written of the operation.
    pub(super) fn note<'r>(&self, operation: Operation, reason: &'r str) -> Note<'r> {
        Note::of(operation, reason, Some(self.before.clone())).endorsed_by(self.endorsers.clone())
    }

    /// Returns to the state of life from before.
    pub(super) fn end(&mut self) -> Result<(), Refusal> {
        let resume = match self.before.lifecycle {
            Lifecycle::Frozen => Transition::Freeze,
            _ => Transition::Activate,
        };
        step(&mut self.record, resume)
    }

    /// Enters a contract's migration, on the state of this one.
    pub(super) fn migrate(
        &self,
        transaction: &mut Transaction<'_>,
        actor: &Actor<'_>,
        by: (RuntimeKind, &Arc<dyn Contract>),
        call: (Entry, Encoded),
        gas: Gas,
    ) -> Result<Outcome, VmError> {
        let ((runtime, contract), (entry, encoded)) = (by, call);
        let (this, record) = (self.record.name.address(), Some(&self.record));
        let top = Top { runtime, contract, record, this, entry, encoded, actor, gas, is_static: false };
        phase(Phase::Migrate, || enter(transaction, top))
    }

    /// Has the contract's current code migrate its state: validate → migrate.
    pub(super) fn migrate_by_itself(
        &self,
        transaction: &mut Transaction<'_>,
        actor: &Actor<'_>,
        (entry, arguments): (Entry, &Arguments),
        gas: Gas,
    ) -> Result<(Arc<dyn Contract>, Outcome), VmError> {
        let Self { record, .. } = self;
        let core = transaction.core;
        let ((runtime, contract), encoded) = phase(Phase::Validate, || {
            let ready = transaction.ready(Some(record))?;
            if !ready.1.interface().has_entry(&entry) {
                let why = "its current version has no migration; do without, or upgrade to a version that has one";
                return Err(unfit(&record.name, why));
            }
            let encoded = core.encode(&*ready.1, &entry, "upgrade", arguments)?;
            Ok::<_, ErrorKind>((ready, encoded))
        })?;
        // From here on nobody calls it.
        phase(Phase::Replace, || record.store(&transaction.journal))?;
        let outcome = self.migrate(transaction, actor, (runtime, &contract), (entry, encoded), gas)?;
        if outcome.status.is_success() {
            // Whoever calls it later in this transaction asks its record anew.
            phase(Phase::Store, || settle(transaction, record.runtime))?;
        }
        Ok((contract, outcome))
    }
}

/// What whoever gives a contract this code should look at.
pub(super) fn warnings(
    journal: &Journal,
    replacing: &Replacing,
    contract: &dyn Contract,
) -> Result<Vec<String>, StateError> {
    let Replacing { record, before, .. } = replacing;
    let mut told = cautions(journal, record, contract)?;
    if contract.keeps_apart() && record.code != before.code {
        told.push(format!(
            "the code of version '{}' keeps its state apart: it sees nothing of what the contract's other code wrote",
            record.version
        ));
    }
    Ok(told)
}

/// Refuses other runtimes, unless the change was asked for and both keep state in the same form.
pub(super) fn check_runtime(
    name: &ContractName,
    from: RuntimeKind,
    to: RuntimeKind,
    asked: bool,
) -> Result<(), Refusal> {
    let same_form = from != RuntimeKind::Evm && to != RuntimeKind::Evm;
    if from == to || (asked && same_form) {
        return Ok(());
    }
    Err(Refusal::RuntimeChange { name: name.clone(), from, to })
}

/// A refusal of what does not fit a migration.
pub(super) fn unfit(name: &ContractName, why: &'static str) -> ErrorKind {
    Refusal::Migration { name: name.clone(), why }.into()
}

/// The most versions that a refusal names.
const NAMED: usize = 32;

/// The refusal of a version that a contract never had; it names those that there are. They are read as everything else that
/// decides a result is, since to a contract that asked for the operation this is one.
pub(super) fn unknown_version(
    journal: &Journal,
    name: &ContractName,
    version: &Version,
) -> Result<ErrorKind, StateError> {
    let mut versions = VersionRecord::some(journal, name, NAMED + 1)?;
    let more = if versions.len() > NAMED { ", and others" } else { "" };
    versions.truncate(NAMED);
    let kept: Vec<_> = versions.iter().map(|version| version.version.as_str()).collect();
    let kept = format!("{}{more}", kept.join(", "));
    Ok(Refusal::UnknownVersion { name: name.clone(), version: version.clone(), kept }.into())
}
