//! Test suites that others wrote, and tests that nobody wrote: [`evm`] runs Ethereum's general state tests, [`wasm`]
//! WebAssembly's official suite, [`fuzz`] random modules on all engines, [`lifecycle`] random lives of contracts. Calls across runtimes are
//! `vm_core::conformance`, which authors of further backends can run, too; the tests here run it with all runtimes.
//!
//! # Features
//!
//! | feature | |
//! |---|---|
//! | `docker` | calls across runtimes in containers, too |
//! | `wasmtime` | [`wasm`] and [`fuzz`] also on wasmtime |
//! | `wasmer` | [`wasm`] and [`fuzz`] also on wasmer |

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

pub mod evm;
mod folder;
pub mod fuzz;
pub mod lifecycle;
mod text;
pub mod wasm;
