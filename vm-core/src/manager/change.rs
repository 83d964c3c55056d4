use super::{Base, phase};
use crate::{Action, ChangeRequest, Changes, ContractRecord, ErrorKind, Journal, Phase, Refusal, VmError};

/// load → permission → the step → store.
pub(crate) fn change(base: &Base<'_>, request: &ChangeRequest) -> Result<(ContractRecord, Changes), VmError> {
    let ChangeRequest { name, change, caller } = request;
    let journal = Journal::new(base.view.clone());
    let mut record = phase(Phase::Load, || match ContractRecord::load(&journal, name).map_err(ErrorKind::from)? {
        Some(record) => Ok(record),
        None => Err(ErrorKind::from(Refusal::UnknownContract(name.clone().into()))),
    })?;
    phase(Phase::Permission, || base.core.authorize(*caller, Action::Change(*change), &record))?;
    phase(Phase::Store, || {
        let next = record
            .lifecycle
            .apply((*change).into())
            .map_err(|error| Refusal::Transition { name: name.clone(), error })?;
        record.lifecycle = next;
        record.store(&journal).map_err(ErrorKind::from)
    })?;
    Ok((record, journal.finish()))
}
