//! Ethereum's general state tests, in their filled format, through [`vm_evm::EvmRuntime::transact`] and the state keys of
//! vm-core: a transaction on a small state, and what the state's root and the hash of the logs have to be, for each hard fork.
//!
//! `cargo xtask conformance evm DIR` is how to run them.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "tests fail by panicking"
    )
)]

mod case;
mod folder;
mod format;
mod hex;
mod report;
mod state;

pub use folder::{files, run};
pub use report::{Failure, Report, Tally};
