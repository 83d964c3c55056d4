//! The call tree that the machine tells, and the calls that the model made.

use super::encode::borsh_bytes;
use super::model::{Failed, Made, Model};
use super::stage::{Actor, Dialect, same};
use crate::{CallTree, Excerpt, Receipt, Status, TracedCall, Trap};

/// The calls, with how each ended, what it returned and what it could use; and that their gas is the receipt's.
pub(super) fn compare(receipt: &Receipt, model: &Model, actors: &[Actor]) -> Result<(), String> {
    let tree = receipt.trace.as_deref().ok_or("no call tree")?;
    adds_up(receipt, tree)?;
    let mut told = Vec::new();
    tree.calls.iter().for_each(|call| flatten(call, &mut told));
    same("the number of calls", &told.len(), &model.calls.len())?;
    for (number, (call, made)) in told.into_iter().zip(&model.calls).enumerate() {
        let actor = actors.get(made.to).ok_or("no such actor")?;
        compare_call(call, made, actor).map_err(|error| format!("call {number}: {error}\n{tree}"))?;
    }
    Ok(())
}

fn compare_call(call: &TracedCall, made: &Made, actor: &Actor) -> Result<(), String> {
    same("callee", &call.callee, &actor.address())?;
    let output = match &made.ended {
        Ok(output) => match actor.dialect {
            Dialect::Sdk => borsh_bytes(output),
            Dialect::Solidity => output.clone(),
        },
        Err(Failed::Reverted(data)) => data.clone(),
        Err(failed) => return compare_failure(call, made, failed),
    };
    let status = if made.ended.is_ok() { Status::Success } else { Status::Revert };
    same("status", &call.status, &status)?;
    same("output", &call.output, &Excerpt::of(&output))?;
    compare_gas(call, made)
}

fn compare_failure(call: &TracedCall, made: &Made, failed: &Failed) -> Result<(), String> {
    let trap = match &call.status {
        Status::Trap(trap) => Some(*trap),
        _ => None,
    };
    let is_so = match failed {
        // Nobody ran, and what was to be handed down is not sure to be known yet.
        Failed::Refused if call.inside.is_empty() && !call.status.is_success() => return Ok(()),
        Failed::Refused => false,
        Failed::Trapped => trap.is_some_and(|trap| ![Trap::OutOfGas, Trap::StaticViolation].contains(&trap)),
        Failed::Burnt => trap == Some(Trap::OutOfGas) && call.gas_used == call.gas,
        Failed::Changed => trap == Some(Trap::StaticViolation),
        Failed::Reverted(_) => call.status == Status::Revert,
    };
    if !is_so {
        return Err(format!(
            "found {} after {} of {} gas, and the model has {failed:?}",
            call.status, call.gas_used, call.gas
        ));
    }
    compare_gas(call, made)
}

/// What was handed down.
fn compare_gas(call: &TracedCall, made: &Made) -> Result<(), String> {
    made.gas.map_or(Ok(()), |gas| same("gas handed down", &call.gas, &gas))
}

fn flatten<'c>(call: &'c TracedCall, told: &mut Vec<&'c TracedCall>) {
    told.push(call);
    call.calls().for_each(|call| flatten(call, told));
}

/// The parts of a tree are the whole, and nobody used more than what was handed down.
fn adds_up(receipt: &Receipt, tree: &CallTree) -> Result<(), String> {
    fn parts(call: &TracedCall) -> Result<(u128, u128), String> {
        let callees: u128 = call.calls().map(|call| u128::from(call.gas_used.get())).sum();
        let whole = u128::from(call.gas_used.get()) + u128::from(call.refund.get());
        if callees > whole || (call.runtime.is_some() && call.gas_used > call.gas) {
            return Err(format!("gas does not add up in\n{call}"));
        }
        let mut sum = (u128::from(call.gas_own().get()), u128::from(call.refund.get()));
        for inner in call.calls() {
            let (own, refund) = parts(inner)?;
            sum = (sum.0 + own, sum.1 + refund);
        }
        Ok(sum)
    }
    let mut sum = (u128::from(tree.gas_before.get()), 0);
    for call in &tree.calls {
        let (own, refund) = parts(call)?;
        sum = (sum.0 + own, sum.1 + refund);
    }
    same("gas", &(sum.0 - sum.1), &u128::from(receipt.gas_used.get()))?;
    same("omitted", &tree.omitted, &0)
}
