//! What an operator may choose.

use crate::{EvmError, Fork, OpcodeSet};

/// Least memory that is worth a name: the Solidity runtime alone uses some hundred bytes.
const LEAST_MEMORY: u64 = 64 * 1024;

/// EIP-170.
const MAX_CODE: usize = 24_576;

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
    code_limit: Option<usize>,
    refused: OpcodeSet,
}

impl Default for EvmConfig {
    /// [`Fork::Osaka`], 128 MiB of memory, Ethereum's limits of code.
    fn default() -> Self {
        Self::new(Fork::default())
    }
}

impl EvmConfig {
    /// A hard fork, with 128 MiB of memory and Ethereum's limits of code.
    #[must_use]
    pub const fn new(fork: Fork) -> Self {
        Self { fork, memory_limit: 128 << 20, code_limit: None, refused: OpcodeSet::NONE }
    }

    /// How many bytes of memory all EVM frames of one transaction may have together. A contract that needs more stops with
    /// [`Trap::MemoryLimit`](vm_core::Trap::MemoryLimit). Gas alone bounds memory too, but only as well as gas is bounded.
    #[must_use]
    pub const fn memory_limit(mut self, bytes: u64) -> Self {
        self.memory_limit = bytes;
        self
    }

    /// How many bytes a contract's code may have, instead of Ethereum's 24,576 from Spurious Dragon on (EIP-170). From
    /// Shanghai on creation code may be twice as long (EIP-3860).
    #[must_use]
    pub const fn code_limit(mut self, bytes: usize) -> Self {
        self.code_limit = Some(bytes);
        self
    }

    /// Opcodes that contracts may not have, by name, such as `SELFDESTRUCT`. A deployment or upgrade whose code can reach one
    /// is refused; where one is reached all the same, in code that a contract made, it stops the contract as INVALID does.
    ///
    /// # Errors
    /// When a name is that of no opcode.
    pub fn refuse_opcodes<'n>(mut self, names: impl IntoIterator<Item = &'n str>) -> Result<Self, EvmError> {
        self.refused = OpcodeSet::new(names).map_err(|name| EvmError::Opcode { given: name.to_owned() })?;
        Ok(self)
    }

    /// The opcodes that contracts may not have.
    #[must_use]
    pub const fn refused_opcodes(&self) -> &OpcodeSet {
        &self.refused
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

    /// The most bytes that a contract's code may have; `None` for forks without a limit.
    #[must_use]
    pub fn max_code(&self) -> Option<usize> {
        match self.code_limit {
            Some(limit) => Some(limit),
            None => (self.fork >= Fork::SpuriousDragon).then_some(MAX_CODE),
        }
    }

    /// The most bytes that creation code, its arguments included, may have; `None` for forks without a limit.
    #[must_use]
    pub fn max_creation_code(&self) -> Option<usize> {
        let most = self.max_code().filter(|_| self.fork >= Fork::Shanghai);
        most.map(|most| most.saturating_mul(2))
    }

    pub(crate) const fn check(&self) -> Result<(), EvmError> {
        if self.memory_limit < LEAST_MEMORY {
            return Err(EvmError::Memory { given: self.memory_limit, least: LEAST_MEMORY });
        }
        Ok(())
    }
}
