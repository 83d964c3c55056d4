//! The operators that contracts may use, each with the class that it is priced by.

use wasmparser::{MemArg, Operator};

use super::float::float;

/// What an operator is priced as. The prices are in the gas schedule, section `[wasm]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum OpClass {
    /// Structure without work of its own.
    Free,
    /// Everything that engines do in about the same time.
    Operator,
    /// Direct calls. Those of the host have a price of their own.
    Call,
    /// Indirect calls.
    CallIndirect,
    /// Growing memory or table, in addition to its length.
    Grow,
    /// Other operators on memory and table whose work depends on a length, in addition to it.
    Bulk,
}

/// Classes that are also priced by their length operand, the topmost value of the operand stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// 64 KiB pages.
    Pages,
    /// Bytes.
    Bytes,
    /// Elements of a table.
    Elements,
}

/// The class of an operator, or nothing if contracts may not use it: what has no price cannot get in.
pub(crate) fn class(op: &Operator<'_>) -> Option<OpClass> {
    use Operator as O;
    Some(match op {
        O::Nop | O::Block { .. } | O::Loop { .. } | O::Else | O::End | O::Unreachable => OpClass::Free,
        O::Call { .. } => OpClass::Call,
        O::CallIndirect { .. } => OpClass::CallIndirect,
        O::MemoryGrow { .. } | O::TableGrow { .. } => OpClass::Grow,
        O::MemoryCopy { .. }
        | O::MemoryFill { .. }
        | O::MemoryInit { .. }
        | O::DataDrop { .. }
        | O::TableCopy { .. }
        | O::TableFill { .. }
        | O::TableInit { .. }
        | O::ElemDrop { .. } => OpClass::Bulk,
        O::I32Const { .. }
        | O::I64Const { .. }
        | O::LocalGet { .. }
        | O::LocalSet { .. }
        | O::LocalTee { .. }
        | O::GlobalGet { .. }
        | O::GlobalSet { .. }
        | O::If { .. }
        | O::Br { .. }
        | O::BrIf { .. }
        | O::Return
        | O::BrTable { .. }
        | O::I32Mul
        | O::I64Mul
        | O::I32DivS
        | O::I32DivU
        | O::I32RemS
        | O::I32RemU
        | O::I64DivS
        | O::I64DivU
        | O::I64RemS
        | O::I64RemU
        | O::MemorySize { .. }
        | O::TableSize { .. }
        | O::TableGet { .. }
        | O::TableSet { .. }
        | O::RefNull { .. }
        | O::RefIsNull
        | O::RefFunc { .. }
        | O::Drop
        | O::Select
        | O::TypedSelect { .. }
        | O::I32Eqz
        | O::I32Eq
        | O::I32Ne
        | O::I32LtS
        | O::I32LtU
        | O::I32GtS
        | O::I32GtU
        | O::I32LeS
        | O::I32LeU
        | O::I32GeS
        | O::I32GeU
        | O::I64Eqz
        | O::I64Eq
        | O::I64Ne
        | O::I64LtS
        | O::I64LtU
        | O::I64GtS
        | O::I64GtU
        | O::I64LeS
        | O::I64LeU
        | O::I64GeS
        | O::I64GeU
        | O::I32Clz
        | O::I32Ctz
        | O::I32Popcnt
        | O::I32Add
        | O::I32Sub
        | O::I32And
        | O::I32Or
        | O::I32Xor
        | O::I32Shl
        | O::I32ShrS
        | O::I32ShrU
        | O::I32Rotl
        | O::I32Rotr
        | O::I64Clz
        | O::I64Ctz
        | O::I64Popcnt
        | O::I64Add
        | O::I64Sub
        | O::I64And
        | O::I64Or
        | O::I64Xor
        | O::I64Shl
        | O::I64ShrS
        | O::I64ShrU
        | O::I64Rotl
        | O::I64Rotr
        | O::I32WrapI64
        | O::I64ExtendI32S
        | O::I64ExtendI32U
        | O::I32Extend8S
        | O::I32Extend16S
        | O::I64Extend8S
        | O::I64Extend16S
        | O::I64Extend32S => OpClass::Operator,
        op if access(op).is_some() || float(op).is_some() => OpClass::Operator,
        _ => return None,
    })
}

/// Where a load or a store goes to; `None` for any other operator.
pub(crate) fn access<'a>(op: &'a Operator<'_>) -> Option<&'a MemArg> {
    use Operator as O;
    match op {
        O::I32Load { memarg }
        | O::I64Load { memarg }
        | O::I32Load8S { memarg }
        | O::I32Load8U { memarg }
        | O::I32Load16S { memarg }
        | O::I32Load16U { memarg }
        | O::I64Load8S { memarg }
        | O::I64Load8U { memarg }
        | O::I64Load16S { memarg }
        | O::I64Load16U { memarg }
        | O::I64Load32S { memarg }
        | O::I64Load32U { memarg }
        | O::I32Store { memarg }
        | O::I64Store { memarg }
        | O::I32Store8 { memarg }
        | O::I32Store16 { memarg }
        | O::I64Store8 { memarg }
        | O::I64Store16 { memarg }
        | O::I64Store32 { memarg }
        | O::F32Load { memarg }
        | O::F64Load { memarg }
        | O::F32Store { memarg }
        | O::F64Store { memarg } => Some(memarg),
        _ => None,
    }
}

/// What the length operand of an operator counts, if it has one.
pub(crate) fn length(op: &Operator<'_>) -> Option<Length> {
    use Operator as O;
    match op {
        O::MemoryGrow { .. } => Some(Length::Pages),
        O::MemoryCopy { .. } | O::MemoryFill { .. } | O::MemoryInit { .. } => Some(Length::Bytes),
        O::TableGrow { .. } | O::TableCopy { .. } | O::TableFill { .. } | O::TableInit { .. } => Some(Length::Elements),
        _ => None,
    }
}
