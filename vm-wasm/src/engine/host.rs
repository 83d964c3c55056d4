//! What the engines' host functions have in common: their operands, and how they leave a contract.

use crate::abi::Stopped;

/// Unwinds the contract after the frame said [`Stopped`].
#[derive(Debug, thiserror::Error)]
#[error("stopped by the host")]
pub(super) struct Left;

impl From<Stopped> for Left {
    fn from(Stopped: Stopped) -> Self {
        Self
    }
}

/// The imports `host.op` and `host.call` as functions of an engine, which has a function `with_frame` that gives the frame and
/// the contract's memory to a closure. Engines take the types of imports from the types of functions.
macro_rules! host_functions {
    ($caller:ty, $error:ty) => {
        #[allow(clippy::too_many_arguments, reason = "the operands of an import")]
        fn operate(
            caller: $caller,
            a: u32,
            b: u32,
            c: u32,
            d: u32,
            e: u32,
            op: i32,
            gas: i64,
        ) -> Result<(i64, i64), $error> {
            with_frame(caller, |frame, bytes| frame.operate(bytes, op, [a, b, c, d, e], gas))
        }

        #[allow(clippy::too_many_arguments, reason = "the operands of an import")]
        fn call(
            caller: $caller,
            to: u32,
            to_len: u32,
            method: u32,
            method_len: u32,
            input: u32,
            input_len: u32,
            value: u32,
            gas: u64,
            flags: u32,
            left: i64,
        ) -> Result<(i64, i64), $error> {
            let operands =
                $crate::abi::CallOperands { to, to_len, method, method_len, input, input_len, value, gas, flags };
            with_frame(caller, |frame, bytes| frame.call_out(bytes, operands, left))
        }
    };
}

pub(super) use host_functions;
