//! A session's changes into the journal, at the end of the transaction.

use revm::{
    context_interface::JournalTr,
    primitives::{Address, KECCAK_EMPTY},
    state::Account as EvmAccount,
};
use smallvec::SmallVec;
use vm_core::{Account, Amount, HostFault, Journal, KeyRange, Space, StateKey};

use super::{
    Session,
    database::{KEPT, storage_key, vm_address},
};

impl Session {
    /// Writes accounts, slots and code that differ from what the journal has. "Touched" is not "changed": every called
    /// account is touched.
    pub(super) fn write(&mut self, journal: &Journal) -> Result<(), HostFault> {
        self.drain_logs()?;
        let mut state = self.revm.ctx.journaled_state.finalize();
        #[allow(clippy::disallowed_methods, reason = "sorted right below")]
        let mut touched: SmallVec<[_; 8]> = state.iter().filter(|(_, account)| account.is_touched()).collect();
        touched.sort_unstable_by_key(|(address, _)| **address);
        for (address, account) in touched {
            self.write_account(journal, address, account)?;
        }
        state.clear();
        state.shrink_to(KEPT);
        self.revm.ctx.journaled_state.inner.state = state;
        Ok(())
    }

    fn write_account(&self, journal: &Journal, address: &Address, account: &EvmAccount) -> Result<(), HostFault> {
        let database = &self.revm.ctx.journaled_state.database;
        let (absent, at, info) = (Account::default(), vm_address(address), &account.info);
        let before = database.read(address).map_or(&absent, |read| &read.account);
        let (mut balance, mut nonce, mut evm_code) = (Amount::ZERO, 0, None);
        if account.is_selfdestructed() {
            self.clear_storage(journal, address)?;
        } else if account.is_empty() && *before == absent {
            // EIP-161. Only a state that came from elsewhere can have anything under an empty account.
            self.clear_storage(journal, address)?;
            if journal.get(&StateKey::account(&at))?.is_some() {
                journal.delete(StateKey::account(&at));
            }
        } else {
            (balance, nonce) = (Amount::from_be_bytes(info.balance.to_be_bytes()), info.nonce);
            evm_code = match database.is_foreign(address, &info.code_hash) {
                // The marker that revm was shown is not the account's code.
                true => before.evm_code,
                false => (info.code_hash != KECCAK_EMPTY).then_some(info.code_hash.0),
            };
            // In any order: each slot is a key of its own, and the write set is in the order of keys.
            for (slot, value) in account.changed_storage_slots() {
                let (key, value) = (storage_key(address, slot), value.present_value);
                match value.is_zero() {
                    true => journal.delete(key),
                    false => journal.put(key, value.to_be_bytes_trimmed_vec().into()),
                }
            }
        }
        if evm_code != before.evm_code
            && let (Some(hash), Some(code)) = (evm_code, &info.code)
        {
            journal.put(StateKey::evm_code(&hash), code.original_bytes().0);
        }
        if (balance, nonce, evm_code) != (before.balance, before.nonce, before.evm_code) {
            Account { balance, nonce, evm_code, contract: before.contract.clone() }.store(journal, &at)?;
        }
        Ok(())
    }

    fn clear_storage(&self, journal: &Journal, address: &Address) -> Result<(), HostFault> {
        let range = KeyRange::of(Space::EvmStorage, address.as_slice());
        for (key, _) in journal.scan(&range, usize::MAX)? {
            journal.delete(key);
        }
        Ok(())
    }
}
