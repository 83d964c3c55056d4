//! Tests of the WASM runtime in a whole machine, over contracts in the text format.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

/// The topics, once for each engine of the build: results must not depend on the choice.
macro_rules! topics {
    ($engine:ident: $kind:ident, $($topic:ident),*) => {
        #[path = "."]
        #[allow(clippy::duplicate_mod, reason = "the same tests on another engine")]
        mod $engine {
            pub(crate) mod machine;
            $(mod $topic;)*

            const ENGINE: vm_wasm::EngineKind = vm_wasm::EngineKind::$kind;
        }
    };
}

topics!(wasmi: Wasmi, abi, bounds, calls, chainmaker, contracts, gas, lifecycle, traps);
#[cfg(feature = "wasmtime")]
topics!(wasmtime: Wasmtime, abi, bounds, calls, chainmaker, contracts, gas, lifecycle, traps);

mod analysis;
mod document;
mod gate;

use crate::wasmi::machine;
