//! Contracts that are linked into a host.

use crate::{Call, Contract, HostRef, Result, enter};

/// A contract as a host that links it sees it: plain data, so that contracts of all types fit one table.
#[derive(Debug, Clone, Copy)]
pub struct NativeContract {
    /// The contract's name; see [`Contract::NAME`].
    pub name: &'static str,
    /// The package's version.
    pub version: &'static str,
    /// The methods; see [`Contract::INTERFACE`].
    pub interface: &'static str,
    /// Performs a call. It may panic: that is a trap of the contract.
    pub entry: fn(HostRef<'_>, &Call<'_>) -> Result<Vec<u8>>,
}

impl NativeContract {
    /// The descriptor of contract `C`.
    pub const fn of<C: Contract>() -> Self {
        Self { name: C::NAME, version: C::VERSION, interface: C::INTERFACE, entry: enter::<C> }
    }
}
