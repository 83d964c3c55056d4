use std::sync::Arc;

use async_trait::async_trait;
use vm_core::{Code, CodeError, Contract, PrepareError, ProviderStatus, RuntimeKind, RuntimeProvider, closest};

use crate::NativeConfig;

/// The runtime of contracts that are linked into the host.
#[derive(Debug)]
pub struct NativeRuntime {
    config: NativeConfig,
}

impl NativeRuntime {
    /// A runtime with these contracts.
    pub const fn new(config: NativeConfig) -> Self {
        Self { config }
    }

    fn find(&self, code: &Code) -> Result<&Arc<dyn Contract>, CodeError> {
        let rejected = |message: String| CodeError::new("native-name", message);
        let name = std::str::from_utf8(&code.bytes)
            .map(str::trim)
            .map_err(|_| rejected("native code is the name of a linked contract, but this is not text".into()))?;
        let names = || self.config.contracts.keys().map(String::as_str);
        self.config.contracts.get(name).ok_or_else(|| {
            let shown: String = name.chars().take(80).collect();
            let hint = closest(name, names()).map(|other| format!("did you mean '{other}'? ")).unwrap_or_default();
            rejected(format!(
                "no contract is linked as '{shown}'; {hint}linked: {}",
                names().collect::<Vec<_>>().join(", ")
            ))
        })
    }
}

#[async_trait]
impl RuntimeProvider for NativeRuntime {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Native
    }

    fn verify(&self, code: &Code) -> Result<(), CodeError> {
        if let Some(option) = code.options.keys().next() {
            return Err(CodeError::new(
                "native-option",
                format!("unknown option '{option}'; native contracts take none"),
            ));
        }
        if code.abi.is_some() {
            return Err(CodeError::new("native-abi", "native contracts bring their own interface; leave the abi out"));
        }
        self.find(code).map(drop)
    }

    async fn prepare(&self, code: &Code) -> Result<Arc<dyn Contract>, PrepareError> {
        Ok(self.find(code)?.clone())
    }

    fn status(&self) -> ProviderStatus {
        let names: Vec<_> = self.config.contracts.keys().map(String::as_str).collect();
        let mut status = ProviderStatus::healthy("linked", env!("CARGO_PKG_VERSION"));
        status.details.push(("contracts".into(), names.join(", ")));
        status
    }
}
