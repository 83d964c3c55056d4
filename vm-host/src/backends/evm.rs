//! The EVM.

use std::sync::Arc;

use vm_core::{RuntimeKind, RuntimeProvider};
use vm_evm::{EvmConfig, EvmRuntime, Fork, UnknownFork};

use crate::HostError;
use crate::config::Config;

/// The hard fork that a version means.
pub(super) fn fork(version: &str) -> Result<Fork, UnknownFork> {
    version.parse()
}

pub(super) fn runtime(config: &Config, version: Option<&str>) -> Result<Arc<dyn RuntimeProvider>, HostError> {
    let refused = |source| HostError::Runtime { runtime: RuntimeKind::Evm, source };
    let fork = version.map_or(Ok(Fork::default()), fork).map_err(|error| refused(Box::new(error)))?;
    let settings = EvmConfig::new(fork).memory_limit(config.limits.memory);
    Ok(Arc::new(EvmRuntime::new(settings).map_err(|error| refused(Box::new(error)))?))
}
