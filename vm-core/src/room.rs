//! How much state a contract may have.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::record::Stored;
use crate::{ContractName, Journal, KeyRange, StateError, StateKey};

/// The most state that a contract may have: a bound of its own, part of the state and the same on every host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, serde::Serialize)]
pub struct Room {
    /// Keys.
    pub keys: u64,
    /// Bytes of keys and values, without what the store needs around them.
    pub bytes: u64,
}

/// Entries that are read at once when a contract's state is measured.
const PAGE: usize = 1_024;

impl Room {
    const NOTHING: Self = Self { keys: 0, bytes: 0 };

    fn add(&mut self, key: &StateKey, value: usize) {
        self.keys = self.keys.saturating_add(1);
        self.bytes = self.bytes.saturating_add(size(key, value));
    }

    /// What a contract has now, counted key by key.
    fn measure(journal: &Journal, name: &ContractName) -> Result<Self, StateError> {
        let mut used = Self::NOTHING;
        let mut range = KeyRange::contract(name, &[], &[]);
        loop {
            let page = journal.scan(&range, PAGE)?;
            page.iter().for_each(|(key, value)| used.add(key, value.len()));
            match page.last() {
                Some((last, _)) if page.len() == PAGE => range.start = last.successor(),
                _ => return Ok(used),
            }
        }
    }

    /// Begins to count what a contract has.
    pub(crate) fn begin(journal: &Journal, name: &ContractName) -> Result<(), StateError> {
        Self::measure(journal, name)?.store(journal, StateKey::usage(name))
    }

    /// Counts a write; false when the contract would have more than it may, and more than before.
    pub(crate) fn count(
        self,
        journal: &Journal,
        name: &ContractName,
        key: &StateKey,
        new: Option<usize>,
    ) -> Result<bool, StateError> {
        let usage = StateKey::usage(name);
        let before: Self = Stored::load(journal, &usage)?.unwrap_or(Self::NOTHING);
        let mut after = before;
        if let Some(old) = journal.read(key, |value| value.map(|value| value.len()))? {
            after.keys = after.keys.saturating_sub(1);
            after.bytes = after.bytes.saturating_sub(size(key, old));
        }
        if let Some(new) = new {
            after.add(key, new);
        }
        let fits = |most: u64, before: u64, after: u64| after <= most || after <= before;
        if !fits(self.keys, before.keys, after.keys) || !fits(self.bytes, before.bytes, after.bytes) {
            return Ok(false);
        }
        if after != before {
            after.store(journal, usage)?;
        }
        Ok(true)
    }
}

/// What an entry counts: the contract's own part of its key, and its value.
fn size(key: &StateKey, value: usize) -> u64 {
    key.suffix().map_or(0, <[u8]>::len).saturating_add(value) as u64
}
