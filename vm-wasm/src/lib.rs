//! WebAssembly smart contracts: [`WasmRuntime`] is a [`RuntimeProvider`](vm_core::RuntimeProvider) for
//! [`Vm`](vm_core::Vm).
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

mod abi;
mod config;
mod contract;
mod engine;
mod error;
mod gate;
mod meter;
mod runtime;

pub use config::{EngineKind, UnknownEngine, WasmConfig};
pub use error::WasmError;
pub use gate::{Rejection, Rule, ShapeLimits, Violation};
pub use runtime::WasmRuntime;
