//! A call and what comes back: the vocabulary between dispatcher, contracts and callers.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::{Address, Amount, ContractName, Excess, Gas, Version};

/// What transactions see of their block. The host gives it; nothing in this workspace asks a clock.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Block {
    /// Identifies the chain (EIP-155). Default 1.
    pub chain_id: u64,
    /// The block's number. Default 0.
    pub number: u64,
    /// Seconds since 1970. Default 0.
    pub timestamp: u64,
    /// Who produces the block. Default: the zero address.
    pub coinbase: Address,
    /// The block's limit of EVM gas. Default 30,000,000.
    pub gas_limit: u64,
    /// The base fee in the native asset's smallest unit. Default 0.
    pub base_fee: u64,
    /// The beacon chain's randomness, given by the host. Default 0.
    #[serde(skip)]
    pub prevrandao: [u8; 32],
    /// The difficulty, which EVM contracts see before The Merge in place of `prevrandao`. Default 0.
    pub difficulty: u128,
    /// The excess blob gas (EIP-4844), from which the price of blobs follows. Default 0: the lowest price.
    pub excess_blob_gas: u64,
    /// Hashes of earlier blocks by number, for BLOCKHASH, which looks at the last 256. Default: none are known, and
    /// contracts see zero.
    #[serde(skip)]
    pub hashes: Arc<BTreeMap<u64, [u8; 32]>>,
}

impl Default for Block {
    fn default() -> Self {
        Self {
            chain_id: 1,
            number: 0,
            timestamp: 0,
            coinbase: Address::ZERO,
            gas_limit: 30_000_000,
            base_fee: 0,
            prevrandao: [0; 32],
            difficulty: 0,
            excess_blob_gas: 0,
            hashes: Arc::default(),
        }
    }
}

/// Who or what a call is addressed to.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// A contract by its name.
    Name(ContractName),
    /// An account or contract by its address.
    Address(Address),
}

impl Target {
    /// The address of the target.
    pub fn address(&self) -> Address {
        match self {
            Self::Name(name) => name.address(),
            Self::Address(address) => *address,
        }
    }
}

impl From<ContractName> for Target {
    fn from(name: ContractName) -> Self {
        Self::Name(name)
    }
}

impl From<Address> for Target {
    fn from(address: Address) -> Self {
        Self::Address(address)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.pad(name.as_str()),
            Self::Address(address) => fmt::Display::fmt(address, f),
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a contract is entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// To initialise a new contract; the method is `init`.
    Deploy,
    /// To perform a method.
    Invoke,
    /// To migrate the state of an older version; the method is `upgrade`. A runtime whose contracts take borsh puts
    /// `borsh((from, to))`, two strings, in front of the input.
    Upgrade {
        /// The version that wrote the state.
        from: Version,
        /// The version of the code that is entered.
        to: Version,
    },
    /// To make the code that takes the place of the contract's, where code makes the code, as creation code does on the EVM; and
    /// then, if it is to migrate, what [`Upgrade`](Self::Upgrade) does. Contracts that do not [have](crate::Interface::has_entry)
    /// it are never entered so.
    Replace {
        /// The version that wrote the state.
        from: Version,
        /// The version of the code that is entered.
        to: Version,
        /// False when the migration is skipped.
        migrates: bool,
    },
}

/// What a contract is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Why it is entered.
    pub entry: Entry,
    /// The method: a name, a full Solidity signature for an EVM contract, or empty when `input` says it all.
    pub method: Arc<str>,
    /// The encoded arguments: borsh for native, WASM and container contracts, the Solidity ABI for EVM contracts (whole
    /// call data, selector included, when the method is empty).
    pub input: Bytes,
}

