//! What stands for linked contracts in a build without the native runtime.

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
