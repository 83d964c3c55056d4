//! What lies under a [`Context`](crate::Context): implemented once for each way to run a contract.

use crate::{Address, Amount, Stop};

/// Keys and values, ascending by key.
pub type Entries = Vec<(Vec<u8>, Vec<u8>)>;

/// All that a contract can do, as its surroundings offer it.
///
/// Contract authors use [`Context`](crate::Context). Hosts that run contracts implement this trait; keys and values are the contract's
/// own bytes, and keeping contracts apart is the host's duty. After the first [`Stop`] a host answers every further
/// operation with `Stop` and lets the call fail.
pub trait HostApi {
    /// What surrounds the call.
    fn env(&mut self) -> Result<Env, Stop>;

    /// The value of a key.
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, Stop>;

    /// The values of several keys, in their order. Containers ask for all of them at once.
    fn get_many(&mut self, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>, Stop> {
        keys.iter().map(|key| self.get(key)).collect()
    }

    /// Sets a key. An empty value is a value too.
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), Stop>;

    /// Deletes a key, if it exists.
    fn delete(&mut self, key: &[u8]) -> Result<(), Stop>;

    /// Up to `limit` entries from `start` (included) to `end` (excluded; empty: to the last).
    fn scan(&mut self, start: &[u8], end: &[u8], limit: u32) -> Result<Entries, Stop>;

    /// Emits an event; the topic has at most 255 bytes.
    fn emit(&mut self, topic: &str, data: &[u8]) -> Result<(), Stop>;

    /// Calls another contract. What it did is undone unless it succeeded.
    fn call(&mut self, request: &CallRequest<'_>) -> Result<Reply, Stop>;

    /// The gas that this call has left.
    fn gas_left(&mut self) -> Result<u64, Stop>;

    /// Uses gas for work that the host does not see. Does nothing where the host sees all of it (WASM).
    fn charge(&mut self, gas: u64) -> Result<(), Stop>;

    /// Writes a line into the host's log.
    fn log(&mut self, level: Level, message: &str) -> Result<(), Stop>;

    /// The address that belongs to a name.
    fn address_of(&mut self, name: &str) -> Result<Address, Stop>;
}

/// The host that a [`Context`](crate::Context) is made of.
#[cfg(not(target_arch = "wasm32"))]
pub type HostRef<'h> = &'h mut dyn HostApi;

/// The host that a [`Context`](crate::Context) is made of. A module has only one kind of it; that its functions
/// need not be looked up keeps those out of the module that the contract does not use.
#[cfg(target_arch = "wasm32")]
pub type HostRef<'h> = &'h mut crate::wasm::Imports;

/// What surrounds a call. Constant while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Env {
    /// The contract that runs.
    pub this: Address,
    /// Who called it: an account or a contract.
    pub caller: Address,
    /// The account that signed the transaction.
    pub origin: Address,
    /// The block's author.
    pub coinbase: Address,
    /// What was transferred with the call.
    pub value: Amount,
    /// The chain's number.
    pub chain_id: u64,
    /// The block's number.
    pub block_number: u64,
    /// The block's time, in seconds since 1970-01-01 UTC.
    pub timestamp: u64,
    /// True where nothing may be changed.
    pub is_static: bool,
    /// The number of calls above this one; 0 for a transaction's own call.
    pub depth: u32,
}

/// A call from one contract to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRequest<'a> {
    /// Who is called.
    pub to: &'a Target,
    /// The method's name.
    pub method: &'a str,
    /// The encoded arguments: borsh for native, WASM and container contracts, the Solidity ABI for EVM contracts.
    pub input: &'a [u8],
    /// What is transferred.
    pub value: Amount,
    /// What the callee may use at most; `None`: all but one 64th of what is left.
    pub gas: Option<u64>,
    /// True to forbid the callee, and all that it calls, any change.
    pub is_static: bool,
}

/// Who a call is addressed to: a name or an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// A contract by its name.
    Name(String),
    /// A contract or an account by its address.
    Address(Address),
}

impl From<&str> for Target {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

impl From<String> for Target {
    fn from(name: String) -> Self {
        Self::Name(name)
    }
}

impl From<Address> for Target {
    fn from(address: Address) -> Self {
        Self::Address(address)
    }
}

/// What a called contract returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// How it ended.
    pub status: Status,
    /// The encoded return value, or why it did not succeed.
    pub output: Vec<u8>,
}

/// How a called contract ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It returned.
    Success,
    /// It, or a rule of the host, refused; the output says why.
    Revert,
    /// It failed: a panic, no gas left.
    Trap,
}

/// The severity of a line for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// Details.
    Trace = 0,
    /// For the author.
    Debug = 1,
    /// For the operator.
    Info = 2,
    /// Something odd.
    Warn = 3,
    /// Something wrong.
    Error = 4,
}