/// What surrounds a call. Constant while the call runs.
#[derive(Debug, Clone)]
pub struct Env {
    /// The contract that runs.
    pub this: Address,
    /// Its name, unless it is a nameless EVM account.
    pub name: Option<ContractName>,
    /// Who calls: the contract one frame up, or the transaction's sender.
    pub caller: Address,
    /// The transaction's sender.
    pub origin: Address,
    /// What was transferred with the call, already credited.
    pub value: Amount,
    /// True when nothing may be changed; inherited by all callees.
    pub is_static: bool,
    /// The number of frames above this one; 0 for the transaction's own call.
    pub depth: u16,
    /// The block.
    pub block: Arc<Block>,
}

/// How a call ended. Deterministic.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It returned.
    Success,
    /// The contract, or a rule of the dispatcher, refused; the output says why. Gas is charged as used.
    Revert,
    /// It was stopped by a fault of its own.
    Trap(Trap),
}

impl Status {
    /// True when the call's effects are kept.
    pub const fn is_success(&self) -> bool {
        matches!(self, Self::Success)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Success => f.write_str("success"),
            Self::Revert => f.write_str("revert"),
            Self::Trap(trap) => write!(f, "trap: {trap}"),
        }
    }
}

/// A contract's own fault. The same on every engine, node and thread count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Trap {
    /// The gas did not suffice. All of it is charged.
    #[error("out of gas")]
    OutOfGas,
    /// The contract's own call stack is too high.
    #[error("call stack exhausted")]
    StackOverflow,
    /// Access beyond the contract's memory or tables.
    #[error("out of bounds access")]
    OutOfBounds,
    /// The limit of memory was reached where the contract cannot go on without.
    #[error("memory limit reached")]
    MemoryLimit,
    /// `unreachable` was executed: how compiled contracts panic.
    #[error("unreachable code executed")]
    Unreachable,
    /// Division by zero.
    #[error("integer divide by zero")]
    DivisionByZero,
    /// An integer operation overflowed.
    #[error("integer overflow")]
    IntegerOverflow,
    /// An indirect call to nothing or to another type of function.
    #[error("bad indirect call")]
    BadIndirectCall,
    /// An invalid instruction or jump.
    #[error("invalid instruction")]
    InvalidInstruction,
    /// A change was attempted in a read-only call.
    #[error("state change in a read-only call")]
    StaticViolation,
    /// A host function was given a bad argument: a pointer outside memory, a key that is too long, text that is not UTF-8.
    #[error("bad argument of a host function")]
    BadHostCall,
    /// A native or container contract panicked.
    #[error("the contract panicked")]
    Panic,
    /// The contract answered against the rules of its ABI.
    #[error("the contract broke its ABI")]
    BadReturn,
    /// A host function was used that the contract was deployed without.
    #[error(
        "an event was emitted, and the contract was deployed without the capability 'events'; capabilities are granted with the \
         deployment (--capabilities), and never later"
    )]
    NoCapability,
    /// The contract's state would be larger than its host lets it be.
    #[error("the contract's state has no more room: {0}")]
    NoRoom(#[serde(skip_serializing)] Excess),
}

/// What a contract itself returns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Return {
    /// How it ended.
    pub status: Status,
    /// The encoded result; for a revert the reason (UTF-8, or Solidity's encoding for EVM contracts).
    pub output: Bytes,
}

impl Return {
    /// A successful return.
    pub fn success(output: impl Into<Bytes>) -> Self {
        Self { status: Status::Success, output: output.into() }
    }

    /// A refusal with its reason.
    pub fn revert(reason: impl Into<Bytes>) -> Self {
        Self { status: Status::Revert, output: reason.into() }
    }

    /// A trap.
    pub const fn trap(trap: Trap) -> Self {
        Self { status: Status::Trap(trap), output: Bytes::new() }
    }
}

/// The whole result of a call, as the dispatcher gives it to the caller: always complete, also on failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub status: Status,
    /// The encoded result or the reason of a revert.
    pub output: Bytes,
    /// What the call used, all its callees included.
    pub gas_used: Gas,
}
