//! Growth of memory and table, which contracts do by functions that are added for it.
//!
//! wasmi 2.0 dispatches by tail calls, but behind a growth it makes an ordinary call, however it is compiled: each one leaves a
//! frame on the native stack until the contract ends, so that a loop of them overflowed it. These functions ask
//! the host first. On wasmi the host calls the function that grows as a call of its own, whose frames end with it; on other
//! engines it answers that the contract shall grow by itself.

use wasm_encoder::{BlockType, Function, HeapType, Instruction as I, ValType};

use super::added::function;
use super::module::OPERANDS;
use crate::abi::import::{BY_ITSELF, Op};

/// What grows. The number is the first operand of [`Op::Grow`], and the index of the export in [`GROW`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grown {
    Memory,
    Table,
}

/// The exported functions that grow memory and table, `[by] -> [size before, or -1]`, of modules that use them.
pub(crate) const GROW: [&str; 2] = ["memory.grow", "table.grow"];

impl Grown {
    pub(super) const fn export(self) -> &'static str {
        let [memory, table] = GROW;
        match self {
            Self::Memory => memory,
            Self::Table => table,
        }
    }

    /// Parameters of the function that stands for the operator.
    pub(super) const fn params(self) -> &'static [ValType] {
        match self {
            Self::Memory => &[ValType::I32],
            Self::Table => &[ValType::FUNCREF, ValType::I32],
        }
    }

    /// The body of the function that grows. New entries of the table are null.
    pub(super) fn growing(self) -> Function {
        match self {
            Self::Memory => function(&[I::LocalGet(0), I::MemoryGrow(0), I::End]),
            Self::Table => function(&[I::RefNull(HeapType::FUNC), I::LocalGet(0), I::TableGrow(0), I::End]),
        }
    }

    /// The body of the function that stands for the operator: `host_op` answers with the size before, or that the contract
    /// grows by itself. Nothing is charged here, the operator was.
    pub(super) fn asking(self, host_op: u32) -> Function {
        let by = match self {
            Self::Memory => 0,
            Self::Table => 1,
        };
        let answer = by + 1;
        let size = [I::LocalGet(answer), I::I32WrapI64];
        let mut body = vec![I::I32Const(self as i32), I::LocalGet(by)];
        body.extend((2..OPERANDS).map(|_| I::I32Const(0)));
        body.extend([I::I32Const(Op::Grow as i32), I::I64Const(0), I::Call(host_op), I::Drop, I::LocalTee(answer)]);
        body.extend([I::I64Const(BY_ITSELF), I::I64Eq, I::If(BlockType::Result(ValType::I32))]);
        match self {
            Self::Memory => body.extend([I::LocalGet(by), I::MemoryGrow(0), I::Else]),
            Self::Table => {
                body.extend([I::LocalGet(0), I::LocalGet(by), I::TableGrow(0), I::Else]);
                body.extend(size.clone());
                body.extend([I::I32Const(-1), I::I32Ne, I::If(BlockType::Empty)]);
                body.extend(size.clone());
                body.extend([I::LocalGet(0), I::LocalGet(by), I::TableFill(0), I::End]);
            }
        }
        body.extend(size);
        body.extend([I::End, I::End]);
        let mut function = Function::new_with_locals_types([ValType::I64]);
        for instruction in &body {
            function.instruction(instruction);
        }
        function
    }
}
