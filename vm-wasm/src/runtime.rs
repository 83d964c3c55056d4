use std::io;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use vm_core::{Code, CodeError, Contract, GasSchedule, PrepareError, ProviderStatus, RuntimeKind, RuntimeProvider};

use crate::abi::{Abi, AbiPrices};
use crate::cache::CodeCache;
use crate::contract::{Settings, WasmContract};
use crate::engine::{self, Engine, dispatch, oversized::Oversized, wasmi::Wasmi};
use crate::gate::{self, Checked, GateConfig, Initial, MOST_MEMORY, MOST_STACK, PAGE};
use crate::guest::Guest;
use crate::meter::{self, Bounds, Prices};
use crate::{EngineKind, WasmConfig, WasmError};

/// The WebAssembly runtime.
#[derive(Debug)]
pub struct WasmRuntime {
    config: WasmConfig,
    gate: GateConfig,
    prices: Prices,
    engine: Box<dyn Engine>,
    /// Why compiled code is not kept where the settings say.
    no_cache: Option<String>,
}

impl WasmRuntime {
    /// A runtime with these settings.
    ///
    /// # Errors
    /// [`WasmError::Config`] when a setting cannot work, [`WasmError::Engine`] when the engine does not start,
    /// [`WasmError::Build`] when the program was compiled such that contracts could end it.
    pub fn new(config: WasmConfig) -> Result<Self, WasmError> {
        let check = |setting, found, fits: bool, expected| {
            if fits { Ok(()) } else { Err(WasmError::Config { setting, found, expected }) }
        };
        let memory = config.memory_limit;
        check("memory_limit", memory, (PAGE..=MOST_MEMORY).contains(&memory), "64 KiB to 4 GiB")?;
        check(
            "stack_units",
            config.stack_units,
            (1_000..=MOST_STACK).contains(&config.stack_units),
            "1,000 to 60,000",
        )?;
        check("gas_slice", config.gas_slice, (1_000..=1 << 40).contains(&config.gas_slice), "1,000 to 2^40")?;
        if let Some((setting, found, expected)) = Prices::too_high(&config.schedule.wasm) {
            return Err(WasmError::Config { setting, found, expected });
        }
        if !dispatch::is_level() {
            return Err(WasmError::Build);
        }
        let gate = GateConfig::new(&config);
        let prices = Prices::new(&config.schedule.wasm);
        let (cache, no_cache) = match &config.cache_dir {
            Some(directory) if config.engine != EngineKind::Wasmi => {
                match CodeCache::open(directory, config.cache_bytes) {
                    Ok(cache) => (Some(Arc::new(cache)), None),
                    Err(error) => (None, Some(unusable(directory, &error))),
                }
            }
            _ => (None, None),
        };
        let engine = engine::start(config.engine, Bounds::new(&gate), cache.as_ref())
            .map_err(|message| WasmError::Engine { engine: config.engine, message })?;
        Ok(Self { config, gate, prices, engine, no_cache })
    }

    /// With an engine that no configuration has.
    #[cfg(test)]
    pub(crate) fn on(engine: Box<dyn Engine>) -> Self {
        Self { engine, ..Self::default() }
    }

    /// Checks a module and says everything that is wrong with it.
    ///
    /// # Errors
    /// [`WasmError::Rejected`] with the violations.
    pub fn inspect(&self, module: &[u8]) -> Result<(), WasmError> {
        gate::check(module, &self.gate)?;
        Ok(())
    }

    /// Code that is deployed passed the gate of its time, which may have been wider than today's: see
    /// [`verify`](RuntimeProvider::verify) for new code.
    fn compile(&self, code: &Code) -> Result<WasmContract, WasmError> {
        let (checked, guest) = check(code, &GateConfig::kept())?;
        let program = if self.has_room(&checked.initial) {
            let instrumented = meter::instrument(&checked, &self.prices, &Bounds::new(&self.gate))?;
            self.engine.compile(&instrumented).map_err(WasmError::Internal)?
        } else {
            Box::new(Oversized)
        };
        let settings = Settings {
            entry_price: self.prices.instance(&checked.initial),
            abi: AbiPrices::new(&self.config.schedule.wasm),
            adapter: guest.adapter,
            slice: self.config.gas_slice,
            interface_weight: guest.weight,
        };
        Ok(WasmContract::new(program, guest.interface, settings))
    }

    /// Whether what a module starts with is within today's limits of memory.
    fn has_room(&self, initial: &Initial) -> bool {
        initial.memory_pages <= self.gate.memory_pages && initial.table_entries <= self.gate.shape.table_entries
    }
}

/// Says that compiled code is not kept, and why. It only saves time, so the runtime goes on.
fn unusable(directory: &Path, error: &io::Error) -> String {
    let why = format!("compiled code is not kept in {}: {error}", directory.display());
    tracing::warn!(target: "vm", "{why}; remove it, or switch the cache on disk off");
    why
}

/// Checks a module by these rules, and finds out how to talk to it.
fn check<'a>(code: &'a Code, rules: &GateConfig) -> Result<(Checked<'a>, Guest), WasmError> {
    let checked = gate::check(&code.bytes, rules)?;
    let guest = Guest::new(code, &checked)?;
    Ok((checked, guest))
}

impl Default for WasmRuntime {
    fn default() -> Self {
        let config = WasmConfig::default();
        let gate = GateConfig::new(&config);
        let prices = Prices::new(&config.schedule.wasm);
        Self { config, gate, prices, engine: Box::new(Wasmi), no_cache: None }
    }
}

#[async_trait]
impl RuntimeProvider for WasmRuntime {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Wasm
    }

    fn verify(&self, code: &Code) -> Result<(), CodeError> {
        match check(code, &self.gate).map_err(WasmError::into_prepare) {
            Err(PrepareError::Code(error)) => Err(error),
            _ => Ok(()),
        }
    }

    async fn prepare(&self, code: &Code) -> Result<Arc<dyn Contract>, PrepareError> {
        match self.compile(code) {
            Ok(contract) => Ok(Arc::new(contract)),
            Err(error) => Err(error.into_prepare()),
        }
    }

    fn schedule(&self) -> Option<&GasSchedule> {
        Some(&self.config.schedule)
    }

    fn status(&self) -> ProviderStatus {
        let mut status = ProviderStatus::healthy(self.engine.name(), self.engine.version());
        status.details = vec![
            ("abi".into(), [Abi::Vm1, Abi::ChainMaker].map(Abi::as_str).join(", ")),
            ("memory_limit".into(), (self.gate.memory_pages * PAGE).to_string()),
            ("stack_units".into(), self.config.stack_units.to_string()),
        ];
        status.details.extend(self.engine.details());
        status.details.extend(self.no_cache.iter().map(|why| ("code_cache".into(), why.clone())));
        status
    }
}

#[cfg(test)]
mod tests;
