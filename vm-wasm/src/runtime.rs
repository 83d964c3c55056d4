use std::sync::Arc;

use async_trait::async_trait;
use vm_core::{
    Code, CodeError, Contract, GasSchedule, Interface, Opaque, PrepareError, ProviderStatus, RuntimeKind,
    RuntimeProvider, TextInterface,
};

use crate::abi::AbiPrices;
use crate::contract::{Settings, WasmContract};
use crate::engine::{self, Engine, wasmi::Wasmi};
use crate::gate::{self, Checked, GateConfig, PAGE};
use crate::meter::{self, Bounds, Prices};
use crate::{WasmConfig, WasmError};

/// The WebAssembly runtime.
#[derive(Debug)]
pub struct WasmRuntime {
    config: WasmConfig,
    gate: GateConfig,
    prices: Prices,
    engine: Box<dyn Engine>,
}

impl WasmRuntime {
    /// A runtime with these settings.
    ///
    /// # Errors
    /// [`WasmError::Config`] when a setting cannot work, [`WasmError::Engine`] when the engine does not start.
    pub fn new(config: WasmConfig) -> Result<Self, WasmError> {
        let check = |setting, found, fits: bool, expected| {
            if fits { Ok(()) } else { Err(WasmError::Config { setting, found, expected }) }
        };
        let memory = config.memory_limit;
        check("memory_limit", memory, (PAGE..=1 << 32).contains(&memory), "64 KiB to 4 GiB")?;
        check("stack_units", config.stack_units, (1_000..=60_000).contains(&config.stack_units), "1,000 to 60,000")?;
        check("gas_slice", config.gas_slice, (1_000..=1 << 40).contains(&config.gas_slice), "1,000 to 2^40")?;
        let gate = GateConfig::new(&config);
        let prices = Prices::new(&config.schedule.wasm);
        let engine = engine::start(config.engine, Bounds::new(&gate))
            .map_err(|message| WasmError::Engine { engine: config.engine, message })?;
        Ok(Self { config, gate, prices, engine })
    }

    /// Checks a module and says everything that is wrong with it.
    ///
    /// # Errors
    /// [`WasmError::Rejected`] with the violations.
    pub fn inspect(&self, module: &[u8]) -> Result<(), WasmError> {
        gate::check(module, &self.gate)?;
        Ok(())
    }

    fn check<'a>(&self, code: &'a Code) -> Result<(Checked<'a>, Box<dyn Interface>), WasmError> {
        if let Some(option) = code.options.keys().next() {
            return Err(WasmError::Unsupported(format!(
                "WASM contracts have no option '{option}'; deploy without options"
            )));
        }
        let checked = gate::check(&code.bytes, &self.gate)?;
        let text = match (&code.abi, checked.interface) {
            (Some(_), Some(_)) => {
                let why = "the module has a section vm.interface, and another interface was given; give one of them";
                return Err(WasmError::Unsupported(why.into()));
            }
            (Some(abi), None) => Some(abi.as_str()),
            (None, text) => text,
        };
        let interface: Box<dyn Interface> = match text {
            Some(text) => Box::new(text.parse::<TextInterface>()?),
            None => Box::new(Opaque),
        };
        Ok((checked, interface))
    }

    fn compile(&self, code: &Code) -> Result<WasmContract, WasmError> {
        let (checked, interface) = self.check(code)?;
        let instrumented = meter::instrument(&checked, &self.prices, &Bounds::new(&self.gate))?;
        let program = self.engine.compile(&instrumented).map_err(WasmError::Internal)?;
        let settings = Settings {
            entry_price: self.prices.instance(&checked.initial),
            abi: AbiPrices::new(&self.config.schedule.wasm),
            slice: self.config.gas_slice,
        };
        Ok(WasmContract::new(program, interface, settings))
    }
}

impl Default for WasmRuntime {
    fn default() -> Self {
        let config = WasmConfig::default();
        let gate = GateConfig::new(&config);
        let prices = Prices::new(&config.schedule.wasm);
        Self { config, gate, prices, engine: Box::new(Wasmi) }
    }
}

#[async_trait]
impl RuntimeProvider for WasmRuntime {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Wasm
    }

    fn verify(&self, code: &Code) -> Result<(), CodeError> {
        match self.check(code).map_err(WasmError::into_prepare) {
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
            ("abi".into(), crate::abi::import::MODULE.into()),
            ("memory_limit".into(), (self.gate.memory_pages * PAGE).to_string()),
            ("stack_units".into(), self.config.stack_units.to_string()),
        ];
        status
    }
}
