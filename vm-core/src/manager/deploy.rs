use super::{About, Base, Executed, Provisional, Top, enter, phase, store_version};
use crate::record::store_code;
use crate::{
    Access, Account, Action, ContractRecord, DeployRequest, Entry, ErrorKind, Gas, Lifecycle, Outcome, Phase, Refusal,
    Status, Transition, VmError,
};

/// verify → compile → environment → initialise → store.
pub(crate) fn deploy(base: &Base<'_>, request: &DeployRequest) -> Result<Executed, VmError> {
    let DeployRequest { name, version, code, arguments, sender } = request;
    let core = base.core;
    let mut transaction = base.begin(sender);
    let gas_limit = core.gas_limit(sender);
    let (address, height) = (name.address(), base.view.height());

    let gas = phase(Phase::Admit, || core.admit_code(code, gas_limit, core.schedule.transaction.deploy))?;
    phase(Phase::Permission, || {
        let access = Access { actor: sender.caller, action: Action::Deploy, contract: name, owner: None };
        core.authorizer.authorize(&access)
    })?;
    phase(Phase::Admit, || match ContractRecord::load(&transaction.journal, name).map_err(ErrorKind::from)? {
        Some(_) => Err(Refusal::NameTaken(name.clone()).into()),
        None => Ok::<_, ErrorKind>(()),
    })?;
    let hash = code.hash();
    phase(Phase::Verify, || core.verify(code, &hash))?;
    let provisional = Provisional::new(core, hash);
    let contract = phase(Phase::Compile, || core.prepare(code, hash))?;
    let encoded = phase(Phase::Validate, || core.encode(&*contract, &Entry::Deploy, "init", arguments))?;

    let mut record = ContractRecord {
        name: name.clone(),
        lifecycle: Lifecycle::Deploying,
        runtime: code.runtime,
        version: version.clone(),
        code: hash,
        owner: sender.caller,
        versions: 1,
        deployed_in: transaction.block_number(),
    };
    phase(Phase::Environment, || {
        let mut account = Account::load(&transaction.journal, &address)?;
        account.contract = Some(name.clone());
        account.store(&transaction.journal, &address)?;
        record.store(&transaction.journal)
    })?;

    let mut outcome = Outcome { status: Status::Success, output: Default::default(), gas_used: Gas::ZERO };
    if contract.interface().has_entry(&Entry::Deploy) || !sender.value.is_zero() {
        let (runtime, entry, is_static) = (code.runtime, Entry::Deploy, false);
        let top = Top {
            runtime,
            contract: &contract,
            record: Some(&record),
            this: address,
            entry,
            encoded,
            sender,
            gas,
            is_static,
        };
        outcome = phase(Phase::Initialise, || enter(&mut transaction, top))?;
    }
    outcome.gas_used = outcome.gas_used.saturating_add(gas_limit.saturating_sub(gas));

    let failed = !outcome.status.is_success();
    if !failed {
        phase(Phase::Store, || {
            let activated = record.lifecycle.apply(Transition::Activate);
            record.lifecycle = activated.map_err(|error| Refusal::Transition { name: name.clone(), error })?;
            store_code(&transaction.journal, code).map_err(ErrorKind::from)?;
            store_version(&transaction, &record, sender.caller).map_err(ErrorKind::from)
        })?;
    }
    let changes = phase(Phase::Store, || transaction.finish())?;
    let about = About {
        target: name.clone().into(),
        record: Some(record),
        runtime: code.runtime,
        method: "init".into(),
        gas_limit,
        height,
    };
    let executed = Executed::new(about.receipt(&*contract, outcome), changes);
    if failed {
        let (receipt, changes) = executed.into_parts();
        return Err(VmError::new(Phase::Initialise, ErrorKind::Failed(Box::new(receipt.with(changes)))));
    }
    provisional.keep();
    Ok(executed)
}
