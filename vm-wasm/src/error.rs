use vm_core::{CodeError, HostFault, InvalidSignature, PrepareError, abridged};

use crate::engine::dispatch::UNLEVEL;
use crate::meter::MeterError;
use crate::{EngineKind, Rejection};

/// The most characters of why code is refused: it may quote the code.
const MESSAGE: usize = 2_000;

/// What can be wrong with a configuration or a module.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum WasmError {
    /// A setting that cannot work.
    #[error("wasm: {setting} is {found}, expected {expected}")]
    Config {
        /// The setting.
        setting: &'static str,
        /// Its value.
        found: u64,
        /// What it may be.
        expected: &'static str,
    },
    /// The engine does not start on this machine.
    #[error("the WASM engine {engine} does not start: {message}; wasmi needs nothing of the machine")]
    Engine {
        /// The engine.
        engine: EngineKind,
        /// What it says.
        message: String,
    },
    /// This program was compiled such that contracts could end it. Every engine is concerned, because wasmi runs what is too
    /// expensive to compile. See the crate's documentation.
    #[error("wasm: {}", UNLEVEL)]
    Build,
    /// The gate refuses the module.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The interface text cannot be read.
    #[error("the interface cannot be read: {0}; one method a line, as vm-sdk writes it")]
    Interface(#[from] InvalidSignature),
    /// The code comes with settings that WASM contracts do not have.
    #[error("{0}")]
    Unsupported(String),
    /// A defect of this crate or the engine: the module passed the gate and cannot be executed.
    #[error("internal error: {0}")]
    Internal(String),
}

impl WasmError {
    /// As the dispatcher wants it; a defect is no fault of the code.
    pub(crate) fn into_prepare(self) -> PrepareError {
        let rule = match &self {
            Self::Rejected(rejection) => rejection.first().rule.id(),
            Self::Interface(_) => "interface",
            Self::Unsupported(_) => "unsupported",
            Self::Config { .. } | Self::Engine { .. } | Self::Build | Self::Internal(_) => {
                return HostFault::Internal(self.to_string()).into();
            }
        };
        CodeError::new(rule, abridged(&self.to_string(), MESSAGE)).into()
    }
}

impl From<MeterError> for WasmError {
    fn from(error: MeterError) -> Self {
        Self::Internal(error.to_string())
    }
}
