use super::operation::{Actor, approach, step, write_down};
use super::{Base, phase};
use crate::transaction::Transaction;
use crate::{Action, ChangeRequest, Changes, ContractRecord, Phase, VmError};

/// A change as a transaction of its own.
pub(crate) fn change(base: &Base<'_>, request: &ChangeRequest) -> Result<(ContractRecord, Changes), VmError> {
    let transaction = base.begin(&request.sender);
    let record = alter(&transaction, &Actor::sending(&request.sender), request)?;
    let changes = phase(Phase::Store, || transaction.finish())?;
    Ok((record, changes))
}

/// load → permission → the step → store.
pub(super) fn alter(
    transaction: &Transaction<'_>,
    actor: &Actor<'_>,
    request: &ChangeRequest,
) -> Result<ContractRecord, VmError> {
    let ChangeRequest { name, change, reason, .. } = request;
    let approached = approach(transaction, actor, name, Action::Change(*change))?;
    let note = approached.note((*change).into(), reason);
    let mut record = approached.record;
    phase(Phase::Store, || {
        step(&mut record, (*change).into())?;
        write_down(transaction, actor, &mut record, note)
    })?;
    Ok(record)
}
