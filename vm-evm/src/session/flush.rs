//! A session's changes into the journal, at the end of the transaction.

use revm::{
    context_interface::JournalTr,
    primitives::{Address, KECCAK_EMPTY, U256},
    state::Account as EvmAccount,
};
use vm_core::{Account, Amount, HostFault, Journal, KeyRange, Space, StateKey};

use super::{
    Session,
    database::{storage_key, vm_address},
};

impl Session {
    /// Writes accounts, slots and code that differ from what the journal has. "Touched" is not "changed": every called
    /// account is touched.
    pub(super) fn write(&mut self, journal: &Journal) -> Result<(), HostFault> {
        self.drain_logs()?;
        let mut accounts: Vec<_> = self.revm.ctx.journaled_state.finalize().into_iter().collect();
        accounts.sort_unstable_by_key(|(address, _)| *address);
        for (address, account) in accounts {
            if account.is_touched() {
                self.write_account(journal, &address, &account)?;
            }
        }
        Ok(())
    }

    fn write_account(&self, journal: &Journal, address: &Address, account: &EvmAccount) -> Result<(), HostFault> {
        let before = Account::load(journal, &vm_address(address))?;
        let mut after = before.clone();
        if account.is_selfdestructed() {
            (after.balance, after.nonce, after.evm_code) = (Amount::ZERO, 0, None);
            self.clear_storage(journal, address)?;
        } else if account.is_empty() && before == Account::default() {
            // EIP-161. Only a state that came from elsewhere can have anything under an empty account.
            self.clear_storage(journal, address)?;
            if journal.get(&StateKey::account(&vm_address(address)))?.is_some() {
                journal.delete(StateKey::account(&vm_address(address)));
            }
        } else {
            let info = &account.info;
            after.balance = Amount::from_be_bytes(info.balance.to_be_bytes());
            after.nonce = info.nonce;
            let foreign = self.revm.ctx.journaled_state.database.is_foreign(address, &info.code_hash);
            // The marker that revm was shown is not the account's code.
            if !foreign {
                after.evm_code = (info.code_hash != KECCAK_EMPTY).then_some(info.code_hash.0);
            }
            for (slot, value) in slots(account) {
                match value.is_zero() {
                    true => journal.delete(storage_key(address, &slot)),
                    false => journal.put(storage_key(address, &slot), value.to_be_bytes_trimmed_vec().into()),
                }
            }
        }
        if after.evm_code != before.evm_code
            && let (Some(hash), Some(code)) = (after.evm_code, &account.info.code)
        {
            journal.put(StateKey::evm_code(&hash), code.original_bytes().0);
        }
        if after != before {
            after.store(journal, &vm_address(address))?;
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

/// Changed slots in their order.
fn slots(account: &EvmAccount) -> Vec<(U256, U256)> {
    let mut slots: Vec<_> = account.changed_storage_slots().map(|(slot, value)| (*slot, value.present_value)).collect();
    slots.sort_unstable_by_key(|(slot, _)| *slot);
    slots
}
