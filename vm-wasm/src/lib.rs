//! WebAssembly smart contracts: [`WasmRuntime`] is a backend for [`vm_core::Vm`].
//!
//! A contract is a core module that imports nothing but the module `vm1` and exports `memory` and `vm_call`: version 1 of the
//! ABI, documented with an example in `docs/wasm-abi.md`. `vm-sdk` builds such modules from Rust. Published contracts of
//! ChainMaker, which import `env.sys_call`, run as they are.
//!
//! ```
//! use vm_core::{Code, ContractName, DeployRequest, InvokeRequest, RuntimeKind, Vm, VmProvider};
//! use vm_wasm::WasmRuntime;
//!
//! # futures_executor::block_on(async {
//! let vm = Vm::builder().runtime(WasmRuntime::default()).build()?;
//! vm.start().await?;
//!
//! let module = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../contracts/artifacts/token-v1.wasm"))?;
//! let (name, alice) = (ContractName::new("token")?, "alice".parse()?);
//! let code = Code::new(RuntimeKind::Wasm, module);
//! vm.deploy(DeployRequest::new(name.clone(), "1.0.0".parse()?, code).args(["1000"]).from(alice)).await?;
//! vm.invoke(InvokeRequest::new(name.clone(), "transfer").args(["bob", "100"]).from(alice)).await?;
//! let receipt = vm.query(InvokeRequest::new(name, "balance_of").args(["bob"])).await?;
//! assert_eq!(receipt.text.as_deref(), Some("100"));
//! vm.stop().await?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! # The way of a module
//!
//! 1. **Gate.** The module's shape, operators and validity are checked; a [`Rejection`] lists what is wrong, each
//!    [`Violation`] with its [`Rule`], function, byte offset, operator, and what the author can do. What could differ between
//!    engines is refused: floats, vectors, threads, exceptions, and more.
//! 2. **Instrumentation.** Gas and stack height are counted by the module itself, so they are the same on every engine, cold
//!    or warm. Engines' own fuel is not used: it differs between engines, versions and calls.
//! 3. **Engine.** The module is compiled once. Each call runs in a fresh store and instance: nothing of one is left for the
//!    next.
//!
//! # Failures
//!
//! A trap is deterministic and costs all the gas of its frame; a revert gives back what it did not use. The deadline is
//! noticed whenever a slice of gas is used up, and is a host fault, as is everything that only one engine or machine could
//! run into: an engine's own stack overflow, no memory left on the machine.
//!
//! # Engines and features
//!
//! | [`EngineKind`] | feature | |
//! |---|---|---|
//! | `Wasmi` | always there | interpreter: no compile time, about 2 µs for a fresh instance and a transfer |
//! | `Wasmtime` | `wasmtime` | native code by Cranelift, about ten times as fast where contracts compute; instances from a pool, as cheap as wasmi's |
//! | `Wasmer` | `wasmer` | native code by Cranelift; a fresh instance takes about ten times as long as the others' |
//! | `Auto` | `wasmtime` | wasmi first; a contract moves to wasmtime, compiled in the background, when it has run for as long as that takes |
//!
//! The features change nothing but the choice: receipts are the same on all engines, and with all features. Engines with native
//! code are why this crate has `unsafe` code: stores of theirs borrow the frame of a call, and code that was kept is loaded.
//! wasmtime reserves about 512 GiB of address space for each processor, up to 2 TiB, of which nothing is occupied before it is used.
//!
//! # Profiles of the build
//!
//! wasmi dispatches by calls in tail position where it is built with an `opt-level` other than 0 and 1, and only the optimiser
//! makes tail calls of them. Where it does not, contracts would overflow the native stack and end the process. So the first
//! runtime of a process tries it out, in a few milliseconds, and [`WasmRuntime::new`] answers [`WasmError::Build`] instead. Cargo's own
//! profiles are fine. `lto = "off"` is not, nor are debug assertions in a profile that optimises wasmi:
//!
//! ```toml
//! [profile.dev.package.wasmi] # or whichever profile it is
//! debug-assertions = false
//! ```
//!
//! With the feature `portable`, wasmi runs a loop instead, safe in every profile, which takes two to four times as long where
//! contracts compute.

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
pub mod analysis;
#[cfg_attr(
    not(any(test, feature = "wasmtime", feature = "wasmer")),
    allow(dead_code, reason = "wasmi compiles nothing")
)]
mod cache;
mod config;
#[cfg(feature = "conformance")]
#[doc(hidden)]
pub mod conformance;
mod contract;
mod count;
mod engine;
mod error;
mod gate;
mod guest;
mod meter;
mod name;
mod runtime;

pub use analysis::{Analysis, analyze, analyze_code};
pub use config::{EngineKind, UnknownEngine, WasmConfig};
pub use error::WasmError;
pub use gate::{Rejection, Rule, ShapeLimits, Violation};
pub use runtime::WasmRuntime;
