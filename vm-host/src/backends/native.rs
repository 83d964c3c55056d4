//! Contracts that are linked into the host.

use std::sync::Arc;

use vm_core::{ContractName, InvokeRequest, Managed, RuntimeKind, RuntimeProvider};
use vm_native::{NativeConfig, NativeContract, NativeRuntime, SystemCall};

use crate::{HostBuilder, HostError};

/// The contracts that the builder was given.
pub(crate) type NativeContracts = NativeConfig;

/// The names that [`samples`] links: the samples, and the system contracts.
pub(crate) const SAMPLE_NAMES: &[&str] =
    &["token", "token-v2", "probe", "contract_manager", "access_control", "multi_sign"];

/// The sample contracts of this workspace, and the system contracts.
pub(crate) fn samples() -> Result<NativeContracts, HostError> {
    let samples: [NativeContract; 3] = [
        NativeContract::of::<token::Token>(),
        NativeContract::of::<token_v2::Token>(),
        NativeContract::of::<probe::Probe>(),
    ];
    let mut named = SAMPLE_NAMES.iter().zip(samples);
    NativeConfig::new()
        .system_contracts()
        .and_then(|system| named.try_fold(system, |linked, (name, contract)| linked.contract(name, contract)))
        .map_err(|error| HostError::Runtime { runtime: RuntimeKind::Native, source: Box::new(error) })
}

impl HostBuilder<'_> {
    /// Links contracts, in place of those that were linked before. Without any, the native runtime has nothing to run.
    #[must_use]
    pub fn native(mut self, contracts: NativeConfig) -> Self {
        self.native = contracts;
        self
    }
}

pub(super) fn runtime(contracts: &mut NativeContracts) -> Arc<dyn RuntimeProvider> {
    Arc::new(NativeRuntime::new(std::mem::take(contracts)))
}

/// The call that proposes an operation.
pub(crate) fn proposal(through: ContractName, operation: &Managed, until: u64) -> Result<InvokeRequest, HostError> {
    let call = SystemCall::of(operation).map_err(|source| HostError::Proposal { source: Box::new(source) })?;
    let input = format!("0x{}", hex::encode(call.input));
    let arguments = [call.contract, call.method, &input, &until.to_string()];
    Ok(InvokeRequest::new(through, "propose").args(arguments))
}
