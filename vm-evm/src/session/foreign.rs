//! Calls from the EVM to contracts of other runtimes.

use revm::{
    context_interface::JournalTr,
    handler::FrameResult,
    interpreter::{
        CallInputs, CallOutcome, CallScheme, FrameInput, Gas as EvmGas, InstructionResult, InterpreterResult,
        SharedMemory, interpreter_action::FrameInit,
    },
    primitives::{Bytes, U256},
};
use vm_core::{Amount, CallRequest, Gas, Host, HostFault, Outcome, Return, Status, Stop};

use super::{Session, database::vm_address};
use crate::{abi, gas};

/// Selector of `call(string,bytes)`: with it a Solidity contract names a method of a contract of another runtime, and its
/// input in that contract's encoding; the result is its output. The interface is `sdk/solidity/IVmContract.sol`.
const CALL: [u8; 4] = [0x29, 0x3b, 0x48, 0x52];

/// Selector of `staticCall(string,bytes)`: the same, and nothing may be changed, whichever instruction it is called with.
const STATIC_CALL: [u8; 4] = [0xab, 0x71, 0x40, 0xe9];

/// A foreign call that ended.
pub(super) struct Called {
    pub(super) session: Box<Session>,
    pub(super) result: FrameResult,
    /// What the dispatcher charged for it.
    pub(super) gas_used: Gas,
}

/// Calls a contract that the dispatcher must enter.
pub(super) fn call(mut session: Box<Session>, host: &mut dyn Host, init: FrameInit) -> Result<Called, HostFault> {
    let FrameInit { depth, memory, frame_input } = init;
    let FrameInput::Call(inputs) = frame_input else {
        return Err(HostFault::Internal("a creation is not a foreign call".into()));
    };
    let refuse = |session: Box<Session>, result, reason: &str| {
        let result = refused(&inputs, result, reason);
        session.tell_refusal(&inputs, &result);
        Ok(Called { session, result, gas_used: Gas::ZERO })
    };
    // Foreign code cannot run on the caller's storage.
    let plain = matches!(inputs.scheme, CallScheme::Call | CallScheme::StaticCall);
    if !plain || inputs.bytecode_address != inputs.target_address {
        let reason =
            "delegatecall to a contract of another runtime, or to one that is frozen or revoked, is not possible";
        return refuse(session, InstructionResult::Revert, reason);
    }

    // The input may lie in the caller's memory, which nested calls move: copy it now.
    let data = inputs.input.bytes(&session.revm.ctx);
    session.drain_logs()?;
    let state = &mut session.revm.ctx.journaled_state;
    let checkpoint = state.checkpoint();
    let value = inputs.value.transfer().unwrap_or_default();
    if let Some(error) = state.transfer_loaded(inputs.caller, inputs.target_address, value) {
        state.checkpoint_revert(checkpoint);
        return refuse(session, error.into(), "the balance is too low for the call's value");
    }
    let mut callee = Callee::new(&inputs, data, value);
    if callee.request.is_static && !value.is_zero() {
        session.revm.ctx.journaled_state.checkpoint_revert(checkpoint);
        return refuse(session, InstructionResult::Revert, "a static call moves no value");
    }

    let before = host.gas_left();
    let factor = host.transaction().schedule().evm.factor;
    let ended = match callee.afford(gas::to_vm(inputs.gas_limit, factor), host) {
        false => None,
        true => {
            let outer = session.lend(host, memory, depth + 1);
            let ended = host.call(callee.request).or_else(stopped)?;
            session = take_back(host, outer)?;
            Some(ended)
        }
    };
    let (was_asked, gas_used) = (ended.is_some(), before.saturating_sub(host.gas_left()));

    let state = &mut session.revm.ctx.journaled_state;
    let mut left = EvmGas::new(inputs.gas_limit);
    let result = match ended {
        None => {
            state.checkpoint_revert(checkpoint);
            left.spend_all();
            InterpreterResult::new(InstructionResult::OutOfGas, Bytes::new(), left)
        }
        Some(ended) => {
            match ended.status.is_success() {
                true => state.checkpoint_commit(),
                false => state.checkpoint_revert(checkpoint),
            }
            if !left.record_regular_cost(gas::to_evm_rounded_up(gas_used, factor)) {
                left.spend_all();
            }
            let (result, output) = answer(ended, callee.wrapped);
            InterpreterResult::new(result, output, left)
        }
    };
    let result = finish(&inputs, result);
    if !was_asked {
        session.tell_refusal(&inputs, &result);
    }
    Ok(Called { session, result, gas_used })
}

