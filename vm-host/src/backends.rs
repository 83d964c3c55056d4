//! What this build has: the only place that asks for cargo features.
//!
//! Each runtime has a module with one function that makes it from the configuration. Where its feature is off, the
//! provider is refused with the feature's name.

#[cfg(feature = "docker")]
mod docker;
#[cfg(feature = "evm")]
mod evm;
#[cfg(not(feature = "evm"))]
#[path = "backends/evm_absent.rs"]
mod evm;
#[cfg(feature = "native")]
mod native;
#[cfg(not(feature = "native"))]
#[path = "backends/native_absent.rs"]
mod native;
#[cfg(feature = "fjall")]
mod store;
#[cfg(feature = "wasm")]
mod wasm;
#[cfg(not(feature = "wasm"))]
#[path = "backends/wasm_absent.rs"]
mod wasm;

use std::path::Path;
use std::sync::Arc;

use vm_core::{RuntimeProvider, StateBackend};

use crate::HostError;
use crate::config::{Config, Docker, Provider, WasmEngine};

pub(crate) use evm::{Tracing, analysis as evm_analysis, code as evm_code, tracing};
pub(crate) use native::{NativeContracts, SAMPLE_NAMES, proposal, samples};
#[cfg(feature = "fjall")]
pub use store::FjallBackend;
pub(crate) use wasm::analysis as wasm_analysis;

/// Something that containers need of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What, in a word or two.
    pub what: &'static str,
    /// How it is.
    pub health: Health,
    /// What was found.
    pub found: String,
    /// What to do; empty where there is nothing to do.
    pub advice: String,
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// As it should be.
    Good,
    /// Containers run, less confined or less bounded than they should be.
    Weak,
    /// Containers do not run.
    Bad,
}

impl Health {
    /// `good`, `weak` or `bad`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Weak => "weak",
            Self::Bad => "bad",
        }
    }
}

/// True when the build can keep state on disk.
pub(crate) const HAS_FJALL: bool = cfg!(feature = "fjall");

/// True when the build has the runtime of this provider.
pub(crate) fn has_runtime(provider: &Provider) -> bool {
    match provider {
        Provider::Native => cfg!(feature = "native"),
        Provider::Wasm { .. } => cfg!(feature = "wasm"),
        Provider::Evm { .. } => cfg!(feature = "evm"),
        Provider::Docker(_) => cfg!(feature = "docker"),
    }
}

/// True when the build has this engine, provided that it has the runtime.
pub(crate) fn has_engine(engine: WasmEngine) -> bool {
    match engine {
        WasmEngine::Wasmi => true,
        WasmEngine::Wasmtime | WasmEngine::Auto => cfg!(feature = "wasmtime"),
        WasmEngine::Wasmer => cfg!(feature = "wasmer"),
    }
}

/// The names of the features for runtimes and state backends that this build has.
pub(crate) fn built_in() -> Vec<&'static str> {
    let all = [
        ("native", cfg!(feature = "native")),
        ("wasm", cfg!(feature = "wasm")),
        ("evm", cfg!(feature = "evm")),
        ("docker", cfg!(feature = "docker")),
        ("fjall", cfg!(feature = "fjall")),
    ];
    all.into_iter().filter(|(_, present)| *present).map(|(name, _)| name).collect()
}

/// Makes the runtime of an enabled provider.
#[allow(
    unreachable_patterns,
    unused_variables,
    reason = "which providers are left for the last arm depends on the features"
)]
pub(crate) fn runtime(
    config: &Config,
    provider: &Provider,
    native: &mut NativeContracts,
    tracing: &Tracing,
) -> Result<Arc<dyn RuntimeProvider>, HostError> {
    match provider {
        #[cfg(feature = "native")]
        Provider::Native => Ok(native::runtime(native)),
        #[cfg(feature = "wasm")]
        Provider::Wasm { runtime, .. } => wasm::runtime(config, *runtime),
        #[cfg(feature = "evm")]
        Provider::Evm { version, refuse_opcodes } => evm::runtime(config, version.as_deref(), refuse_opcodes, tracing),
        #[cfg(feature = "docker")]
        Provider::Docker(docker) => docker::runtime(config, docker),
        absent => {
            let feature = absent.type_name();
            Err(HostError::Absent { what: format!("the runtime \"{feature}\""), feature })
        }
    }
}

/// Looks at what containers need of this machine; `None` in a build without them.
#[cfg(feature = "docker")]
pub fn examine_containers(config: &Config, docker: &Docker) -> Option<Vec<Finding>> {
    Some(docker::examine(config, docker))
}

/// Looks at what containers need of this machine; `None` in a build without them.
#[cfg(not(feature = "docker"))]
pub fn examine_containers(_config: &Config, _docker: &Docker) -> Option<Vec<Finding>> {
    None
}

/// Checks the version of an EVM provider; the error tells which versions there are.
#[cfg(feature = "evm")]
pub(crate) fn check_evm_version(version: &str) -> Result<(), String> {
    evm::fork(version).map(drop).map_err(|error| error.to_string())
}

/// Checks an opcode that an EVM provider is to refuse.
#[cfg(feature = "evm")]
pub(crate) fn check_evm_opcode(name: &str) -> Result<(), String> {
    vm_evm::EvmConfig::default().refuse_opcodes([name]).map(drop).map_err(|error| error.to_string())
}

/// A build without EVM refuses the provider itself.
#[cfg(not(feature = "evm"))]
pub(crate) fn check_evm_opcode(_name: &str) -> Result<(), String> {
    Ok(())
}

/// A build without EVM refuses the provider itself.
#[cfg(not(feature = "evm"))]
pub(crate) fn check_evm_version(_version: &str) -> Result<(), String> {
    Ok(())
}

/// Opens persistent state.
#[cfg(feature = "fjall")]
pub(crate) fn open_fjall(path: &Path) -> Result<Arc<dyn StateBackend>, HostError> {
    Ok(Arc::new(FjallBackend::open(path)?))
}

/// Persistent state that this build lacks.
#[cfg(not(feature = "fjall"))]
pub(crate) fn open_fjall(_path: &Path) -> Result<Arc<dyn StateBackend>, HostError> {
    Err(HostError::Absent { what: "the state backend \"fjall\"".to_owned(), feature: "fjall" })
}
