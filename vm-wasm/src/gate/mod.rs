//! The static gate: what a module must be before an engine sees it, and why it is refused otherwise.
//!
//! Three passes, each bounded by the size of the module: its shape, its operators, its validity. What the first two find is
//! reported together; the module is validated only when they found nothing, with exactly the features that contracts may use.

mod body;
mod export;
mod item;
mod limits;
mod operator;
mod preamble;
mod rule;
mod segment;
mod shape;
mod validity;
mod violation;

use std::collections::BTreeSet;

use wasmparser::{ExternalKind, FuncType};

pub(crate) use self::operator::{proposal, type_list};
pub(crate) use self::shape::INTERFACE_BYTES;
pub use self::{
    limits::ShapeLimits,
    rule::Rule,
    violation::{Rejection, Violation},
};
use crate::WasmConfig;
use crate::abi::Abi;
use crate::abi::chainmaker;
use crate::abi::import::Import;

/// The size of a page of memory.
pub(crate) const PAGE: u64 = 64 << 10;
/// The most memory, in bytes, that settings can admit.
pub(crate) const MOST_MEMORY: u64 = 1 << 32;
/// The most stack units that settings can admit.
pub(crate) const MOST_STACK: u64 = 60_000;

/// A module that passed: what the instrumenter and the runtime need to know of it.
#[derive(Debug)]
pub(crate) struct Checked<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) types: Vec<FuncType>,
    /// The type of every function, imports first.
    pub(crate) functions: Vec<u32>,
    pub(crate) imports: Vec<Imported<'a>>,
    /// The functions that are used as values.
    pub(crate) referenced: BTreeSet<u32>,
    /// Imports that are no functions, of a module that is no contract.
    pub(crate) others: Vec<wasmparser::Import<'a>>,
    /// Imported ones included.
    pub(crate) globals: u32,
    /// All exports of a module that is no contract; of a contract only the memory and `vm_call` are used.
    pub(crate) exports: Vec<(&'a str, ExternalKind, u32)>,
    pub(crate) abi: Abi,
    /// The function that is called: the one exported as `vm_call`, or the generated one.
    pub(crate) entry: u32,
    /// The body of a function behind the module's own, which enters a contract that has no `vm_call`. It is the last of
    /// `functions`, of the last of `types`.
    pub(crate) generated: Option<Vec<u8>>,
    /// What a contract without `vm_call` exports.
    pub(crate) chainmaker: chainmaker::Exports<'a>,
    pub(crate) start: Option<u32>,
    pub(crate) contract: bool,
    /// The stack units of every defined function.
    pub(crate) units: Vec<u64>,
    pub(crate) initial: Initial,
    pub(crate) interface: Option<&'a str>,
}

/// An imported function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Imported<'a> {
    /// Of the ABI.
    Host(&'static Import),
    /// Any other, in modules that are no contracts.
    Foreign { module: &'a str, name: &'a str },
}

/// What instantiating the module copies and allocates.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Initial {
    pub(crate) memory_pages: u64,
    pub(crate) data_bytes: u64,
    pub(crate) table_entries: u64,
    pub(crate) elements: u64,
    pub(crate) functions: u64,
    pub(crate) globals: u64,
}

/// The limits that the gate enforces beside the module's shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GateConfig {
    pub(crate) shape: ShapeLimits,
    pub(crate) memory_pages: u64,
    pub(crate) stack_units: u64,
    /// Whether it may use floats.
    pub(crate) floats: bool,
    /// Whether the module must be a contract: import nothing but the ABI, and export what it asks for.
    pub(crate) contract: bool,
}

impl GateConfig {
    /// For contracts.
    pub(crate) fn new(config: &WasmConfig) -> Self {
        Self {
            shape: config.shape.clone(),
            memory_pages: config.memory_limit / PAGE,
            stack_units: config.stack_units,
            floats: config.floats,
            contract: true,
        }
    }

    /// For contracts that are deployed already, maybe under wider settings: whatever any settings admit.
    pub(crate) const fn kept() -> Self {
        Self {
            shape: ShapeLimits::ANY,
            memory_pages: MOST_MEMORY / PAGE,
            stack_units: MOST_STACK,
            floats: true,
            contract: true,
        }
    }
}

/// Checks a module.
pub(crate) fn check<'a>(bytes: &'a [u8], config: &GateConfig) -> Result<Checked<'a>, Rejection> {
    let mut checked = shape::survey(bytes, config)?;
    checked.units = validity::validate(bytes, &checked, config)?;
    if checked.generated.is_some() {
        checked.units.push(chainmaker::units());
    }
    Ok(checked)
}
