use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use crate::{Address, CodeHash, ContractName, Version};

/// What a key is about; its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Space {
    /// Parameters of the chain: schedule hash and the like.
    System = 0,
    /// Contract records, by name.
    Record = 1,
    /// Version records, by contract name and version.
    Version = 2,
    /// Deployed code, by code hash.
    Code = 3,
    /// Accounts, by address.
    Account = 4,
    /// EVM storage, by address and slot.
    EvmStorage = 5,
    /// EVM runtime code, by keccak256.
    EvmCode = 6,
    /// State of native, WASM and container contracts, by contract name and the contract's own key.
    Contract = 7,
}

/// A key of the state: `[space u8][length of id u16 BE][id][key]`, compared as bytes.
///
/// The length makes it injective (no two pairs of id and key share an encoding), and the keys of one id are
/// contiguous and in the order of the contract's own keys.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StateKey(Bytes);

impl StateKey {
    /// The key `key` of `id` in `space`. Ids are at most 65,535 bytes: names, addresses and hashes are far below.
    pub fn new(space: Space, id: &[u8], key: &[u8]) -> Self {
        let length = u16::try_from(id.len()).unwrap_or(u16::MAX);
        let id = id.get(..usize::from(length)).unwrap_or(id);
        let mut bytes = BytesMut::with_capacity(3 + id.len() + key.len());
        bytes.put_u8(space as u8);
        bytes.put_u16(length);
        bytes.put_slice(id);
        bytes.put_slice(key);
        Self(bytes.freeze())
    }

    /// A contract's own key.
    pub fn contract(name: &ContractName, key: &[u8]) -> Self {
        Self::new(Space::Contract, name.as_str().as_bytes(), key)
    }

    /// A contract's record.
    pub fn record(name: &ContractName) -> Self {
        Self::new(Space::Record, name.as_str().as_bytes(), &[])
    }

    /// The record of one version of a contract.
    pub fn version(name: &ContractName, version: &Version) -> Self {
        Self::new(Space::Version, name.as_str().as_bytes(), version.as_str().as_bytes())
    }

    /// Deployed code.
    pub fn code(hash: &CodeHash) -> Self {
        Self::new(Space::Code, hash.as_bytes(), &[])
    }

    /// An account.
    pub fn account(address: &Address) -> Self {
        Self::new(Space::Account, address.as_bytes(), &[])
    }

    /// A slot of an EVM account's storage.
    pub fn evm_storage(address: &Address, slot: &[u8; 32]) -> Self {
        Self::new(Space::EvmStorage, address.as_bytes(), slot)
    }

    /// EVM runtime code by its keccak256.
    pub fn evm_code(hash: &[u8; 32]) -> Self {
        Self::new(Space::EvmCode, hash, &[])
    }

    /// A parameter of the chain.
    pub fn system(name: &str) -> Self {
        Self::new(Space::System, name.as_bytes(), &[])
    }

    /// A key from its stored bytes, as an iteration of a backend yields them.
    pub const fn from_bytes(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// The bytes that are stored and compared.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The contract's own part of the key, if this is well-formed.
    pub fn suffix(&self) -> Option<&[u8]> {
        let (head, rest) = self.0.split_first_chunk::<3>()?;
        let [_, high, low] = *head;
        rest.get(usize::from(u16::from_be_bytes([high, low]))..)
    }

    /// The key right after this one in the order of keys.
    #[must_use]
    pub fn successor(&self) -> Self {
        let mut bytes = BytesMut::with_capacity(self.0.len() + 1);
        bytes.put_slice(&self.0);
        bytes.put_u8(0);
        Self(bytes.freeze())
    }

    /// The first key after all keys that start with this one.
    #[must_use]
    pub fn after_prefix(&self) -> Self {
        let mut bytes = self.0.to_vec();
        while let Some(last) = bytes.pop() {
            if last < u8::MAX {
                bytes.push(last + 1);
                break;
            }
        }
        Self(bytes.into())
    }
}

impl fmt::Debug for StateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

/// The keys from `start` (included) to `end` (excluded).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyRange {
    /// The first key.
    pub start: StateKey,
    /// The key behind the last one.
    pub end: StateKey,
}

impl KeyRange {
    /// A range of one contract's own keys; an empty `end` means up to the last of them.
    pub fn contract(name: &ContractName, start: &[u8], end: &[u8]) -> Self {
        let start = StateKey::contract(name, start);
        let end =
            if end.is_empty() { StateKey::contract(name, &[]).after_prefix() } else { StateKey::contract(name, end) };
        Self { start, end }
    }

    /// Every key of a space.
    pub fn space(space: Space) -> Self {
        let start = StateKey(Bytes::copy_from_slice(&[space as u8]));
        let end = start.after_prefix();
        Self { start, end }
    }

    /// Every key of `id` in a space.
    pub fn of(space: Space, id: &[u8]) -> Self {
        let start = StateKey::new(space, id, &[]);
        let end = start.after_prefix();
        Self { start, end }
    }

    /// True when the range holds the key.
    pub fn contains(&self, key: &StateKey) -> bool {
        self.start <= *key && *key < self.end
    }

    /// True when no key fits.
    pub fn is_empty(&self) -> bool {
        self.start >= self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spaces() -> impl Strategy<Value = Space> {
        prop::sample::select(vec![Space::System, Space::Record, Space::Account, Space::EvmStorage, Space::Contract])
    }

    fn short() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop::sample::select(vec![0u8, 1, 2, b'a', 254, 255]), 0..5)
    }

    proptest! {
        #[test]
        fn injective(a in (spaces(), short(), short()), b in (spaces(), short(), short())) {
            let encode = |x: &(Space, Vec<u8>, Vec<u8>)| StateKey::new(x.0, &x.1, &x.2);
            prop_assert_eq!(a == b, encode(&a) == encode(&b));
        }

        #[test]
        fn ordered_inside_an_id(space in spaces(), id in short(), a in short(), b in short()) {
            prop_assert_eq!(a.cmp(&b), StateKey::new(space, &id, &a).cmp(&StateKey::new(space, &id, &b)));
        }

        #[test]
        fn ranges_hold_just_their_id(space in spaces(), id in short(), other in short(), key in short()) {
            let range = KeyRange::of(space, &id);
            prop_assert!(range.contains(&StateKey::new(space, &id, &key)));
            prop_assert_eq!(id == other, range.contains(&StateKey::new(space, &other, &key)));
        }

        #[test]
        fn suffix_is_the_contracts_key(space in spaces(), id in short(), key in short()) {
            let encoded = StateKey::new(space, &id, &key);
            prop_assert_eq!(encoded.suffix(), Some(&key[..]));
            prop_assert!(encoded < encoded.successor());
        }
    }
}
