use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use vm_core::GasSchedule;

use crate::ShapeLimits;

/// The engines that execute contracts. Results, gas and traps do not depend on the choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum EngineKind {
    /// The interpreter [wasmi](https://docs.rs/wasmi): no compile time, the cheapest fresh instance.
    #[default]
    Wasmi,
    /// The compiler [wasmtime](https://docs.rs/wasmtime): native code, instances from a pool.
    #[cfg(feature = "wasmtime")]
    Wasmtime,
    /// The compiler [wasmer](https://docs.rs/wasmer), with Cranelift: native code, a costlier fresh instance.
    #[cfg(feature = "wasmer")]
    Wasmer,
    /// wasmi first; a contract moves to wasmtime, compiled in the background, when it has run for as long as that takes.
    #[cfg(feature = "wasmtime")]
    Auto,
}

impl EngineKind {
    /// The engines of this build.
    pub const ALL: &[Self] = &[
        Self::Wasmi,
        #[cfg(feature = "wasmtime")]
        Self::Wasmtime,
        #[cfg(feature = "wasmer")]
        Self::Wasmer,
        #[cfg(feature = "wasmtime")]
        Self::Auto,
    ];

    /// The name used in configurations.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Wasmi => "wasmi",
            #[cfg(feature = "wasmtime")]
            Self::Wasmtime => "wasmtime",
            #[cfg(feature = "wasmer")]
            Self::Wasmer => "wasmer",
            #[cfg(feature = "wasmtime")]
            Self::Auto => "auto",
        }
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An engine that this build does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct UnknownEngine(String);

impl UnknownEngine {
    /// The engines that a feature of this crate brings, and the feature.
    const FEATURES: [(&str, &str); 3] = [("wasmtime", "wasmtime"), ("wasmer", "wasmer"), ("auto", "wasmtime")];
}

impl fmt::Display for UnknownEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.0;
        let has = EngineKind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ");
        match Self::FEATURES.iter().find(|(engine, _)| engine == name) {
            Some((_, feature)) => {
                write!(
                    f,
                    "the WASM engine '{name}' is not part of this build, which has {has}; build with the cargo feature '{feature}'"
                )
            }
            None => write!(f, "unknown WASM engine '{name}'; this build has {has}"),
        }
    }
}

impl FromStr for EngineKind {
    type Err = UnknownEngine;

    fn from_str(text: &str) -> Result<Self, UnknownEngine> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text).ok_or_else(|| UnknownEngine(text.into()))
    }
}

/// The settings of a [`WasmRuntime`](crate::WasmRuntime).
///
/// All but `engine`, `gas_slice` and the cache decide results, so all nodes of a chain use the same.
///
/// ```
/// let mut config = vm_wasm::WasmConfig::default();
/// config.memory_limit = 4 << 20;
/// let runtime = vm_wasm::WasmRuntime::new(config)?;
/// # Ok::<(), vm_wasm::WasmError>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WasmConfig {
    /// The engine. Default: wasmi.
    pub engine: EngineKind,
    /// The memory of one call, in bytes; rounded down to pages of 64 KiB. Default: 16 MiB.
    pub memory_limit: u64,
    /// The call stack of one call, in units: a frame takes 4, and 1 for each local, each operand, and each value that an
    /// engine may keep. Default: 60,000, for which the engines have enough native stack.
    pub stack_units: u64,
    /// The gas between two looks at the deadline. Default: 1,000,000, about a millisecond.
    pub gas_slice: u64,
    /// A directory for compiled code, of this user alone, so that it is compiled once for a machine and not once for a
    /// process. Several processes may use it at once; it may be removed at any time; one that cannot be used, or that others can write to, is warned of and not used. An engine that does not compile, such
    /// as wasmi, has no use for it. Default: none.
    pub cache_dir: Option<PathBuf>,
    /// What the files in it may have, all together, in bytes; those that were used least recently are removed. Default: 1 GiB.
    pub cache_bytes: u64,
    /// Whether contracts may use floating point. The NaNs that it yields are made canonical, so that results are the same on
    /// all machines; that takes time. Default: no.
    pub floats: bool,
    /// The shapes of modules that are accepted.
    pub shape: ShapeLimits,
    /// The prices. Default: version 1. It must be the Vm's.
    pub schedule: Arc<GasSchedule>,
}

impl Default for WasmConfig {
    fn default() -> Self {
        Self {
            engine: EngineKind::default(),
            memory_limit: 16 << 20,
            stack_units: 60_000,
            gas_slice: 1_000_000,
            cache_dir: None,
            cache_bytes: 1 << 30,
            floats: false,
            shape: ShapeLimits::default(),
            schedule: GasSchedule::v1(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_that_is_not_there_says_how_to_get_it() {
        for kind in EngineKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(*kind));
        }
        for (engine, feature) in UnknownEngine::FEATURES {
            let Err(error) = engine.parse::<EngineKind>() else { continue };
            assert!(error.to_string().ends_with(&format!("build with the cargo feature '{feature}'")), "{error}");
        }
        let error = "wasm3".parse::<EngineKind>().unwrap_err();
        assert!(error.to_string().starts_with("unknown WASM engine 'wasm3'; this build has wasmi"), "{error}");
    }
}
