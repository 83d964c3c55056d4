//! What contracts emit.

use std::fmt;
use std::ops::Deref;

use bytes::Bytes;

use crate::{Address, ContractName};

/// An event. Vanishes when a frame above it is reverted.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Event {
    /// The address of the contract that emitted it.
    pub address: Address,
    /// Its name, unless it is a nameless EVM account.
    pub contract: Option<ContractName>,
    /// What it is found by.
    pub topics: Vec<Topic>,
    /// The encoded content.
    #[serde(serialize_with = "hex_text")]
    pub data: Bytes,
}

/// What an event is found by: bytes, and two topics are equal when their bytes are.
///
/// ```
/// use vm_core::Topic;
/// assert_eq!(Topic::from("Transfer"), "Transfer");
/// assert_eq!(Topic::Word([7; 32]).len(), 32);
/// ```
#[derive(Clone, Eq)]
pub enum Topic {
    /// A topic of an EVM log.
    Word([u8; 32]),
    /// The topic of a native, WASM or container contract: UTF-8.
    Text(Bytes),
}

impl Deref for Topic {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Word(word) => word,
            Self::Text(text) => text,
        }
    }
}

impl PartialEq for Topic {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: AsRef<[u8]> + ?Sized> PartialEq<&T> for Topic {
    fn eq(&self, other: &&T) -> bool {
        **self == *other.as_ref()
    }
}

impl From<Bytes> for Topic {
    fn from(text: Bytes) -> Self {
        Self::Text(text)
    }
}

impl From<String> for Topic {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<&'static str> for Topic {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => write!(f, "0x{}", hex::encode(word)),
            Self::Text(text) => fmt::Debug::fmt(text, f),
        }
    }
}

impl serde::Serialize for Topic {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        hex_text(self, s)
    }
}

fn hex_text<S: serde::Serializer>(bytes: &[u8], s: S) -> Result<S::Ok, S::Error> {
    s.collect_str(&format_args!("0x{}", hex::encode(bytes)))
}
