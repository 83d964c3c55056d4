//! Exports: what each ABI asks for.

use wasmparser::{ExternalKind, FuncType, ValType};

use super::operator::type_list;
use super::shape::Survey;
use super::{Rule, Violation};
use crate::abi::import::{ENTRY, MEMORY};
use crate::abi::{Abi, chainmaker};

/// The type of `vm_call`.
pub(super) fn entry_type() -> FuncType {
    FuncType::new([ValType::I32; 3], [ValType::I32])
}

/// A function type in the text format's manner.
fn spelled(ty: &FuncType) -> String {
    format!("{} -> {}", type_list(ty.params()), type_list(ty.results()))
}

/// The name and type of an exported function.
type Demand = (&'static str, FuncType);

/// The functions that an ABI asks for. What TinyGo's contracts have to set up their runtime need not be there.
fn demands(abi: Abi) -> Vec<Demand> {
    match abi {
        Abi::Vm1 => vec![(ENTRY, entry_type())],
        Abi::ChainMaker => {
            vec![
                ("runtime_type", FuncType::new([], [ValType::I32])),
                ("allocate", FuncType::new([ValType::I32], [ValType::I32])),
            ]
        }
    }
}

impl<'a> Survey<'a, '_> {
    pub(super) fn export(&mut self, name: &'a str, kind: ExternalKind, index: u32, offset: usize) {
        if !self.config.contract {
            return self.exports.push((name, kind, index));
        }
        if name == MEMORY {
            self.memory_exported = true;
            if kind != ExternalKind::Memory {
                self.wrong_kind(name, "memory", offset);
            }
            return;
        }
        if let Some((_, expected)) = demands(self.abi).into_iter().find(|(demand, _)| *demand == name) {
            match kind {
                ExternalKind::Func => self.typed(name, &expected, index, offset),
                _ => self.wrong_kind(name, "function", offset),
            }
            return self.found_export(name, index);
        }
        if self.abi == Abi::ChainMaker
            && kind == ExternalKind::Func
            && self.function_type(index).is_some_and(|ty| ty.params().is_empty() && ty.results().is_empty())
        {
            self.found_export(name, index);
        }
    }

    /// Reports what the ABI asks for and the module does not have.
    pub(super) fn missing_exports(&mut self) {
        if !self.config.contract || self.is_cpp {
            return;
        }
        for (name, ty) in demands(self.abi) {
            let there = match name {
                ENTRY => self.entry,
                "runtime_type" => self.chainmaker.runtime_type,
                _ => self.chainmaker.allocate,
            };
            if there.is_none() {
                let why = format!("the export `{name}`, a function {}, is missing", spelled(&ty));
                self.found.push(Violation::new(Rule::MissingExport, why));
            }
        }
        if !self.memory_exported {
            self.found
                .push(Violation::new(Rule::MissingExport, format!("the export `{MEMORY}`, a memory, is missing")));
        }
    }

    fn found_export(&mut self, name: &'a str, index: u32) {
        match name {
            ENTRY => self.entry = Some(index),
            "runtime_type" => self.chainmaker.runtime_type = Some(index),
            "allocate" => self.chainmaker.allocate = Some(index),
            "_start" => self.chainmaker.start = Some(index),
            "_initialize" => self.chainmaker.initialize = Some(index),
            name if chainmaker::is_method(name) => drop(self.chainmaker.methods.insert(name, index)),
            _ => {}
        }
    }

    fn function_type(&self, index: u32) -> Option<&FuncType> {
        self.functions.get(index as usize).and_then(|ty| self.types.get(*ty as usize))
    }

    fn typed(&mut self, name: &str, expected: &FuncType, index: u32, offset: usize) {
        // A function without a type makes the module invalid, which is told later.
        let Some(found) = self.function_type(index).filter(|found| *found != expected) else { return };
        let why = format!("the export `{name}` is a function {}, it must be {}", spelled(found), spelled(expected));
        self.found.push(Violation::new(Rule::ExportSignature, why).at(offset).of_function(index));
    }

    fn wrong_kind(&mut self, name: &str, expected: &str, offset: usize) {
        let why = format!("the export `{name}` is not a {expected}");
        self.found.push(Violation::new(Rule::ExportKind, why).at(offset));
    }
}
