//! Tells the log and the observer what became of a request.

use tracing::Level;

use super::Vm;
use super::task::{Answer, Reply, Request};
use crate::core::Core;
use crate::{
    Action, Address, AuditEvent, AuditResult, Change, ContractName, Denial, Denied, GovernanceEvent, HistoryEntry,
    HostPolicy, KeyRange, Operation, Refusal, Space, Trial, WriteSet,
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
    let only_tried = matches!(request, Request::DryRun(_));
    // Whatever else a dry run met is what it was to find out.
    for denial in denials.iter().filter(|denial| !only_tried || denial.is_by_rule()) {
        let on = denial.contract().zip(denial.action());
        not_done(vm, on, (denial.actor(), denial.reason()), &denial.why(), only_tried, &tell);
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
fn governed(core: &Core, event: GovernanceEvent<'_>) {
    let reason = event.reason;
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
        let (actor, reason) = (policy.author, &*policy.reason);
        governed(core, GovernanceEvent { actor, reason, result: Ok(&policy), tried: false });
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
        None => governed(&vm.0.core, GovernanceEvent { actor, reason, result: Err(why), tried }),
    }
}

/// Denials with the signatures of methods, where the contracts have such.
pub(super) fn described(vm: &Vm, mut denials: Vec<Denial>) -> Vec<Denial> {
    let has_notations = |contract: &ContractName| {
        vm.record(contract).is_ok_and(|record| record.is_some_and(|record| record.runtime.has_notations()))
    };
    for denial in &mut denials {
        if let Denial::Call { method, denied } = denial
            && has_notations(&denied.contract)
            && let Ok(contract) = vm.contract(&denied.contract)
        {
            *denied = denied.clone().describing(method, contract.interface());
        }
    }
    denials
}

/// A call from outside that a rule denied.
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
