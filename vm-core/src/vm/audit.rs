//! Tells the log and the observer what became of a request.

use tracing::Level;

use super::task::{Answer, Reply, Request};
use crate::core::Core;
use crate::transaction::{Denial, DeniedOperation};
use crate::{
    Action, Address, AuditEvent, AuditResult, Change, ContractName, Denied, GovernanceEvent, HistoryEntry, HostPolicy,
    KeyRange, Operation, Refusal, Space, WriteSet,
};

/// The log's target.
const TARGET: &str = "vm::audit";

/// Tells what the reply to a request says.
pub(super) fn tell(core: &Core, request: &Request, reply: &Reply, denials: &[Denial]) {
    let logged = tracing::enabled!(target: TARGET, Level::INFO);
    if core.observer.is_none() && !logged {
        return;
    }
    let tell = |event: &AuditEvent<'_>| {
        tracing::info!(target: TARGET, reason = event.reason, "{event}");
        if let Some(observer) = &core.observer {
            observer.audit(event);
        }
    };
    for denial in denials {
        match denial {
            Denial::Call { method, denied } => not_called(method, denied, &denied.to_string(), &tell),
            Denial::Operation(DeniedOperation { on, actor, reason, why }) => {
                let on = on.as_ref().map(|(contract, action)| (contract, *action));
                not_done(core, on, (*actor, reason), why, &tell);
            }
        }
    }
    match reply {
        Ok(Answer::Receipt(receipt)) => {
            done(&receipt.writes, &tell);
            // A system contract can govern, too.
            if let Some(policy) = HostPolicy::written(&receipt.writes) {
                governed(core, policy.author, &policy.reason, Ok(&policy));
            }
            if let (Some(observer), Request::Invoke(request)) = (&core.observer, request) {
                observer.called(request, receipt);
            }
        }
        Ok(Answer::Record(record)) => done(&record.1.writes, &tell),
        Ok(Answer::Policy(policy)) => {
            let (policy, changes) = &**policy;
            done(&changes.writes, &tell);
            governed(core, policy.author, &policy.reason, Ok(policy));
        }
        // Nothing was done.
        Ok(Answer::DryRun(_)) => {}
        Err(error) => match request {
            Request::Operation(operation) => {
                let by = (operation.sender().caller, operation.reason());
                not_done(core, operation.name().zip(operation.action()), by, &error.to_string(), &tell);
            }
            Request::Invoke(request) | Request::Query(request) => {
                if let Some(Refusal::Denied(denied)) = error.refusal() {
                    not_called(&request.method, denied, &error.to_string(), &tell);
                }
            }
            // It was only tried.
            Request::DryRun(_) => {}
        },
    }
}

/// A change of the host's policy.
fn governed(core: &Core, actor: Address, reason: &str, result: Result<&HostPolicy, &str>) {
    let event = GovernanceEvent { actor, reason, result };
    tracing::info!(target: TARGET, reason, "{event}");
    if let Some(observer) = &core.observer {
        observer.governed(&event);
    }
}

/// What was written into histories is what was done, whoever did it in however many calls.
fn done(writes: &WriteSet, tell: &dyn Fn(&AuditEvent<'_>)) {
    for (key, value) in writes.range(&KeyRange::space(Space::History)) {
        let Some(entry) = value.as_ref().and_then(|value| HistoryEntry::from_entry(key, value).ok()) else { continue };
        let Some(contract) = key.id().and_then(|id| ContractName::new(std::str::from_utf8(id).ok()?).ok()) else {
            continue;
        };
        let (action, actor, reason) = (action(entry.operation), entry.actor, &*entry.reason);
        tell(&AuditEvent { contract: &contract, action, actor, reason, result: AuditResult::Done(&entry) });
    }
}

/// An operation on a contract, or on the host, that was refused for whatever reason, or failed.
fn not_done(
    core: &Core,
    on: Option<(&ContractName, Action<'_>)>,
    (actor, reason): (Address, &str),
    why: &str,
    tell: &dyn Fn(&AuditEvent<'_>),
) {
    match on {
        Some((contract, action)) => {
            tell(&AuditEvent { contract, action, actor, reason, result: AuditResult::Refused(why) });
        }
        None => governed(core, actor, reason, Err(why)),
    }
}

/// A call that a rule denied.
fn not_called(method: &str, denied: &Denied, why: &str, tell: &dyn Fn(&AuditEvent<'_>)) {
    let (contract, action, actor) = (&denied.contract, Action::Call { method }, denied.actor);
    tell(&AuditEvent { contract, action, actor, reason: "", result: AuditResult::Refused(why) });
}

/// What somebody wanted who did it.
const fn action(operation: Operation) -> Action<'static> {
    match operation {
        Operation::Deploy => Action::Deploy,
        Operation::Upgrade => Action::Upgrade,
        Operation::Rollback => Action::Rollback,
        Operation::Freeze => Action::Change(Change::Freeze),
        Operation::Unfreeze => Action::Change(Change::Unfreeze),
        Operation::Revoke => Action::Change(Change::Revoke),
        Operation::Migrate => Action::Migrate,
        Operation::Grant => Action::Grant,
        Operation::Room => Action::Room,
    }
}
