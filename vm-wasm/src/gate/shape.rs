//! The first pass: sections, imports, exports and sizes.

use std::collections::{BTreeMap, BTreeSet};

use wasmparser::{
    Data, DataKind, Element, ElementItems, ElementKind, Encoding, ExternalKind, FuncType, MemoryType, Operator, Parser,
    Payload, RefType, Table, TableInit, TypeRef, ValType,
};

use super::operator::{refused_type, type_list};
use super::violation::Findings;
use super::{Checked, GateConfig, Initial, Rejection, Rule, Violation, body};
use crate::abi::import::{ENTRY, INTERFACE_SECTION, Import, MEMORY, MODULE};

/// The parameters of `vm_call`; its result is one `i32`.
const ENTRY_PARAMS: [ValType; 3] = [ValType::I32; 3];

/// The longest interface text, in bytes.
const INTERFACE_BYTES: usize = 64 << 10;

/// Reads the module once. The result lacks the stack units, which need validation.
pub(super) fn survey<'a>(bytes: &'a [u8], config: &GateConfig) -> Result<Checked<'a>, Rejection> {
    preamble(bytes, config)?;
    let mut survey = Survey::new(bytes, config);
    for payload in Parser::new(0).parse_all(bytes) {
        let step = payload.and_then(|payload| survey.payload(payload));
        if let Err(error) = step {
            survey.found.push(undecodable(bytes, &error));
            return Err(survey.finish().err().unwrap_or_else(|| undecodable(bytes, &error).into()));
        }
    }
    survey.finish()
}

