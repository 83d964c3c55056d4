//! Floating point: what is the same on every machine, and what is made so.
//!
//! IEEE 754 and the language's specification leave one choice to machines: the bits of a NaN that an operator comes up with.
//! Instrumentation puts the canonical one in its place, so that contracts with floats, where the configuration admits them,
//! are as deterministic as all others.

use wasm_encoder::{Ieee32, Ieee64, Instruction as I, ValType};
use wasmparser::Operator;

/// What a floating-point operator yields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Float {
    /// The same on every machine.
    Exact,
    /// A number of 32 bits, or a NaN of the machine's choice.
    Number32,
    /// The same with 64 bits.
    Number64,
}

/// What an operator yields, if it has to do with floats.
pub(crate) fn float(op: &Operator<'_>) -> Option<Float> {
    use Operator as O;
    Some(match op {
        O::F32Add
        | O::F32Sub
        | O::F32Mul
        | O::F32Div
        | O::F32Sqrt
        | O::F32Ceil
        | O::F32Floor
        | O::F32Trunc
        | O::F32Nearest
        | O::F32Min
        | O::F32Max
        | O::F32DemoteF64 => Float::Number32,
        O::F64Add
        | O::F64Sub
        | O::F64Mul
        | O::F64Div
        | O::F64Sqrt
        | O::F64Ceil
        | O::F64Floor
        | O::F64Trunc
        | O::F64Nearest
        | O::F64Min
        | O::F64Max
        | O::F64PromoteF32 => Float::Number64,
        op if is_float_access(op) => Float::Exact,
        O::F32Const { .. }
        | O::F64Const { .. }
        | O::F32Abs
        | O::F32Neg
        | O::F32Copysign
        | O::F32Eq
        | O::F32Ne
        | O::F32Lt
        | O::F32Gt
        | O::F32Le
        | O::F32Ge
        | O::F64Abs
        | O::F64Neg
        | O::F64Copysign
        | O::F64Eq
        | O::F64Ne
        | O::F64Lt
        | O::F64Gt
        | O::F64Le
        | O::F64Ge
        | O::I32TruncF32S
        | O::I32TruncF32U
        | O::I32TruncF64S
        | O::I32TruncF64U
        | O::I64TruncF32S
        | O::I64TruncF32U
        | O::I64TruncF64S
        | O::I64TruncF64U
        | O::I32TruncSatF32S
        | O::I32TruncSatF32U
        | O::I32TruncSatF64S
        | O::I32TruncSatF64U
        | O::I64TruncSatF32S
        | O::I64TruncSatF32U
        | O::I64TruncSatF64S
        | O::I64TruncSatF64U
        | O::F32ConvertI32S
        | O::F32ConvertI32U
        | O::F32ConvertI64S
        | O::F32ConvertI64U
        | O::F64ConvertI32S
        | O::F64ConvertI32U
        | O::F64ConvertI64S
        | O::F64ConvertI64U
        | O::I32ReinterpretF32
        | O::I64ReinterpretF64
        | O::F32ReinterpretI32
        | O::F64ReinterpretI64 => Float::Exact,
        _ => return None,
    })
}

/// A load or a store of a float.
fn is_float_access(op: &Operator<'_>) -> bool {
    use Operator as O;
    matches!(op, O::F32Load { .. } | O::F64Load { .. } | O::F32Store { .. } | O::F64Store { .. })
}

impl Float {
    /// The type of the local that making a NaN canonical needs, if it is needed.
    pub(super) const fn local(self) -> Option<ValType> {
        match self {
            Self::Exact => None,
            Self::Number32 => Some(ValType::F32),
            Self::Number64 => Some(ValType::F64),
        }
    }

    /// Puts the canonical NaN in the place of any NaN: `x == x ? x : NaN`.
    pub(super) const fn canonical(self, local: u32) -> [I<'static>; 6] {
        let (nan, equal) = match self {
            Self::Exact | Self::Number32 => (I::F32Const(Ieee32::new(0x7fc0_0000)), I::F32Eq),
            Self::Number64 => (I::F64Const(Ieee64::new(0x7ff8_0000_0000_0000)), I::F64Eq),
        };
        [I::LocalTee(local), nan, I::LocalGet(local), I::LocalGet(local), equal, I::Select]
    }
}
