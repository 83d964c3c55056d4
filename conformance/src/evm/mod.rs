//! Ethereum's general state tests, in their filled format, through [`vm_evm::EvmRuntime::transact`] and the state keys of
//! vm-core: a transaction on a small state, and what the state's root and the hash of the logs have to be, for each hard fork.
//!
//! `cargo xtask conformance evm DIR` is how to run them.

mod case;
mod format;
mod hex;
mod report;
mod state;
mod suite;

pub use report::{Failure, Report, Tally};
pub use suite::{files, run};
