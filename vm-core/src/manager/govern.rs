use super::operation::{Actor, Note, write_down};
use super::{Base, phase};
use crate::access::{Question, answer};
use crate::core::Core;
use crate::transaction::Transaction;
use crate::{
    Changes, ContractName, ErrorKind, GovernRequest, Governance, HostPolicy, Operation, Phase, Refusal, Room,
    Situation, VmError,
};

/// A change of the host's policy as a transaction of its own.
pub(crate) fn govern(base: &Base<'_>, request: &GovernRequest) -> Result<(HostPolicy, Changes), VmError> {
    let transaction = base.begin(&request.sender);
    let policy = reform(&transaction, &Actor::sending(&request.sender), request)?;
    let changes = phase(Phase::Store, || transaction.finish())?;
    Ok((policy, changes))
}

/// load → permission → the new policy → store.
pub(super) fn reform(
    transaction: &Transaction<'_>,
    actor: &Actor<'_>,
    request: &GovernRequest,
) -> Result<HostPolicy, VmError> {
    let GovernRequest { changes, reason, .. } = request;
    let mut policy = phase(Phase::Load, || HostPolicy::load(&transaction.journal))?;
    phase(Phase::Permission, || permit(transaction, actor, &policy, changes))?;
    phase(Phase::Store, || {
        for change in changes {
            match change {
                Governance::Room { contract, room } => bound(transaction, actor, contract, *room, reason)?,
                change => apply(&mut policy, change)?,
            }
        }
        policy.check()?;
        policy.check_government()?;
        transaction.core.check_methods(&policy.contracts)?;
        policy.version = policy.version.saturating_add(1);
        (policy.author, policy.reason, policy.block) = (actor.caller, reason.clone(), transaction.block_number());
        Ok::<_, ErrorKind>(policy.store(&transaction.journal)?)
    })?;
    Ok(policy)
}

fn permit(
    transaction: &Transaction<'_>,
    actor: &Actor<'_>,
    policy: &HostPolicy,
    changes: &[Governance],
) -> Result<(), Refusal> {
    let question = Question { actor: actor.caller, owner: None, endorsers: actor.endorsers, host: policy };
    let permitted = answer(&policy.administrators, &question);
    let permitted = permitted.and_then(|()| match &transaction.core.authorizer {
        Some(authorizer) => authorizer.govern(actor.caller, changes),
        None => Ok(()),
    });
    permitted.map_err(|rule| Refusal::Ungoverned { actor: actor.caller, rule })
}

fn apply(policy: &mut HostPolicy, change: &Governance) -> Result<(), Refusal> {
    match change {
        Governance::Deploy(rule) => policy.deploy = rule.clone(),
        Governance::Administrators(rule) => policy.administrators = rule.clone(),
        Governance::Contracts(right, rule) => policy.contracts.set(right.clone(), rule.clone()),
        Governance::Enrol { organisation, role, member } => policy.organisations.enrol(organisation, role, *member)?,
        Governance::Dismiss { organisation, role, member } => {
            policy.organisations.dismiss(organisation, role, *member);
        }
        // Of a contract's record, not of the policy.
        Governance::Room { .. } => {}
    }
    Ok(())
}

/// Bounds a contract's state.
fn bound(
    transaction: &Transaction<'_>,
    actor: &Actor<'_>,
    name: &ContractName,
    room: Option<Room>,
    reason: &str,
) -> Result<(), ErrorKind> {
    let mut record = Core::load(&transaction.journal, name)?;
    let before = Situation::from(&record);
    record.room = room;
    if room.is_some() {
        Room::begin(&transaction.journal, &record)?;
    }
    write_down(transaction, actor, &mut record, Note::of(Operation::Room, reason, Some(before)))
}
