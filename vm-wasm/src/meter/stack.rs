//! Stack height: how many units a call of a function occupies.
//!
//! Engines overflow at different depths, so the height is counted by the module itself. Locals and operand height do not
//! bound a native frame: an optimising compiler computes a value once and keeps it in the frame across calls. Hence every
//! operator that yields such a value counts too.

use wasmparser::Operator;

/// What every frame costs.
const FRAME: u64 = 4;

/// The units of a function with this many locals, this operand height, and this many values that may be kept.
pub(crate) fn units(locals: u32, height: u32, kept: u32) -> u64 {
    FRAME + u64::from(locals) + u64::from(height) + u64::from(kept)
}

/// Whether an optimising engine may keep the operator's result in the native frame.
pub(crate) fn may_be_kept(op: &Operator<'_>) -> bool {
    use Operator as O;
    !matches!(
        op,
        O::Nop
            | O::Block { .. }
            | O::Loop { .. }
            | O::If { .. }
            | O::Else
            | O::End
            | O::Br { .. }
            | O::BrIf { .. }
            | O::BrTable { .. }
            | O::Return
            | O::Unreachable
            | O::Drop
            | O::LocalGet { .. }
            | O::LocalSet { .. }
            | O::LocalTee { .. }
            | O::GlobalGet { .. }
            | O::GlobalSet { .. }
            | O::Call { .. }
            | O::CallIndirect { .. }
            | O::I32Store { .. }
            | O::I64Store { .. }
            | O::I32Store8 { .. }
            | O::I32Store16 { .. }
            | O::I64Store8 { .. }
            | O::I64Store16 { .. }
            | O::I64Store32 { .. }
            | O::F32Store { .. }
            | O::F64Store { .. }
    )
}
