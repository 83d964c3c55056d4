//! The session as the transaction's overlay.

use std::any::Any;

use revm::{context_interface::JournalTr, primitives::U256};
use vm_core::{Address, Amount, Excess, HostFault, Journal, Overlay};

use super::{Session, database::evm_address, pool};

impl Overlay for Session {
    fn checkpoint(&mut self) {
        // There are no logs here: they are drained before the session is lent and when an entry ends.
        self.checkpoints.push(self.revm.ctx.journaled_state.checkpoint());
    }

    fn commit(&mut self) {
        if self.checkpoints.pop().is_some() {
            self.revm.ctx.journaled_state.checkpoint_commit();
        }
    }

    fn revert(&mut self) {
        if let Some(checkpoint) = self.checkpoints.pop() {
            self.revm.ctx.journaled_state.checkpoint_revert(checkpoint);
        }
    }

    fn transfer(&mut self, from: Address, to: Address, value: Amount) -> Result<bool, HostFault> {
        let (from, to) = (evm_address(&from), evm_address(&to));
        let value = U256::from_be_bytes(value.to_be_bytes());
        let state = &mut self.revm.ctx.journaled_state;
        let payer = state.load_account(from)?.info.balance;
        let payee = state.load_account(to)?.info.balance;
        // revm takes the sum from the payer before it sees that the payee cannot hold it.
        if payer < value || (from != to && payee.checked_add(value).is_none()) {
            return Ok(false);
        }
        Ok(state.transfer_loaded(from, to, value).is_none())
    }

    fn excess(&mut self, journal: &Journal) -> Result<Option<Excess>, HostFault> {
        self.count(journal)
    }

    fn flush(mut self: Box<Self>, journal: &Journal) -> Result<(), HostFault> {
        self.write(journal)?;
        pool::give_back(self);
        Ok(())
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
