//! Metering of gas and stack height by rewriting the module: the same on every engine, cold or warm.
//!
//! # What is added
//!
//! * Every function takes the [`word`] of gas and stack as its last parameter, and returns it as its last result. So gas lives in
//!   a local wherever code runs, and engines keep it in a register; there are no globals, and nothing to save around a call.
//! * At function entries and loop headers the cost of the region that begins there is subtracted and checked:
//!   `word -= C; if word < 0 { word = refill(word) }`. Other regions only subtract; see [`region`] for where they begin.
//! * Operators whose work depends on a length subtract that length times its price first, and check.
//! * Functions on cycles of the call graph, and large ones, add their stack units to the word that they pass to what they call,
//!   and subtract them from what comes back; they check at their entry that there are not too many. All others are set
//!   aside at the start; see [`calls`].
//!
//! # What is replaced
//!
//! * All imports become one, `host.op`, whose last operands are the operation's number and the word, and which returns
//!   the word with its result (`call` has too many operands and gets an import of its own). Instantiation costs time for each
//!   import, so this makes a fresh instance cheaper than the module as it was; and an engine needs two host functions only. An import that
//!   is used as a value, as compilers do with function pointers, gets a function of its own that calls the host.
//! * All exports become two: the memory, and `call`, which takes the gas, runs the start function, if any, and `vm_call`, and
//!   returns the gas left.
//! * Growth of memory and table becomes a call of a function that is added for it; see [`grow`]. A contract has an export in
//!   addition for each of the two that it grows.
//! * Custom sections are dropped; the maxima of memory and table are capped, so that growth fails by type.
//!
//! # Out of gas, traps
//!
//! A slice that is used up calls the host, which charges what was used, looks at the deadline and gives the next slice. The
//! host charges also before every operation and at the end, so a contract never gets further than its gas at any point where
//! that could be seen, whatever the size of the slices. When the engine itself traps, the gas in its registers is lost: a trap
//! therefore costs all the gas of the frame, on every engine.

mod added;
mod body;
mod calls;
pub(crate) mod class;
pub(crate) mod float;
mod grow;
mod module;
#[cfg(any(test, feature = "conformance"))]
pub(crate) mod pin;
#[cfg(test)]
mod pinned;
mod price;
mod region;
mod select;
pub(crate) mod stack;
#[cfg(test)]
mod tests;
pub(crate) mod word;

use crate::gate::GateConfig;

pub(crate) use self::grow::GROW;
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
