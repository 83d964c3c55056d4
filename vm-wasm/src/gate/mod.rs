//! The static gate: what a module must be before an engine sees it, and why it is refused otherwise.
//!
//! Three passes, each bounded by the size of the module: its shape, its operators, its validity. What the first two find is
//! reported together; the module is validated only when they found nothing, with exactly the features that contracts may use.

mod body;
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

use wasmparser::FuncType;

pub use self::{
    limits::ShapeLimits,
    rule::Rule,
    violation::{Rejection, Violation},
};
use crate::abi::import::Import;

/// A module that passed: what the instrumenter and the runtime need to know of it.
#[derive(Debug)]
pub(crate) struct Checked<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) types: Vec<FuncType>,
    /// The type of every function, imports first.
    pub(crate) functions: Vec<u32>,
    pub(crate) imports: Vec<&'static Import>,
    /// The imports that are used as values.
    pub(crate) referenced: BTreeSet<u32>,
    pub(crate) globals: u32,
    /// The function exported as `vm_call`.
    pub(crate) entry: u32,
    pub(crate) start: Option<u32>,
    /// The stack units of every defined function.
    pub(crate) units: Vec<u64>,
    pub(crate) initial: Initial,
    pub(crate) interface: Option<&'a str>,
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
}

/// Checks a module.
pub(crate) fn check<'a>(bytes: &'a [u8], config: &GateConfig) -> Result<Checked<'a>, Rejection> {
    let mut checked = shape::survey(bytes, config)?;
    checked.units = validity::validate(bytes, &checked, config)?;
    Ok(checked)
}
