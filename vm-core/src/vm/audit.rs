//! Tells the log and the observer what became of a request.

use tracing::Level;

use super::Vm;
use super::task::{Answer, Reply, Request};
use crate::core::Core;
use crate::transaction::{Denial, DeniedOperation};
use crate::{
    Action, Address, AuditEvent, AuditResult, Change, ContractName, Denied, GovernanceEvent, HistoryEntry, HostPolicy,
    KeyRange, Operation, Refusal, Space, Trial, WriteSet,
};

/// The log's target.
const TARGET: &str = "vm::audit";

/// Tells what the reply to a request says.
pub(super) fn tell(vm: &Vm, request: &Request, reply: &Reply, denials: &[Denial]) {
    let core = &vm.0.core;
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
            Denial::Call { method, denied } => {
                let denied = described(vm, method, denied);
                not_called(method, &denied, &denied.to_string(), false, &tell);
            }
            Denial::Operation(DeniedOperation { on, actor, reason, why }) => {
                let on = on.as_ref().map(|(contract, action)| (contract, *action));
                not_done(vm, on, (*actor, reason), why, false, &tell);
            }
        }
    }
    match reply {
        Ok(Answer::Receipt(receipt)) => {
            done(core, &receipt.writes, &tell);
            if let (Some(observer), Request::Invoke(request)) = (&core.observer, request) {
                observer.called(request, receipt);
            }
        }
        Ok(Answer::Record(record)) => done(core, &record.1.writes, &tell),
        Ok(Answer::Granted(granted)) => done(core, &granted.1.writes, &tell),
        Ok(Answer::Policy(policy)) => done(core, &policy.1.writes, &tell),
        // Nothing was done.
        Ok(Answer::DryRun(_)) => {}
        Err(error) => match request {
            Request::Operation(operation) => {
                let by = (operation.sender().caller, operation.reason());
                not_done(vm, operation.name().zip(operation.action()), by, &error.to_string(), false, &tell);
            }
            Request::Invoke(request) | Request::Query(request) => {
                if let Some(Refusal::Denied(denied)) = error.refusal() {
                    not_called(&request.method, denied, &error.to_string(), false, &tell);
                }
            }
            Request::DryRun(run) => {
                // Whatever else it met is what it was to find out.
                let Some(Refusal::Denied(denied)) = error.refusal() else { return };
                match tried(&run.trial) {
                    Ok((contract, action, reason)) => {
                        not_done(vm, Some((contract, action)), (denied.actor, reason), &error.to_string(), true, &tell);
                    }
                    Err(method) => not_called(method, denied, &error.to_string(), true, &tell),
                }
            }
        },
    }
}

/// Which operation a dry run is of, on which contract and why, or a call of which method.
const fn tried(trial: &Trial) -> Result<(&ContractName, Action<'_>, &str), &str> {
    Ok(match trial {
        Trial::Deploy(request) => (&request.name, Action::Deploy, request.reason.as_str()),
        Trial::Upgrade(request) => (&request.name, Action::Upgrade, request.reason.as_str()),
        Trial::Migrate(request) => (&request.name, Action::Migrate, request.reason.as_str()),
        Trial::Rollback(request) => (&request.name, Action::Rollback, request.reason.as_str()),
        Trial::Invoke(request) => return Err(request.method.as_str()),
    })
}

/// A change of the host's policy.
fn governed(core: &Core, actor: Address, reason: &str, result: Result<&HostPolicy, &str>) {
    let event = GovernanceEvent { actor, reason, result };
    tracing::info!(target: TARGET, reason, "{event}");
    if let Some(observer) = &core.observer {
        observer.governed(&event);
    }
}

/// What was written into histories, and of policies, is what was done, whoever did it in however many calls.
fn done(core: &Core, writes: &WriteSet, tell: &dyn Fn(&AuditEvent<'_>)) {
    for (key, value) in writes.range(&KeyRange::space(Space::History)) {
        let Some(entry) = value.as_ref().and_then(|value| HistoryEntry::from_entry(key, value).ok()) else { continue };
        let Some(contract) = key.id().and_then(|id| ContractName::new(std::str::from_utf8(id).ok()?).ok()) else {
            continue;
        };
        let (action, actor, reason) = (action(entry.operation), entry.actor, &*entry.reason);
        let result = AuditResult::Done(&entry);
        tell(&AuditEvent { contract: &contract, action, actor, reason, result, tried: false, exists: true });
    }
    for policy in HostPolicy::written(writes) {
        governed(core, policy.author, &policy.reason, Ok(&policy));
    }
}

/// An operation on a contract, or on the host, that was refused for whatever reason, or failed.
fn not_done(
    vm: &Vm,
    on: Option<(&ContractName, Action<'_>)>,
    (actor, reason): (Address, &str),
    why: &str,
    tried: bool,
    tell: &dyn Fn(&AuditEvent<'_>),
) {
    match on {
        Some((contract, action)) => {
            let exists = vm.record(contract).is_ok_and(|record| record.is_some());
            tell(&AuditEvent { contract, action, actor, reason, result: AuditResult::Refused(why), tried, exists });
        }
        None => governed(&vm.0.core, actor, reason, Err(why)),
    }
}

/// A denial with the method's signature, where the contract has one.
fn described(vm: &Vm, method: &str, denied: &Denied) -> Denied {
    let has_notations =
        |contract| vm.record(contract).is_ok_and(|record| record.is_some_and(|record| record.runtime.has_notations()));
    match has_notations(&denied.contract).then(|| vm.contract(&denied.contract)) {
        Some(Ok(contract)) => denied.clone().describing(method, contract.interface()),
        _ => denied.clone(),
    }
}

/// A call that a rule denied.
fn not_called(method: &str, denied: &Denied, why: &str, tried: bool, tell: &dyn Fn(&AuditEvent<'_>)) {
    let (contract, action, actor) = (&denied.contract, Action::Call { method }, denied.actor);
    let result = AuditResult::Refused(why);
    tell(&AuditEvent { contract, action, actor, reason: "", result, tried, exists: true });
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
