//! Rewrites the module around its bodies.

use std::collections::{BTreeMap, BTreeSet};

use wasm_encoder::reencode::{Error as ReError, Reencode, utils};
use wasm_encoder::{
    BlockType, ConstExpr, DataCountSection, DataSection, ElementSection, Elements, EntityType, GlobalSection,
    GlobalType, ImportSection, Instruction as I, MemorySection, Module, StartSection, TableSection, TypeSection,
    ValType,
};
use wasmparser::{BinaryReader, FunctionBody, Operator, Parser, Payload};

use super::added::Sections;
use super::body::rewrite;
use super::calls::{Calls, Node};
use super::grow::Grown;
use super::{Bounds, MeterError, Prices, word};
use crate::abi::chainmaker;
use crate::abi::import::Op;
use crate::gate::{Checked, Imported};

/// The number of general operands of `host.op`.
pub(super) const OPERANDS: usize = 5;

/// The module name of the host functions that an engine provides.
pub(crate) const HOST: &str = "host";
/// The host function of all operations but calls: five operands, the operation, the word; returns the result and the word.
pub(crate) const OP: &str = "op";
/// The host function of calls: the operands of `vm1.call` and the word; returns the result and the word. Also the name of the
/// exported function to call: entry, method length, input length and the word; returns the status and the word.
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
    Ok(Instrumented { bytes, calls: rewriter.calls_others })
}

pub(super) struct Rewriter<'a, 'c> {
    pub(super) prices: &'c Prices,
    pub(super) checked: &'c Checked<'a>,
    pub(super) calls: Calls,
    bounds: &'c Bounds,
    calls_others: bool,
    /// Foreign imports.
    foreign: u32,
    /// The block types `[] -> results` of functions with parameters and more than one result, by the function's type.
    result_types: BTreeMap<u32, u32>,
    extra_types: Vec<Vec<ValType>>,
    /// The functions that `ref.func` names. Exports, which declare some of them, are not kept.
    pub(super) declared: BTreeSet<u32>,
    /// What a contract grows.
    pub(super) grown: Vec<Grown>,
}

type Reencoded<T> = Result<T, ReError<MeterError>>;

impl Reencode for Rewriter<'_, '_> {
    type Error = MeterError;

