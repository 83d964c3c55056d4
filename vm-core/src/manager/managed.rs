//! Operations that a contract asks for, inside the transaction that it runs in.

use super::change::alter;
use super::deploy::create;
use super::govern::reform;
use super::grant::regulate;
use super::operation::{Actor, Done, nothing_to_do};
use super::rollback::{Kept, restore};
use super::upgrade::renew;
use crate::error::InPhase;
use crate::transaction::{Asked, Denial, Transaction};
use crate::{
    Action, Amount, ContractName, ErrorKind, Gas, HostFault, Managed, Outcome, Phase, Refusal, Sender, Status, VmError,
};

/// Does an operation, or leaves everything as it was and says why in a revert.
pub(crate) fn manage(
    transaction: &mut Transaction<'_>,
    operation: &Managed,
    depth: u16,
    gas: Gas,
) -> Result<Outcome, HostFault> {
    let mark = transaction.journal.mark();
    let mut paid = Gas::ZERO;
    let result = perform(transaction, operation, depth, gas, &mut paid);
    let outcome = match result {
        Ok(outcome) => Outcome { gas_used: outcome.gas_used.saturating_add(paid), ..outcome },
        Err(VmError { kind: ErrorKind::Fault(fault), .. }) => return Err(transaction.fail(fault)),
        Err(error) => {
            if let Some(Refusal::Denied(denied)) = error.refusal() {
                let asked = Asked::Operation(operation.action());
                transaction.denials.push(Denial { asked, denied: denied.clone() });
            }
            Outcome { status: Status::Revert, output: error.to_string().into(), gas_used: paid }
        }
    };
    if !outcome.status.is_success() {
        transaction.journal.revert(mark);
    }
    Ok(outcome)
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
    check(transaction, operation.name(), sender, depth).phase(Phase::Admit)?;
    let actor = Actor { caller: sender.caller, endorsers: &sender.endorsers, value: Amount::ZERO, depth };
    let mut admit = |left: Result<Gas, Refusal>| {
        let left = left.phase(Phase::Admit)?;
        *paid = gas.saturating_sub(left);
        Ok::<_, VmError>(left)
    };
    let prices = &core.schedule.transaction;
    // As much as the smallest transaction of its own.
    let simple = || crate::core::Core::admit_gas(gas, prices.invoke.of(0));
    match operation {
        Managed::Deploy(request) => {
            let left = admit(core.admit_code(&request.code, gas, prices.deploy))?;
            create(transaction, &actor, request, left).map(end)
        }
        Managed::Upgrade(request) => {
            let left = admit(core.admit_code(&request.code, gas, prices.upgrade))?;
            renew(transaction, &actor, request, left).map(end)
        }
        Managed::Rollback(request) => {
            let kept = Kept::find(transaction, request)?;
            let left = admit(core.admit_kept(&kept.code, gas))?;
            restore(transaction, &actor, request, kept, left).map(end)
        }
        Managed::Change(request) => {
            admit(simple())?;
            alter(transaction, &actor, request).map(|_| nothing_to_do())
        }
        Managed::Grant(request) => {
            admit(simple())?;
            regulate(transaction, &actor, request).map(|_| nothing_to_do())
        }
        Managed::Govern(request) => {
            admit(simple())?;
            reform(transaction, &actor, request).map(|_| nothing_to_do())
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
fn check(
    transaction: &Transaction<'_>,
    name: Option<&ContractName>,
    sender: &Sender,
    depth: u16,
) -> Result<(), Refusal> {
    if depth >= transaction.core.limits.call_depth {
        return Err(Refusal::Managed("the call depth is exceeded"));
    }
    if !sender.value.is_zero() {
        return Err(Refusal::Managed("an operation that a contract asks for moves no value; leave it out"));
    }
    if name.is_some_and(|name| transaction.is_occupied(name)) {
        return Err(Refusal::Managed(
            "no contract is changed while it runs, or in a transaction in which evm code has run; use one of its own",
        ));
    }
    Ok(())
}

impl Managed {
    /// Which contract it is about; none for the host.
    pub const fn name(&self) -> Option<&ContractName> {
        match self {
            Self::Deploy(request) => Some(&request.name),
            Self::Upgrade(request) => Some(&request.name),
            Self::Rollback(request) => Some(&request.name),
            Self::Change(request) => Some(&request.name),
            Self::Grant(request) => Some(&request.name),
            Self::Govern(_) => None,
        }
    }

    /// Who does it, and who endorses it.
    pub const fn sender(&self) -> &Sender {
        match self {
            Self::Deploy(request) => &request.sender,
            Self::Upgrade(request) => &request.sender,
            Self::Rollback(request) => &request.sender,
            Self::Change(request) => &request.sender,
            Self::Grant(request) => &request.sender,
            Self::Govern(request) => &request.sender,
        }
    }

    /// Sets who does it, and who endorses it.
    #[must_use]
    pub fn by(mut self, sender: Sender) -> Self {
        let place = match &mut self {
            Self::Deploy(request) => &mut request.sender,
            Self::Upgrade(request) => &mut request.sender,
            Self::Rollback(request) => &mut request.sender,
            Self::Change(request) => &mut request.sender,
            Self::Grant(request) => &mut request.sender,
            Self::Govern(request) => &mut request.sender,
        };
        *place = sender;
        self
    }

    const fn action(&self) -> Action<'static> {
        match self {
            Self::Deploy(_) => Action::Deploy,
            Self::Upgrade(_) => Action::Upgrade,
            Self::Rollback(_) => Action::Rollback,
            Self::Change(request) => Action::Change(request.change),
            Self::Grant(_) | Self::Govern(_) => Action::Grant,
        }
    }
}
