//! Rewrites the module around its bodies.

use std::collections::BTreeMap;

use wasm_encoder::reencode::{Error as ReError, Reencode, utils};
use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, DataCountSection, DataSection, ElementSection, EntityType, ExportKind,
    ExportSection, Function, FunctionSection, GlobalSection, GlobalType, ImportSection, Instruction as I,
    MemorySection, Module, StartSection, TableSection, TypeSection, ValType,
};
use wasmparser::{BinaryReader, FunctionBody, Operator, Parser, Payload};

use super::body::{OPERANDS, rewrite, thunk};
use super::{Bounds, MeterError, Prices};
use crate::abi::chainmaker;
use crate::abi::import::{Import, Op};
use crate::gate::{Checked, Imported};

/// The module name of the host functions that an engine provides.
pub(crate) const HOST: &str = "host";
/// The host function of all operations but calls: five operands, the operation, the gas; returns the result and the gas.
pub(crate) const OP: &str = "op";
/// The host function of calls: the operands of `vm1.call` and the gas; returns the result and the gas. Also the name of the
/// exported function to call: entry, method length, input length and gas; returns the status and the gas.
pub(crate) const CALL: &str = "call";
/// The exported memory.
pub(crate) const MEMORY: &str = "memory";

/// The exported gas of a module that is no contract: a mutable `i64`, read and written by who calls it.
pub(crate) const GAS: &str = "vm.gas";
/// The gas that such a module has for its start function.
const START_GAS: i64 = 1 << 40;

/// A module as engines get it.
#[derive(Debug)]
pub(crate) struct Instrumented {
    pub(crate) bytes: Vec<u8>,
    /// Whether `host.call` is imported; `host.op` always is, before it.
    pub(crate) calls: bool,
}

/// Rewrites a module that passed the gate.
pub(crate) fn instrument(checked: &Checked<'_>, prices: &Prices, bounds: &Bounds) -> Result<Instrumented, MeterError> {
    let mut rewriter = Rewriter::new(checked, prices, bounds)?;
    let bytes = rewriter.module()?;
    Ok(Instrumented { bytes, calls: rewriter.calls })
}

pub(super) struct Rewriter<'a, 'c> {
    pub(super) prices: &'c Prices,
    checked: &'c Checked<'a>,
    bounds: &'c Bounds,
    calls: bool,
    /// The block types `[] -> results` of functions with parameters and more than one result, by the function's type.
    result_types: BTreeMap<u32, u32>,
    extra_types: Vec<Vec<ValType>>,
}

type Reencoded<T> = Result<T, ReError<MeterError>>;

impl Reencode for Rewriter<'_, '_> {
    type Error = MeterError;

    fn function_index(&mut self, function: u32) -> Reencoded<u32> {
        if let Some(defined) = function.checked_sub(self.imported()) {
            return Ok(defined.saturating_add(self.host_functions()).saturating_add(self.foreign(u32::MAX)));
        }
        if let Some(Imported::Foreign { .. }) = self.checked.imports.get(function as usize) {
            return Ok(self.host_functions().saturating_add(self.foreign(function)));
        }
        let thunk = self.checked.referenced.iter().position(|import| *import == function);
        let thunk = thunk.and_then(|thunk| u32::try_from(thunk).ok());
        let thunk = thunk.ok_or_else(|| ReError::UserError(MeterError("an unknown reference to an import".into())))?;
        Ok(self.exported().saturating_add(1).saturating_add(thunk))
    }

    fn memory_type(&mut self, mut ty: wasmparser::MemoryType) -> Reencoded<wasm_encoder::MemoryType> {
        ty.maximum = Some(ty.maximum.unwrap_or(u64::MAX).min(self.bounds.memory_pages));
        Ok(utils::memory_type(self, ty))
    }

    fn table_type(&mut self, mut ty: wasmparser::TableType) -> Reencoded<wasm_encoder::TableType> {
        ty.maximum = Some(ty.maximum.unwrap_or(u64::MAX).min(self.bounds.table_entries));
        utils::table_type(self, ty)
    }
}

impl From<ReError<MeterError>> for MeterError {
    fn from(error: ReError<MeterError>) -> Self {
        Self(error.to_string())
    }
}

impl From<wasmparser::Error> for MeterError {
    fn from(error: wasmparser::Error) -> Self {
        Self(error.to_string())
    }
}

impl<'a, 'c> Rewriter<'a, 'c> {
    fn new(checked: &'c Checked<'a>, prices: &'c Prices, bounds: &'c Bounds) -> Result<Self, MeterError> {
        let calls =
            checked.imports.iter().any(|import| matches!(import, Imported::Host(import) if import.op == Op::Call));
        let mut rewriter =
            Self { prices, checked, bounds, calls, result_types: BTreeMap::new(), extra_types: Vec::new() };
        for (index, ty) in (0u32..).zip(&checked.types) {
            if !ty.params().is_empty() && ty.results().len() > 1 {
                let results = ty.results().iter().map(|ty| rewriter.val_type(*ty)).collect::<Result<Vec<_>, _>>()?;
                let own = checked.types.len().saturating_add(rewriter.extra_types.len());
                rewriter.result_types.insert(index, u32::try_from(own).unwrap_or(u32::MAX));
                rewriter.extra_types.push(results);
            }
        }
        Ok(rewriter)
    }

