//! What all operations on contracts have in common: who acts, what is written of it, how it ends.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{About, Base, Executed, Provisional, phase, too_large};
use crate::core::Core;
use crate::history::REASON;
use crate::transaction::Transaction;
use crate::{
    Access, Account, Action, Address, Amount, Contract, ContractName, ContractRecord, ErrorKind, Gas, HistoryEntry,
    Migration, Operation, Outcome, Phase, Receipt, Refusal, RuntimeKind, Sender, Situation, Status, Transition,
    Version, VersionRecord, VmError,
};

/// Who acts.
pub(crate) struct Actor<'r> {
    pub(crate) caller: Address,
    /// Who endorses what the caller does.
    pub(crate) endorsers: &'r [Address],
    /// What goes to the contract that is entered.
    pub(crate) value: Amount,
    /// The frames above the one that is entered.
    pub(crate) depth: u16,
}

impl<'r> Actor<'r> {
    /// The sender of a transaction.
    pub(crate) fn sending(sender: &'r Sender) -> Self {
        Self { caller: sender.caller, endorsers: &sender.endorsers, value: sender.value, depth: 0 }
    }
}

/// An operation that went through its phases. It counts if its outcome is a success.
pub(crate) struct Done<'c> {
    pub(crate) record: ContractRecord,
    pub(crate) contract: Arc<dyn Contract>,
    /// What was left for the contract.
    pub(crate) gas: Gas,
    /// What the contract did, or that there was nothing to do.
    pub(crate) outcome: Outcome,
    /// What whoever asked for it should look at.
    pub(crate) warnings: Vec<String>,
    pub(crate) provisional: Provisional<'c>,
}

/// What a transaction that is an operation pays, and how it is called.
pub(crate) struct Terms {
    pub(crate) gas_limit: Gas,
    pub(crate) method: &'static str,
    /// In which phase the contract runs.
    pub(crate) phase: Phase,
}

/// The outcome of an operation that does not enter the contract.
pub(crate) const fn nothing_to_do() -> Outcome {
    Outcome { status: Status::Success, output: bytes::Bytes::new(), gas_used: Gas::ZERO }
}

/// Ends a transaction that is an operation: a contract that failed is an error.
pub(crate) fn conclude(
    base: &Base<'_>,
    transaction: Transaction<'_>,
    done: Done<'_>,
    terms: &Terms,
) -> Result<Executed, VmError> {
    let Done { record, contract, gas, mut outcome, warnings, provisional } = done;
    let (gas_limit, height) = (terms.gas_limit, base.view.height());
    outcome.gas_used = outcome.gas_used.saturating_add(gas_limit.saturating_sub(gas));
    let failed = !outcome.status.is_success();
    let trace = transaction.trace(outcome.gas_used);
    let changes = phase(Phase::Store, || transaction.finish())?;
    let (target, runtime, method) = (record.name.clone().into(), record.runtime, terms.method.into());
    let about = About { target, record: Some(record), runtime, method, asked: None, gas_limit, height };
    let receipt = Receipt { warnings, trace, ..about.receipt(&*contract, outcome) };
    let executed = Executed::new(receipt, changes);
    if failed {
        let (receipt, changes) = executed.into_parts();
        return Err(VmError::new(terms.phase, ErrorKind::Failed(Box::new(receipt.with(changes)))));
    }
    if !base.tried {
        provisional.keep();
    }
    Ok(executed)
}

/// A contract that somebody may change.
pub(crate) struct Approached {
    pub(crate) record: ContractRecord,
    /// Whose endorsements counted.
    pub(crate) endorsers: BTreeSet<Address>,
}

impl Approached {
    /// What is to be written of the operation, without migration.
    pub(crate) fn note<'r>(&self, operation: Operation, reason: &'r str) -> Note<'r> {
        Note::of(operation, reason, Some(Situation::from(&self.record))).endorsed_by(self.endorsers.clone())
    }
}

/// The record of a contract that somebody wants to change, and may: load → permission.
pub(crate) fn approach(
    transaction: &Transaction<'_>,
    actor: &Actor<'_>,
    name: &ContractName,
    action: Action<'_>,
) -> Result<Approached, VmError> {
    let record = phase(Phase::Load, || Core::load(&transaction.journal, name))?;
    let endorsers = phase(Phase::Permission, || permit(transaction, actor, action, &record))?;
    Ok(Approached { record, endorsers })
}

