use super::operation::{Actor, Done, Terms, approach, conclude, write_down};
use super::replace::{Replacing, unknown_version};
use super::{Base, Executed, Provisional, phase};
use crate::transaction::Transaction;
use crate::{Action, Entry, ErrorKind, Gas, MigrateRequest, Operation, Phase, Refusal, VersionRecord, VmError};

/// A migration as a transaction of its own.
pub(crate) fn migrate(base: &Base<'_>, request: &MigrateRequest) -> Result<Executed, VmError> {
    let gas_limit = base.gas_limit(&request.sender);
    let admitted = base.core.admit_simple(gas_limit);
    let mut transaction = base.begin(&request.sender);
    let done = renovate(&mut transaction, &Actor::sending(&request.sender), request, admitted)?;
    conclude(base, transaction, done, &Terms { gas_limit, method: "migrate", phase: Phase::Migrate })
}

/// load → permission → admit → keep → validate → migrate → store. The code stays what it is.
pub(super) fn renovate<'c>(
    transaction: &mut Transaction<'c>,
    actor: &Actor<'_>,
    request: &MigrateRequest,
    admitted: Result<Gas, Refusal>,
) -> Result<Done<'c>, VmError> {
    let MigrateRequest { name, written_by, arguments, reason, .. } = request;
    let approached = approach(transaction, actor, name, Action::Migrate)?;
    let gas = phase(Phase::Admit, || admitted)?;
    let mut replacing = phase(Phase::Keep, || {
        if VersionRecord::load(&transaction.journal, name, written_by)?.is_none() {
            return Err(unknown_version(&transaction.journal, name, written_by)?);
        }
        Ok::<_, ErrorKind>(Replacing::begin(approached)?)
    })?;
    let entry = Entry::Upgrade { from: written_by.clone(), to: replacing.record.version.clone() };
    let (contract, outcome) = replacing.migrate_by_itself(transaction, actor, (entry, arguments), gas)?;
    if outcome.status.is_success() {
        phase(Phase::Store, || {
            replacing.end()?;
            let note = replacing.note(Operation::Migrate, reason).migrated(written_by.clone());
            write_down(transaction, actor, &mut replacing.record, note)
        })?;
    }
    // The code is in use, whatever becomes of this.
    let provisional = Provisional::new(transaction.core, replacing.record.code);
    Ok(Done { record: replacing.record, contract, gas, outcome, warnings: Vec::new(), provisional })
}