/// What the first bytes say: the cheapest check, with the most helpful messages.
fn preamble(bytes: &[u8], config: &GateConfig) -> Result<(), Violation> {
    let limit = config.shape.module_bytes;
    if bytes.len() > limit {
        return Err(Violation::new(
            Rule::ModuleSize,
            format!("the module has {} bytes, {limit} are allowed", bytes.len()),
        ));
    }
    if bytes.is_empty() {
        return Err(Violation::new(Rule::NotWasm, "the code is empty"));
    }
    let looks_like = match bytes {
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => return Ok(()),
        [0, b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => {
            return Err(Violation::new(Rule::Component, "the code is a component, not a core module"));
        }
        [0, b'a', b's', b'm', _, _, _, _, ..] => {
            return Err(Violation::new(Rule::Malformed, "the version of the binary format is not 1").at(4));
        }
        _ if b"\0asm\x01\0\0\0".starts_with(bytes) => {
            return Err(Violation::new(Rule::Truncated, "the module ends in its header").at(bytes.len()));
        }
        [0x7f, b'E', b'L', b'F', ..] => ", it is an ELF executable",
        [b'(', ..] => ", it looks like the text format",
        [b'!', b'<', b'a', b'r', b'c', b'h', b'>', ..] => ", it is a static library",
        [0x1f, 0x8b, ..] => ", it is compressed with gzip",
        [b'0', b'x', ..] => ", it looks like hexadecimal text",
        _ => "",
    };
    Err(Violation::new(Rule::NotWasm, format!("the code is not a WebAssembly module{looks_like}")).at(0))
}

/// A decoder's error as a violation.
pub(super) fn undecodable(bytes: &[u8], error: &wasmparser::Error) -> Violation {
    let message = error.message();
    let ends = message.contains("unexpected end");
    let (rule, why) = if ends && reaches_end(bytes, error.offset()) {
        (Rule::Truncated, format!("the module ends too early, after {} bytes", bytes.len()))
    } else if message.contains("gc proposal") {
        (Rule::Gc, "managed types are not supported".into())
    } else {
        (Rule::Malformed, format!("the module cannot be decoded: {message}"))
    };
    Violation::new(rule, why).at(error.offset())
}

/// Whether the section at or before `offset` claims bytes beyond the end of the module.
fn reaches_end(bytes: &[u8], offset: usize) -> bool {
    let mut at = 8usize;
    while at < bytes.len() && at <= offset {
        let mut length = 0usize;
        let mut position = at + 1;
        let mut shift = 0;
        loop {
            let Some(byte) = bytes.get(position) else { return true };
            length |= usize::from(byte & 0x7f) << shift;
            position += 1;
            shift += 7;
            if byte & 0x80 == 0 || shift > 28 {
                break;
            }
        }
        at = position.saturating_add(length);
    }
    at > bytes.len()
}

pub(super) struct Survey<'a, 'c> {
    pub(super) config: &'c GateConfig,
    pub(super) found: Findings,
    pub(super) imported: u32,
    bytes: &'a [u8],
    types: Vec<FuncType>,
    functions: Vec<u32>,
    imports: Vec<&'static Import>,
    referenced: BTreeSet<u32>,
    tables: usize,
    memories: usize,
    bodies: u32,
    entry: Option<u32>,
    memory_exported: bool,
    start: Option<u32>,
    initial: Initial,
    interface: Option<&'a str>,
    names: BTreeMap<u32, &'a str>,
}

impl<'a, 'c> Survey<'a, 'c> {
    fn new(bytes: &'a [u8], config: &'c GateConfig) -> Self {
        Self {
            config,
            found: Findings::default(),
            imported: 0,
            bytes,
            types: Vec::new(),
            functions: Vec::new(),
            imports: Vec::new(),
            referenced: BTreeSet::new(),
            tables: 0,
            memories: 0,
            bodies: 0,
            entry: None,
            memory_exported: false,
            start: None,
            initial: Initial::default(),
            interface: None,
            names: BTreeMap::new(),
        }
    }

    fn finish(mut self) -> Result<Checked<'a>, Rejection> {
        if self.entry.is_none() {
            self.found.push(Violation::new(
                Rule::MissingExport,
                format!("the export `{ENTRY}`, a function {}, is missing", entry_type()),
            ));
        }
        if !self.memory_exported {
            self.found
                .push(Violation::new(Rule::MissingExport, format!("the export `{MEMORY}`, a memory, is missing")));
        }
        let names = self.names;
        self.found.into_result(|function| names.get(&function).map(|name| (*name).to_owned()))?;
        let globals = u32::try_from(self.initial.globals).unwrap_or(u32::MAX);
        self.initial.functions = u64::from(self.bodies).saturating_add(self.referenced.len() as u64);
        Ok(Checked {
            bytes: self.bytes,
            types: self.types,
            functions: self.functions,
            imports: self.imports,
            referenced: self.referenced,
            globals,
            entry: self.entry.unwrap_or_default(),
            start: self.start,
            units: Vec::new(),
            initial: self.initial,
            interface: self.interface,
        })
    }

    fn limit(&mut self, rule: Rule, what: &str, found: u64, limit: u64) {
        if found > limit {
            self.found.push(Violation::new(rule, format!("the module has {found} {what}, {limit} are allowed")));
        }
    }

    fn payload(&mut self, payload: Payload<'a>) -> Result<(), wasmparser::Error> {
        let shape = &self.config.shape;
        match payload {
            Payload::Version { encoding: Encoding::Component, .. } => {
                self.found.push(Violation::new(Rule::Component, "the code is a component, not a core module"));
            }
            Payload::TypeSection(section) => {
                self.limit(Rule::TypeCount, "types", section.count().into(), shape.types as u64);
                let offset = section.range().start;
                for ty in section.into_iter_err_on_gc_types().take(shape.types) {
                    self.ty(ty?, offset);
                }
            }
            Payload::ImportSection(section) => {
                self.limit(Rule::ImportCount, "imports", section.count().into(), shape.imports as u64);
                for import in section.into_imports_with_offsets().take(shape.imports) {
                    let (offset, import) = import?;
                    self.import(&import, offset);
                }
            }
            Payload::FunctionSection(section) => {
                self.limit(Rule::FunctionCount, "functions", section.count().into(), shape.functions as u64);
                for ty in section.into_iter().take(shape.functions) {
                    self.functions.push(ty?);
                }
            }
            Payload::TableSection(section) => {
                for table in section.into_iter_with_offsets().take(2) {
                    let (offset, table) = table?;
                    self.table(&table, offset);
                }
            }
            Payload::MemorySection(section) => {
                for memory in section.into_iter_with_offsets().take(2) {
                    let (offset, memory) = memory?;
                    self.memory(&memory, offset);
                }
            }
            Payload::TagSection(section) => {
                self.found.push(
                    Violation::new(Rule::Exceptions, "the module declares exception tags").at(section.range().start),
                );
            }
            Payload::GlobalSection(section) => {
                self.limit(Rule::GlobalCount, "globals", section.count().into(), shape.globals as u64);
                self.initial.globals = section.count().into();
                for global in section.into_iter_with_offsets().take(shape.globals) {
                    let (offset, global) = global?;
                    self.val_type(global.ty.content_type, "a global", offset);
                    if global.ty.shared {
                        self.found.push(Violation::new(Rule::Threads, "a global is shared").at(offset));
                    }
                }
            }
            Payload::ExportSection(section) => {
                self.limit(Rule::ExportCount, "exports", section.count().into(), shape.exports as u64);
                for export in section.into_iter_with_offsets().take(shape.exports) {
                    let (offset, export) = export?;
                    self.export(export.name, export.kind, export.index, offset);
                }
            }
            Payload::StartSection { func, .. } => self.start = Some(func),
            Payload::ElementSection(section) => {
                self.limit(Rule::SegmentCount, "element segments", section.count().into(), shape.segments as u64);
                for element in section.into_iter_with_offsets().take(shape.segments) {
                    let (offset, element) = element?;
                    self.element(element, offset)?;
                }
            }
            Payload::DataSection(section) => {
                self.limit(Rule::SegmentCount, "data segments", section.count().into(), shape.segments as u64);
                for data in section.into_iter_with_offsets().take(shape.segments) {
                    let (offset, data) = data?;
                    self.data(&data, offset);
                }
            }
            Payload::CodeSectionEntry(function) => {
                let index = self.imported.saturating_add(self.bodies);
                self.bodies = self.bodies.saturating_add(1);
                body::survey(self, &function, index)?;
            }
            Payload::CustomSection(section) if section.name() == INTERFACE_SECTION => {
                self.interface(section.data(), section.data_offset())
            }
            Payload::CustomSection(section) => {
                if let wasmparser::KnownCustom::Name(names) = section.as_known() {
                    self.names(names);
                }
            }
            Payload::UnknownSection { id, range, .. } => {
                self.found.push(
                    Violation::new(Rule::Malformed, format!("there is no section with number {id}")).at(range.start),
                );
            }
            _ => {}
        }
        Ok(())
    }

    /// Reports a value type that contracts may not use.
    fn val_type(&mut self, ty: ValType, holder: &str, offset: usize) {
        if let Some((rule, name)) = refused_type(ty) {
            self.found.push(Violation::new(rule, format!("{holder} has type {name}")).at(offset));
        }
    }

    fn ty(&mut self, ty: FuncType, offset: usize) {
        let shape = &self.config.shape;
        let index = self.types.len();
        if ty.params().len() > shape.params {
            let why = format!("type {index} has {} parameters, {} are allowed", ty.params().len(), shape.params);
            self.found.push(Violation::new(Rule::ParamCount, why).at(offset));
        }
        if ty.results().len() > shape.results {
            let why = format!("type {index} has {} results, {} are allowed", ty.results().len(), shape.results);
            self.found.push(Violation::new(Rule::ResultCount, why).at(offset));
        }
        if let Some((rule, name)) = ty.params().iter().chain(ty.results()).find_map(|ty| refused_type(*ty)) {
            self.found.push(Violation::new(rule, format!("function type {index} has a {name}")).at(offset));
        }
        self.types.push(ty);
    }

    fn import(&mut self, import: &wasmparser::Import<'a>, offset: usize) {
        let full = format!("{}.{}", import.module, import.name);
        let index = match import.ty {
            TypeRef::Func(index) => index,
            other => {
                let what = match other {
                    TypeRef::Memory(_) => "memory",
                    TypeRef::Table(_) => "table",
                    TypeRef::Global(_) => "global",
                    _ => "item",
                };
                let why = format!("the module imports the {what} `{full}`, only functions can be imported");
                return self.found.push(Violation::new(Rule::ImportKind, why).at(offset));
            }
        };
        self.functions.push(index);
        self.imported = self.imported.saturating_add(1);
        let known = if import.module == MODULE { Import::find(import.name) } else { None };
        let Some(known) = known else {
            let why = if import.module == MODULE {
                let names: Vec<_> = Import::names().collect();
                format!("there is no import `{full}`; known are {}", names.join(", "))
            } else {
                format!("there is no import `{full}`; all imports come from the module `{MODULE}`")
            };
            return self.found.push(Violation::new(Rule::UnknownImport, why).at(offset));
        };
        match self.types.get(index as usize) {
            Some(ty) if ty.params() == known.params && ty.results() == known.results() => self.imports.push(known),
            ty => {
                let declared = ty.map_or_else(
                    || "no type".into(),
                    |ty| format!("{} -> {}", type_list(ty.params()), type_list(ty.results())),
                );
                let expected = format!("{} -> {}", type_list(known.params), type_list(known.results()));
                let why = format!("the import `{full}` is declared as {declared}, it is {expected}");
                self.found.push(Violation::new(Rule::ImportSignature, why).at(offset));
            }
        }
    }

    fn table(&mut self, table: &Table<'a>, offset: usize) {
        self.tables += 1;
        if self.tables > 1 {
            return self.found.push(Violation::new(Rule::MultiTable, "the module has more than one table").at(offset));
        }
        if table.ty.element_type != RefType::FUNCREF {
            self.val_type(ValType::Ref(table.ty.element_type), "the table", offset);
        }
        if table.ty.table64 {
            self.found.push(Violation::new(Rule::Memory64, "the table is indexed with 64 bits").at(offset));
        }
        if table.ty.shared {
            self.found.push(Violation::new(Rule::Threads, "the table is shared").at(offset));
        }
        if !matches!(table.init, TableInit::RefNull) {
            self.found.push(Violation::new(Rule::Gc, "the table has an initial value").at(offset));
        }
        let limit = self.config.shape.table_entries;
        if table.ty.initial > limit {
            let why = format!("the table starts with {} entries, {limit} are allowed", table.ty.initial);
            self.found.push(Violation::new(Rule::TableSize, why).at(offset));
        }
        self.initial.table_entries = table.ty.initial;
    }

    fn memory(&mut self, memory: &MemoryType, offset: usize) {
        self.memories += 1;
        if self.memories > 1 {
            return self
                .found
                .push(Violation::new(Rule::MultiMemory, "the module has more than one memory").at(offset));
        }
        if memory.memory64 {
            self.found.push(Violation::new(Rule::Memory64, "the memory is indexed with 64 bits").at(offset));
        }
        if memory.shared {
            self.found.push(Violation::new(Rule::Threads, "the memory is shared").at(offset));
        }
        if memory.page_size_log2.is_some() {
            self.found.push(Violation::new(Rule::Proposal, "the memory has a custom page size").at(offset));
        }
        let limit = self.config.memory_pages;
        if memory.initial > limit {
            let why = format!("the memory starts with {} pages of 64 KiB, {limit} are allowed", memory.initial);
            self.found.push(Violation::new(Rule::MemorySize, why).at(offset));
        }
        self.initial.memory_pages = memory.initial;
    }

    fn export(&mut self, name: &str, kind: ExternalKind, index: u32, offset: usize) {
        match (name, kind) {
            (ENTRY, ExternalKind::Func) => {
                self.entry = Some(index);
                let ty = self.functions.get(index as usize).and_then(|ty| self.types.get(*ty as usize));
                let fits = |ty: &&FuncType| ty.params() == ENTRY_PARAMS && ty.results() == [ValType::I32];
                if ty.filter(fits).is_none() {
                    let found = ty.map_or_else(String::new, |ty| {
                        format!(" {} -> {}", type_list(ty.params()), type_list(ty.results()))
                    });
                    let why = format!("the export `{ENTRY}` is a function{found}, it must be {}", entry_type());
                    self.found.push(Violation::new(Rule::ExportSignature, why).at(offset).of_function(index));
                }
            }
            (MEMORY, ExternalKind::Memory) => self.memory_exported = true,
            (ENTRY | MEMORY, _) => {
                let expected = if name == ENTRY { "function" } else { "memory" };
                self.entry = self.entry.or((name == ENTRY).then_some(0));
                self.memory_exported |= name == MEMORY;
                self.found.push(
                    Violation::new(Rule::ExportKind, format!("the export `{name}` is not a {expected}")).at(offset),
                );
            }
            _ => {}
        }
    }

    fn element(&mut self, element: Element<'a>, offset: usize) -> Result<(), wasmparser::Error> {
        let mut count = 0u64;
        match element.items {
            ElementItems::Functions(items) => {
                count = items.count().into();
                for function in items {
                    self.reference(function?);
                }
            }
            ElementItems::Expressions(ty, items) => {
                self.val_type(ValType::Ref(ty), "an element segment", offset);
                for item in items {
                    count += 1;
                    if let Some(Operator::RefFunc { function_index }) =
                        item?.get_operators_reader().into_iter().next().transpose()?
                    {
                        self.reference(function_index);
                    }
                }
            }
        }
        self.initial.elements = self.initial.elements.saturating_add(count);
        if let ElementKind::Active { offset_expr, .. } = element.kind {
            self.bounds("element", constant(&offset_expr), count, self.initial.table_entries, offset);
        }
        Ok(())
    }

    /// Notes a function that is used as a value. An import needs a function of its own then.
    pub(super) fn reference(&mut self, function: u32) {
        if function < self.imported {
            self.referenced.insert(function);
        }
    }

    fn data(&mut self, data: &Data<'a>, offset: usize) {
        let length = data.data.len() as u64;
        self.initial.data_bytes = self.initial.data_bytes.saturating_add(length);
        if let DataKind::Active { offset_expr, .. } = &data.kind {
            self.bounds(
                "data",
                constant(offset_expr),
                length,
                self.initial.memory_pages.saturating_mul(1 << 16),
                offset,
            );
        }
    }

    fn bounds(&mut self, what: &str, start: Option<u32>, length: u64, size: u64, offset: usize) {
        let why = match start {
            Some(start) if u64::from(start).saturating_add(length) <= size => return,
            Some(start) => {
                format!("a segment of {what} of length {length} at {start} lies outside the initial size {size}")
            }
            None => format!("the place of a segment of {what} is not a constant"),
        };
        self.found.push(Violation::new(Rule::SegmentBounds, why).at(offset));
    }

    fn interface(&mut self, data: &'a [u8], offset: usize) {
        let why = match std::str::from_utf8(data) {
            _ if self.interface.is_some() => "there is more than one section vm.interface".into(),
            _ if data.len() > INTERFACE_BYTES => {
                format!("the interface has {} bytes, {INTERFACE_BYTES} are allowed", data.len())
            }
            Ok(text) => return self.interface = Some(text),
            Err(error) => format!("the interface is not UTF-8 at its byte {}", error.valid_up_to()),
        };
        self.found.push(Violation::new(Rule::Interface, why).at(offset));
    }

    /// Names only make messages better: what cannot be read is skipped.
    fn names(&mut self, section: wasmparser::NameSectionReader<'a>) {
        for part in section.into_iter().map_while(Result::ok) {
            if let wasmparser::Name::Function(map) = part {
                self.names.extend(
                    map.into_iter()
                        .map_while(Result::ok)
                        .take(self.config.shape.functions)
                        .map(|name| (name.index, name.name)),
                );
            }
        }
    }
}

fn entry_type() -> String {
    format!("{} -> {}", type_list(&ENTRY_PARAMS), type_list(&[ValType::I32]))
}

/// The value of an expression that is one `i32.const`.
fn constant(expression: &wasmparser::ConstExpr<'_>) -> Option<u32> {
    let mut ops = expression.get_operators_reader().into_iter();
    match (ops.next(), ops.next(), ops.next()) {
        (Some(Ok(Operator::I32Const { value })), Some(Ok(Operator::End)) | None, None) => Some(value.cast_unsigned()),
        _ => None,
    }
}
