//! Operations that a contract asks for, inside the transaction that it runs in.

use super::change::alter;
use super::deploy::create;
use super::govern::reform;
use super::grant::regulate;
use super::migrate::renovate;
use super::operation::{Actor, Done, check_reason, nothing_to_do};
use super::rollback::{Kept, restore};
use super::upgrade::renew;
use crate::core::Core;
use crate::error::InPhase;
use crate::history::REASON;
use crate::transaction::Transaction;
use crate::{
    Amount, ContractName, ContractRecord, Denial, DeniedOperation, Env, ErrorKind, Gas, GovernRequest, Governance,
    HostFault, Managed, Operated, Outcome, Phase, Policy, Refusal, Regulated, Room, RuntimeKind, Sender, StateError,
    Status, VmError,
};

/// Does an operation, or leaves everything as it was and says why in a revert. `asking` is the frame whose contract or
/// caller it has to be in the name of, if others are not believed.
pub(crate) fn manage(
    transaction: &mut Transaction<'_>,
    operation: &Managed,
    asking: Option<&Env>,
    depth: u16,
    gas: Gas,
) -> Result<Operated, HostFault> {
    let (mark, had_overlay) = (transaction.journal.mark(), transaction.has_overlay());
    let mut paid = Gas::ZERO;
    let believed = asking.map_or(Ok(()), |env| check_sender(operation, env)).phase(Phase::Admit);
    let result = believed.and_then(|()| perform(transaction, operation, depth, gas, &mut paid));
    let operated = match result {
        Ok(mut operated) => {
            let Outcome { status, gas_used, .. } = &mut operated.outcome;
            // A constructor or migration, of code that somebody wanted to have.
            if !status.is_success() {
                let why = format!("the contract failed with {status}");
                transaction.denials.note(refused(operation, false, why));
            }
            *gas_used = gas_used.saturating_add(paid);
            operated
        }
        Err(error) => {
            if let Some(fault) = fault_in(&error) {
                return Err(transaction.fail(fault));
            }
            let by_rule = matches!(
                error.refusal(),
                Some(Refusal::Denied(_) | Refusal::Ungoverned { .. } | Refusal::Capabilities { .. })
            );
            transaction.denials.note(refused(operation, by_rule, error.to_string()));
            Operated::new(Outcome { status: Status::Revert, output: told(&error).into(), gas_used: paid })
        }
    };
    if !operated.outcome.status.is_success() {
        transaction.journal.revert(mark);
        if !had_overlay {
            // It came in with what is undone.
            drop(transaction.take_overlay());
        }
    }
    Ok(operated)
}

/// What ends the transaction. A runtime that this machine lacks is among it, which refuses a request of its own: a contract must not
/// see, nor keep, that another machine would have gone on.
fn fault_in(error: &VmError) -> Option<HostFault> {
    match &error.kind {
        ErrorKind::Fault(fault) => Some(fault.clone()),
        ErrorKind::Refused(refusal) => match &**refusal {
            missing @ Refusal::NoRuntime(runtime) => {
                Some(HostFault::Unavailable { runtime: *runtime, message: missing.to_string() })
            }
            _ => None,
        },
        ErrorKind::Failed(_) => None,
    }
}

/// Why an operation was refused, as a contract is told, which may keep it: what runtimes say of code depends on engines, and on what
/// else a host has, so that is for people only.
fn told(error: &VmError) -> String {
    match error.refusal() {
        Some(Refusal::Code(_)) => REJECTED.to_owned(),
        _ => error.to_string(),
    }
}

const REJECTED: &str = "the code is rejected; what is wrong with it is told with the receipt (denials), and in the history of what was refused";

/// What is told of an operation that was refused, or failed.
pub(crate) fn refused(operation: &Managed, by_rule: bool, why: String) -> Denial {
    let on = operation.name().cloned().zip(operation.action());
    // It may be the reason's length that is refused.
    let reason = operation.reason().chars().take(REASON).collect();
    Denial::Operation(DeniedOperation { on, actor: operation.sender().caller, reason, by_rule, why })
}

