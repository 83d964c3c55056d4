//! The functions that are added to a module, and its exports.

use wasm_encoder::{
    CodeSection, ExportKind, ExportSection, Function, FunctionSection, Instruction as I, TypeSection, ValType,
};
use wasmparser::ExternalKind;

use super::module::{CALL, GAS, MEMORY, OPERANDS, Rewriter};
use super::{MeterError, body, word};
use crate::abi::import::Op;

/// The sections that grow.
#[derive(Default)]
pub(super) struct Sections {
    pub(super) types: TypeSection,
    pub(super) functions: FunctionSection,
    pub(super) exports: ExportSection,
    pub(super) code: CodeSection,
}

impl Sections {
    fn function(&mut self, ty: u32, body: &Function) {
        self.functions.function(ty);
        self.code.function(body);
    }

    /// Adds a type.
    fn ty(&mut self, params: &[ValType], results: &[ValType]) -> u32 {
        self.types.ty().function(params.iter().copied(), results.iter().copied());
        self.types.len() - 1
    }
}

pub(super) fn function(instructions: &[I<'_>]) -> Function {
    let mut function = Function::new([]);
    for instruction in instructions {
        function.instruction(instruction);
    }
    function
}

impl Rewriter<'_, '_> {
    /// Adds the refill, the thunks of imports, and what is exported. Returns the start function.
    pub(super) fn additions(&mut self, sections: &mut Sections) -> Result<Option<u32>, MeterError> {
        let ty = sections.ty(&[ValType::I64], &[ValType::I64]);
        sections.function(ty, &self.refill_body());
        for import in self.thunks() {
            let ty = self.type_of(import)?;
            sections.function(self.metered(ty), &body::thunk(self, import, self.params(ty)?)?);
        }
        if !self.checked.contract {
            return self.exports(sections);
        }
        for grown in self.grown.clone() {
            sections.exports.export(grown.export(), ExportKind::Func, self.defined(sections.functions.len()));
            let ty = sections.ty(&[ValType::I32], &[ValType::I32]);
            sections.function(ty, &grown.growing());
            let ty = sections.ty(grown.params(), &[ValType::I32]);
            sections.function(ty, &grown.asking(self.host_op()));
        }
        sections.exports.export(MEMORY, ExportKind::Memory, 0);
        sections.exports.export(CALL, ExportKind::Func, self.defined(sections.functions.len()));
        sections.function(self.metered(self.type_of(self.checked.entry)?), &self.call_body());
        Ok(None)
    }

    /// `[word] -> [word]`: asks the host for the next slice. The first operand says whether the stack is used up.
    fn refill_body(&self) -> Function {
        let mut body = vec![I::LocalGet(0), I::I64Const(word::FULL), I::I64And, I::I64Const(0), I::I64Ne];
        body.extend((1..OPERANDS).map(|_| I::I32Const(0)));
        body.extend([I::I32Const(Op::Refill as i32), I::LocalGet(0), I::Call(self.host_op())]);
        body.extend([I::LocalSet(0), I::Drop, I::LocalGet(0), I::End]);
        function(&body)
    }

    /// The exported function of a contract: runs the start function and the entry.
    fn call_body(&self) -> Function {
        let mut body = vec![I::LocalGet(3), I::I64Const(self.base()), I::I64Or];
        body.extend(self.checked.start.map(|start| I::Call(self.function(start))));
        body.push(I::LocalSet(3));
        body.extend((0..4).map(I::LocalGet));
        body.extend([I::Call(self.function(self.checked.entry)), I::End]);
        function(&body)
    }

    /// The exports of a module that is no contract, and its gas. Returns the start function.
    fn exports(&mut self, sections: &mut Sections) -> Result<Option<u32>, MeterError> {
        let checked = self.checked;
        for (name, kind, index) in &checked.exports {
            let index = if *kind == ExternalKind::Func { self.outer(sections, *index)? } else { *index };
            sections.exports.export(name, (*kind).into(), index);
        }
        sections.exports.export(GAS, ExportKind::Global, checked.globals);
        checked.start.map(|start| self.outer(sections, start)).transpose()
    }

    /// Adds a function of the same type as another, which takes the gas from the global and puts it back.
    fn outer(&mut self, sections: &mut Sections, inner: u32) -> Result<u32, MeterError> {
        if self.import(inner).is_some() {
            return Ok(self.foreign(inner));
        }
        let (ty, gas) = (self.type_of(inner)?, self.checked.globals);
        let mut body: Vec<_> = (0..self.params(ty)?).map(I::LocalGet).collect();
        body.extend([
            I::GlobalGet(gas),
            I::I64Const(word::SHIFT.into()),
            I::I64Shl,
            I::I64Const(self.base()),
            I::I64Or,
        ]);
        body.extend([I::Call(self.function(inner)), I::I64Const(word::SHIFT.into()), I::I64ShrS]);
        body.extend([I::GlobalSet(gas), I::End]);
        let index = self.defined(sections.functions.len());
        sections.function(ty, &function(&body));
        Ok(index)
    }
}
