use std::any::Any;

use crate::{Address, Amount, Excess, HostFault, Journal};

/// Accounts and storage that a runtime keeps in its engine's own journal for the length of a transaction.
///
/// The EVM is the one such runtime: revm's journal holds balances, slots, warm addresses and original values, and a nested
/// EVM frame must go on with the same ones. The dispatcher keeps the overlay in the transaction, opens a checkpoint in it
/// for every frame of another runtime, reverts both journals together, and asks the overlay for balances while there is one.
/// At the transaction's end its changes are flushed into the journal.
///
/// An overlay that was put in inside a frame that is then reverted is dropped: all it knows happened in there.
pub trait Overlay: Any {
    /// Opens a checkpoint. They nest.
    fn checkpoint(&mut self);

    /// Closes the newest checkpoint and keeps what was done since.
    fn commit(&mut self);

    /// Closes the newest checkpoint and takes back what was done since.
    fn revert(&mut self);

    /// Moves `value` from one account to another; false when the balance does not suffice.
    ///
    /// # Errors
    /// When the state below fails.
    fn transfer(&mut self, from: Address, to: Address, value: Amount) -> Result<bool, HostFault>;

    /// Counts what contracts with a bounded state have of it now, once, at the end of what is flushed together; tells
    /// of one that has more than it may, the first by address. See [`Room::exchange`](crate::Room::exchange).
    ///
    /// # Errors
    /// When the state below fails.
    fn excess(&mut self, journal: &Journal) -> Result<Option<Excess>, HostFault>;

    /// Writes all changes into the journal. The overlay is not used afterwards.
    ///
    /// # Errors
    /// When the state below fails.
    fn flush(self: Box<Self>, journal: &Journal) -> Result<(), HostFault>;

    /// For its own runtime to get the concrete type back.
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}
