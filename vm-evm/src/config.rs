//! What an operator may choose.

use crate::{EvmError, Fork};

/// Least memory that is worth a name: the Solidity runtime alone uses some hundred bytes.
const LEAST_MEMORY: u64 = 64 * 1024;

/// How EVM contracts are run. Part of the chain's parameters: two hosts agree on results only when theirs are equal.
///
/// ```
/// use vm_evm::{EvmConfig, Fork};
///
/// let config = EvmConfig::new("1.9.24".parse()?).memory_limit(64 << 20);
/// assert_eq!(config.fork(), Fork::Istanbul);
/// # Ok::<(), vm_evm::UnknownFork>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvmConfig {
    fork: Fork,
    memory_limit: u64,
}

impl Default for EvmConfig {
    /// [`Fork::Osaka`], 128 MiB of memory.
    fn default() -> Self {
        Self::new(Fork::default())
    }
}

impl EvmConfig {
    /// A hard fork, with 128 MiB of memory.
    #[must_use]
    pub const fn new(fork: Fork) -> Self {
        Self { fork, memory_limit: 128 << 20 }
    }

    /// How many bytes of memory all EVM frames of one transaction may have together. A contract that needs more stops with
    /// [`Trap::MemoryLimit`](vm_core::Trap::MemoryLimit). Gas alone bounds memory too, but only as well as gas is bounded.
    #[must_use]
    pub const fn memory_limit(mut self, bytes: u64) -> Self {
        self.memory_limit = bytes;
        self
    }

    /// The hard fork.
    #[must_use]
    pub const fn fork(&self) -> Fork {
        self.fork
    }

    /// The limit of memory in bytes.
    #[must_use]
    pub const fn memory(&self) -> u64 {
        self.memory_limit
    }

    pub(crate) const fn check(&self) -> Result<(), EvmError> {
        if self.memory_limit < LEAST_MEMORY {
            return Err(EvmError::Memory { given: self.memory_limit, least: LEAST_MEMORY });
        }
        Ok(())
    }
}
