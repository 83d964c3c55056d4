//! WebAssembly.

use std::sync::Arc;

use vm_core::{Code, RuntimeKind, RuntimeProvider};
use vm_wasm::{UnknownEngine, WasmConfig, WasmRuntime};

use crate::HostError;
use crate::code::Analysis;
use crate::config::{Config, Provider, State, WasmEngine};

/// What 32-bit WebAssembly can address.
const ADDRESSABLE: u64 = 1 << 32;

pub(super) fn runtime(config: &Config, engine: WasmEngine) -> Result<Arc<dyn RuntimeProvider>, HostError> {
    let failed = |source| HostError::Runtime { runtime: RuntimeKind::Wasm, source };
    let memory = config.limits.memory;
    if memory > ADDRESSABLE {
        tracing::warn!(
            "vm.limits.memory is {memory} bytes; contracts in WebAssembly can address 4 GiB, and get no more"
        );
    }
    let mut settings = settings(config);
    settings.engine = engine.name().parse().map_err(|error: UnknownEngine| failed(Box::new(error)))?;
    if let (true, State::Fjall { path }) = (config.cache.disk, &config.state) {
        settings.cache_dir = Some(path.join("code"));
    }
    let runtime = WasmRuntime::new(settings).map_err(|error| failed(Box::new(error)))?;
    Ok(Arc::new(runtime))
}

/// The settings that decide what is accepted.
fn settings(config: &Config) -> WasmConfig {
    let mut settings = WasmConfig::default();
    settings.memory_limit = config.limits.memory.min(ADDRESSABLE);
    settings.floats = config.providers.iter().any(|provider| matches!(provider, Provider::Wasm { floats: true, .. }));
    settings
}

/// What the module is and needs, and whether a deployment with this interface and these options would be accepted.
#[allow(clippy::unnecessary_wraps, reason = "a build without WebAssembly refuses")]
pub(crate) fn analysis(config: &Config, code: &Code) -> Result<Analysis, HostError> {
    let analysis = vm_wasm::analyze_code(code, &settings(config));
    Ok(Analysis { accepted: analysis.accepted, text: analysis.to_string(), json: analysis.to_json() })
}
