//! Reads as much of a module as there is, without an opinion on it.

use std::collections::BTreeMap;

use vm_core::abridged;
use wasmparser::{
    Data, ElementItems, ElementKind, Export, ExternalKind, FuncType, FunctionBody, Import, KnownCustom, MemoryType,
    Name, NameSectionReader, Operator, Parser, Payload, TypeRef,
};

use super::feature::{self, Features};
use super::{Analysis, Extent, Function, Item};
use crate::abi::Abi;
use crate::abi::chainmaker::is_method;
use crate::abi::import::{ENTRY, INTERFACE_SECTION};
use crate::gate::type_list;
use crate::name::name;

/// How many of the longest functions are told.
const LARGEST: usize = 5;

/// The most characters of a method that are told.
const METHOD: usize = 1_000;

/// A line of an interface.
pub(super) fn method(line: &str) -> String {
    abridged(line, METHOD)
}

/// Fills in what the module tells of itself. Reading ends where it cannot go on.
pub(super) fn read(module: &[u8], analysis: &mut Analysis) {
    if !module.starts_with(b"\0asm\x01\0\0\0") {
        return;
    }
    let mut reader = Reader {
        module,
        analysis,
        features: Features::default(),
        types: Vec::new(),
        functions: Vec::new(),
        next: 0,
        mutable: Vec::new(),
        names: BTreeMap::new(),
    };
    for payload in Parser::new(0).parse_all(module).map_while(Result::ok) {
        if reader.payload(payload).is_err() {
            break;
        }
    }
    reader.finish();
}

struct Reader<'a, 'r> {
    module: &'a [u8],
    analysis: &'r mut Analysis,
    features: Features,
    types: Vec<FuncType>,
    /// The type of every function, imports first.
    functions: Vec<u32>,
    /// The index of the next body's function.
    next: u32,
    /// Whether each global, imports first, is mutable.
    mutable: Vec<bool>,
    names: BTreeMap<u32, &'a str>,
}

