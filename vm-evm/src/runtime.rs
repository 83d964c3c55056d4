//! The backend itself.

use std::sync::Arc;

use bytes::Bytes;
use vm_core::{Code, CodeError, Contract, Interface, PrepareError, ProviderStatus, RuntimeKind, RuntimeProvider};

use crate::{EvmConfig, EvmError, Trace, abi::SolidityInterface, code, contract::EvmContract, session::CodeCache};

/// The EVM runtime: creation code in, callable contracts out.
///
/// It also executes calls to addresses without a record: accounts that EVM contracts created, and plain value transfers.
#[derive(Debug)]
pub struct EvmRuntime {
    config: EvmConfig,
    cache: Arc<CodeCache>,
    accounts: Arc<EvmContract>,
    pub(crate) trace: Option<Trace>,
}

impl EvmRuntime {
    /// A runtime with this configuration.
    ///
    /// # Errors
    /// When a value of the configuration cannot work.
    pub fn new(config: EvmConfig) -> Result<Self, EvmError> {
        config.check()?;
        let cache = Arc::new(CodeCache::new());
        let accounts = accounts(config, &cache, None);
        Ok(Self { config, cache, accounts, trace: None })
    }

    /// With a trace of every instruction that its contracts execute. For debugging: it costs far more than the contracts.
    #[must_use]
    pub fn with_trace(mut self, trace: Trace) -> Self {
        self.accounts = accounts(self.config, &self.cache, Some(trace.clone()));
        self.trace = Some(trace);
        self
    }

    /// The configuration.
    #[must_use]
    pub const fn config(&self) -> &EvmConfig {
        &self.config
    }

    pub(crate) const fn cache(&self) -> &Arc<CodeCache> {
        &self.cache
    }
}

/// What executes calls of accounts that have no record.
fn accounts(config: EvmConfig, cache: &Arc<CodeCache>, trace: Option<Trace>) -> Arc<EvmContract> {
    Arc::new(EvmContract {
        config,
        cache: cache.clone(),
        creation_code: Bytes::new(),
        interface: SolidityInterface::default(),
        migrates: false,
        trace,
    })
}

#[async_trait::async_trait]
impl RuntimeProvider for EvmRuntime {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Evm
    }

    fn verify(&self, code: &Code) -> Result<(), CodeError> {
        code::permitted(&code::creation_code(code)?, &self.config)?;
        code::not_text(code)?;
        code::migrates(code)?;
        SolidityInterface::new(code.abi.as_deref())?.check()
    }

    async fn prepare(&self, code: &Code) -> Result<Arc<dyn Contract>, PrepareError> {
        Ok(Arc::new(EvmContract {
            config: self.config,
            cache: self.cache.clone(),
            creation_code: code::creation_code(code)?.into(),
            interface: SolidityInterface::new(code.abi.as_deref())?,
            migrates: code::migrates(code)?,
            trace: self.trace.clone(),
        }))
    }

    fn accounts(&self) -> Option<Arc<dyn Contract>> {
        Some(self.accounts.clone())
    }

    fn guards(&self, method: &str) -> Option<Vec<String>> {
        SolidityInterface::default().guards(method).ok()
    }

    fn status(&self) -> ProviderStatus {
        let (codes, bytes) = self.cache.usage();
        let mut status = ProviderStatus::healthy("revm", REVM);
        status.details = vec![
            ("hard_fork".to_owned(), self.config.fork().to_string()),
            ("memory_limit".to_owned(), self.config.memory().to_string()),
            ("cached_codes".to_owned(), codes.to_string()),
            ("cached_bytes".to_owned(), bytes.to_string()),
        ];
        status
    }
}

/// The version of revm that the workspace pins.
const REVM: &str = "43";
