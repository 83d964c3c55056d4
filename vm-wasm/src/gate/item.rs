//! Types, imports, tables and memories.

use wasmparser::{FuncType, MemoryType, RefType, Table, TableInit, TypeRef, ValType};

use super::operator::{refused_type, type_list};
use super::shape::Survey;
use super::{Imported, Rule, Violation};
use crate::abi::{Abi, chainmaker};
use crate::name;

impl<'a> Survey<'a, '_> {
    /// Reports a value type that contracts may not use.
    pub(super) fn val_type(&mut self, ty: ValType, holder: &str, offset: usize) {
        if let Some((rule, name)) = refused_type(ty, self.config.floats) {
            self.found.push(Violation::new(rule, format!("{holder} has type {name}")).at(offset));
        }
    }

    pub(super) fn ty(&mut self, ty: FuncType, offset: usize) {
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
        if let Some((rule, name)) =
            ty.params().iter().chain(ty.results()).find_map(|ty| refused_type(*ty, self.config.floats))
        {
            self.found.push(Violation::new(rule, format!("function type {index} has a {name}")).at(offset));
        }
        self.types.push(ty);
    }

    /// Tells the ABI by what is imported, before each import is looked at.
    pub(super) fn abi(&mut self, imports: &[(usize, wasmparser::Import<'a>)]) {
        if !self.config.contract {
            return;
        }
        if let Some((offset, import)) =
            imports.iter().find(|(_, import)| chainmaker::is_of_cpp(import.module, import.name))
        {
            self.is_cpp = true;
            let why = format!(
                "the import `{}` is of ChainMaker's contracts in C++, which are not supported: Rust and TinyGo are",
                name::import(import.module, import.name)
            );
            return self.found.push_foreign(Violation::new(Rule::UnknownImport, why).at(*offset));
        }
        let mut told =
            imports.iter().filter_map(|(offset, import)| Some((Abi::of(import.module, import.name)?, *offset, import)));
        let Some((abi, _, first)) = told.next() else { return };
        self.abi = abi;
        if let Some((_, offset, other)) = told.find(|(other, ..)| *other != abi) {
            let [first, other] = [first, other].map(|import| name::import(import.module, import.name));
            let why = format!("the module imports both `{first}` and `{other}`, which belong to different ABIs");
            self.found.push_foreign(Violation::new(Rule::MixedImports, why).at(offset));
        }
    }

    pub(super) fn import(&mut self, import: &wasmparser::Import<'a>, offset: usize) {
        let full = name::import(import.module, import.name);
        let index = match import.ty {
            TypeRef::Func(index) => index,
            other @ (TypeRef::Global(_) | TypeRef::Table(_) | TypeRef::Memory(_)) if !self.config.contract => {
                return self.foreign(import, other, offset);
            }
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
        if !self.config.contract {
            return self.imports.push(Imported::Foreign { module: import.module, name: import.name });
        }
        let mut known = self.abi.find(import.module, import.name).peekable();
        let Some(first) = known.peek().copied() else {
            // Of one in C++ all is said.
            if !self.is_cpp && Abi::of(import.module, import.name).is_none_or(|abi| abi == self.abi) {
                let why = format!("there is no import `{full}`; {}", self.abi.known(import.module));
                self.found.push_foreign(Violation::new(Rule::UnknownImport, why).at(offset));
            }
            return;
        };
        // An import without a type makes the module invalid, which is told later.
        let Some(ty) = self.types.get(index as usize) else { return };
        if let Some(known) = known.find(|known| ty.params() == known.params && ty.results() == known.results()) {
            return self.imports.push(Imported::Host(known));
        }
        let spelled = |params, results| format!("{} -> {}", type_list(params), type_list(results));
        let (declared, expected) = (spelled(ty.params(), ty.results()), spelled(first.params, first.results()));
        let why = format!("the import `{full}` is declared as {declared}, it is {expected}");
        self.found.push(Violation::new(Rule::ImportSignature, why).at(offset));
    }

    /// What modules that are no contracts may import beside functions.
    fn foreign(&mut self, import: &wasmparser::Import<'a>, ty: TypeRef, offset: usize) {
        match ty {
            TypeRef::Global(ty) => {
                self.val_type(ty.content_type, "an imported global", offset);
                self.imported_globals = self.imported_globals.saturating_add(1);
            }
            TypeRef::Table(ty) => self.table(&Table { ty, init: TableInit::RefNull }, offset),
            TypeRef::Memory(ty) => self.memory(&ty, offset),
            _ => {}
        }
        self.others.push(*import);
    }

    pub(super) fn table(&mut self, table: &Table<'a>, offset: usize) {
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

    pub(super) fn memory(&mut self, memory: &MemoryType, offset: usize) {
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
}
