//! What revm reads: accounts, slots and code out of the transaction's journal, which records it.

use std::{collections::BTreeMap, sync::Arc};

use revm::{
    Database,
    bytecode::Bytecode,
    context_interface::DBErrorMarker,
    primitives::{Address, AddressMap, B256, Bytes, KECCAK_EMPTY, U256},
    state::AccountInfo,
};
use vm_core::{Account, Bounds, ContractRecord, HostFault, Journal, RuntimeKind, StateError, StateKey};

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
    read: AddressMap<Read>,
    /// The account that the dispatcher enters: its record has been looked at.
    entered: Option<(Address, Bounds)>,
    /// True when an account was read that is kept from something.
    bounded: bool,
    /// The codes that were run last, for which nobody need ask the cache, which all threads share.
    recent: Vec<(B256, Bytecode)>,
}

/// An account as it was read, which is as the journal has it: nothing else writes accounts while there is a session.
pub(super) struct Read {
    pub(super) account: Account,
    /// True when the dispatcher must enter the contract that lives here.
    foreign: bool,
    /// What the contract is kept from that lives here.
    bounds: Bounds,
}

/// How many codes a session keeps at hand: a proxy and what it calls.
const RECENT: usize = 4;

/// Accounts for which room is kept from one transaction to the next.
pub(super) const KEPT: usize = 256;

impl JournalDb {
    pub(super) fn new(cache: Arc<CodeCache>) -> Self {
        let marker = Bytecode::new_legacy(Bytes::from_static(&MARKER));
        let marker_hash = marker.hash_slow();
        let (hashes, read, recent) = Default::default();
        Self { journal: None, hashes, cache, marker, marker_hash, read, entered: None, bounded: false, recent }
    }

    pub(super) fn bind(&mut self, journal: Journal, hashes: &Arc<BTreeMap<u64, [u8; 32]>>, cache: &Arc<CodeCache>) {
        self.journal = Some(journal);
        // Mostly those of the last transaction.
        if !Arc::ptr_eq(&self.hashes, hashes) {
            self.hashes = hashes.clone();
        }
        if !Arc::ptr_eq(&self.cache, cache) {
            self.cache = cache.clone();
        }
    }

    pub(super) fn release(&mut self) {
        self.journal = None;
        self.entered = None;
        self.bounded = false;
        self.read.clear();
        self.read.shrink_to(KEPT);
    }

    pub(super) fn journal(&self) -> Result<&Journal, DbFault> {
        let unbound = || DbFault(HostFault::Internal("evm session without transaction".into()));
        self.journal.as_ref().ok_or_else(unbound)
    }

    /// True for the code of contracts that the dispatcher must enter: those of other runtimes, and EVM contracts that are
    /// not active, which it refuses with the reason.
    #[inline]
    pub(super) fn is_foreign(&self, address: &Address, code_hash: &B256) -> bool {
        *code_hash == self.marker_hash && self.read.get(address).is_some_and(|read| read.foreign)
    }

    /// What was read at an address; nothing where nothing is.
    pub(super) fn read(&self, address: &Address) -> Option<&Read> {
        self.read.get(address)
    }

    /// The dispatcher enters this account, as one of the EVM's.
    pub(super) const fn enter(&mut self, address: Address, bounds: Bounds) {
        self.entered = Some((address, bounds));
    }

    /// True when anybody is kept from anything.
    #[inline]
    pub(super) const fn is_bounded(&self) -> bool {
        self.bounded
    }

    /// What the contract at an address is kept from.
    pub(super) fn bounds(&self, address: &Address) -> Bounds {
        self.read.get(address).map_or(Bounds::NONE, |read| read.bounds)
    }

    /// From now on the account is revm's own: its code is about to be made.
    pub(super) fn adopt(&mut self, address: &Address) {
        if let Some(read) = self.read.get_mut(address) {
            read.foreign = false;
        }
    }

    fn load_code(&self, hash: B256) -> Result<Bytecode, DbFault> {
        // What a hash stands for cannot change, so it is no part of the read set; if it were, a warm cache would change the
        // read set. It may have come in this very transaction.
        let key = StateKey::evm_code(&hash.0);
        let bytes = self.journal()?.get_immutable(&key)?.ok_or_else(|| StateError::Damaged {
            what: format!("evm code {hash}"),
            message: "an account refers to it, but it is not stored".into(),
        })?;
        let code = Bytecode::new_legacy(Bytes(bytes));
        self.cache.insert(hash, code.clone());
        Ok(code)
    }

    fn look(&self, address: &Address, account: Account) -> Result<Read, DbFault> {
        let name = match (&account.contract, self.entered) {
            (None, _) => return Ok(Read { account, foreign: false, bounds: Bounds::NONE }),
            (Some(_), Some((entered, bounds))) if entered == *address => {
                return Ok(Read { account, foreign: false, bounds });
            }
            (Some(name), _) => name,
        };
        let standing = ContractRecord::standing(self.journal()?, name)?;
        // A record that is missing, foreign or inactive is the dispatcher's business.
        let foreign = !standing.is_some_and(|standing| {
            standing.lifecycle.is_callable() && (account.evm_code.is_some() || standing.runtime == RuntimeKind::Evm)
        });
        let bounds = standing.map_or(Bounds::NONE, |standing| standing.bounds);
        Ok(Read { account, foreign, bounds })
    }
}

impl Database for JournalDb {
    type Error = DbFault;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, DbFault> {
        let account = Account::load(self.journal()?, &vm_address(&address))?;
        if account == Account::default() {
            return Ok(None);
        }
        let read = self.look(&address, account)?;
        self.bounded |= read.bounds != Bounds::NONE;
        let Account { balance, nonce, evm_code, .. } = read.account;
        let (code_hash, code) = match (read.foreign, evm_code) {
            (true, _) => (self.marker_hash, Some(self.marker.clone())),
            // Code is loaded when it is needed: most looks at an account are for its balance.
            (false, Some(hash)) => (B256::new(hash), None),
            (false, None) => (KECCAK_EMPTY, Some(Bytecode::default())),
        };
        self.read.insert(address, read);
        let balance = U256::from_be_bytes(balance.to_be_bytes());
        Ok(Some(AccountInfo { balance, nonce, code_hash, account_id: None, code }))
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, DbFault> {
        if hash == KECCAK_EMPTY {
            return Ok(Bytecode::default());
        }
        if let Some((_, code)) = self.recent.iter().find(|(recent, _)| *recent == hash) {
            return Ok(code.clone());
        }
        let code = match self.cache.get(&hash) {
            Some(code) => code,
            None => self.load_code(hash)?,
        };
        if self.recent.len() == RECENT {
            self.recent.remove(0);
        }
        self.recent.push((hash, code.clone()));
        Ok(code)
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, DbFault> {
        let key = storage_key(&address, &slot);
        let damaged = |length: usize| {
            let message = format!("{length} bytes instead of at most 32");
            StateError::Damaged { what: format!("slot {slot:#x} of {address}"), message }
        };
        let decode = |bytes: &bytes::Bytes| U256::try_from_be_slice(bytes).ok_or_else(|| damaged(bytes.len()));
        Ok(self.journal()?.read(&key, |bytes| bytes.map_or(Ok(U256::ZERO), decode))??)
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