    /// A function as a value: instead of an import, the function that stands for it.
    fn function_index(&mut self, function: u32) -> Reencoded<u32> {
        if function >= self.imported() {
            return Ok(self.function(function));
        }
        let thunk = self.checked.referenced.iter().position(|import| *import == function);
        let thunk = thunk.and_then(|thunk| u32::try_from(thunk).ok());
        let thunk = thunk.ok_or_else(|| ReError::UserError(MeterError("an unknown reference to an import".into())))?;
        Ok(self.refill().saturating_add(1).saturating_add(thunk))
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

/// A number of things that the gate bounds.
fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

impl<'a, 'c> Rewriter<'a, 'c> {
    fn new(checked: &'c Checked<'a>, prices: &'c Prices, bounds: &'c Bounds) -> Result<Self, MeterError> {
        let calls = Calls::new(checked, bounds.stack_units)?;
        let is_call = |import: &Imported<'_>| matches!(import, Imported::Host(import) if import.op == Op::Call);
        let calls_others = checked.imports.iter().any(is_call);
        let foreign = checked.imports.iter().filter(|import| matches!(import, Imported::Foreign { .. })).count();
        let (result_types, extra_types) = (BTreeMap::new(), Vec::new());
        let mut rewriter = Self {
            prices,
            checked,
            calls,
            bounds,
            calls_others,
            foreign: count(foreign),
            result_types,
            extra_types,
            declared: BTreeSet::new(),
            grown: Vec::new(),
        };
        for (index, ty) in (0u32..).zip(&checked.types) {
            if !ty.params().is_empty() && ty.results().len() > 1 {
                let results = rewriter.values(ty.results())?;
                let own = count(checked.types.len() * 2 + rewriter.extra_types.len());
                rewriter.result_types.insert(index, own);
                rewriter.extra_types.push(results);
            }
        }
        Ok(rewriter)
    }

    fn imported(&self) -> u32 {
        count(self.checked.imports.len())
    }

    pub(super) fn import(&self, function: u32) -> Option<Imported<'a>> {
        if function == chainmaker::PARAMETERS_INDEX {
            return Some(Imported::Host(&chainmaker::PARAMETERS));
        }
        self.checked.imports.get(function as usize).copied()
    }

    /// The price of the function that stands for an import where it is used as a value.
    pub(super) fn thunk_price(&self, import: u32, params: u32) -> u64 {
        let call = self.price(&Operator::Call { function_index: import });
        1u64.saturating_add(self.prices.operands(params.into())).saturating_add(call)
    }

    pub(super) fn price(&self, op: &Operator<'_>) -> u64 {
        match op {
            Operator::Call { function_index } if matches!(self.import(*function_index), Some(Imported::Host(_))) => {
                self.prices.host_call
            }
            op => self.prices.operator(op),
        }
    }

    /// Whether an operator calls a function that this module defines.
    pub(super) fn is_inner_call(&self, op: &Operator<'_>) -> bool {
        match op {
            Operator::Call { function_index } => self.import(*function_index).is_none(),
            op => matches!(op, Operator::CallIndirect { .. }),
        }
    }

    /// What the call graph says of a function that this module defines.
    pub(super) fn called(&self, function: u32) -> Node {
        self.calls.function(function.saturating_sub(self.imported()) as usize)
    }

    /// The stack units of a function that this module defines.
    pub(super) fn units(&self, function: u32) -> u64 {
        let defined = function.saturating_sub(self.imported()) as usize;
        self.checked.units.get(defined).copied().unwrap_or_default()
    }

    /// What the stack's part of the word is at the start.
    pub(super) fn base(&self) -> i64 {
        word::base(self.calls.units)
    }

    pub(super) const fn host_op(&self) -> u32 {
        0
    }

    pub(super) const fn host_call(&self) -> u32 {
        1
    }

    fn host_functions(&self) -> u32 {
        1 + u32::from(self.calls_others)
    }

    /// The new index of a foreign import.
    pub(super) fn foreign(&self, function: u32) -> u32 {
        let before = self.checked.imports.iter().take(function as usize);
        let before = before.filter(|import| matches!(import, Imported::Foreign { .. })).count();
        self.host_functions().saturating_add(count(before))
    }

    /// The new index of a function that this module defines.
    pub(super) fn function(&self, function: u32) -> u32 {
        self.defined(function.saturating_sub(self.imported()))
    }

    /// The same by its number among those that are defined, added ones included.
    pub(super) fn defined(&self, defined: u32) -> u32 {
        self.host_functions().saturating_add(self.foreign).saturating_add(defined)
    }

    /// The function that gets the next slice of gas. The thunks of imports follow it.
    pub(super) fn refill(&self) -> u32 {
        self.defined(count(self.checked.units.len()))
    }

    /// The function that stands for the growth of this: behind the thunks, the second of a pair.
    pub(super) fn grower(&mut self, grown: Grown) -> u32 {
        let position = self.grown.iter().position(|other| *other == grown).unwrap_or_else(|| {
            self.grown.push(grown);
            self.grown.len() - 1
        });
        self.refill().saturating_add(count(self.thunks().count())).saturating_add(count(position * 2)).saturating_add(2)
    }

    /// The imports that are used as values.
    pub(super) fn thunks(&self) -> impl Iterator<Item = u32> + use<'a, 'c> {
        let imported = self.imported();
        self.checked.referenced.iter().copied().take_while(move |function| *function < imported)
    }

    /// The type of a function, imports counted first.
    pub(super) fn type_of(&self, function: u32) -> Result<u32, MeterError> {
        let ty = self.checked.functions.get(function as usize);
        ty.copied().ok_or_else(|| MeterError(format!("function {function} has no type")))
    }

    /// The type that has the word as its last parameter and result in addition.
    pub(super) fn metered(&self, ty: u32) -> u32 {
        count(self.checked.types.len()).saturating_add(ty)
    }

    /// How many parameters a type has.
    pub(super) fn params(&self, ty: u32) -> Result<u32, MeterError> {
        Ok(count(self.ty(ty)?.params().len()))
    }

    fn ty(&self, ty: u32) -> Result<&'c wasmparser::FuncType, MeterError> {
        self.checked.types.get(ty as usize).ok_or_else(|| MeterError(format!("there is no type {ty}")))
    }

    pub(super) fn value(&mut self, ty: wasmparser::ValType) -> Result<ValType, MeterError> {
        Ok(self.val_type(ty)?)
    }

    fn values(&mut self, types: &[wasmparser::ValType]) -> Result<Vec<ValType>, MeterError> {
        types.iter().map(|ty| self.value(*ty)).collect()
    }

    /// The type of a block that leaves the results of a function type.
    pub(super) fn result_block(&mut self, ty: u32) -> Result<BlockType, MeterError> {
        Ok(match self.ty(ty)?.results() {
            [] => BlockType::Empty,
            [result] => BlockType::Result(self.value(*result)?),
            _ => BlockType::FunctionType(self.result_types.get(&ty).copied().unwrap_or(ty)),
        })
    }