    fn imported(&self) -> u32 {
        u32::try_from(self.checked.imports.len()).unwrap_or(u32::MAX)
    }

    fn host_functions(&self) -> u32 {
        1 + u32::from(self.calls)
    }

    /// Foreign imports before a function index.
    fn foreign(&self, function: u32) -> u32 {
        let before = self.checked.imports.iter().take(function as usize);
        let foreign = before.filter(|import| matches!(import, Imported::Foreign { .. }));
        u32::try_from(foreign.count()).unwrap_or(u32::MAX)
    }

    /// The import with a function index, if it is one.
    pub(super) fn import(&self, function: u32) -> Option<&'static Import> {
        if function == chainmaker::PARAMETERS_INDEX {
            return Some(&chainmaker::PARAMETERS);
        }
        match self.checked.imports.get(function as usize)? {
            Imported::Host(import) => Some(import),
            Imported::Foreign { .. } => None,
        }
    }

    /// The price of the function that stands for an import where it is used as a value.
    pub(super) fn thunk_price(&self, import: &Import) -> i64 {
        let operands = import.params.len() as u64;
        1u64.saturating_add(self.prices.operands(operands)).saturating_add(self.prices.host_call).cast_signed()
    }

    pub(super) fn price(&self, op: &Operator<'_>) -> u64 {
        match op {
            Operator::Call { function_index } if self.import(*function_index).is_some() => self.prices.host_call,
            op => self.prices.operator(op),
        }
    }

    pub(super) const fn host_op(&self) -> u32 {
        0
    }

    pub(super) const fn host_call(&self) -> u32 {
        1
    }

    /// The function that gets the next slice of gas.
    pub(super) fn refill(&self) -> u32 {
        let defined = u32::try_from(self.checked.units.len()).unwrap_or(u32::MAX);
        self.host_functions().saturating_add(self.foreign(u32::MAX)).saturating_add(defined)
    }

    /// The function that is exported; the thunks of imports follow it.
    fn exported(&self) -> u32 {
        self.refill().saturating_add(1)
    }

    pub(super) fn gas(&self) -> u32 {
        self.checked.globals
    }

    pub(super) fn sp(&self) -> u32 {
        self.checked.globals.saturating_add(1)
    }

    /// How many parameters a type has.
    pub(super) fn params(&self, ty: u32) -> Result<u32, MeterError> {
        Ok(u32::try_from(self.ty(ty)?.params().len()).unwrap_or(u32::MAX))
    }

    fn ty(&self, ty: u32) -> Result<&'c wasmparser::FuncType, MeterError> {
        self.checked.types.get(ty as usize).ok_or_else(|| MeterError(format!("there is no type {ty}")))
    }

    /// The type of a block that leaves the results of a function type.
    pub(super) fn result_block(&mut self, ty: u32) -> Result<BlockType, MeterError> {
        Ok(match self.ty(ty)?.results() {
            [] => BlockType::Empty,
            [result] => BlockType::Result(self.val_type(*result)?),
            _ => BlockType::FunctionType(self.result_types.get(&ty).copied().unwrap_or(ty)),
        })
    }

    pub(super) fn reencode<'o>(&mut self, op: Operator<'o>) -> Result<I<'o>, MeterError> {
        Ok(self.instruction(op)?)
    }

    fn module(&mut self) -> Result<Vec<u8>, MeterError> {
        let (mut types, mut functions, mut tables, mut memories) =
            (TypeSection::new(), FunctionSection::new(), TableSection::new(), MemorySection::new());
        let (mut globals, mut elements, mut code, mut data) =
            (GlobalSection::new(), ElementSection::new(), CodeSection::new(), DataSection::new());
        let mut data_count = None;
        let mut defined = 0usize;
        for payload in Parser::new(0).parse_all(self.checked.bytes) {
            match payload? {
                Payload::TypeSection(section) => self.parse_type_section(&mut types, section)?,
                Payload::FunctionSection(section) => self.parse_function_section(&mut functions, section)?,
                Payload::TableSection(section) => self.parse_table_section(&mut tables, section)?,
                Payload::MemorySection(section) => self.parse_memory_section(&mut memories, section)?,
                Payload::GlobalSection(section) => self.parse_global_section(&mut globals, section)?,
                Payload::ElementSection(section) => self.parse_element_section(&mut elements, section)?,
                Payload::DataSection(section) => self.parse_data_section(&mut data, section)?,
                Payload::DataCountSection { count, .. } => data_count = Some(count),
                Payload::CodeSectionEntry(body) => {
                    code.function(&self.body(&body, defined)?);
                    defined += 1;
                }
                _ => {}
            }
        }
        if let Some(entry) = &self.checked.generated {
            // The last type and the last function, both behind the module's own.
            let ty = self.checked.types.last().ok_or_else(|| MeterError("the entry has no type".into()))?.clone();
            functions.function(types.len());
            types.ty().func_type(&self.func_type(ty)?);
            code.function(&self.body(&FunctionBody::new(BinaryReader::new(entry, 0)), defined)?);
        }
        for results in &self.extra_types {
            types.ty().function([], results.iter().copied());
        }
        let imports = self.imports(&mut types)?;
        self.additions(&mut types, &mut functions, &mut code)?;
        let i64_global = GlobalType { val_type: ValType::I64, mutable: true, shared: false };
        globals.global(i64_global, &ConstExpr::i64_const(if self.checked.contract { 0 } else { START_GAS }));
        globals.global(i64_global, &ConstExpr::i64_const(self.bounds.stack_units.cast_signed()));
        let mut exports = ExportSection::new();
        let mut start = None;
        if self.checked.contract {
            exports.export(MEMORY, ExportKind::Memory, 0);
            exports.export(CALL, ExportKind::Func, self.exported());
        } else {
            for (name, kind, index) in &self.checked.exports {
                self.parse_export(&mut exports, wasmparser::Export { name, kind: *kind, index: *index })?;
            }
            exports.export(GAS, ExportKind::Global, self.gas());
            start = self.checked.start.map(|function| self.function_index(function)).transpose()?;
        }

        let mut out = Module::new();
        out.section(&types).section(&imports).section(&functions).section(&tables).section(&memories).section(&globals);
        out.section(&exports);
        if let Some(function_index) = start {
            out.section(&StartSection { function_index });
        }
        out.section(&elements);
        if let Some(count) = data_count {
            out.section(&DataCountSection { count });
        }
        out.section(&code).section(&data);
        Ok(out.finish())
    }

    /// Rewrites the body of the function with this number among those that are defined.
    fn body(&mut self, body: &FunctionBody<'_>, number: usize) -> Result<Function, MeterError> {
        let missing = || MeterError(format!("body {number} has no function"));
        let ty = self.checked.functions.get(self.checked.imports.len() + number).copied().ok_or_else(missing)?;
        let units = self.checked.units.get(number).copied().ok_or_else(missing)?;
        rewrite(self, body, ty, units)
    }

    fn imports(&self, types: &mut TypeSection) -> Result<ImportSection, MeterError> {
        let mut imports = ImportSection::new();
        let mut import = |name, params: Vec<ValType>| {
            imports.import(HOST, name, EntityType::Function(types.len()));
            types.ty().function(params, [ValType::I64, ValType::I64]);
        };
        import(OP, [ValType::I32; OPERANDS + 1].into_iter().chain([ValType::I64]).collect());
        if self.calls {
            let (i32s, i64) = ([ValType::I32; 7], ValType::I64);
            import(CALL, i32s.into_iter().chain([i64, ValType::I32, i64]).collect());
        }
        for (import, ty) in self.checked.imports.iter().zip(&self.checked.functions) {
            if let Imported::Foreign { module, name } = import {
                imports.import(module, name, EntityType::Function(*ty));
            }
        }
        Ok(imports)
    }

    /// The functions behind the module's own: the refill, the one that is exported, and the thunks of imports.
    fn additions(
        &mut self,
        types: &mut TypeSection,
        functions: &mut FunctionSection,
        code: &mut CodeSection,
    ) -> Result<(), MeterError> {
        let (gas, sp) = (self.gas(), self.sp());

        functions.function(types.len());
        types.ty().function([], []);
        let mut refill = Function::new([]);
        for instruction in [I::GlobalGet(sp), I::I64Const(0), I::I64LtS] {
            refill.instruction(&instruction);
        }
        for _ in 1..OPERANDS {
            refill.instruction(&I::I32Const(0));
        }
        let number = I::I32Const(Op::Refill as i32);
        for instruction in [number, I::GlobalGet(gas), I::Call(self.host_op()), I::GlobalSet(gas), I::Drop, I::End] {
            refill.instruction(&instruction);
        }
        code.function(&refill);

        if !self.checked.contract {
            return Ok(());
        }
        functions.function(types.len());
        types.ty().function([ValType::I32, ValType::I32, ValType::I32, ValType::I64], [ValType::I32, ValType::I64]);
        let mut call = Function::new([]);
        call.instruction(&I::LocalGet(3)).instruction(&I::GlobalSet(gas));
        if let Some(start) = self.checked.start {
            call.instruction(&I::Call(self.function_index(start)?));
        }
        let entry = self.function_index(self.checked.entry)?;
        for instruction in [I::LocalGet(0), I::LocalGet(1), I::LocalGet(2), I::Call(entry), I::GlobalGet(gas), I::End] {
            call.instruction(&instruction);
        }
        code.function(&call);

        for import in &self.checked.referenced {
            let missing = || MeterError(format!("there is no import {import}"));
            functions.function(self.checked.functions.get(*import as usize).copied().ok_or_else(missing)?);
            code.function(&thunk(self, self.import(*import).ok_or_else(missing)?));
        }
        Ok(())
    }
}
