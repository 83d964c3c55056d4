use super::operation::Actor;
use super::{About, Base, Executed, Top, enter, phase};
use crate::core::{Core, Unresolved};
use crate::transaction::Transaction;
use crate::{
    Access, Action, ContractRecord, Entry, ErrorKind, Interface, InvokeRequest, Phase, Receipt, Refusal, VmError,
};

impl From<Unresolved> for ErrorKind {
    fn from(unresolved: Unresolved) -> Self {
        match unresolved {
            Unresolved::Refused(refusal) => refusal.into(),
            Unresolved::Fault(fault) => fault.into(),
        }
    }
}

/// A denial as people read it.
fn describing(error: VmError, method: &str, interface: &dyn Interface) -> VmError {
    let kind = match error.kind {
        ErrorKind::Refused(refusal) => match *refusal {
            Refusal::Denied(denied) => Refusal::Denied(denied.describing(method, interface)).into(),
            other => other.into(),
        },
        other => other,
    };
    VmError { kind, ..error }
}

/// load → permission → environment → validate → admit → execute; the commit (update) follows outside. A query is the same without changes.
pub(crate) fn invoke(base: &Base<'_>, request: &InvokeRequest, is_static: bool) -> Result<Executed, VmError> {
    let core = base.core;
    let mut transaction = base.begin(&request.sender);
    let gas_limit = base.gas_limit(&request.sender);

    if is_static && !request.sender.value.is_zero() {
        return Err(VmError::new(Phase::Admit, Refusal::QueryValue));
    }
    let record = phase(Phase::Load, || {
        let record = core.find(&transaction.journal, &request.target).map_err(ErrorKind::from)?;
        match &record {
            Some(ContractRecord { name, lifecycle, .. }) if !lifecycle.is_callable() => {
                Err(ErrorKind::from(Refusal::NotCallable { name: name.clone(), lifecycle: *lifecycle }))
            }
            _ => Ok(record),
        }
    })?;
    let restricted = record.as_ref().filter(|record| record.guarded || core.authorizer.is_some());
    let permit = |transaction: &Transaction<'_>, record: &ContractRecord, method: &str| {
        let access = Access::of(request.sender.caller, Action::Call { method }, record);
        phase(Phase::Permission, || transaction.permit(&access, record.policy, &request.sender.endorsers))
    };
    // Before anything is prepared, where a method has one name only.
    if let Some(record) = restricted.filter(|record| !record.runtime.has_notations()) {
        permit(&transaction, record, &request.method)?;
    }
    let (runtime, contract) = phase(Phase::Environment, || transaction.ready(record.as_ref()))?;
    let asking = restricted.map(|record| core.price_of_rules(&transaction.journal, record)).transpose();
    let asking = phase(Phase::Permission, || asking)?.unwrap_or_default();
    let (encoded, gas) = phase(Phase::Validate, || {
        let encoded = core.encode(&*contract, &Entry::Invoke, &request.method, &request.arguments)?;
        let size = encoded.method.len() + encoded.input.len();
        let needed = core.schedule.transaction.invoke.of(size).saturating_add(asking);
        let gas = Core::admit_gas(gas_limit, needed)?;
        Ok::<_, Refusal>((encoded, gas))
    })?;

    if let Some(record) = restricted.filter(|record| record.runtime.has_notations()) {
        let interface = contract.interface();
        let method = interface.guarded_as(&encoded.method, &encoded.input);
        permit(&transaction, record, &method).map_err(|error| describing(error, &method, interface))?;
    }

    phase(Phase::Admit, || base.entering.map_or(Ok(()), |ask| ask()))?;
    let (this, entry, method) = (request.target.address(), Entry::Invoke, encoded.method.to_string());
    let top = Top {
        runtime,
        contract: &contract,
        record: record.as_ref(),
        this,
        entry,
        encoded,
        actor: &Actor::sending(&request.sender),
        gas,
        is_static,
    };
    let mut outcome = phase(Phase::Execute, || enter(&mut transaction, top))?;
    outcome.gas_used = outcome.gas_used.saturating_add(gas_limit.saturating_sub(gas));

    let trace = transaction.trace(outcome.gas_used);
    let changes = phase(Phase::Execute, || transaction.finish())?;
    let height = base.view.height();
    let (target, asked) = (request.target.clone(), Some(&*request.method));
    let about = About { target, record, runtime, method, asked, gas_limit, height };
    Ok(Executed::new(Receipt { trace, ..about.receipt(&*contract, outcome) }, changes))
}