/// `paid` is what the operation costs apart from what the contract uses.
fn perform(
    transaction: &mut Transaction<'_>,
    operation: &Managed,
    depth: u16,
    gas: Gas,
    paid: &mut Gas,
) -> Result<Operated, VmError> {
    let (core, tried) = (transaction.core, transaction.tried);
    let sender = operation.sender();
    check_reason(operation.reason()).phase(Phase::Admit)?;
    check(transaction, operation, depth).phase(Phase::Admit)?;
    let actor = Actor { caller: sender.caller, endorsers: &sender.endorsers, value: Amount::ZERO, depth };
    let mut admit = |left: Result<Gas, Refusal>| left.inspect(|left| *paid = gas.saturating_sub(*left));
    let prices = &core.schedule.transaction;
    match operation {
        Managed::Deploy(request) => {
            let admitted = admit(core.admit_code(&request.code, gas, prices.deploy));
            create(transaction, &actor, request, admitted).map(|done| end(done, tried))
        }
        Managed::Upgrade(request) => {
            let admitted = admit(core.admit_code(&request.code, gas, prices.upgrade));
            renew(transaction, &actor, request, admitted).map(|done| end(done, tried))
        }
        Managed::Migrate(request) => {
            let admitted = admit(core.admit_simple(gas));
            renovate(transaction, &actor, request, admitted).map(|done| end(done, tried))
        }
        Managed::Rollback(request) => {
            let kept = Kept::find(transaction, &actor, request)?;
            let left = admit(core.admit_kept(&kept.code, gas)).phase(Phase::Admit)?;
            restore(transaction, &actor, request, kept, left).map(|done| end(done, tried))
        }
        Managed::Change(request) => {
            admit(core.admit_simple(gas)).phase(Phase::Admit)?;
            alter(transaction, &actor, request).map(|_| Operated::new(nothing_to_do()))
        }
        // A version of a policy is stored as a whole, so that is paid for.
        Managed::Grant(request) => {
            let left = admit(core.admit_simple(gas)).phase(Phase::Admit)?;
            let regulated = regulate(transaction, &actor, request)?;
            let size = match &regulated {
                Regulated { now, changed: true, .. } => {
                    Policy::size(&transaction.journal, &now.name, now.policy).phase(Phase::Store)?
                }
                _ => 0,
            };
            admit(Core::admit_gas(left, core.schedule.host.put.of(size))).phase(Phase::Admit)?;
            Ok(settled(regulated))
        }
        Managed::Govern(request) => {
            let left = admit(core.admit_simple(gas)).phase(Phase::Admit)?;
            let regulated = reform(transaction, &actor, request)?;
            let stores = regulated.changed && request.changes_the_policy();
            let size = if stores { regulated.now.size() } else { 0 };
            let host = &core.schedule.host;
            let counted = counted(transaction, request).phase(Phase::Store)?;
            let price = host.put.of(size).saturating_add(host.scan_entry.of(0).times(counted));
            admit(Core::admit_gas(left, price)).phase(Phase::Admit)?;
            Ok(settled(regulated))
        }
    }
}

/// How many keys contracts have whose state was counted because it is bounded now.
fn counted(transaction: &Transaction<'_>, request: &GovernRequest) -> Result<u64, StateError> {
    let bounded = request.changes.iter().filter_map(|change| match change {
        Governance::Room { contract, room: Some(_) } => Some(contract),
        _ => None,
    });
    bounded.map(|contract| Ok(Room::used(&transaction.journal, contract)?.keys)).sum()
}

fn end(done: Done<'_>, tried: bool) -> Operated {
    let Done { outcome, warnings, provisional, .. } = done;
    if outcome.status.is_success() && !tried {
        provisional.keep();
    }
    Operated::new(outcome).warning(warnings)
}

fn settled<T>(Regulated { changed, already, .. }: Regulated<T>) -> Operated {
    Operated { changed, ..Operated::new(nothing_to_do()).warning(already) }
}

/// Refuses to believe what code says of others, that has its state in common with whatever else the contract ran.
fn check_sender(operation: &Managed, env: &Env) -> Result<(), Refusal> {
    let Sender { caller, endorsers, .. } = operation.sender();
    if [env.this, env.caller].contains(caller) && endorsers.is_empty() {
        return Ok(());
    }
    Err(Refusal::Managed(
        "code that does not keep its state apart asks for operations in its own name or its caller's, without endorsers; name one of these",
    ))
}

/// Refuses what would change a contract while it runs, or accounts while an engine has them.
fn check(transaction: &Transaction<'_>, operation: &Managed, depth: u16) -> Result<(), ErrorKind> {
    let refuse = |why| Err(Refusal::Managed(why).into());
    if depth >= transaction.core.limits.call_depth {
        return refuse("the call depth is exceeded");
    }
    if !operation.sender().value.is_zero() {
        return refuse("an operation that a contract asks for moves no value; leave it out");
    }
    let bounded = match operation {
        Managed::Govern(request) => &*request.changes,
        _ => &[],
    };
    let bounded = bounded.iter().filter_map(|change| match change {
        Governance::Room { contract, .. } => Some(contract),
        _ => None,
    });
    for name in operation.name().into_iter().chain(bounded) {
        if transaction.is_running(name) {
            return refuse("no contract is changed while it runs; use a transaction of its own");
        }
        if transaction.has_overlay() && has_engine(transaction, name)? {
            return refuse(
                "in a transaction in which evm code has run, no contract is deployed and no evm contract changed; use one of its own",
            );
        }
    }
    Ok(())
}

/// True for a contract whose account an engine keeps during a transaction: an EVM contract, or one that is still to be.
fn has_engine(transaction: &Transaction<'_>, name: &ContractName) -> Result<bool, StateError> {
    let standing = ContractRecord::standing(&transaction.journal, name)?;
    Ok(standing.is_none_or(|standing| standing.runtime == RuntimeKind::Evm))
}
