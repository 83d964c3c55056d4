//! The parameters of a call: those that the caller gives, and those that the host adds.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use vm_core::{Call, ContractRecord, Entry, Host, Stop};

use super::easycodec::{self, Item, Malformed, Value};

/// How many parameters a caller may give.
pub(crate) const MOST: usize = 50;

/// The parameters that the host sets; what a caller gives under these names is replaced.
pub(crate) const RESERVED: [&str; 13] = [
    "__creator_org_id__",
    "__creator_role__",
    "__creator_pk__",
    "__sender_org_id__",
    "__sender_role__",
    "__sender_pk__",
    "__block_height__",
    "__tx_id__",
    "__tx_time_stamp__",
    "__context_ptr__",
    "__cross_caller__",
    "__from_version__",
    "__to_version__",
];

/// The type that all values have. Contracts of one kind trap at the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum ValueType {
    /// What contracts with version 2.0 of the SDK and later take.
    #[default]
    Bytes,
    /// What contracts with versions 1.0 to 1.2 of the SDK take.
    Text,
}

impl FromStr for ValueType {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "bytes" => Ok(Self::Bytes),
            "string" => Ok(Self::Text),
            _ => Err(()),
        }
    }
}

impl ValueType {
    fn of(self, bytes: &[u8]) -> Value<'_> {
        match self {
            Self::Bytes => Value::Bytes(bytes),
            Self::Text => Value::Text(bytes),
        }
    }
}

/// Why the input of a call cannot be made into parameters.
#[derive(Debug)]
pub(super) enum Unfit {
    Malformed(Malformed),
    Count(usize),
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "the parameters cannot be read: {error}"),
            Self::Count(count) => write!(f, "there are {count} parameters, {MOST} are allowed"),
        }
    }
}

/// A value as bytes: numbers become decimal text.
fn plain(value: Value<'_>) -> Cow<'_, [u8]> {
    match value {
        Value::Int(number) => number.to_string().into_bytes().into(),
        Value::Text(bytes) | Value::Bytes(bytes) => bytes.into(),
    }
}

/// Encodes parameters as callers pass them on: sorted, all values bytes.
pub(super) fn encode(items: &[Item<'_>]) -> Vec<u8> {
    let map: BTreeMap<&[u8], Cow<'_, [u8]>> = items.iter().map(|item| (item.key, plain(item.value))).collect();
    encode_map(&map, ValueType::Bytes)
}

/// Parameters of a call of another contract, by name.
pub(super) fn by_name(items: &[Item<'_>]) -> Result<Vec<(String, Bytes)>, Malformed> {
    let map: BTreeMap<&[u8], Cow<'_, [u8]>> = items.iter().map(|item| (item.key, plain(item.value))).collect();
    map.into_iter()
        .map(|(key, value)| {
            let key = std::str::from_utf8(key).map_err(|_| Malformed("a key is not UTF-8"))?;
            Ok((key.to_owned(), value.into_owned().into()))
        })
        .collect()
}

fn encode_map(map: &BTreeMap<&[u8], Cow<'_, [u8]>>, values: ValueType) -> Vec<u8> {
    let items: Vec<_> = map.iter().map(|(key, value)| Item { system: false, key, value: values.of(value) }).collect();
    easycodec::encode(&items)
}

/// All parameters of a call, as its contract reads them.
pub(super) fn all(host: &mut dyn Host, call: &Call, values: ValueType) -> Result<Result<Vec<u8>, Unfit>, Stop> {
    let items = match easycodec::decode(&call.input) {
        Ok(items) if items.len() > MOST => return Ok(Err(Unfit::Count(items.len()))),
        Ok(items) => items,
        Err(error) => return Ok(Err(Unfit::Malformed(error))),
    };
    let added = reserved(host, call)?;
    let mut map: BTreeMap<&[u8], Cow<'_, [u8]>> = items.iter().map(|item| (item.key, plain(item.value))).collect();
    for (name, value) in RESERVED.into_iter().zip(added) {
        match value {
            Some(value) => map.insert(name.as_bytes(), value.into_bytes().into()),
            None => map.remove(name.as_bytes()),
        };
    }
    Ok(Ok(encode_map(&map, values)))
}

/// The values of [`RESERVED`], in that order.
///
/// Accounts are addresses here, in the place of public keys. There are no organisations, roles or transaction numbers: their
/// text is empty. The pointer is the same for all calls, since it decides how much a contract allocates.
///
/// Who deploys or upgrades is the call's sender: behind a proposal the transaction's is merely whose approval was the last.
fn reserved(host: &mut dyn Host, call: &Call) -> Result<[Option<String>; 13], Stop> {
    let env = host.env().clone();
    let sender = if call.entry == Entry::Invoke { env.origin } else { env.caller };
    let (from, to) = match &call.entry {
        Entry::Upgrade { from, to } | Entry::Replace { from, to, .. } => (Some(from.to_string()), Some(to.to_string())),
        Entry::Deploy | Entry::Invoke => (None, None),
    };
    let creator = match (&call.entry, &env.name) {
        (Entry::Deploy, _) | (_, None) => sender,
        (_, Some(name)) => {
            let transaction = host.transaction();
            let price = transaction.schedule().host.get.of(name.as_str().len());
            let journal = transaction.journal();
            host.charge(price)?;
            ContractRecord::load(&journal, name)?.map_or(sender, |record| record.owner)
        }
    };
    let none = || Some(String::new());
    Ok([
        none(),
        none(),
        Some(creator.to_string()),
        none(),
        none(),
        Some(sender.to_string()),
        Some(env.block.number.to_string()),
        none(),
        Some(env.block.timestamp.to_string()),
        Some("0".into()),
        (call.entry == Entry::Invoke && env.depth > 0).then(|| env.caller.to_string()),
        from,
        to,
    ])
}
