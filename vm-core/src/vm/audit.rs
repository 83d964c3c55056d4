//! Tells the log and the observer what became of a request.

use tracing::Level;

use super::task::{Answer, Reply, Request};
use crate::core::Core;
use crate::transaction::{Asked, Denial};
use crate::{
    Action, Address, AuditEvent, AuditResult, Change, ContractName, GovernanceEvent, HistoryEntry, HostPolicy,
    KeyRange, Operation, Refusal, Space, Target, VmError, WriteSet,
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
    for Denial { asked, denied } in denials {
        let (contract, actor) = (&denied.contract, denied.actor);
        let action = match asked {
            Asked::Call(method) => Action::Call { method },
            Asked::Operation(action) => *action,
        };
        let why = denied.to_string();
        tell(&AuditEvent { contract, action, actor, reason: "", result: AuditResult::Refused(&why) });
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
        Ok(Answer::Policy(policy)) => governed(core, policy.author, &policy.reason, Ok(policy)),
        // Nothing was done.
        Ok(Answer::DryRun(_)) => {}
        Err(error) => match request {
            Request::Govern(request) => {
                governed(core, request.sender.caller, &request.reason, Err(&error.to_string()));
            }
            request => refused(request, error, &tell),
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

/// Operations that were refused for whatever reason, and calls that were denied.
fn refused(request: &Request, error: &VmError, tell: &dyn Fn(&AuditEvent<'_>)) {
    let Some((contract, action, actor, reason)) = asked(request) else { return };
    let denied = matches!(error.refusal(), Some(Refusal::Denied(_)));
    if denied || !matches!(action, Action::Call { .. }) {
        let why = error.to_string();
        tell(&AuditEvent { contract, action, actor, reason, result: AuditResult::Refused(&why) });
    }
}

fn asked(request: &Request) -> Option<(&ContractName, Action<'_>, Address, &str)> {
    Some(match request {
        Request::Deploy(request) => (&request.name, Action::Deploy, request.sender.caller, &request.reason),
        Request::Upgrade(request) => (&request.name, Action::Upgrade, request.sender.caller, &request.reason),
        Request::Rollback(request) => (&request.name, Action::Rollback, request.sender.caller, &request.reason),
        Request::Change(request) => {
            (&request.name, Action::Change(request.change), request.sender.caller, &request.reason)
        }
        Request::Grant(request) => (&request.name, Action::Grant, request.sender.caller, &request.reason),
        // Of the host, or only tried.
        Request::Govern(_) | Request::DryRun(_) => return None,
        Request::Invoke(request) | Request::Query(request) => match &request.target {
            Target::Name(name) => (name, Action::Call { method: &request.method }, request.sender.caller, ""),
            Target::Address(_) => return None,
        },
    })
}

const fn action(operation: Operation) -> Action<'static> {
    match operation {
        Operation::Deploy => Action::Deploy,
        Operation::Upgrade => Action::Upgrade,
        Operation::Rollback => Action::Rollback,
        Operation::Freeze => Action::Change(Change::Freeze),
        Operation::Unfreeze => Action::Change(Change::Unfreeze),
        Operation::Revoke => Action::Change(Change::Revoke),
        Operation::Grant | Operation::Room => Action::Grant,
    }
}
