use super::operation::{Actor, Done, Terms, approach, conclude, keep_version, nothing_to_do, write_down};
use super::replace::{Replacing, check_runtime, unfit, warnings};
use super::{Base, Executed, Provisional, phase};
use crate::prepared::Purpose;
use crate::record::store_code;
use crate::transaction::Transaction;
use crate::{
    Access, Action, Entry, ErrorKind, Gas, Migration, Operation, Phase, Refusal, RuntimeKind, UpgradeRequest,
    VersionRecord, VmError,
};

/// An upgrade as a transaction of its own.
pub(crate) fn upgrade(base: &Base<'_>, request: &UpgradeRequest) -> Result<Executed, VmError> {
    let gas_limit = base.gas_limit(&request.sender);
    let admitted = base.core.admit_code(&request.code, gas_limit, base.core.schedule.transaction.upgrade);
    let mut transaction = base.begin(&request.sender);
    let done = renew(&mut transaction, &Actor::sending(&request.sender), request, admitted)?;
    conclude(base, transaction, done, &Terms { gas_limit, method: "upgrade", phase: Phase::Migrate })
}

/// load → permission → admit → keep → verify → compile → replace → migrate → store.
pub(super) fn renew<'c>(
    transaction: &mut Transaction<'c>,
    actor: &Actor<'_>,
    request: &UpgradeRequest,
    admitted: Result<Gas, Refusal>,
) -> Result<Done<'c>, VmError> {
    let UpgradeRequest { name, version, code, arguments, reason, .. } = request;
    let core = transaction.core;
    let action = if request.skip_migration { Action::SkipMigration } else { Action::Upgrade };
    let approached = approach(transaction, actor, name, action)?;
    if request.skip_migration {
        // An embedder who lets nobody upgrade lets nobody do that either.
        let access = Access::of(actor.caller, Action::Upgrade, &approached.record);
        phase(Phase::Permission, || transaction.authorize(&access))?;
    }
    let gas = phase(Phase::Admit, || admitted)?;
    // The old version's record and code stay where they are; the new one must not take their place.
    let mut replacing = phase(Phase::Keep, || {
        if VersionRecord::load(&transaction.journal, name, version)?.is_some() {
            return Err(Refusal::VersionTaken { name: name.clone(), version: version.clone() }.into());
        }
        check_runtime(name, approached.record.runtime, code.runtime, request.change_runtime)?;
        check_skipping(request, actor)?;
        Ok::<_, ErrorKind>(Replacing::begin(approached)?)
    })?;
    let hash = code.hash();
    phase(Phase::Verify, || core.verify(code, &hash))?;
    let provisional = Provisional::new(core, hash);
    let contract = phase(Phase::Compile, || core.prepare(code, hash, Purpose::Trial))?;
    let (from, to, migrates) = (replacing.record.version.clone(), version.clone(), !request.skip_migration);
    let migration = Entry::Upgrade { from: from.clone(), to: to.clone() };
    let making = Entry::Replace { from, to, migrates };
    let interface = contract.interface();
    let makes_code = interface.has_entry(&making);
    let has_migration = contract.migrates() && (makes_code || interface.has_entry(&migration));
    let entry = if makes_code { Some(making) } else { migrates.then_some(migration) };
    let encode = |entry: Entry| Ok::<_, Refusal>((core.encode(&*contract, &entry, "upgrade", arguments)?, entry));
    let entered = phase(Phase::Validate, || entry.map(encode).transpose())?;

    phase(Phase::Replace, || {
        store_code(&transaction.journal, code)?;
        (replacing.record.code, replacing.record.runtime) = (hash, code.runtime);
        replacing.record.store(&transaction.journal)
    })?;

    let mut outcome = nothing_to_do();
    let mut migration = if has_migration { Migration::Skipped } else { Migration::None };
    if let Some((encoded, entry)) = entered
        && (makes_code || has_migration || !actor.value.is_zero())
    {
        outcome = replacing.migrate(transaction, actor, (code.runtime, &contract), (entry, encoded), gas)?;
        if migrates && contract.migrates() {
            migration = Migration::Ran;
        }
    }
    if outcome.status.is_success() {
        phase(Phase::Store, || {
            replacing.end()?;
            let note = replacing.note(Operation::Upgrade, reason).with(migration);
            let record = &mut replacing.record;
            record.version = version.clone();
            record.versions = record.versions.saturating_add(1);
            keep_version(transaction, record, actor.caller, reason)?;
            write_down(transaction, actor, record, note)
        })?;
    }
    let warnings = phase(Phase::Store, || warnings(&transaction.journal, &replacing, &*contract))?;
    Ok(Done { record: replacing.record, contract, gas, outcome, warnings, provisional })
}

/// Refuses what nobody would take when the migration is skipped. Arguments of EVM code are its constructor's, which makes the code.
fn check_skipping(request: &UpgradeRequest, actor: &Actor<'_>) -> Result<(), ErrorKind> {
    let UpgradeRequest { name, code, arguments, skip_migration, .. } = request;
    let is_given = !actor.value.is_zero() || code.runtime != RuntimeKind::Evm && !arguments.is_empty();
    match *skip_migration && is_given {
        true => Err(unfit(name, "a migration that is skipped takes neither arguments nor a value; leave them out")),
        false => Ok(()),
    }
}
