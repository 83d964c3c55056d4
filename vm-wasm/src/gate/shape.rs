//! The first pass: sections, imports, exports and sizes.

use std::collections::{BTreeMap, BTreeSet};

use wasmparser::{Encoding, ExternalKind, FuncType, Parser, Payload, SectionLimited};

use super::export::entry_type;
use super::preamble::{preamble, undecodable};
use super::violation::Findings;
use super::{Checked, GateConfig, Imported, Initial, Rejection, Rule, Violation, body};
use crate::abi::import::INTERFACE_SECTION;
use crate::abi::{Abi, chainmaker};

/// The longest interface text, in bytes.
pub(crate) const INTERFACE_BYTES: usize = 64 << 10;

/// Reads the module once. The result lacks the stack units, which need validation.
pub(super) fn survey<'a>(bytes: &'a [u8], config: &GateConfig) -> Result<Checked<'a>, Rejection> {
    preamble(bytes, config)?;
    let mut survey = Survey::new(bytes, config);
    for payload in Parser::new(0).parse_all(bytes) {
        let step = payload.and_then(|payload| survey.payload(payload));
        if let Err(error) = step {
            return Err(survey.refuse(undecodable(bytes, &error)));
        }
    }
    survey.finish()
}

pub(super) struct Survey<'a, 'c> {
    pub(super) config: &'c GateConfig,
    pub(super) found: Findings,
    pub(super) imported: u32,
    pub(super) bytes: &'a [u8],
    pub(super) types: Vec<FuncType>,
    pub(super) functions: Vec<u32>,
    pub(super) imports: Vec<Imported<'a>>,
    pub(super) exports: Vec<(&'a str, ExternalKind, u32)>,
    pub(super) referenced: BTreeSet<u32>,
    /// Imports that are no functions, of modules that are no contracts.
    pub(super) others: Vec<wasmparser::Import<'a>>,
    pub(super) imported_globals: u32,
    pub(super) tables: usize,
    pub(super) memories: usize,
    pub(super) bodies: u32,
    pub(super) abi: Abi,
    /// It is a contract of ChainMaker's in C++, which no ABI here is for.
    pub(super) is_cpp: bool,
    pub(super) entry: Option<u32>,
    pub(super) chainmaker: chainmaker::Exports<'a>,
    pub(super) memory_exported: bool,
    pub(super) start: Option<u32>,
    pub(super) initial: Initial,
    pub(super) interface: Option<&'a str>,
    pub(super) names: BTreeMap<u32, &'a str>,
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
            exports: Vec::new(),
            referenced: BTreeSet::new(),
            others: Vec::new(),
            imported_globals: 0,
            tables: 0,
            memories: 0,
            bodies: 0,
            abi: Abi::default(),
            is_cpp: false,
            entry: None,
            chainmaker: chainmaker::Exports::default(),
            memory_exported: false,
            start: None,
            initial: Initial::default(),
            interface: None,
            names: BTreeMap::new(),
        }
    }

    /// Reading ends here. What is missing may stand in what was not read, so it is not told.
    fn refuse(mut self, last: Violation) -> Rejection {
        self.found.push(last.clone());
        self.found.into_result(|function| self.names.get(&function).copied()).err().unwrap_or_else(|| last.into())
    }

    fn finish(mut self) -> Result<Checked<'a>, Rejection> {
        self.missing_exports();
        let names = self.names;
        self.found.into_result(|function| names.get(&function).copied())?;
        let globals = u32::try_from(self.initial.globals).unwrap_or(u32::MAX).saturating_add(self.imported_globals);
        let thunks = self.referenced.iter().take_while(|function| **function < self.imported).count();
        self.initial.functions = u64::from(self.bodies).saturating_add(thunks as u64);
        let generated = (self.abi == Abi::ChainMaker).then(|| self.chainmaker.entry());
        if generated.is_some() {
            self.entry = u32::try_from(self.functions.len()).ok();
            self.functions.push(u32::try_from(self.types.len()).unwrap_or(u32::MAX));
            self.types.push(entry_type());
        }
        Ok(Checked {
            bytes: self.bytes,
            types: self.types,
            functions: self.functions,
            imports: self.imports,
            referenced: self.referenced,
            globals,
            others: self.others,
            exports: self.exports,
            abi: self.abi,
            entry: self.entry.unwrap_or_default(),
            generated,
            chainmaker: self.chainmaker,
            start: self.start,
            contract: self.config.contract,
            units: Vec::new(),
            initial: self.initial,
            interface: self.interface,
        })
    }

    /// Reports that a section has too many of something. What there is too much of is read all the same: other things refer
    /// to it by index, and what is said of them must be right.
    fn limit<T>(&mut self, rule: Rule, what: &str, section: &SectionLimited<'a, T>, limit: usize) {
        let (found, offset) = (section.count(), section.range().start);
        if found as usize > limit {
            let why = format!("the module has {found} {what}, {limit} are allowed");
            self.found.push(Violation::new(rule, why).at(offset));
        }
    }

    fn payload(&mut self, payload: Payload<'a>) -> Result<(), wasmparser::Error> {
        let shape = &self.config.shape;
        match payload {
            Payload::Version { encoding: Encoding::Component, .. } => {
                self.found.push(Violation::new(Rule::Component, "the code is a component, not a core module"));
            }
            Payload::TypeSection(section) => {
                self.limit(Rule::TypeCount, "types", &section, shape.types);
                // Groups of types are refused where they are read as functions' types.
                let offsets =
                    section.clone().into_iter_with_offsets().map(|group| group.map_or(0, |(offset, _)| offset));
                for (offset, ty) in offsets.zip(section.into_iter_err_on_gc_types()) {
                    self.ty(ty?, offset);
                }
            }
            Payload::ImportSection(section) => {
                self.limit(Rule::ImportCount, "imports", &section, shape.imports);
                let imports = section.into_imports_with_offsets().collect::<Result<Vec<_>, _>>()?;
                self.abi(&imports);
                for (offset, import) in &imports {
                    self.import(import, *offset);
                }
            }
            Payload::FunctionSection(section) => {
                self.limit(Rule::FunctionCount, "functions", &section, shape.functions);
                for ty in section {
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
                self.limit(Rule::GlobalCount, "globals", &section, shape.globals);
                self.initial.globals = section.count().into();
                for global in section.into_iter_with_offsets().take(shape.globals) {
                    let (offset, global) = global?;
                    self.val_type(global.ty.content_type, "a global", offset);
                    for op in global.init_expr.get_operators_reader() {
                        if let wasmparser::Operator::RefFunc { function_index } = op? {
                            self.reference(function_index);
                        }
                    }
                    if global.ty.shared {
                        self.found.push(Violation::new(Rule::Threads, "a global is shared").at(offset));
                    }
                }
            }
            Payload::ExportSection(section) => {
                self.limit(Rule::ExportCount, "exports", &section, shape.exports);
                for export in section.into_iter_with_offsets() {
                    let (offset, export) = export?;
                    self.export(export.name, export.kind, export.index, offset);
                }
            }
            Payload::StartSection { func, .. } => self.start = Some(func),
            Payload::ElementSection(section) => {
                self.limit(Rule::SegmentCount, "element segments", &section, shape.segments);
                for element in section.into_iter_with_offsets().take(shape.segments) {
                    let (offset, element) = element?;
                    self.element(element, offset)?;
                }
            }
            Payload::DataSection(section) => {
                self.limit(Rule::SegmentCount, "data segments", &section, shape.segments);
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
