use std::collections::BTreeSet;

use super::operation::{Actor, Note, write_down};
use super::{Base, phase};
use crate::access::{Question, answer, ruled, shown};
use crate::core::Core;
use crate::transaction::Transaction;
use crate::{
    Address, Changes, ContractName, ErrorKind, GovernRequest, Governance, HostPolicy, Operation, Phase, Refusal,
    Regulated, Room, Rule, Situation, VmError,
};

/// A change of the host's policy as a transaction of its own.
pub(crate) fn govern(base: &Base<'_>, request: &GovernRequest) -> Result<(Regulated<HostPolicy>, Changes), VmError> {
    let transaction = base.begin(&request.sender);
    let regulated = reform(&transaction, &Actor::sending(&request.sender), request)?;
    let changes = phase(Phase::Store, || transaction.finish())?;
    Ok((regulated, changes))
}

/// load → permission → the new policy, and the records of contracts that are bounded → store what changed.
pub(super) fn reform(
    transaction: &Transaction<'_>,
    actor: &Actor<'_>,
    request: &GovernRequest,
) -> Result<Regulated<HostPolicy>, VmError> {
    let GovernRequest { changes, reason, .. } = request;
    let mut policy = phase(Phase::Load, || HostPolicy::load(&transaction.journal))?;
    let mut already = Vec::new();
    let endorsers = phase(Phase::Permission, || permit(transaction, actor, &policy, changes))?;
    let changed = phase(Phase::Store, || {
        if changes.is_empty() {
            return Err(Refusal::Policy("no change of the host's policy is asked for; name one").into());
        }
        let (old, mut bounded) = (policy.clone(), false);
        for change in changes {
            let so_already = match change {
                Governance::Room { contract, room } => {
                    let so_already = bound(transaction, actor, (contract, *room), reason, &endorsers)?;
                    bounded |= so_already.is_none();
                    so_already
                }
                change => apply(&mut policy, change)?,
            };
            already.extend(so_already);
        }
        if policy == old {
            return Ok(bounded);
        }
        policy.check()?;
        policy.check_government()?;
        transaction.core.check_methods(&policy.contracts)?;
        policy.version = policy.version.saturating_add(1);
        (policy.author, policy.endorsers) = (actor.caller, endorsers);
        (policy.reason, policy.block) = (reason.clone(), transaction.block_number());
        policy.store(&transaction.journal)?;
        Ok::<_, ErrorKind>(true)
    })?;
    Ok(Regulated { now: policy, changed, already })
}

fn permit(
    transaction: &Transaction<'_>,
    actor: &Actor<'_>,
    policy: &HostPolicy,
    changes: &[Governance],
) -> Result<BTreeSet<Address>, Refusal> {
    let question = Question { actor: actor.caller, owner: None, endorsers: actor.endorsers, host: policy };
    let permitted = answer(&policy.administrators, &question);
    let permitted = permitted.and_then(|endorsers| match &transaction.core.authorizer {
        Some(authorizer) => authorizer.govern(actor.caller, changes).map(|()| endorsers),
        None => Ok(endorsers),
    });
    permitted.map_err(|rule| Refusal::Ungoverned { actor: actor.caller, rule })
}

/// Changes the policy, or says what was so already.
fn apply(policy: &mut HostPolicy, change: &Governance) -> Result<Option<String>, Refusal> {
    let set = |of: &mut Rule, rule: &Rule| std::mem::replace(of, rule.clone()) != *rule;
    let (changed, why) = match change {
        Governance::Deploy(rule) => (set(&mut policy.deploy, rule), ruled("deploy", rule)),
        Governance::Administrators(rule) => (set(&mut policy.administrators, rule), ruled("administrators", rule)),
        Governance::Contracts(right, rule) => {
            let changed = policy.contracts.set(right.clone(), rule.clone());
            (changed, ruled(&format!("{right} of new contracts"), rule))
        }
        Governance::Enrol { organisation, role, member } => {
            let changed = policy.organisations.enrol(organisation, role, *member)?;
            (changed, format!("{member} has the role '{role}' in '{organisation}' already"))
        }
        Governance::Dismiss { organisation, role, member } => {
            let changed = policy.organisations.dismiss(organisation, role, *member);
            (changed, format!("{member} does not have the role '{}' in '{}'", shown(role), shown(organisation)))
        }
        // Of a contract's record, not of the policy.
        Governance::Room { .. } => return Ok(None),
    };
    Ok((!changed).then_some(why))
}

/// Bounds a contract's state, or says what was so already.
fn bound(
    transaction: &Transaction<'_>,
    actor: &Actor<'_>,
    (name, room): (&ContractName, Option<Room>),
    reason: &str,
    endorsers: &BTreeSet<Address>,
) -> Result<Option<String>, ErrorKind> {
    let mut record = Core::load(&transaction.journal, name)?;
    if record.room == room {
        return Ok(Some(match room {
            Some(room) => format!("contract '{name}' may have {room} already"),
            None => format!("the state of contract '{name}' is not bounded"),
        }));
    }
    let before = Situation::from(&record);
    record.room = room;
    if room.is_some() {
        Room::begin(&transaction.journal, &record, &transaction.interrupt)?;
    }
    let note = Note::of(Operation::Room, reason, Some(before)).endorsed_by(endorsers.clone());
    write_down(transaction, actor, &mut record, note)?;
    Ok(None)
}
