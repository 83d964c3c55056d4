//! What is stored about contracts.

use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;

use crate::{
    Address, Bounds, Capabilities, Code, CodeHash, ContractName, Journal, KeyRange, Lifecycle, Room, RuntimeKind,
    Space, StateError, StateKey, StateView, Version,
};

/// What is stored of a contract under its name.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, serde::Serialize)]
pub struct ContractRecord {
    /// Its name.
    pub name: ContractName,
    /// Where it is in its life.
    pub lifecycle: Lifecycle,
    /// The runtime of the current version.
    pub runtime: RuntimeKind,
    /// The current version.
    pub version: Version,
    /// The current version's code.
    pub code: CodeHash,
    /// Who deployed it; by default the one who may upgrade, freeze and revoke it.
    pub owner: Address,
    /// True when its policy does not let everybody call every method.
    pub guarded: bool,
    /// The version of its policy; 0 is [`Policy::default`](crate::Policy).
    pub policy: u32,
    /// What it may use of its host.
    pub capabilities: Capabilities,
    /// The most state that it may have, if that is bounded.
    pub room: Option<Room>,
    /// How many versions it has had, the current one included.
    pub versions: u32,
    /// The number of the block that it was deployed in.
    pub deployed_in: u64,
    /// How many entries its history has.
    pub entries: u64,
}

/// The part of a [`ContractRecord`] that decides who may enter or change the contract, for those who look at every call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshDeserialize)]
pub struct Standing {
    #[borsh(deserialize_with = "skip_text")]
    _name: (),
    /// Where it is in its life.
    pub lifecycle: Lifecycle,
    /// The runtime of the current version.
    pub runtime: RuntimeKind,
    #[borsh(deserialize_with = "skip_text")]
    _version: (),
    _code: CodeHash,
    /// Who deployed it.
    pub owner: Address,
    /// True when its policy does not let everybody call every method.
    pub guarded: bool,
    _policy: u32,
    /// What it is kept from.
    pub bounds: Bounds,
}

/// What is stored of one version of a contract. Never changed, never removed: a version's name cannot come back.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, serde::Serialize)]
pub struct VersionRecord {
    /// Its name.
    pub version: Version,
    /// Counts from 1.
    pub ordinal: u32,
    /// The runtime.
    pub runtime: RuntimeKind,
    /// The code; kept as long as the contract.
    pub code: CodeHash,
    /// Who deployed or upgraded.
    pub author: Address,
    /// Why, in the author's words.
    pub reason: String,
    /// The number of the block that it came in.
    pub block: u64,
    /// The keccak256 of the code that its account runs, if it is an EVM contract: what a rollback restores.
    #[serde(skip)]
    pub evm_code: Option<[u8; 32]>,
}

fn skip_text<R: borsh::io::Read>(r: &mut R) -> borsh::io::Result<()> {
    let length = usize::try_from(u32::deserialize_reader(r)?).unwrap_or(usize::MAX);
    let mut text = [0; 128];
    r.read_exact(text.get_mut(..length).ok_or(borsh::io::ErrorKind::InvalidData)?)
}

/// A record that is stored in borsh under one key.
pub(crate) trait Stored: BorshSerialize + BorshDeserialize {
    fn load(journal: &Journal, key: &StateKey) -> Result<Option<Self>, StateError> {
        journal.read(key, |bytes| bytes.map(|bytes| decode(key, bytes)).transpose())?
    }

    fn store(&self, journal: &Journal, key: StateKey) -> Result<(), StateError> {
        let bytes = borsh::to_vec(self).map_err(|e| damaged(&key, &e))?;
        journal.put(key, bytes.into());
        Ok(())
    }
}

impl<T: BorshSerialize + BorshDeserialize> Stored for T {}

fn damaged(key: &StateKey, error: &dyn std::fmt::Display) -> StateError {
    StateError::Damaged { what: format!("record {key:?}"), message: error.to_string() }
}

pub(crate) fn decode<T: BorshDeserialize>(key: &StateKey, bytes: &[u8]) -> Result<T, StateError> {
    T::try_from_slice(bytes).map_err(|e| damaged(key, &e))
}

impl ContractRecord {
    /// The record of a name, if it is taken.
    ///
    /// # Errors
    /// When the state fails or the record is damaged.
    pub fn load(journal: &Journal, name: &ContractName) -> Result<Option<Self>, StateError> {
        Stored::load(journal, &StateKey::record(name))
    }

