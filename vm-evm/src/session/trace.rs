//! The interpreter's loop with a line for every instruction, in place of revm's own.

use revm::{
    bytecode::opcode::OpCode,
    context_interface::context::ContextError,
    handler::{EvmTr, FrameInitOrResult, ItemOrResult, instructions::InstructionProvider},
    interpreter::{
        InterpreterResult,
        interpreter_types::{Jumps, LoopControl, ReturnData},
    },
    primitives::U256,
};

use super::{Frame, Session, database::DbFault};
use crate::{
    Fork,
    trace::{Step, Summary, Trace},
};

impl Session {
    /// Makes every instruction from now on be told; `None` goes without.
    pub(crate) fn trace_to(&mut self, trace: Option<&Trace>) {
        if self.trace.is_none() {
            self.trace = trace.cloned();
        }
    }

    /// True when anybody wants to know of instructions, or of what they do.
    pub(super) const fn is_told(&self) -> bool {
        self.trace.is_some() || self.told.is_some()
    }

    /// What [`EvmTr::frame_run`] does, told instruction by instruction.
    pub(super) fn run_traced(&mut self) -> Result<FrameInitOrResult<Frame>, ContextError<DbFault>> {
        let (trace, mut told) = (&self.trace, self.told.as_mut());
        let (ctx, instructions, _, frames) = self.revm.all_mut();
        let frame = frames.get();
        let interpreter = &mut frame.interpreter;
        let (table, prices) = (instructions.instruction_table(), instructions.gas_table());
        let mut stack: Vec<U256> = Vec::new();
        loop {
            stack.clear();
            stack.extend_from_slice(interpreter.stack.data());
            let (pc, op, gas) = (interpreter.bytecode.pc(), interpreter.bytecode.opcode(), interpreter.gas.remaining());
            let (mem_size, refund) = (interpreter.memory.len(), interpreter.gas.refunded());
            let return_data = interpreter.return_data.buffer().clone();
            let ended = interpreter.step(table, prices, ctx).err();
            if let Some(result) = ended
                && interpreter.bytecode.action().is_none()
            {
                interpreter.halt(result);
            }
            let result = interpreter.bytecode.instruction_result().filter(|result| !result.is_ok());
            let error = result.map(|result| format!("{result:?}"));
            let step = Step {
                pc,
                op,
                gas,
                gas_cost: gas.saturating_sub(interpreter.gas.remaining()),
                mem_size,
                stack: &stack,
                depth: frame.depth + 1,
                return_data: &return_data,
                refund,
                op_name: OpCode::name_by_op(op),
                error: error.as_deref(),
            };
            if let Some(trace) = trace {
                trace.step(step);
            }
            if let Some(told) = &mut told {
                told.step(step, interpreter.stack.data().last(), ctx);
            }
            if ended.is_some() || interpreter.bytecode.is_end() {
                break;
            }
        }
        let action = interpreter.take_next_action();
        let next = frame.process_next_action::<_, ContextError<DbFault>>(ctx, action)?;
        if let ItemOrResult::Result(_) = next {
            frame.set_finished(true);
        }
        Ok(next)
    }

    /// Tells how an entry ended, unless it lies inside another one.
    pub(crate) fn trace_end(&self, result: &InterpreterResult, gas_used: u64) {
        if let Some(trace) = self.trace.as_ref().filter(|_| self.depth == 0) {
            trace_end(trace, result, gas_used, self.config.fork());
        }
    }
}

/// Tells how an entry ended.
pub(crate) fn trace_end(trace: &Trace, result: &InterpreterResult, gas_used: u64, fork: Fork) {
    let failed = !result.result.is_ok();
    trace.summary(&Summary {
        output: &result.output,
        gas_used,
        pass: !failed,
        error: failed.then(|| format!("{:?}", result.result)),
        fork,
    });
}