/// Asks whether somebody may do something with a contract, and whose endorsements make it so.
pub(crate) fn permit(
    transaction: &Transaction<'_>,
    actor: &Actor<'_>,
    action: Action<'_>,
    record: &ContractRecord,
) -> Result<BTreeSet<Address>, ErrorKind> {
    Ok(transaction.permit(&Access::of(actor.caller, action, record), record.policy, actor.endorsers)?)
}

/// Refuses reasons that are longer than a history takes, before anything else: what is refused is told with its reason.
pub(crate) fn check_reason(reason: &str) -> Result<(), Refusal> {
    too_large("the reason", reason.len(), REASON, "a fixed limit")
}

/// Takes a step of the state machine.
pub(crate) fn step(record: &mut ContractRecord, transition: Transition) -> Result<(), Refusal> {
    let next = record.lifecycle.apply(transition);
    record.lifecycle = next.map_err(|error| Refusal::Transition { name: record.name.clone(), error })?;
    Ok(())
}

/// Adds the contract's current version to those that are kept.
pub(crate) fn keep_version(
    transaction: &mut Transaction<'_>,
    record: &ContractRecord,
    author: Address,
    reason: &str,
) -> Result<(), ErrorKind> {
    settle(transaction, record.runtime)?;
    let evm_code = match record.runtime {
        RuntimeKind::Evm => Account::load(&transaction.journal, &record.name.address())?.evm_code,
        _ => None,
    };
    let version = VersionRecord {
        version: record.version.clone(),
        ordinal: record.versions,
        runtime: record.runtime,
        code: record.code,
        author,
        reason: reason.to_owned(),
        block: transaction.block_number(),
        evm_code,
    };
    Ok(version.store(&transaction.journal, &record.name)?)
}

/// Has what an engine keeps of its own written, after a contract of this runtime was entered.
pub(crate) fn settle(transaction: &mut Transaction<'_>, runtime: RuntimeKind) -> Result<(), ErrorKind> {
    if runtime != RuntimeKind::Evm {
        return Ok(());
    }
    // Inside a transaction of others, nobody counts it later.
    if transaction.is_nested()
        && let Some(excess) = transaction.excess()?
    {
        return Err(Refusal::Room(excess).into());
    }
    Ok(transaction.flush()?)
}

/// An operation that is about to be written down.
pub(crate) struct Note<'r> {
    operation: Operation,
    migration: Migration,
    written_by: Option<Version>,
    endorsers: BTreeSet<Address>,
    reason: &'r str,
    before: Option<Situation>,
}

impl<'r> Note<'r> {
    /// Of an operation without migration.
    pub(crate) const fn of(operation: Operation, reason: &'r str, before: Option<Situation>) -> Self {
        let migration = Migration::None;
        Self { operation, migration, written_by: None, endorsers: BTreeSet::new(), reason, before }
    }

    /// Of one that these have endorsed.
    pub(crate) fn endorsed_by(self, endorsers: BTreeSet<Address>) -> Self {
        Self { endorsers, ..self }
    }

    /// Of one with a migration, of the state of the version before.
    pub(crate) fn with(self, migration: Migration) -> Self {
        let before = self.before.as_ref().map(|before| before.version.clone());
        let written_by = before.filter(|_| migration == Migration::Ran);
        Self { migration, written_by, ..self }
    }

    /// Of one with a migration of the state of some version.
    pub(crate) fn migrated(self, written_by: Version) -> Self {
        Self { migration: Migration::Ran, written_by: Some(written_by), ..self }
    }
}

/// Stores the record as it is after an operation, and the operation as the newest entry of its history.
pub(crate) fn write_down(
    transaction: &Transaction<'_>,
    actor: &Actor<'_>,
    record: &mut ContractRecord,
    note: Note<'_>,
) -> Result<(), ErrorKind> {
    let Note { operation, migration, written_by: migrated_from, endorsers, reason, before } = note;
    record.entries = record.entries.saturating_add(1);
    let (number, after, block) = (record.entries, Situation::from(&*record), transaction.block_number());
    let (actor, reason) = (actor.caller, reason.to_owned());
    let entry =
        HistoryEntry { number, operation, migration, migrated_from, actor, endorsers, reason, before, after, block };
    entry.store(&transaction.journal, &record.name)?;
    Ok(record.store(&transaction.journal)?)
}
