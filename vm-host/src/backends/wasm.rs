//! WebAssembly.

use std::sync::Arc;

use vm_core::{RuntimeKind, RuntimeProvider};
use vm_wasm::{EngineKind, WasmConfig, WasmRuntime};

use crate::HostError;
use crate::config::{Config, WasmEngine};

/// What 32-bit WebAssembly can address.
const ADDRESSABLE: u64 = 1 << 32;

pub(super) fn runtime(config: &Config, engine: WasmEngine) -> Result<Arc<dyn RuntimeProvider>, HostError> {
    let mut settings = WasmConfig::default();
    settings.engine = match engine {
        WasmEngine::Wasmi => EngineKind::Wasmi,
    };
    settings.memory_limit = config.limits.memory.min(ADDRESSABLE);
    let runtime = WasmRuntime::new(settings)
        .map_err(|error| HostError::Runtime { runtime: RuntimeKind::Wasm, source: Box::new(error) })?;
    Ok(Arc::new(runtime))
}
