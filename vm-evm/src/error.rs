//! What can be wrong with a configuration.

use crate::UnknownFork;

/// A configuration that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvmError {
    /// The version names no hard fork.
    #[error(transparent)]
    Fork(#[from] UnknownFork),
    /// A name of no opcode.
    #[error("unknown opcode {given:?}: expected a name such as SELFDESTRUCT or DELEGATECALL")]
    Opcode {
        /// What was given.
        given: String,
    },
    /// Too little memory for any contract.
    #[error("a memory limit of {given} bytes is too low for the evm: give at least {least}")]
    Memory {
        /// What was given.
        given: u64,
        /// What is needed.
        least: u64,
    },
}
