//! Metering of gas and stack height by rewriting the module: the same on every engine, cold or warm.
//!
//! # What is added
//!
//! * Two private globals: the gas left of the present slice, and the stack units left.
//! * At function entries and loop headers the cost of the region that begins there is subtracted and checked:
//!   `gas -= C; sp -= F; if (gas | sp) < 0 { refill() }`. Other regions only subtract; see [`region`] for where they begin.
//! * Operators whose work depends on a length subtract that length times its price first, and check.
//! * A function with a loop keeps the gas in a local, which it saves around calls and at its end.
//! * One wrapper block around the body gives the stack units back on every way out.
//!
//! # What is replaced
//!
//! * All imports become one, `host.op`, whose last operands are the operation's number and the gas left, and which returns
//!   the gas with its result (`call` has too many operands and gets an import of its own). Instantiation costs time for each
//!   import, so this makes a fresh instance cheaper than the module as it was; and an engine needs two host functions only. An import that
//!   is used as a value, as compilers do with function pointers, gets a function of its own that calls the host.
//! * All exports become two: the memory, and `call`, which takes the gas, runs the start function, if any, and `vm_call`, and
//!   returns the gas left.
//! * Custom sections are dropped; the maxima of memory and table are capped, so that growth fails by type.
//!
//! # Out of gas, traps
//!
//! A slice that is used up calls the host, which charges what was used, looks at the deadline and gives the next slice. The
//! host charges also before every operation and at the end, so a contract never gets further than its gas at any point where
//! that could be seen, whatever the size of the slices. When the engine itself traps, the gas in a local is lost: a trap
//! therefore costs all the gas of the frame, on every engine.

mod body;
pub(crate) mod class;
mod module;
mod price;
mod region;
pub(crate) mod stack;
#[cfg(test)]
mod tests;

use crate::gate::GateConfig;

#[cfg(feature = "conformance")]
pub(crate) use self::module::GAS;
pub(crate) use self::module::{CALL, Instrumented, MEMORY, instrument};
#[cfg(feature = "wasmtime")]
pub(crate) use self::module::{HOST, OP};
pub(crate) use self::price::Prices;

/// A defect: the gate admits what the instrumenter cannot rewrite.
#[derive(Debug, thiserror::Error)]
#[error("instrumentation failed: {0}")]
pub(crate) struct MeterError(pub(crate) String);

/// The bounds that the rewritten module gets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) memory_pages: u64,
    pub(crate) table_entries: u64,
    pub(crate) stack_units: u64,
}

impl Bounds {
    pub(crate) fn new(gate: &GateConfig) -> Self {
        Self { memory_pages: gate.memory_pages, table_entries: gate.shape.table_entries, stack_units: gate.stack_units }
    }
}

#[cfg(feature = "wasmtime")]
impl Bounds {
    /// The memory of a call, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        usize::try_from(self.memory_pages << 16).unwrap_or(usize::MAX)
    }

    /// The entries of a table.
    pub(crate) fn entries(&self) -> usize {
        usize::try_from(self.table_entries).unwrap_or(usize::MAX)
    }
}
