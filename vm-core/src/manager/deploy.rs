use super::operation::{Actor, Done, Note, Terms, conclude, keep_version, nothing_to_do, step, write_down};
use super::{Base, Executed, Provisional, Top, enter, phase};
use crate::prepared::Purpose;
use crate::record::store_code;
use crate::transaction::Transaction;
use crate::{
    Access, Account, Action, Address, Capabilities, Contract, ContractRecord, DeployRequest, Entry, ErrorKind, Gas,
    HostPolicy, Lifecycle, Operation, Phase, Policy, Refusal, Transition, VmError,
};

/// A deployment as a transaction of its own.
pub(crate) fn deploy(base: &Base<'_>, request: &DeployRequest) -> Result<Executed, VmError> {
    let gas_limit = base.gas_limit(&request.sender);
    let admitted = base.core.admit_code(&request.code, gas_limit, base.core.schedule.transaction.deploy);
    let mut transaction = base.begin(&request.sender);
    let done = create(&mut transaction, &Actor::sending(&request.sender), request, admitted)?;
    conclude(base, transaction, done, &Terms { gas_limit, method: "init", phase: Phase::Initialise })
}

/// permission → admit → verify → compile → environment → initialise → store.
pub(super) fn create<'c>(
    transaction: &mut Transaction<'c>,
    actor: &Actor<'_>,
    request: &DeployRequest,
    admitted: Result<Gas, Refusal>,
) -> Result<Done<'c>, VmError> {
    let DeployRequest { name, version, code, arguments, capabilities, reason, .. } = request;
    let (core, address) = (transaction.core, name.address());
    let endorsers = phase(Phase::Permission, || {
        let (caller, action) = (actor.caller, Action::Deploy);
        let access = Access { actor: caller, action, contract: name, owner: None, guarded: true };
        let endorsers = transaction.permit(&access, 0, actor.endorsers)?;
        check_capabilities(transaction, caller, *capabilities)?;
        Ok::<_, ErrorKind>(endorsers)
    })?;
    let gas = phase(Phase::Admit, || {
        let gas = admitted?;
        match ContractRecord::load(&transaction.journal, name)? {
            Some(_) => Err(ErrorKind::from(Refusal::NameTaken(name.clone()))),
            None => Ok(gas),
        }
    })?;
    let hash = code.hash();
    phase(Phase::Verify, || core.verify(code, &hash))?;
    let provisional = Provisional::new(core, hash);
    let contract = phase(Phase::Compile, || core.prepare(code, hash, Purpose::Trial))?;
    let encoded = phase(Phase::Validate, || core.encode(&*contract, &Entry::Deploy, "init", arguments))?;

    let mut record = ContractRecord {
        name: name.clone(),
        lifecycle: Lifecycle::Deploying,
        runtime: code.runtime,
        version: version.clone(),
        code: hash,
        owner: actor.caller,
        guarded: false,
        policy: 0,
        capabilities: *capabilities,
        room: None,
        versions: 1,
        deployed_in: transaction.block_number(),
        entries: 0,
    };
    let warnings = phase(Phase::Environment, || {
        let caution = begin_policy(transaction, &*contract, &mut record)?;
        let mut account = Account::load(&transaction.journal, &address)?;
        account.contract = Some(name.clone());
        account.store(&transaction.journal, &address)?;
        record.store(&transaction.journal)?;
        Ok::<_, ErrorKind>(Vec::from_iter(caution))
    })?;

    let mut outcome = nothing_to_do();
    if contract.interface().has_entry(&Entry::Deploy) || !actor.value.is_zero() {
        let (runtime, this, entry, is_static) = (code.runtime, address, Entry::Deploy, false);
        let (contract, record) = (&contract, Some(&record));
        let top = Top { runtime, contract, record, this, entry, encoded, actor, gas, is_static };
        outcome = phase(Phase::Initialise, || enter(transaction, top))?;
    }
    if outcome.status.is_success() {
        phase(Phase::Store, || {
            step(&mut record, Transition::Activate)?;
            store_code(&transaction.journal, code)?;
            keep_version(transaction, &record, actor.caller, reason)?;
            write_down(
                transaction,
                actor,
                &mut record,
                Note::of(Operation::Deploy, reason, None).endorsed_by(endorsers),
            )
        })?;
    }
    Ok(Done { record, contract, gas, outcome, warnings, provisional })
}

/// A contract gives no other capabilities than it has: it would use them through code of its own choice.
fn check_capabilities(transaction: &Transaction<'_>, actor: Address, asked: Capabilities) -> Result<(), ErrorKind> {
    let Some(deployer) = Account::load(&transaction.journal, &actor)?.contract else { return Ok(()) };
    match ContractRecord::load(&transaction.journal, &deployer)? {
        Some(record) if !record.capabilities.contains(asked) => {
            Err(Refusal::Capabilities { has: record.capabilities, deployer, asked }.into())
        }
        _ => Ok(()),
    }
}

/// A new contract begins with the policy that the host has for contracts. Tells what of it does not hold.
fn begin_policy(
    transaction: &Transaction<'_>,
    contract: &dyn Contract,
    record: &mut ContractRecord,
) -> Result<Option<String>, ErrorKind> {
    let host = HostPolicy::load(&transaction.journal)?.contracts;
    let (policy, caution) = transaction.core.first_policy(record.runtime, contract, &host)?;
    if policy != Policy::default() {
        // One name may be many methods of this contract.
        policy.check_size(Some(&host))?;
        (record.policy, record.guarded) = (1, policy.guards_calls());
        policy.store(&transaction.journal, &record.name, record.policy)?;
    }
    Ok(caution)
}
