use super::{About, Base, Executed, Provisional, Top, enter, phase, store_version};
use crate::record::store_code;
use crate::{
    Action, ContractRecord, Entry, ErrorKind, Gas, Outcome, Phase, Refusal, Status, Transition, UpgradeRequest,
    VersionRecord, VmError,
};

/// permission → keep → verify → compile → replace → migrate → store.
pub(crate) fn upgrade(base: &Base<'_>, request: &UpgradeRequest) -> Result<Executed, VmError> {
    let UpgradeRequest { name, version, code, arguments, sender } = request;
    let core = base.core;
    let mut transaction = base.begin(sender);
    let gas_limit = core.gas_limit(sender);
    let height = base.view.height();
    let step = |record: &mut ContractRecord, transition: Transition| {
        record.lifecycle =
            record.lifecycle.apply(transition).map_err(|error| Refusal::Transition { name: name.clone(), error })?;
        Ok::<_, ErrorKind>(())
    };

    let gas = phase(Phase::Admit, || core.admit_code(code, gas_limit, core.schedule.transaction.upgrade))?;
    let mut record =
        phase(Phase::Load, || match ContractRecord::load(&transaction.journal, name).map_err(ErrorKind::from)? {
            Some(record) => Ok(record),
            None => Err(ErrorKind::from(Refusal::UnknownContract(name.clone().into()))),
        })?;
    phase(Phase::Permission, || core.authorize(sender.caller, Action::Upgrade, &record))?;
    // The old version's record and code stay where they are; the new one must not take their place.
    let from = phase(Phase::Keep, || {
        if VersionRecord::load(&transaction.journal, name, version).map_err(ErrorKind::from)?.is_some() {
            return Err(ErrorKind::from(Refusal::VersionTaken { name: name.clone(), version: version.clone() }));
        }
        if record.runtime != code.runtime {
            return Err(Refusal::RuntimeChange { name: name.clone(), from: record.runtime, to: code.runtime }.into());
        }
        step(&mut record, Transition::BeginUpgrade)?;
        Ok(record.version.clone())
    })?;
    let hash = code.hash();
    phase(Phase::Verify, || core.verify(code, &hash))?;
    let provisional = Provisional::new(core, hash);
    let contract = phase(Phase::Compile, || core.prepare(code, hash))?;
    let entry = Entry::Upgrade { from, to: version.clone() };
    let encoded = phase(Phase::Validate, || core.encode(&*contract, &entry, "upgrade", arguments))?;

    phase(Phase::Replace, || {
        store_code(&transaction.journal, code)?;
        record.code = hash;
        record.store(&transaction.journal)
    })?;

    let mut outcome = Outcome { status: Status::Success, output: Default::default(), gas_used: Gas::ZERO };
    if contract.interface().has_entry(&entry) || !sender.value.is_zero() {
        let (runtime, this, is_static) = (code.runtime, name.address(), false);
        let top =
            Top { runtime, contract: &contract, record: Some(&record), this, entry, encoded, sender, gas, is_static };
        outcome = phase(Phase::Migrate, || enter(&mut transaction, top))?;
    }
    outcome.gas_used = outcome.gas_used.saturating_add(gas_limit.saturating_sub(gas));

    let failed = !outcome.status.is_success();
    if !failed {
        phase(Phase::Store, || {
            step(&mut record, Transition::Activate)?;
            record.version = version.clone();
            record.versions = record.versions.saturating_add(1);
            store_version(&transaction, &record, sender.caller).map_err(ErrorKind::from)
        })?;
    }
    let changes = phase(Phase::Store, || transaction.finish())?;
    let about = About {
        target: name.clone().into(),
        record: Some(record),
        runtime: code.runtime,
        method: "upgrade".into(),
        gas_limit,
        height,
    };
    let executed = Executed::new(about.receipt(&*contract, outcome), changes);
    if failed {
        let (receipt, changes) = executed.into_parts();
        return Err(VmError::new(Phase::Migrate, ErrorKind::Failed(Box::new(receipt.with(changes)))));
    }
    provisional.keep();
    Ok(executed)
}
