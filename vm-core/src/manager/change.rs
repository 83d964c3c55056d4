use super::operation::{Actor, Note, check_reason, permit, step, write_down};
use super::{Base, phase};
use crate::core::Core;
use crate::transaction::Transaction;
use crate::{
    Action, ChangeRequest, Changes, ContractRecord, ErrorKind, HostFault, Migration, Phase, Situation, VmError,
};

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
    let mut record = phase(Phase::Load, || Core::load(&transaction.journal, name))?;
    phase(Phase::Permission, || permit(transaction, actor, Action::Change(*change), &record))?;
    phase(Phase::Store, || {
        check_reason(reason)?;
        let before = Situation::from(&record);
        step(&mut record, (*change).into())?;
        let (operation, migration, before) = ((*change).into(), Migration::None, Some(before));
        let note = Note { operation, migration, actor: actor.caller, reason, before };
        Ok::<_, ErrorKind>(write_down(transaction, &mut record, note).map_err(HostFault::from)?)
    })?;
    Ok(record)
}
