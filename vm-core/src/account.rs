use borsh::BorshSerialize;

use crate::{Address, Amount, ContractName, Journal, StateError, StateKey};

/// What is stored of an address: the same for all runtimes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Account {
    /// The balance of the native asset.
    pub balance: Amount,
    /// The number of transactions or creations of an EVM account.
    pub nonce: u64,
    /// The keccak256 of the account's EVM runtime code, if it has any.
    pub evm_code: Option<[u8; 32]>,
    /// The contract that lives here, if it is a named one (of any runtime, the EVM included).
    pub contract: Option<ContractName>,
}

#[derive(BorshSerialize)]
struct Stored {
    format: u8,
    balance: [u8; 32],
    nonce: u64,
    evm_code: Option<[u8; 32]>,
    contract: Option<ContractName>,
}

const FORMAT: u8 = 1;

impl Account {
    /// The account at an address; an absent one is empty.
    ///
    /// # Errors
    /// When the state fails or the record is damaged.
    pub fn load(journal: &Journal, address: &Address) -> Result<Self, StateError> {
        journal.read(&StateKey::account(address), |bytes| {
            bytes.map_or(Ok(Self::default()), |bytes| decode(address, bytes))
        })?
    }

    /// Stores the account; an empty one is removed.
    ///
    /// # Errors
    /// When it cannot be encoded, which does not happen.
    pub fn store(&self, journal: &Journal, address: &Address) -> Result<(), StateError> {
        let key = StateKey::account(address);
        if *self == Self::default() {
            journal.delete(key);
            return Ok(());
        }
        let stored = Stored {
            format: FORMAT,
            balance: self.balance.to_be_bytes(),
            nonce: self.nonce,
            evm_code: self.evm_code,
            contract: self.contract.clone(),
        };
        let bytes = borsh::to_vec(&stored)
            .map_err(|e| StateError::Damaged { what: format!("account {address}"), message: e.to_string() })?;
        journal.put(key, bytes.into());
        Ok(())
    }
}

fn decode(address: &Address, bytes: &[u8]) -> Result<Account, StateError> {
    let damaged = |message: String| StateError::Damaged { what: format!("account {address}"), message };
    match bytes {
        [FORMAT, fields @ ..] => parse(fields).ok_or_else(|| damaged(format!("{} bytes that are none", bytes.len()))),
        [other, ..] => Err(damaged(format!("format {other} instead of {FORMAT}"))),
        [] => Err(damaged("it is empty".into())),
    }
}

/// What borsh wrote after the format. By hand, for every call begins with it: each field is copied once, to where it stays.
fn parse(bytes: &[u8]) -> Option<Account> {
    let (balance, bytes) = bytes.split_first_chunk()?;
    let (nonce, bytes) = bytes.split_first_chunk()?;
    let (evm_code, bytes) = match bytes {
        [0, rest @ ..] => (None, rest),
        [1, rest @ ..] => rest.split_first_chunk().map(|(hash, rest)| (Some(*hash), rest))?,
        _ => return None,
    };
    let contract = match bytes {
        [0] => None,
        [1, name @ ..] => {
            let (length, name) = name.split_first_chunk()?;
            let name = (u32::from_le_bytes(*length) as usize == name.len()).then_some(name)?;
            Some(ContractName::new(std::str::from_utf8(name).ok()?).ok()?)
        }
        _ => return None,
    };
    let (balance, nonce) = (Amount::from_be_bytes(*balance), u64::from_le_bytes(*nonce));
    Some(Account { balance, nonce, evm_code, contract })
}

/// Moves value between accounts in the journal; false when the balance does not suffice.
pub(crate) fn transfer(journal: &Journal, from: &Address, to: &Address, value: Amount) -> Result<bool, StateError> {
    let mut payer = Account::load(journal, from)?;
    let Some(rest) = payer.balance.checked_sub(value) else { return Ok(false) };
    if from == to || value.is_zero() {
        return Ok(true);
    }
    let mut payee = Account::load(journal, to)?;
    let Some(sum) = payee.balance.checked_add(value) else { return Ok(false) };
    (payer.balance, payee.balance) = (rest, sum);
    payer.store(journal, from)?;
    payee.store(journal, to)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{MemoryBackend, StateBackend};

    fn accounts() -> impl Strategy<Value = Account> {
        let name = prop::option::of("[a-z][a-z0-9._-]{0,63}");
        (any::<[u8; 32]>(), any::<u64>(), any::<Option<[u8; 32]>>(), name).prop_map(
            |(balance, nonce, evm_code, name)| {
                let contract = name.map(|name| ContractName::new(&name).unwrap());
                Account { balance: Amount::from_be_bytes(balance), nonce, evm_code, contract }
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_stored_is_loaded_and_nothing_else(account in accounts(), at in any::<prop::sample::Index>()) {
            let journal = Journal::new(MemoryBackend::new().snapshot().unwrap());
            let (address, key) = (Address::from_name("a"), StateKey::account(&Address::from_name("a")));
            account.store(&journal, &address).unwrap();
            prop_assert_eq!(&Account::load(&journal, &address).unwrap(), &account);
            let Some(stored) = journal.get(&key).unwrap() else { return Ok(()) };
            let longer = [&stored[..], &[0]].concat();
            for damaged in [stored.slice(..at.index(stored.len())), longer.into(), [&[9], &stored[1..]].concat().into()] {
                journal.put(key.clone(), damaged);
                prop_assert!(Account::load(&journal, &address).is_err());
            }
        }
    }
}
