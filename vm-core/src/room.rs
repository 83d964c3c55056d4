//! How much state a contract may have, and what else it is bounded by.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::record::Stored;
use crate::{
    Address, Capabilities, ContractName, ContractRecord, HostFault, Interrupt, Journal, KeyRange, RuntimeKind, Space,
    StateError, StateKey,
};

/// The most state that a contract may have: a bound of its own, part of the state and the same on every host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, serde::Serialize)]
pub struct Room {
    /// Keys.
    pub keys: u64,
    /// Bytes of keys and values, without what the store needs around them.
    pub bytes: u64,
}

/// What a contract has too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// Keys.
    Keys,
    /// Bytes of keys and values.
    Bytes,
}

/// State that a contract would have beyond its room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[error(
    "contract {contract} may have {limit} {}, has {present}, and would have {wanted}; delete some, or have the host's \
     administrators let it have more (govern room)",
    .what.counted(*.limit)
)]
pub struct Excess {
    /// Whose state it is.
    pub contract: Address,
    /// Of what it is too much: of keys, where it is of both.
    pub what: Measure,
    /// The most that it may have.
    pub limit: u64,
    /// What it has.
    pub present: u64,
    /// What it would have.
    pub wanted: u64,
}

impl Measure {
    /// The word for so many.
    const fn counted(self, count: u64) -> &'static str {
        match (self, count) {
            (Self::Keys, 1) => "key",
            (Self::Keys, _) => "keys",
            (Self::Bytes, 1) => "byte",
            (Self::Bytes, _) => "bytes",
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.counted(0))
    }
}

/// What a contract is kept from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshDeserialize)]
pub struct Bounds {
    /// What it may use of its host.
    pub capabilities: Capabilities,
    /// The most state that it may have, if that is bounded.
    pub room: Option<Room>,
}

impl Bounds {
    /// Those of an account that is no named contract.
    pub const NONE: Self = Self { capabilities: Capabilities::ALL, room: None };
}

/// Entries that are read at once when a contract's state is measured.
const PAGE: usize = 1_024;

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { keys, bytes } = self;
        write!(f, "{keys} {} and {bytes} {}", Measure::Keys.counted(*keys), Measure::Bytes.counted(*bytes))
    }
}

impl Room {
    /// Of no entry.
    pub const NOTHING: Self = Self { keys: 0, bytes: 0 };

    /// Adds an entry: what counts are the contract's own part of its key, and its value, in bytes.
    pub const fn add(&mut self, key: usize, value: usize) {
        self.keys = self.keys.saturating_add(1);
        self.bytes = self.bytes.saturating_add(key.saturating_add(value) as u64);
    }

    /// What a contract has now, counted key by key, while there is time.
    fn measure(journal: &Journal, record: &ContractRecord, interrupt: &Interrupt) -> Result<Self, HostFault> {
        let (name, mut used) = (record.name.as_str().as_bytes(), Self::NOTHING);
        let ranges = match record.runtime {
            RuntimeKind::Evm => vec![KeyRange::of(Space::EvmStorage, record.name.address().as_bytes())],
            // Whatever code wrote it.
            _ => vec![KeyRange::of(Space::Contract, name), KeyRange::of(Space::Apart, name)],
        };
        for mut range in ranges {
            loop {
                let page = journal.scan(&range, PAGE)?;
                interrupt.check()?;
                page.iter().for_each(|(key, value)| used.add(suffix(key), value.len()));
                match page.last() {
                    Some((last, _)) if page.len() == PAGE => range.start = last.successor(),
                    _ => break,
                }
            }
        }
        Ok(used)
    }

    /// Begins to count what a contract has.
    ///
    /// # Errors
    /// When the state fails, or there is so much that time runs out.
    pub(crate) fn begin(journal: &Journal, record: &ContractRecord, interrupt: &Interrupt) -> Result<(), HostFault> {
        Ok(Self::measure(journal, record, interrupt)?.store(journal, StateKey::usage(&record.name))?)
    }

    /// What a contract has whose state is bounded.
    pub(crate) fn used(journal: &Journal, name: &ContractName) -> Result<Self, StateError> {
        Ok(Stored::load(journal, &StateKey::usage(name))?.unwrap_or(Self::NOTHING))
    }

    /// Counts a write, as [`exchange`](Self::exchange).
    pub(crate) fn count(
        self,
        journal: &Journal,
        name: &ContractName,
        key: &StateKey,
        new: Option<usize>,
    ) -> Result<Option<Excess>, StateError> {
        let (mut removed, mut added) = (Self::NOTHING, Self::NOTHING);
        if let Some(old) = journal.read(key, |value| value.map(|value| value.len()))? {
            removed.add(suffix(key), old);
        }
        if let Some(new) = new {
            added.add(suffix(key), new);
        }
        self.exchange(journal, name, removed, added)
    }

    /// Counts that a contract has some entries no more, and others in their place; tells when it then has more than it may,
    /// and more than before. For engines that keep state of their own while they run.
    ///
    /// # Errors
    /// When the state fails.
    pub fn exchange(
        self,
        journal: &Journal,
        name: &ContractName,
        removed: Self,
        added: Self,
    ) -> Result<Option<Excess>, StateError> {
        let usage = StateKey::usage(name);
        let before = Self::used(journal, name)?;
        let sum = |before: u64, removed: u64, added: u64| before.saturating_sub(removed).saturating_add(added);
        let after = Self {
            keys: sum(before.keys, removed.keys, added.keys),
            bytes: sum(before.bytes, removed.bytes, added.bytes),
        };
        if after != before {
            after.store(journal, usage)?;
        }
        let excess = |what, limit: u64, present: u64, wanted: u64| {
            let contract = name.address();
            (wanted > limit && wanted > present).then_some(Excess { contract, what, limit, present, wanted })
        };
        let keys = excess(Measure::Keys, self.keys, before.keys, after.keys);
        Ok(keys.or_else(|| excess(Measure::Bytes, self.bytes, before.bytes, after.bytes)))
    }
}

/// The length of the contract's own part of a key.
fn suffix(key: &StateKey) -> usize {
    key.suffix().map_or(0, <[u8]>::len)
}
