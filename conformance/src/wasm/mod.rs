//! WebAssembly's official test suite (`.wast` scripts) on the engines of vm-wasm, with their settings there: as the modules
//! are, and instrumented as contracts are.
//!
//! The gate decides first. What it refuses as invalid has to be invalid by the suite, and the other way round; what it
//! refuses for another reason is skipped, with its rule as the reason. The instrumented runs have to agree in every result,
//! every trap and every unit of gas.
//!
//! With the whole suite runs the table of what operators cost, so that it holds in release too.
//!
//! `cargo xtask conformance wasm` is how to run it.

mod gate;
mod machine;
mod prices;
mod report;
mod runner;
mod script;
mod suite;
mod value;
#[cfg(feature = "wasmer")]
mod wasmer;
mod wasmi;
#[cfg(feature = "wasmtime")]
mod wasmtime;

pub use machine::engines;
pub use prices::prices;
pub use report::{Failure, Report, Tally};
pub use suite::{Source, files, run, standard};
