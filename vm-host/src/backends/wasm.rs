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

/// What the module is and needs, and whether a deployment would be accepted.
pub(crate) fn analysis(config: &Config, code: &Code) -> Result<Analysis, HostError> {
    let settings = settings(config);
    let analysis = vm_wasm::analyze(&code.bytes, &settings);
    let (mut accepted, mut text) = (analysis.accepted, analysis.to_string());
    if accepted {
        // The module is in order; what was given with it, its interface and its options, may not be.
        let failed = |error| HostError::Runtime { runtime: RuntimeKind::Wasm, source: Box::new(error) };
        if let Err(error) = WasmRuntime::new(settings).map_err(failed)?.verify(code) {
            text.push_str(&format!("refused: {error}\n"));
            accepted = false;
        }
    }
    Ok(Analysis { accepted, text, json: analysis.to_json() })
}
