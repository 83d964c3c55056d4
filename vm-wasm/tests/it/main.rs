//! Tests of the WASM runtime in a whole machine, over contracts in the text format.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

/// The topics that run on an engine, once for each engine of the build: results must not depend on the choice.
macro_rules! topics_on {
    ($engine:ident: $kind:ident) => {
        #[path = "."]
        #[allow(clippy::duplicate_mod, reason = "the same tests on another engine")]
        mod $engine {
            pub(crate) mod machine;

            mod abi;
            mod bounds;
            mod calls;
            mod chainmaker;
            mod contracts;
            mod gas;
            mod lifecycle;
            mod stack;
            mod traps;

            const ENGINE: vm_wasm::EngineKind = vm_wasm::EngineKind::$kind;
        }
    };
}

topics_on!(wasmi: Wasmi);
#[cfg(feature = "wasmtime")]
topics_on!(wasmtime: Wasmtime);
#[cfg(feature = "wasmer")]
topics_on!(wasmer: Wasmer);

mod analysis;
mod bombs;
mod cache;
mod compile;
mod document;
mod engines;
mod gate;
#[cfg(feature = "wasmtime")]
mod metrics;
#[cfg(feature = "wasmtime")]
mod tiers;
mod violation;

use crate::wasmi::machine;
