use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::num::NonZeroU8;

use bytes::Bytes;

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
    /// What was done with contracts, by contract name and number of the entry.
    History = 8,
    /// Policies, by contract name and version; those of the host under the empty name.
    Policy = 9,
    /// What contracts have of their room, by contract name.
    Usage = 10,
    /// State of code that [keeps it apart](crate::Contract::keeps_apart), by contract name and, together, the code's hash and the
    /// contract's own key.
    Apart = 11,
}

/// A key of the state: `[space u8][length of id u16 BE][id][key]`, compared as bytes.
///
/// The length makes it injective (no two pairs of id and key share an encoding), and the keys of one id are
/// contiguous and in the order of the contract's own keys.
///
/// Accounts, slots of the EVM, and most others are short: up to 55 bytes lie in the key itself, without an allocation.
#[derive(Clone)]
pub struct StateKey(Repr);

#[derive(Clone)]
enum Repr {
    /// So many bytes; the others are zero.
    Short(NonZeroU8, [u8; SHORT]),
    Long(Bytes),
}

/// As long as the key of a slot.
const SHORT: usize = 3 + 20 + 32;

impl StateKey {
    /// The key `key` of `id` in `space`. Ids are at most 65,535 bytes: names, addresses and hashes are far below.
    #[inline]
    pub fn new(space: Space, id: &[u8], key: &[u8]) -> Self {
        let length = u16::try_from(id.len()).unwrap_or(u16::MAX);
        let id = id.get(..usize::from(length)).unwrap_or(id);
        let [high, low] = length.to_be_bytes();
        Self::concat([&[space as u8, high, low], id, key])
    }

    #[inline]
    fn concat<const N: usize>(parts: [&[u8]; N]) -> Self {
        let mut bytes = [0; SHORT];
        let (mut free, mut length) = (&mut bytes[..], 0);
        for part in parts {
            let Some((to, rest)) = free.split_at_mut_checked(part.len()) else {
                return Self(Repr::Long(parts.concat().into()));
            };
            to.copy_from_slice(part);
            (free, length) = (rest, length + part.len() as u8);
        }
        Self(NonZeroU8::new(length).map_or(Repr::Long(Bytes::new()), |length| Repr::Short(length, bytes)))
    }

    /// A contract's own key.
    pub fn contract(name: &ContractName, key: &[u8]) -> Self {
        Self::new(Space::Contract, name.as_str().as_bytes(), key)
    }

    /// A key of a contract that is some code's alone.
    pub fn apart(name: &ContractName, code: &CodeHash, key: &[u8]) -> Self {
        Self::new(Space::Apart, name.as_str().as_bytes(), &[code.as_bytes(), key].concat())
    }

    /// A contract's record.
    pub fn record(name: &ContractName) -> Self {
        Self::new(Space::Record, name.as_str().as_bytes(), &[])
    }

    /// The record of one version of a contract.
    pub fn version(name: &ContractName, version: &Version) -> Self {
        Self::new(Space::Version, name.as_str().as_bytes(), version.as_str().as_bytes())
    }

    /// An entry of a contract's history.
    pub fn history(name: &ContractName, number: u64) -> Self {
        Self::new(Space::History, name.as_str().as_bytes(), &number.to_be_bytes())
    }

    /// What a contract has of its room.
    pub fn usage(name: &ContractName) -> Self {
        Self::new(Space::Usage, name.as_str().as_bytes(), &[])
    }

    /// A version of a contract's policy, or of the host's.
    pub fn policy(name: Option<&ContractName>, version: u32) -> Self {
        Self::new(Space::Policy, name.map_or(&[], |name| name.as_str().as_bytes()), &version.to_be_bytes())
    }

    /// Deployed code.
    pub fn code(hash: &CodeHash) -> Self {
        Self::new(Space::Code, hash.as_bytes(), &[])
    }

    /// An account.
    #[inline]
    pub fn account(address: &Address) -> Self {
        Self::new(Space::Account, address.as_bytes(), &[])
    }

    /// A slot of an EVM account's storage.
    #[inline]
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
    pub fn from_bytes(bytes: Bytes) -> Self {
        match bytes.len() {
            0..=SHORT => Self::concat([&bytes]),
            _ => Self(Repr::Long(bytes)),
        }
    }

    /// The bytes that are stored and compared.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Short(length, bytes) => bytes.get(..usize::from(length.get())).unwrap_or(bytes),
            Repr::Long(bytes) => bytes,
        }
    }

    /// Whose key it is, if this is well-formed.
    pub fn id(&self) -> Option<&[u8]> {
        Some(self.parts()?.0)
    }

    /// The contract's own part of the key, if this is well-formed.
    pub fn suffix(&self) -> Option<&[u8]> {
        Some(self.parts()?.1)
    }

    fn parts(&self) -> Option<(&[u8], &[u8])> {
        let (head, rest) = self.as_bytes().split_first_chunk::<3>()?;
        let [_, high, low] = *head;
        rest.split_at_checked(usize::from(u16::from_be_bytes([high, low])))
    }

    /// The key right after this one in the order of keys.
    #[must_use]
    pub fn successor(&self) -> Self {
        Self::concat([self.as_bytes(), &[0]])
    }

    /// The first key after all keys that start with this one.
    #[must_use]
    pub fn after_prefix(&self) -> Self {
        let mut bytes = self.as_bytes().to_vec();
        while let Some(last) = bytes.pop() {
            if last < u8::MAX {
                bytes.push(last + 1);
                break;
            }
        }
        Self::from_bytes(bytes.into())
    }
}

impl PartialEq for StateKey {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for StateKey {}

impl PartialOrd for StateKey {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for StateKey {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl Hash for StateKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.as_bytes());
    }
}

impl fmt::Debug for StateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_bytes().escape_ascii())
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

    /// A range of a contract's keys that are some code's alone; an empty `end` means up to the last of them.
    pub fn apart(name: &ContractName, code: &CodeHash, start: &[u8], end: &[u8]) -> Self {
        let start = StateKey::apart(name, code, start);
        let end = match end {
            [] => StateKey::apart(name, code, &[]).after_prefix(),
            end => StateKey::apart(name, code, end),
        };
        Self { start, end }
    }

    /// Every key of a space.
    pub fn space(space: Space) -> Self {
        let start = StateKey::concat([&[space as u8]]);
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

    #[test]
    fn short_and_long_keys_are_one_order() {
        assert_eq!(size_of::<StateKey>(), 1 + SHORT);
        assert!(StateKey::from_bytes(Bytes::new()).as_bytes().is_empty());
        let key = |length: usize| StateKey::new(Space::Contract, b"c", &vec![1; length]);
        let keys: Vec<_> = (0..200).map(key).collect();
        assert!(keys.is_sorted());
        for (length, key) in keys.iter().enumerate() {
            assert_eq!(key.as_bytes().len(), 4 + length);
            assert_eq!(*key, StateKey::from_bytes(Bytes::copy_from_slice(key.as_bytes())));
            assert_eq!(key.successor().as_bytes(), [key.as_bytes(), &[0]].concat());
            assert!(*key < key.successor() && key.successor() < key.after_prefix());
        }
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
            prop_assert_eq!((encoded.id(), encoded.suffix()), (Some(&id[..]), Some(&key[..])));
            prop_assert!(encoded < encoded.successor());
        }
    }
}
