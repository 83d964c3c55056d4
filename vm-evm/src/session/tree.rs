//! What the transaction's call tree is told of the EVM: calls between its accounts, which the dispatcher does not see, and what
//! contracts do with slots and logs, which do not go through the host.

use revm::{
    bytecode::opcode,
    handler::FrameResult,
    interpreter::{CallInputs, CallScheme, CreateInputs, FrameInput, interpreter_action::FrameInit},
    primitives::U256,
};
use vm_core::{
    Address, Amount, CallKind, Excerpt, Gas, Host, HostOperation, Outcome, Return, RuntimeKind, Status, TracedCall,
    Tracer,
};

use super::{Session, context::Ctx, database::vm_address};
use crate::{
    abi::selector_text,
    contract::outcome,
    gas,
    trace::{Refunds, Step},
};

/// Who wants to see the calls of this transaction.
#[derive(Debug)]
pub(super) struct Told {
    tracer: Tracer,
    /// What the schedule charges for one of Ethereum's gas.
    factor: u64,
    refunds: Refunds,
}

impl Session {
    /// From now on what happens is told, if anybody wants to see it.
    pub(super) fn tell_to(&mut self, host: &mut dyn Host) {
        let transaction = host.transaction();
        let factor = transaction.schedule().evm.factor;
        let told = |tracer: &Tracer| Told { tracer: tracer.clone(), factor, refunds: Refunds::default() };
        self.told = transaction.tracer().map(told);
    }

    /// A call or creation inside the EVM begins, or is refused.
    pub(super) fn tell_begin(&self, init: &FrameInit, is_entered: bool) {
        let Some(told) = &self.told else { return };
        match &init.frame_input {
            FrameInput::Call(inputs) => told.tracer.open(self.called_as(inputs, told.factor)),
            FrameInput::Create(inputs) => told.tracer.open(creation(inputs, told.factor)),
            FrameInput::Empty => {}
        }
        if !is_entered {
            told.tracer.amend(|call| call.runtime = None);
        }
    }

    /// The call or creation that began last has ended.
    pub(super) fn tell_end(&self, result: &FrameResult) {
        let Some(told) = &self.told else { return };
        let used = match result.instruction_result().is_ok_or_revert() {
            true => result.gas().total_gas_spent(),
            false => result.gas().limit(),
        };
        if let FrameResult::Create(created) = result {
            told.tracer.amend(|call| call.callee = created.address.as_ref().map_or(Address::ZERO, vm_address));
        }
        let Return { status, output } = outcome(result.interpreter_result().clone(), &self.config);
        told.tracer.close(&Outcome { status, output, gas_used: gas::to_vm(used, told.factor) });
    }

    /// A call that did not get as far as anybody's rules.
    pub(super) fn tell_refusal(&self, inputs: &CallInputs, result: &FrameResult) {
        if let Some(told) = &self.told {
            told.tracer.open(TracedCall { runtime: None, ..self.called_as(inputs, told.factor) });
            self.tell_end(result);
        }
    }

    /// What an entry gets back for storage that it cleared.
    pub(crate) fn tell_refund(&self, refund: u64) {
        if let Some(told) = &self.told {
            // A migration enters the engine twice: for the constructor, and for the function.
            told.tracer.amend(|call| call.refund = call.refund.saturating_add(gas::to_vm(refund, told.factor)));
        }
    }

    fn called_as(&self, inputs: &CallInputs, factor: u64) -> TracedCall {
        let database = &self.revm.ctx.journaled_state.database;
        let input = inputs.input.as_bytes(&self.revm.ctx);
        let kind = match inputs.scheme {
            CallScheme::Call | CallScheme::StaticCall => CallKind::Call,
            CallScheme::DelegateCall => CallKind::DelegateCall,
            CallScheme::CallCode => CallKind::CallCode,
        };
        TracedCall {
            kind,
            // Code that runs for its caller's account sees the caller of that.
            caller: vm_address(if kind == CallKind::Call { &inputs.caller } else { &inputs.target_address }),
            callee: vm_address(&inputs.bytecode_address),
            contract: database.read(&inputs.bytecode_address).and_then(|read| read.account.contract.clone()),
            runtime: Some(RuntimeKind::Evm),
            method: selector_text(&input),
            input: Excerpt::of(&input),
            value: amount(inputs.value.transfer().unwrap_or_default()),
            is_static: inputs.is_static,
            gas: gas::to_vm(inputs.gas_limit, factor),
            ..begun()
        }
    }
}

/// The address is known at its end.
fn creation(inputs: &CreateInputs, factor: u64) -> TracedCall {
    TracedCall {
        kind: CallKind::Create,
        caller: vm_address(&inputs.caller()),
        runtime: Some(RuntimeKind::Evm),
        input: inputs.init_code().into(),
        value: amount(inputs.value()),
        gas: gas::to_vm(inputs.gas_limit(), factor),
        ..begun()
    }
}

/// A call of which nothing is known yet.
fn begun() -> TracedCall {
    TracedCall {
        kind: CallKind::Call,
        caller: Address::ZERO,
        callee: Address::ZERO,
        contract: None,
        runtime: None,
        method: String::new(),
        input: Excerpt::default(),
        value: Amount::ZERO,
        is_static: false,
        gas: Gas::ZERO,
        gas_used: Gas::ZERO,
        refund: Gas::ZERO,
        status: Status::Success,
        output: Excerpt::default(),
        inside: Vec::new(),
    }
}

fn amount(value: U256) -> Amount {
    Amount::from_be_bytes(value.to_be_bytes())
}

impl Told {
    /// An instruction was executed. `stack` is what it found, `top` what it left on top; it did what it says unless it failed.
    pub(super) fn step(&mut self, step: Step<'_>, top: Option<&U256>, ctx: &Ctx) {
        let cost = gas::to_vm(step.gas_cost, self.factor);
        if step.error.is_none()
            && let Some(operation) = operation(step.op, step.stack, top, ctx)
        {
            self.tracer.operation(operation, cost, None);
        }
        if self.tracer.wants_steps() {
            let refund = self.refunds.total(step.depth, step.refund);
            // Nothing in it can fail to be written.
            if let Ok(object) = serde_json::to_string(&Step { refund, ..step }) {
                self.tracer.step(object);
            }
        }
    }
}

/// What an instruction did with state or events, if it is such a one.
fn operation(op: u8, stack: &[U256], top: Option<&U256>, ctx: &Ctx) -> Option<HostOperation> {
    let word = |word: &U256| Excerpt::of(&word.to_be_bytes::<32>());
    // As it is stored: without leading zeros, and nothing is zero.
    let value = |value: &U256| (!value.is_zero()).then(|| Excerpt::of(&value.to_be_bytes_trimmed_vec()));
    match (op, stack) {
        (opcode::SLOAD, [.., key]) => Some(HostOperation::Get { key: word(key), value: top.and_then(value) }),
        (opcode::SSTORE, [.., new, key]) => Some(match value(new) {
            Some(value) => HostOperation::Put { key: word(key), value },
            None => HostOperation::Delete { key: word(key) },
        }),
        (opcode::LOG0..=opcode::LOG4, _) => {
            let log = ctx.journaled_state.logs.last()?;
            let topics = log.data.topics().iter().map(|topic| Excerpt::of(topic.as_slice())).collect();
            Some(HostOperation::Emit { topics, data: Excerpt::of(&log.data.data) })
        }
        _ => None,
    }
}
