use super::operation::{Actor, Note, check_reason, permit, step, write_down};
use super::{Base, phase};
use crate::core::Core;
use crate::{
    Action, ChangeRequest, Changes, ContractRecord, ErrorKind, HostFault, Migration, Phase, Situation, VmError,
};

/// load → permission → the step → store.
pub(crate) fn change(base: &Base<'_>, request: &ChangeRequest) -> Result<(ContractRecord, Changes), VmError> {
    let ChangeRequest { name, change, reason, sender } = request;
    let transaction = base.begin(sender);
    let mut record = phase(Phase::Load, || Core::load(&transaction.journal, name))?;
    phase(Phase::Permission, || permit(&transaction, &Actor::sending(sender), Action::Change(*change), &record))?;
    phase(Phase::Store, || {
        check_reason(reason)?;
        let before = Situation::from(&record);
        step(&mut record, (*change).into())?;
        let (operation, migration, before) = ((*change).into(), Migration::None, Some(before));
        let note = Note { operation, migration, actor: sender.caller, reason, before };
        Ok::<_, ErrorKind>(write_down(&transaction, &mut record, note).map_err(HostFault::from)?)
    })?;
    let changes = phase(Phase::Store, || transaction.finish())?;
    Ok((record, changes))
}