    /// What a record says of its contract's standing.
    ///
    /// # Errors
    /// When the state fails or the record is damaged.
    pub fn standing(journal: &Journal, name: &ContractName) -> Result<Option<Standing>, StateError> {
        let key = StateKey::record(name);
        let decode = |mut bytes: &[u8]| Standing::deserialize(&mut bytes).map_err(|e| damaged(&key, &e));
        journal.read(&key, |bytes| bytes.map(|bytes| decode(bytes)).transpose())?
    }

    /// What the contract is kept from.
    pub(crate) const fn bounds(&self) -> Bounds {
        Bounds { capabilities: self.capabilities, room: self.room }
    }

    /// What it occupies in the state, in bytes.
    pub(crate) fn size(&self) -> usize {
        borsh::object_length(self).unwrap_or(usize::MAX)
    }

    pub(crate) fn store(&self, journal: &Journal) -> Result<(), StateError> {
        Stored::store(self, journal, StateKey::record(&self.name))
    }

    pub(crate) fn from_entry(key: &StateKey, bytes: &[u8]) -> Result<Self, StateError> {
        decode(key, bytes)
    }
}

impl VersionRecord {
    pub(crate) fn load(journal: &Journal, name: &ContractName, version: &Version) -> Result<Option<Self>, StateError> {
        Stored::load(journal, &StateKey::version(name, version))
    }

    pub(crate) fn store(&self, journal: &Journal, name: &ContractName) -> Result<(), StateError> {
        Stored::store(self, journal, StateKey::version(name, &self.version))
    }

    /// All versions of a contract, oldest first.
    pub(crate) fn all(view: &dyn StateView, name: &ContractName) -> Result<Vec<Self>, StateError> {
        Self::in_order(view.scan(&KeyRange::of(Space::Version, name.as_str().as_bytes()), usize::MAX)?)
    }

    /// Up to so many versions of a contract, as a transaction sees them.
    pub(crate) fn some(journal: &Journal, name: &ContractName, most: usize) -> Result<Vec<Self>, StateError> {
        Self::in_order(journal.scan(&KeyRange::of(Space::Version, name.as_str().as_bytes()), most)?)
    }

    fn in_order(entries: Vec<(StateKey, Bytes)>) -> Result<Vec<Self>, StateError> {
        let versions = entries.iter().map(|(key, value)| decode(key, value));
        let mut versions = versions.collect::<Result<Vec<Self>, _>>()?;
        versions.sort_by_key(|version| version.ordinal);
        Ok(versions)
    }
}

/// Stores code under its hash, and returns that.
pub(crate) fn store_code(journal: &Journal, code: &Code) -> Result<CodeHash, StateError> {
    let hash = code.hash();
    Stored::store(code, journal, StateKey::code(&hash))?;
    Ok(hash)
}

/// The stored code of a hash.
pub(crate) fn load_code(journal: &Journal, hash: &CodeHash) -> Result<Option<Code>, StateError> {
    // Whether it is asked for depends on a cache, so the read must not show in the read set.
    let key = StateKey::code(hash);
    journal.get_immutable(&key)?.map(|bytes| decode(&key, &bytes)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MemoryBackend, StateBackend};

    #[test]
    fn a_standing_is_part_of_the_record() {
        let journal = Journal::new(MemoryBackend::new().snapshot().unwrap());
        let name = ContractName::new("c").unwrap();
        assert_eq!(ContractRecord::standing(&journal, &name).unwrap(), None);
        let record = ContractRecord {
            name: name.clone(),
            lifecycle: Lifecycle::Frozen,
            runtime: RuntimeKind::Evm,
            version: Version::new("1.2").unwrap(),
            code: Code::new(RuntimeKind::Evm, "00").hash(),
            owner: Address::from_name("alice"),
            guarded: true,
            policy: 3,
            capabilities: Capabilities::EVENTS,
            room: Some(Room { keys: 1, bytes: 2 }),
            versions: 1,
            deployed_in: 0,
            entries: 1,
        };
        record.store(&journal).unwrap();
        let Standing { lifecycle, runtime, owner, guarded, bounds, .. } =
            ContractRecord::standing(&journal, &name).unwrap().unwrap();
        assert_eq!((lifecycle, runtime, owner), (record.lifecycle, record.runtime, record.owner));
        assert!(guarded && bounds == record.bounds());
        for length in [0, 3, 5, 20, 60] {
            let cut = journal.get(&StateKey::record(&name)).unwrap().unwrap().slice(..length);
            journal.put(StateKey::record(&name), cut);
            assert!(ContractRecord::standing(&journal, &name).is_err(), "{length} bytes");
            record.store(&journal).unwrap();
        }
    }
}
