//! Which features a module uses, by the names that compilers give them.

use std::collections::BTreeSet;

use wasmparser::{BlockType, FuncType, Operator, RefType, ValType};

use crate::gate::proposal;
use crate::meter::float::float;

pub(super) const BULK_MEMORY: &str = "bulk-memory";
pub(super) const MULTI_VALUE: &str = "multivalue";
pub(super) const MUTABLE_GLOBALS: &str = "mutable-globals";
pub(super) const REFERENCE_TYPES: &str = "reference-types";
pub(super) const THREADS: &str = "atomics";
pub(super) const MEMORY64: &str = "memory64";
pub(super) const EXCEPTIONS: &str = "exception-handling";
const FLOATS: &str = "floating-point";
const GC: &str = "gc";
const SIMD: &str = "simd128";

/// The features found so far.
#[derive(Debug, Default)]
pub(super) struct Features(BTreeSet<&'static str>);

impl Features {
    pub(super) fn add(&mut self, feature: &'static str) {
        self.0.insert(feature);
    }

    pub(super) fn into_names(self) -> Vec<&'static str> {
        self.0.into_iter().collect()
    }

    pub(super) fn value(&mut self, ty: ValType) {
        self.0.extend(match ty {
            ValType::I32 | ValType::I64 => None,
            ValType::F32 | ValType::F64 => Some(FLOATS),
            ValType::V128 => Some(SIMD),
            ValType::Ref(RefType::FUNCREF | RefType::EXTERNREF) => Some(REFERENCE_TYPES),
            ValType::Ref(_) => Some(GC),
        });
    }

    pub(super) fn function(&mut self, ty: &FuncType) {
        for ty in ty.params().iter().chain(ty.results()) {
            self.value(*ty);
        }
        if ty.results().len() > 1 {
            self.add(MULTI_VALUE);
        }
    }

    /// `last` is the operator's byte before the last: of a `call_indirect`, it tells whether the table's index takes more than
    /// one byte, as only compilers with reference types write it.
    pub(super) fn operator(&mut self, op: &Operator<'_>, last: Option<u8>) {
        match op {
            Operator::Block { blockty } | Operator::Loop { blockty } | Operator::If { blockty } => match blockty {
                BlockType::FuncType(_) => self.add(MULTI_VALUE),
                BlockType::Type(ty) => self.value(*ty),
                BlockType::Empty => {}
            },
            Operator::CallIndirect { table_index, .. }
                if *table_index > 0 || last.is_some_and(|byte| byte & 0x80 != 0) =>
            {
                self.add(REFERENCE_TYPES);
            }
            op => match proposal(op) {
                "mvp" if float(op).is_some() => self.add(FLOATS),
                "mvp" => {}
                "sign_extension" => self.add("sign-ext"),
                "saturating_float_to_int" => self.add("nontrapping-fptoint"),
                "bulk_memory" => self.add(BULK_MEMORY),
                "reference_types" => self.add(REFERENCE_TYPES),
                "simd" => self.add(SIMD),
                "relaxed_simd" => self.add("relaxed-simd"),
                "threads" | "shared_everything_threads" => self.add(THREADS),
                "tail_call" => self.add("tail-call"),
                "exceptions" | "legacy_exceptions" => self.add(EXCEPTIONS),
                "gc" | "function_references" | "custom_descriptors" => self.add(GC),
                other => self.add(other),
            },
        }
    }
}
