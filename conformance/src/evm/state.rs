//! A state in our keys, and its root as Ethereum computes it.

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::{Address, B256, KECCAK256_EMPTY, Log, LogData, U256, keccak256};
use alloy_trie::{
    TrieAccount,
    root::{state_root_unhashed, storage_root_unhashed},
};
use vm_core::{
    Account, Amount, Event, Height, Journal, KeyRange, MemoryBackend, Space, StateBackend, StateKey, StateView,
};

use vm_evm::Fork;

use super::{format, hex};

/// Of vm-core's records of accounts. An empty one continues with zeros: 32 bytes of balance, 8 of nonce, no code, no name.
const FORMAT: u8 = 1;

/// The state before the transaction.
pub(crate) fn before(accounts: &BTreeMap<String, format::Account>) -> Result<MemoryBackend, String> {
    let state = MemoryBackend::new();
    let journal = Journal::new(state.snapshot().map_err(text)?);
    for (address, given) in accounts {
        let address = vm_core::Address::new(*hex::address(address)?.0);
        let code = hex::bytes(&given.code)?;
        let code_hash = (!code.is_empty()).then(|| keccak256(&code).0);
        if let Some(hash) = &code_hash {
            journal.put(StateKey::evm_code(hash), code.0);
        }
        let account = Account {
            balance: Amount::from_be_bytes(hex::number(&given.balance)?.to_be_bytes()),
            nonce: hex::small(&given.nonce)?,
            evm_code: code_hash,
            contract: None,
        };
        account.store(&journal, &address).map_err(text)?;
        if account == Account::default() {
            // The tests' states hold empty accounts, which ours never do: as the record would be.
            journal.put(StateKey::account(&address), [&[FORMAT][..], &[0; 42]].concat().into());
        }
        for (slot, value) in &given.storage {
            let (slot, value) = (hex::number(slot)?, hex::number(value)?);
            if !value.is_zero() {
                let key = StateKey::evm_storage(&address, &slot.to_be_bytes());
                journal.put(key, value.to_be_bytes_trimmed_vec().into());
            }
        }
    }
    state.commit(Height::new(0), Height::new(1), &journal.finish().writes).map_err(text)?;
    Ok(state)
}

/// The root of a state's accounts, after the block's reward of nothing, with which a test's block ends: it makes the coinbase
/// an empty account, or from Spurious Dragon on (EIP-161) takes an empty coinbase away.
pub(crate) fn root(view: &Arc<dyn StateView>, coinbase: &vm_core::Address, fork: Fork) -> Result<B256, String> {
    let journal = &Journal::new(view.clone());
    let mut accounts = BTreeMap::<Address, (Account, Vec<(B256, U256)>)>::new();
    for (key, _) in view.scan(&KeyRange::space(Space::Account), usize::MAX).map_err(text)? {
        let address = address_of(&key)?;
        let account = Account::load(journal, &vm_core::Address::new(*address.0)).map_err(text)?;
        accounts.entry(address).or_default().0 = account;
    }
    for (key, value) in view.scan(&KeyRange::space(Space::EvmStorage), usize::MAX).map_err(text)? {
        let slot = key.suffix().and_then(|slot| B256::try_from(slot).ok()).ok_or("a key of storage has no slot")?;
        let value = U256::try_from_be_slice(&value).ok_or("a slot has more than 32 bytes")?;
        accounts.entry(address_of(&key)?).or_default().1.push((slot, value));
    }
    let coinbase = Address::new(*coinbase.as_bytes());
    if fork < Fork::SpuriousDragon {
        accounts.entry(coinbase).or_default();
    } else if accounts.get(&coinbase).is_some_and(|(account, _)| *account == Account::default()) {
        accounts.remove(&coinbase);
    }
    Ok(state_root_unhashed(accounts.into_iter().map(|(address, (account, storage))| {
        let account = TrieAccount {
            nonce: account.nonce,
            balance: U256::from_be_bytes(account.balance.to_be_bytes()),
            storage_root: storage_root_unhashed(storage),
            code_hash: account.evm_code.map_or(KECCAK256_EMPTY, B256::new),
        };
        (address, account)
    })))
}

/// The hash that the test files have of logs.
pub(crate) fn logs_hash(events: &[Event]) -> Result<B256, String> {
    let logs = events.iter().map(|event| {
        let topics: Result<Vec<B256>, _> = event.topics.iter().map(|topic| B256::try_from(&topic[..])).collect();
        let data = LogData::new_unchecked(topics.map_err(text)?, event.data.clone().into());
        Ok(Log { address: Address::new(*event.address.as_bytes()), data })
    });
    let logs: Vec<Log> = logs.collect::<Result<_, String>>()?;
    Ok(keccak256(alloy_rlp::encode(logs)))
}

/// Both spaces have the address as the key's id: a byte of space, two of length, and 20 of address.
fn address_of(key: &StateKey) -> Result<Address, String> {
    let bytes = key.as_bytes().get(3..23).and_then(|bytes| Address::try_from(bytes).ok());
    bytes.ok_or_else(|| format!("{key:?} is no key of an account"))
}

fn text(error: impl ToString) -> String {
    error.to_string()
}
