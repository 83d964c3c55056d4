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
use crate::transaction::{Denial, DeniedOperation, Transaction};
use crate::{
    Amount, ContractName, ContractRecord, ErrorKind, Gas, Governance, HostFault, Managed, Outcome, Phase, Policy,
    Refusal, RuntimeKind, StateError, Status, VmError,
};

/// Does an operation, or leaves everything as it was and says why in a revert.
pub(crate) fn manage(
    transaction: &mut Transaction<'_>,
    operation: &Managed,
    depth: u16,
    gas: Gas,
) -> Result<Outcome, HostFault> {
    let (mark, had_overlay) = (transaction.journal.mark(), transaction.has_overlay());
    let mut paid = Gas::ZERO;
    let result = perform(transaction, operation, depth, gas, &mut paid);
    let outcome = match result {
        Ok(outcome) => {
            // A constructor or migration, of code that somebody wanted to have.
            if !outcome.status.is_success() {
                transaction.note(refused(operation, format!("the contract failed with {}", outcome.status)));
            }
            Outcome { gas_used: outcome.gas_used.saturating_add(paid), ..outcome }
        }
        Err(VmError { kind: ErrorKind::Fault(fault), .. }) => return Err(transaction.fail(fault)),
        Err(error) => {
            transaction.note(refused(operation, error.to_string()));
            Outcome { status: Status::Revert, output: error.to_string().into(), gas_used: paid }
        }
    };
    if !outcome.status.is_success() {
        transaction.journal.revert(mark);
        if !had_overlay {
            // It came in with what is undone.
            drop(transaction.take_overlay());
        }
    }
    Ok(outcome)
}

/// What is told of an operation that was refused, or failed.
fn refused(operation: &Managed, why: String) -> Denial {
    let on = operation.name().cloned().zip(operation.action());
    // It may be the reason's length that is refused.
    let reason = operation.reason().chars().take(REASON).collect();
    Denial::Operation(DeniedOperation { on, actor: operation.sender().caller, reason, why })
}

/// `paid` is what the operation costs apart from what the contract uses.
fn perform(
    transaction: &mut Transaction<'_>,
    operation: &Managed,
    depth: u16,
    gas: Gas,
    paid: &mut Gas,
) -> Result<Outcome, VmError> {
    let core = transaction.core;
    let sender = operation.sender();
    check_reason(operation.reason()).phase(Phase::Admit)?;
    check(transaction, operation, depth).phase(Phase::Admit)?;
    let actor = Actor { caller: sender.caller, endorsers: &sender.endorsers, value: Amount::ZERO, depth };
    let mut admit = |left: Result<Gas, Refusal>| {
        let left = left.phase(Phase::Admit)?;
        *paid = gas.saturating_sub(left);
        Ok::<_, VmError>(left)
    };
    let prices = &core.schedule.transaction;
    match operation {
        Managed::Deploy(request) => {
            let left = admit(core.admit_code(&request.code, gas, prices.deploy))?;
            create(transaction, &actor, request, left).map(end)
        }
        Managed::Upgrade(request) => {
            let left = admit(core.admit_code(&request.code, gas, prices.upgrade))?;
            renew(transaction, &actor, request, left).map(end)
        }
        Managed::Migrate(request) => {
            let left = admit(core.admit_simple(gas))?;
            renovate(transaction, &actor, request, left).map(end)
        }
        Managed::Rollback(request) => {
            let kept = Kept::find(transaction, &actor, request)?;
            let left = admit(core.admit_kept(&kept.code, gas))?;
            restore(transaction, &actor, request, kept, left).map(end)
        }
        Managed::Change(request) => {
            admit(core.admit_simple(gas))?;
            alter(transaction, &actor, request).map(|_| nothing_to_do())
        }
        // A version of a policy is stored as a whole, so that is paid for.
        Managed::Grant(request) => {
            let left = admit(core.admit_simple(gas))?;
            let record = regulate(transaction, &actor, request)?;
            let size = Policy::size(&transaction.journal, &record.name, record.policy).phase(Phase::Store)?;
            admit(Core::admit_gas(left, core.schedule.host.put.of(size))).map(|_| nothing_to_do())
        }
        Managed::Govern(request) => {
            let left = admit(core.admit_simple(gas))?;
            let policy = reform(transaction, &actor, request)?;
            let size = if request.changes_the_policy() { policy.size() } else { 0 };
            admit(Core::admit_gas(left, core.schedule.host.put.of(size))).map(|_| nothing_to_do())
        }
    }
}

fn end(done: Done<'_>) -> Outcome {
    if done.outcome.status.is_success() {
        done.provisional.keep();
    }
    done.outcome
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