/// The refusal of a call to a contract that only the dispatcher can enter, or whose rules only it can ask, where there is none.
pub(super) fn without_dispatcher(session: &Session, init: &FrameInit) -> Result<Option<FrameResult>, HostFault> {
    let FrameInput::Call(call) = &init.frame_input else { return Ok(None) };
    let refuse = |reason: &str| Ok(Some(refused(call, InstructionResult::Revert, reason)));
    if session.is_foreign(init) {
        return refuse("an ethereum transaction cannot reach contracts of other runtimes, or such as are not active");
    }
    let Some((name, standing)) = session.called(call)? else { return Ok(None) };
    if standing.is_some_and(|standing| standing.guarded) {
        return refuse("an ethereum transaction cannot reach contracts with rules for their callers");
    }
    session.closed(call, name, standing).map_or(Ok(None), |why| refuse(&why))
}

/// The callee as the dispatcher is asked for it.
struct Callee {
    request: CallRequest,
    /// True when the result is to be encoded as `bytes`.
    wrapped: bool,
}

impl Callee {
    /// Call data of [`CALL`] and [`STATIC_CALL`] names method and input; any other is passed on as it is, without a method.
    fn new(inputs: &CallInputs, data: Bytes, value: U256) -> Self {
        let named = data
            .split_first_chunk::<4>()
            .filter(|(selector, _)| [CALL, STATIC_CALL].contains(*selector))
            .and_then(|(selector, arguments)| Some((*selector == STATIC_CALL, abi::decode_call(arguments)?)));
        let wrapped = named.is_some();
        let (is_static, (method, input)) = named.unwrap_or_else(|| (false, (String::new(), data.0)));
        let mut request = CallRequest::new(vm_address(&inputs.target_address), method, input);
        request.caller = Some(vm_address(&inputs.caller));
        request.value = Amount::from_be_bytes(value.to_be_bytes());
        request.value_moved = true;
        request.is_static = inputs.is_static || is_static;
        Self { request, wrapped }
    }

    /// The callee gets what the caller gave, less the dispatcher's price of the call; false when that is too little.
    fn afford(&mut self, given: Gas, host: &mut dyn Host) -> bool {
        let prices = &host.transaction().schedule().host;
        let size = self.request.method.len().saturating_add(self.request.input.len());
        let mut price = prices.call.of(size);
        if !self.request.value.is_zero() {
            price = price.saturating_add(prices.transfer.of(0));
        }
        self.request.gas = given.checked_sub(price);
        self.request.gas.is_some()
    }
}

/// A trap here is the whole entry's, which the dispatcher ends with it whatever is returned; a host fault is the end.
fn stopped(stop: Stop) -> Result<Outcome, HostFault> {
    let Return { status, output } = stop.into_return()?;
    Ok(Outcome { status, output, gas_used: Gas::ZERO })
}

/// The outcome as the calling EVM frame sees it.
fn answer(ended: Outcome, wrapped: bool) -> (InstructionResult, Bytes) {
    let output = match ended.status {
        Status::Success if wrapped => abi::encode_bytes(&ended.output).into(),
        Status::Success => Bytes(ended.output),
        // Text becomes what Solidity shows as the reason; anything else is passed on.
        Status::Revert => match std::str::from_utf8(&ended.output) {
            Ok(reason) => abi::error_string(reason).into(),
            Err(_) => Bytes(ended.output),
        },
        Status::Trap(trap) => abi::error_string(&trap.to_string()).into(),
    };
    let result = match ended.status.is_success() {
        true => InstructionResult::Return,
        false => InstructionResult::Revert,
    };
    (result, output)
}

/// A call that did not take place; all its gas comes back.
pub(super) fn refused(inputs: &CallInputs, result: InstructionResult, reason: &str) -> FrameResult {
    let output = abi::error_string(reason).into();
    finish(inputs, InterpreterResult::new(result, output, EvmGas::new(inputs.gas_limit)))
}

fn finish(inputs: &CallInputs, result: InterpreterResult) -> FrameResult {
    FrameResult::Call(CallOutcome {
        charged_new_account_state_gas: inputs.charged_new_account_state_gas,
        ..CallOutcome::new(result, inputs.return_memory_offset.clone())
    })
}

impl Session {
    /// Puts the session into the transaction for nested calls; returns the depth to go back to.
    fn lend(mut self: Box<Self>, host: &mut dyn Host, memory: SharedMemory, depth: usize) -> usize {
        self.memories.push(memory);
        let outer = std::mem::replace(&mut self.depth, depth);
        host.transaction().put_overlay(self);
        outer
    }
}

fn take_back(host: &mut dyn Host, depth: usize) -> Result<Box<Session>, HostFault> {
    let lost = || HostFault::Internal("the evm session was lost during a call".into());
    let overlay = host.transaction().take_overlay().ok_or_else(lost)?;
    let mut session = overlay.into_any().downcast::<Session>().map_err(|_| lost())?;
    session.memories.pop();
    session.depth = depth;
    Ok(session)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_selector_is_that_of_the_signature() {
        assert_eq!(super::CALL, crate::abi::selector("call(string,bytes)"));
        assert_eq!(super::STATIC_CALL, crate::abi::selector("staticCall(string,bytes)"));
    }
}
