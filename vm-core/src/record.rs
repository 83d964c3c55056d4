//! What is stored about contracts.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::{Address, Code, CodeHash, ContractName, Journal, Lifecycle, RuntimeKind, StateError, StateKey, Version};

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
    #[borsh(serialize_with = "address_out", deserialize_with = "address_in")]
    pub owner: Address,
    /// How many versions it has had, the current one included.
    pub versions: u32,
    /// The number of the block that it was deployed in.
    pub deployed_in: u64,
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
    #[borsh(serialize_with = "address_out", deserialize_with = "address_in")]
    pub author: Address,
    /// The number of the block that it came in.
    pub block: u64,
}

fn address_out<W: borsh::io::Write>(address: &Address, w: &mut W) -> borsh::io::Result<()> {
    w.write_all(address.as_bytes())
}

fn address_in<R: borsh::io::Read>(r: &mut R) -> borsh::io::Result<Address> {
    <[u8; 20]>::deserialize_reader(r).map(Address::new)
}

/// A record that is stored in borsh under one key.
trait Stored: BorshSerialize + BorshDeserialize {
    fn load(journal: &Journal, key: &StateKey) -> Result<Option<Self>, StateError> {
        let Some(bytes) = journal.get(key)? else { return Ok(None) };
        decode(key, &bytes).map(Some)
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

fn decode<T: BorshDeserialize>(key: &StateKey, bytes: &[u8]) -> Result<T, StateError> {
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

    pub(crate) fn from_entry(key: &StateKey, bytes: &[u8]) -> Result<Self, StateError> {
        decode(key, bytes)
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