impl<'a> Reader<'a, '_> {
    fn finish(self) {
        let Self { analysis, features, names, .. } = self;
        for function in &mut analysis.largest {
            function.name = names.get(&function.index).copied().map(name);
        }
        analysis.features = features.into_names();
        let imports =
            || analysis.imports.iter().map(|import| (import.module.as_deref().unwrap_or_default(), &import.name));
        let abi = imports().find_map(|(module, name)| Abi::of(module, name)).unwrap_or_default();
        let imports_only = imports().all(|(module, name)| abi.find(module, name).next().is_some());
        let exports = |name| analysis.exports.iter().any(|export| export.name == name);
        let exports_entry = match abi {
            Abi::Vm1 => exports(ENTRY),
            Abi::ChainMaker => exports("runtime_type") && exports("allocate"),
        };
        analysis.abi = (exports_entry && imports_only).then_some(abi.as_str());
        if analysis.abi == Some(Abi::ChainMaker.as_str()) {
            let method = |export: &&Item| export.ty.as_deref() == Some("() -> ()") && is_method(&export.name);
            analysis.methods = analysis.exports.iter().filter(method).map(|export| export.name.clone()).collect();
        }
    }

    fn payload(&mut self, payload: Payload<'a>) -> Result<(), wasmparser::Error> {
        match payload {
            Payload::TypeSection(section) => {
                for ty in section.into_iter_err_on_gc_types() {
                    let ty = ty?;
                    self.features.function(&ty);
                    self.types.push(ty);
                }
                self.analysis.counts.types = self.types.len();
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    self.import(&import?);
                }
            }
            Payload::FunctionSection(section) => {
                for ty in section {
                    self.functions.push(ty?);
                    self.analysis.counts.functions += 1;
                }
            }
            Payload::TableSection(section) => {
                for table in section {
                    let ty = table?.ty;
                    self.analysis.table.get_or_insert(Extent { initial: ty.initial, maximum: ty.maximum });
                }
            }
            Payload::MemorySection(section) => {
                for memory in section {
                    self.memory(&memory?);
                }
            }
            Payload::GlobalSection(section) => {
                for global in section {
                    let ty = global?.ty;
                    self.features.value(ty.content_type);
                    self.mutable.push(ty.mutable);
                    self.analysis.counts.globals += 1;
                }
            }
            Payload::TagSection(_) => self.features.add(feature::EXCEPTIONS),
            Payload::DataCountSection { .. } => self.features.add(feature::BULK_MEMORY),
            Payload::ExportSection(section) => {
                for export in section {
                    self.export(&export?);
                }
            }
            Payload::ElementSection(section) => {
                for element in section {
                    let element = element?;
                    if !matches!(element.kind, ElementKind::Active { .. }) {
                        self.features.add(feature::BULK_MEMORY);
                    }
                    if matches!(element.items, ElementItems::Expressions(..)) {
                        self.features.add(feature::REFERENCE_TYPES);
                    }
                }
            }
            Payload::DataSection(section) => {
                for data in section {
                    let Data { data, .. } = data?;
                    self.analysis.counts.data_bytes += data.len();
                }
            }
            Payload::CodeSectionEntry(body) => self.body(&body)?,
            Payload::CustomSection(section) => {
                self.analysis.counts.custom_bytes += section.data().len();
                match section.as_known() {
                    _ if section.name() == INTERFACE_SECTION => {
                        let text = String::from_utf8_lossy(section.data());
                        self.analysis.methods.extend(text.lines().map(method));
                    }
                    KnownCustom::Name(names) => self.names(names),
                    _ => {}
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn type_of(&self, ty: u32) -> Option<String> {
        let ty = self.types.get(ty as usize)?;
        Some(format!("{} -> {}", type_list(ty.params()), type_list(ty.results())))
    }

    fn import(&mut self, import: &Import<'a>) {
        let (kind, ty) = match import.ty {
            TypeRef::Func(ty) | TypeRef::FuncExact(ty) => {
                self.functions.push(ty);
                self.next = self.next.saturating_add(1);
                ("function", self.type_of(ty))
            }
            TypeRef::Table(_) => ("table", None),
            TypeRef::Memory(memory) => {
                self.memory(&memory);
                ("memory", None)
            }
            TypeRef::Global(global) => {
                self.mutable.push(global.mutable);
                if global.mutable {
                    self.features.add(feature::MUTABLE_GLOBALS);
                }
                ("global", None)
            }
            TypeRef::Tag(_) => {
                self.features.add(feature::EXCEPTIONS);
                ("tag", None)
            }
        };
        let item = Item { module: Some(name(import.module)), name: name(import.name), kind, ty };
        self.analysis.imports.push(item);
    }

    fn export(&mut self, export: &Export<'a>) {
        let (kind, ty) = match export.kind {
            ExternalKind::Func | ExternalKind::FuncExact => {
                let ty = self.functions.get(export.index as usize).copied();
                ("function", ty.and_then(|ty| self.type_of(ty)))
            }
            ExternalKind::Table => ("table", None),
            ExternalKind::Memory => ("memory", None),
            ExternalKind::Global => {
                if self.mutable.get(export.index as usize) == Some(&true) {
                    self.features.add(feature::MUTABLE_GLOBALS);
                }
                ("global", None)
            }
            ExternalKind::Tag => ("tag", None),
        };
        self.analysis.exports.push(Item { module: None, name: name(export.name), kind, ty });
    }

    fn memory(&mut self, memory: &MemoryType) {
        if memory.memory64 {
            self.features.add(feature::MEMORY64);
        }
        if memory.shared {
            self.features.add(feature::THREADS);
        }
        self.analysis.memory.get_or_insert(Extent { initial: memory.initial, maximum: memory.maximum });
    }

    fn body(&mut self, body: &FunctionBody<'a>) -> Result<(), wasmparser::Error> {
        let (range, index) = (body.range(), self.next);
        self.next = self.next.saturating_add(1);
        let mut function =
            Function { index, name: None, offset: range.start, bytes: range.len(), locals: 0, nesting: 0 };
        for local in body.get_locals_reader()? {
            let (count, ty) = local?;
            function.locals = function.locals.saturating_add(count.into());
            self.features.value(ty);
        }
        let mut depth = 0usize;
        let mut ops = body.get_operators_reader()?;
        while !ops.eof() {
            let op = ops.read()?;
            let last = ops.original_position().checked_sub(2).and_then(|at| self.module.get(at)).copied();
            self.features.operator(&op, last);
            match op {
                Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => {
                    depth += 1;
                    function.nesting = function.nesting.max(depth);
                }
                Operator::End => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        self.function(function);
        Ok(())
    }

    fn function(&mut self, function: Function) {
        let Analysis { counts, largest, .. } = &mut *self.analysis;
        counts.code_bytes += function.bytes;
        counts.locals = counts.locals.max(function.locals);
        counts.nesting = counts.nesting.max(function.nesting);
        let at = largest.partition_point(|other| other.bytes >= function.bytes);
        largest.insert(at, function);
        largest.truncate(LARGEST);
    }

    fn names(&mut self, section: NameSectionReader<'a>) {
        for part in section.into_iter().map_while(Result::ok) {
            if let Name::Function(map) = part {
                self.names.extend(map.into_iter().map_while(Result::ok).map(|name| (name.index, name.name)));
            }
        }
    }
}
