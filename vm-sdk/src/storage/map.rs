use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;

use borsh::{BorshDeserialize, BorshSerialize};

use super::Prefix;
use crate::abi::decode;
use crate::{Context, Error, Result};

/// Values of a contract's state by key.
///
/// Entries come in the order of the keys' borsh bytes: addresses and other arrays of bytes ascending, numbers not
/// (borsh is little-endian), text by length first.
///
/// ```
/// use vm_sdk::{Address, Context, Map, Result};
///
/// const BALANCES: Map<Address, u128> = Map::new("balances");
///
/// fn credit(cx: &mut Context, account: Address, amount: u128) -> Result<()> {
///     let balance = BALANCES.get(cx, &account)?.unwrap_or_default();
///     BALANCES.set(cx, &account, &(balance + amount))
/// }
/// ```
pub struct Map<K, V> {
    prefix: Prefix,
    entry: PhantomData<fn() -> (K, V)>,
}

impl<K, V> Map<K, V> {
    /// The map with this name: 1 to 127 bytes, another one for each map of a contract.
    ///
    /// # Panics
    ///
    /// The name is empty or too long. In a constant, that fails to compile.
    pub const fn new(name: &'static str) -> Self {
        Self { prefix: Prefix::map(name), entry: PhantomData }
    }
}

impl<K, V> Map<K, V>
where
    K: BorshSerialize + BorshDeserialize,
    V: BorshSerialize + BorshDeserialize,
{
    /// The value of a key.
    ///
    /// # Errors
    ///
    /// What is stored is no `V`; the contract must stop.
    pub fn get<Q>(&self, cx: &Context<'_>, key: &Q) -> Result<Option<V>>
    where
        K: Borrow<Q>,
        Q: BorshSerialize + ?Sized,
    {
        cx.get(&self.key(key)?)
    }

    /// The values of several keys, in their order. In a container that takes one round trip instead of one for each.
    ///
    /// # Errors
    ///
    /// What is stored is no `V`; the contract must stop.
    pub fn get_many<Q>(&self, cx: &Context<'_>, keys: &[&Q]) -> Result<Vec<Option<V>>>
    where
        K: Borrow<Q>,
        Q: BorshSerialize + ?Sized,
    {
        let keys = keys.iter().map(|key| self.key(*key)).collect::<Result<Vec<_>>>()?;
        let keys: Vec<_> = keys.iter().map(Vec::as_slice).collect();
        let values = cx.get_many_raw(&keys)?;
        values.into_iter().map(|value| value.map(|value| decode(&value, "a stored value")).transpose()).collect()
    }

    /// Sets the value of a key.
    ///
    /// # Errors
    ///
    /// The contract must stop.
    pub fn set<Q>(&self, cx: &mut Context<'_>, key: &Q, value: &V) -> Result<()>
    where
        K: Borrow<Q>,
        Q: BorshSerialize + ?Sized,
    {
        cx.put(&self.key(key)?, value)
    }

    /// Removes a key, if it is there.
    ///
    /// # Errors
    ///
    /// The contract must stop.
    pub fn remove<Q>(&self, cx: &mut Context<'_>, key: &Q) -> Result<()>
    where
        K: Borrow<Q>,
        Q: BorshSerialize + ?Sized,
    {
        cx.delete(&self.key(key)?)
    }

    /// Up to `limit` entries: the first ones, or those that follow `after`.
    ///
    /// # Errors
    ///
    /// What is stored is no such entry; the contract must stop.
    pub fn entries<Q>(&self, cx: &Context<'_>, after: Option<&Q>, limit: u32) -> Result<Vec<(K, V)>>
    where
        K: Borrow<Q>,
        Q: BorshSerialize + ?Sized,
    {
        let prefix = self.prefix.to_bytes();
        let start = match after {
            // The key that follows immediately in the order of bytes.
            Some(key) => [self.key(key)?, vec![0]].concat(),
            None => prefix.clone(),
        };
        let entries = cx.scan(&start, &successor(&prefix), limit)?;
        let typed = entries.iter().map(|(key, value)| {
            let key = key.strip_prefix(&*prefix).ok_or_else(|| Error::from("a key is out of range"))?;
            Ok((decode(key, "a stored key")?, decode(value, "a stored value")?))
        });
        typed.collect()
    }

    fn key<Q: BorshSerialize + ?Sized>(&self, key: &Q) -> Result<Vec<u8>> {
        let mut bytes = self.prefix.to_bytes();
        key.serialize(&mut bytes).map_err(|_| Error::from("a key cannot be encoded"))?;
        Ok(bytes)
    }
}

/// The least bytes above all that start with `prefix`; empty if there are none.
fn successor(prefix: &[u8]) -> Vec<u8> {
    let mut bytes = prefix.to_vec();
    while let Some(last) = bytes.pop() {
        if let Some(next) = last.checked_add(1) {
            bytes.push(next);
            break;
        }
    }
    bytes
}

impl<K, V> fmt::Debug for Map<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Map").field(&self.prefix.name).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn successors() {
        assert_eq!(successor(b"ab"), b"ac");
        assert_eq!(successor(b"a\xff"), b"b");
        assert_eq!(successor(b"\xff\xff"), b"");
    }

    proptest! {
        #[test]
        fn the_successor_ends_exactly_the_prefix(prefix: Vec<u8>, other: Vec<u8>) {
            let end = successor(&prefix);
            let inside = other >= prefix && (end.is_empty() || other < end);
            prop_assert_eq!(inside, other.starts_with(&prefix));
        }
    }
}
