use super::operation::{Actor, Approached, Done, Terms, approach, conclude, nothing_to_do, write_down};
use super::replace::{Replacing, check_runtime, unfit, unknown_version, warnings};
use super::{Base, Executed, Provisional, phase};
use crate::record::load_code;
use crate::transaction::Transaction;
use crate::{
    Account, Action, Code, ContractName, Entry, ErrorKind, Gas, HostFault, Migration, Operation, Phase, Refusal,
    RollbackRequest, RuntimeKind, VersionRecord, VmError,
};

/// A rollback as a transaction of its own.
pub(crate) fn rollback(base: &Base<'_>, request: &RollbackRequest) -> Result<Executed, VmError> {
    let gas_limit = base.gas_limit(&request.sender);
    let mut transaction = base.begin(&request.sender);
    let actor = Actor::sending(&request.sender);
    let kept = Kept::find(&transaction, &actor, request)?;
    let gas = phase(Phase::Admit, || base.core.admit_kept(&kept.code, gas_limit))?;
    let done = restore(&mut transaction, &actor, request, kept, gas)?;
    conclude(base, transaction, done, &Terms { gas_limit, method: "rollback", phase: Phase::Migrate })
}

/// A contract, and the version that it is to return to.
pub(super) struct Kept {
    contract: Approached,
    version: VersionRecord,
    pub(super) code: Code,
}

impl Kept {
    /// load → permission → load: what there is to return to is for those who may.
    pub(super) fn find(
        transaction: &Transaction<'_>,
        actor: &Actor<'_>,
        request: &RollbackRequest,
    ) -> Result<Self, VmError> {
        let RollbackRequest { name, version, .. } = request;
        let journal = &transaction.journal;
        let contract = approach(transaction, actor, name, Action::Rollback)?;
        phase(Phase::Load, || {
            let Some(version) = VersionRecord::load(journal, name, version)? else {
                return Err(unknown_version(journal, name, version)?);
            };
            let missing = || HostFault::Load { contract: name.to_string(), message: "its code is missing".into() };
            let code = load_code(journal, &version.code)?.ok_or_else(missing)?;
            Ok::<_, ErrorKind>(Self { contract, version, code })
        })
    }
}

/// keep → compile → migrate (by the code that is left) → replace → store. The code was verified when it was deployed.
pub(super) fn restore<'c>(
    transaction: &mut Transaction<'c>,
    actor: &Actor<'_>,
    request: &RollbackRequest,
    kept: Kept,
    gas: Gas,
) -> Result<Done<'c>, VmError> {
    let RollbackRequest { name, migration, reason, .. } = request;
    let Kept { contract: approached, version, code } = kept;
    let core = transaction.core;
    let mut replacing = phase(Phase::Keep, || {
        let record = &approached.record;
        if record.version == version.version {
            return Err(Refusal::CurrentVersion { name: name.clone(), version: version.version.clone() }.into());
        }
        check_runtime(name, record.runtime, version.runtime, request.change_runtime)?;
        if migration.is_none() && !actor.value.is_zero() {
            return Err(unfit(name, "a rollback without migration takes no value; leave it out"));
        }
        Ok::<_, ErrorKind>(Replacing::begin(approached)?)
    })?;
    let provisional = Provisional::new(core, version.code);
    let mut contract = phase(Phase::Compile, || core.prepare_kept(name, &code, version.code))?;

    let mut outcome = nothing_to_do();
    if let Some(arguments) = migration {
        // The code that is left knows its own form of the state, so it is the one that brings it into the older form.
        let entry = Entry::Upgrade { from: replacing.record.version.clone(), to: version.version.clone() };
        let (left, migrated) = replacing.migrate_by_itself(transaction, actor, (entry, arguments), gas)?;
        if !migrated.status.is_success() {
            // Whose words the reason is in.
            contract = left;
        }
        outcome = migrated;
    }
    if outcome.status.is_success() {
        phase(Phase::Replace, || {
            let Replacing { record, .. } = &mut replacing;
            (record.code, record.runtime, record.version) = (version.code, version.runtime, version.version.clone());
            restore_account(transaction, name, &version)
        })?;
        phase(Phase::Store, || {
            replacing.end()?;
            let migration = if migration.is_some() { Migration::Ran } else { Migration::None };
            let note = replacing.note(Operation::Rollback, reason).with(migration);
            write_down(transaction, actor, &mut replacing.record, note)
        })?;
    }
    let warnings = phase(Phase::Store, || warnings(&transaction.journal, &replacing, &*contract))?;
    Ok(Done { record: replacing.record, contract, gas, outcome, warnings, provisional })
}

/// What an EVM contract runs lies under its account.
fn restore_account(
    transaction: &Transaction<'_>,
    name: &ContractName,
    version: &VersionRecord,
) -> Result<(), HostFault> {
    if version.runtime != RuntimeKind::Evm {
        return Ok(());
    }
    let address = name.address();
    let account = Account { evm_code: version.evm_code, ..Account::load(&transaction.journal, &address)? };
    Ok(account.store(&transaction.journal, &address)?)
}
