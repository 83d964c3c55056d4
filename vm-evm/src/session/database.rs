//! What revm reads: accounts, slots and code out of the transaction's journal, which records it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use revm::{
    Database,
    bytecode::Bytecode,
    context_interface::DBErrorMarker,
    primitives::{Address, B256, Bytes, KECCAK_EMPTY, U256},
    state::AccountInfo,
};
use vm_core::{Account, ContractName, ContractRecord, HostFault, Journal, RuntimeKind, StateError, StateKey};

use super::cache::CodeCache;

/// Shown as the code of named contracts that revm must not run itself. No EVM account can have it from London on
/// (EIP-3541), and it is none of the prefixes that Ethereum assigned; before London [`JournalDb::is_foreign`] decides.
const MARKER: [u8; 4] = [0xEF, 0xFE, 0x01, 0x00];

/// A host fault on its way through revm.
#[derive(Clone, Debug, thiserror::Error)]
#[error(transparent)]
pub(super) struct DbFault(#[from] pub(super) HostFault);

impl DBErrorMarker for DbFault {}

impl From<DbFault> for HostFault {
    fn from(fault: DbFault) -> Self {
        fault.0
    }
}

impl From<StateError> for DbFault {
    fn from(error: StateError) -> Self {
        Self(HostFault::State(error))
    }
}

/// The journal as revm's database. revm asks once per transaction for each account and slot, and keeps them.
pub(super) struct JournalDb {
    /// Present while the session belongs to a transaction.
    journal: Option<Journal>,
    hashes: Arc<BTreeMap<u64, [u8; 32]>>,
    cache: Arc<CodeCache>,
    marker: Bytecode,
    marker_hash: B256,
    foreign: BTreeSet<Address>,
    names: BTreeMap<Address, Named>,
}

/// A named contract that was read.
pub(super) struct Named {
    pub(super) name: ContractName,
    pub(super) owner: Option<vm_core::Address>,
}

impl JournalDb {
    pub(super) fn new(cache: Arc<CodeCache>) -> Self {
        let marker = Bytecode::new_legacy(Bytes::from_static(&MARKER));
        let marker_hash = marker.hash_slow();
        let (hashes, foreign, names) = Default::default();
        Self { journal: None, hashes, cache, marker, marker_hash, foreign, names }
    }

    pub(super) fn bind(&mut self, journal: Journal, hashes: Arc<BTreeMap<u64, [u8; 32]>>, cache: Arc<CodeCache>) {
        self.journal = Some(journal);
        self.hashes = hashes;
        self.cache = cache;
    }

    pub(super) fn release(&mut self) {
        self.journal = None;
        self.hashes = Arc::default();
        self.foreign.clear();
        self.names.clear();
    }

    pub(super) fn journal(&self) -> Result<&Journal, DbFault> {
        let unbound = || DbFault(HostFault::Internal("evm session without transaction".into()));
        self.journal.as_ref().ok_or_else(unbound)
    }

    /// True for the code of contracts that the dispatcher must enter: those of other runtimes, and EVM contracts that are
    /// not active, which it refuses with the reason.
    #[inline]
    pub(super) fn is_foreign(&self, address: &Address, code_hash: &B256) -> bool {
        *code_hash == self.marker_hash && self.foreign.contains(address)
    }

    /// The contract, for addresses that were read and have a named one.
    pub(super) fn named(&self, address: &Address) -> Option<&Named> {
        self.names.get(address)
    }

    /// From now on the account is revm's own: its code is about to be made.
    pub(super) fn adopt(&mut self, address: &Address) {
        self.foreign.remove(address);
    }

    fn is_own(&mut self, address: Address, name: ContractName, account: &Account) -> Result<bool, DbFault> {
        let record = ContractRecord::load(self.journal()?, &name)?;
        let owner = record.as_ref().map(|record| record.owner);
        self.names.insert(address, Named { name, owner });
        // A record that is missing, foreign or inactive is the dispatcher's business.
        Ok(record.is_some_and(|record| {
            record.lifecycle.is_callable() && (account.evm_code.is_some() || record.runtime == RuntimeKind::Evm)
        }))
    }
}

impl Database for JournalDb {
    type Error = DbFault;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, DbFault> {
        let account = Account::load(self.journal()?, &vm_address(&address))?;
        if account == Account::default() {
            return Ok(None);
        }
        let own = match account.contract.clone() {
            Some(name) => self.is_own(address, name, &account)?,
            None => true,
        };
        let (code_hash, code) = if !own {
            self.foreign.insert(address);
            (self.marker_hash, Some(self.marker.clone()))
        } else {
            // Code is loaded when it is needed: most looks at an account are for its balance.
            match account.evm_code {
                Some(hash) => (B256::new(hash), None),
                None => (KECCAK_EMPTY, Some(Bytecode::default())),
            }
        };
        let balance = U256::from_be_bytes(account.balance.to_be_bytes());
        Ok(Some(AccountInfo { balance, nonce: account.nonce, code_hash, account_id: None, code }))
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, DbFault> {
        if hash == KECCAK_EMPTY {
            return Ok(Bytecode::default());
        }
        if let Some(code) = self.cache.get(&hash) {
            return Ok(code);
        }
        // Past the journal: what a hash stands for cannot change, so it is no part of the read set; if it were, a warm
        // cache would change the read set.
        let key = StateKey::evm_code(&hash.0);
        let bytes = self.journal()?.view().get(&key)?.ok_or_else(|| StateError::Damaged {
            what: format!("evm code {hash}"),
            message: "an account refers to it, but it is not stored".into(),
        })?;
        let code = Bytecode::new_legacy(Bytes(bytes));
        self.cache.insert(hash, code.clone());
        Ok(code)
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, DbFault> {
        let key = storage_key(&address, &slot);
        match self.journal()?.get(&key)? {
            None => Ok(U256::ZERO),
            Some(bytes) => U256::try_from_be_slice(&bytes).ok_or_else(|| {
                let message = format!("{} bytes instead of at most 32", bytes.len());
                StateError::Damaged { what: format!("slot {slot:#x} of {address}"), message }.into()
            }),
        }
    }

    /// Of what the host knows; zero otherwise, as for blocks older than 256.
    fn block_hash(&mut self, number: u64) -> Result<B256, DbFault> {
        Ok(self.hashes.get(&number).copied().map(B256::new).unwrap_or_default())
    }
}

/// The key of a slot.
pub(super) fn storage_key(address: &Address, slot: &U256) -> StateKey {
    StateKey::evm_storage(&vm_address(address), &slot.to_be_bytes())
}

pub(super) const fn vm_address(address: &Address) -> vm_core::Address {
    vm_core::Address::new(address.0.0)
}

pub(super) const fn evm_address(address: &vm_core::Address) -> Address {
    Address::new(*address.as_bytes())
}
