//! What stands for linked contracts in a build without the native runtime.

use vm_core::{ContractName, InvokeRequest, Managed};

use crate::HostError;

/// No contracts.
#[derive(Debug, Default)]
pub(crate) struct NativeContracts(());

/// No names.
pub(crate) const SAMPLE_NAMES: &[&str] = &[];

/// Nothing to link.
#[allow(clippy::unnecessary_wraps, reason = "the same signature as with the feature")]
pub(crate) const fn samples() -> Result<NativeContracts, HostError> {
    Ok(NativeContracts(()))
}

/// Who collects approvals is a native contract.
pub(crate) fn proposal(_through: ContractName, _operation: &Managed, _until: u64) -> Result<InvokeRequest, HostError> {
    Err(HostError::Absent { what: "the contract multi_sign".to_owned(), feature: "native" })
}
