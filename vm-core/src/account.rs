use borsh::{BorshDeserialize, BorshSerialize};

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

#[derive(BorshSerialize, BorshDeserialize)]
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
    let stored = Stored::try_from_slice(bytes).map_err(|e| damaged(e.to_string()))?;
    if stored.format != FORMAT {
        return Err(damaged(format!("format {} instead of {FORMAT}", stored.format)));
    }
    let Stored { balance, nonce, evm_code, contract, .. } = stored;
    Ok(Account { balance: Amount::from_be_bytes(balance), nonce, evm_code, contract })
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