    /// Whether a block takes no operands.
    pub(super) fn has_no_params(&self, ty: wasmparser::BlockType) -> Result<bool, MeterError> {
        Ok(match ty {
            wasmparser::BlockType::FuncType(ty) => self.params(ty)? == 0,
            _ => true,
        })
    }

    pub(super) fn reencode<'o>(&mut self, op: Operator<'o>) -> Result<I<'o>, MeterError> {
        Ok(self.instruction(op)?)
    }

    fn module(&mut self) -> Result<Vec<u8>, MeterError> {
        let (mut tables, mut memories) = (TableSection::new(), MemorySection::new());
        let (mut globals, mut elements, mut data) = (GlobalSection::new(), ElementSection::new(), DataSection::new());
        let mut sections = Sections::default();
        let mut data_count = None;
        let mut function = self.imported();
        for payload in Parser::new(0).parse_all(self.checked.bytes) {
            match payload? {
                Payload::TableSection(section) => self.parse_table_section(&mut tables, section)?,
                Payload::MemorySection(section) => self.parse_memory_section(&mut memories, section)?,
                Payload::GlobalSection(section) => self.parse_global_section(&mut globals, section)?,
                Payload::ElementSection(section) => self.parse_element_section(&mut elements, section)?,
                Payload::DataSection(section) => self.parse_data_section(&mut data, section)?,
                Payload::DataCountSection { count, .. } => data_count = Some(count),
                Payload::CodeSectionEntry(body) => {
                    sections.code.function(&rewrite(self, &body, function)?);
                    function = function.saturating_add(1);
                }
                _ => {}
            }
        }
        if let Some(entry) = &self.checked.generated {
            sections.code.function(&rewrite(self, &FunctionBody::new(BinaryReader::new(entry, 0)), function)?);
        }
        if !self.declared.is_empty() {
            let functions =
                std::mem::take(&mut self.declared).into_iter().map(|function| self.function_index(function));
            elements.declared(Elements::Functions(functions.collect::<Result<Vec<_>, _>>()?.into()));
        }
        sections.types = self.types()?;
        let imports = self.imports(&mut sections.types)?;
        for ty in self.checked.functions.iter().skip(self.checked.imports.len()) {
            sections.functions.function(self.metered(*ty));
        }
        let start = self.additions(&mut sections)?;
        if !self.checked.contract {
            let ty = GlobalType { val_type: ValType::I64, mutable: true, shared: false };
            globals.global(ty, &ConstExpr::i64_const(START_GAS));
        }

        let Sections { types, functions, exports, code } = sections;
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

    /// The module's own types, which blocks and foreign imports have; the same with the word; and the results of some.
    fn types(&mut self) -> Result<TypeSection, MeterError> {
        let mut types = TypeSection::new();
        for word in [&[][..], &[ValType::I64]] {
            for ty in &self.checked.types {
                let (params, results) = (self.values(ty.params())?, self.values(ty.results())?);
                types.ty().function([&params, word].concat(), [&results, word].concat());
            }
        }
        for results in &self.extra_types {
            types.ty().function([], results.iter().copied());
        }
        Ok(types)
    }

    fn imports(&mut self, types: &mut TypeSection) -> Result<ImportSection, MeterError> {
        let mut imports = ImportSection::new();
        let mut import = |name, params: Vec<ValType>| {
            imports.import(HOST, name, EntityType::Function(types.len()));
            types.ty().function(params, [ValType::I64, ValType::I64]);
        };
        import(OP, [ValType::I32; OPERANDS + 1].into_iter().chain([ValType::I64]).collect());
        if self.calls_others {
            let (i32s, i64) = ([ValType::I32; 7], ValType::I64);
            import(CALL, i32s.into_iter().chain([i64, ValType::I32, i64]).collect());
        }
        for (import, ty) in self.checked.imports.iter().zip(&self.checked.functions) {
            if let Imported::Foreign { module, name } = import {
                imports.import(module, name, EntityType::Function(*ty));
            }
        }
        let checked = self.checked;
        for import in &checked.others {
            let ty = match import.ty {
                wasmparser::TypeRef::Memory(ty) => utils::memory_type(self, ty).into(),
                wasmparser::TypeRef::Table(ty) => utils::table_type(self, ty)?.into(),
                other => self.entity_type(other)?,
            };
            imports.import(import.module, import.name, ty);
        }
        Ok(imports)
    }
}
