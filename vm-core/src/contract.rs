//! What a contract is: its name, version, code and identity.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use borsh::{BorshDeserialize, BorshSerialize};
use sha2::{Digest, Sha256};
use smol_str::SmolStr;

use crate::Address;

/// Text that cannot name a contract or a version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid {what} '{text}': {why}; expected 1 to {max} characters out of a-z A-Z 0-9 . _ -")]
pub struct InvalidName {
    what: &'static str,
    text: String,
    why: &'static str,
    max: usize,
}

fn check(what: &'static str, text: &str, max: usize) -> Result<(), InvalidName> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let why = if text.is_empty() {
        "it is empty"
    } else if text.len() > max {
        "it is too long"
    } else if !text.bytes().all(allowed) {
        "it has a character that is not allowed"
    } else if text.starts_with("0x") {
        "it could be taken for an address"
    } else {
        return Ok(());
    };
    const SHOWN: usize = 64;
    let cut = if text.chars().count() > SHOWN { "..." } else { "" };
    Err(InvalidName { what, text: text.chars().take(SHOWN).chain(cut.chars()).collect(), why, max })
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(SmolStr);

        impl $name {
            /// Checks and takes the text.
            ///
            /// # Errors
            /// When it is empty, too long, or has other characters.
            pub fn new(text: &str) -> Result<Self, InvalidName> {
                check($what, text, $max)?;
                Ok(Self(text.into()))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;
            fn from_str(text: &str) -> Result<Self, InvalidName> {
                Self::new(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(&self.0)
            }
        }

        impl BorshSerialize for $name {
            fn serialize<W: borsh::io::Write>(&self, w: &mut W) -> borsh::io::Result<()> {
                BorshSerialize::serialize(&*self.0, w)
            }
        }

        impl BorshDeserialize for $name {
            fn deserialize_reader<R: borsh::io::Read>(r: &mut R) -> borsh::io::Result<Self> {
                let invalid = |why: String| borsh::io::Error::new(borsh::io::ErrorKind::InvalidData, why);
                let length = u32::deserialize_reader(r)?;
                let mut buffer = [0; $max];
                let text = usize::try_from(length).ok().and_then(|length| buffer.get_mut(..length));
                let text = text.ok_or_else(|| invalid(format!("a {} of {length} bytes", $what)))?;
                r.read_exact(text)?;
                Self::new(std::str::from_utf8(text).map_err(|e| invalid(e.to_string()))?).map_err(|e| invalid(e.to_string()))
            }
        }
    };
}

name_type! {
    /// The name of a contract: 1 to 128 characters out of `a-z A-Z 0-9 . _ -`, not starting with `0x`.
    ContractName, "contract name", 128
}

name_type! {
    /// The version of a contract: 1 to 64 characters out of `a-z A-Z 0-9 . _ -`. Opaque: only equality counts.
    Version, "contract version", 64
}

impl ContractName {
    /// Where the contract lives.
    pub fn address(&self) -> Address {
        Address::of_contract(self.as_str())
    }
}

/// The four kinds of runtime.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum RuntimeKind {
    /// Rust contracts linked into the host.
    Native = 0,
    /// WebAssembly modules.
    Wasm = 1,
    /// EVM byte code.
    Evm = 2,
    /// Containers.
    Docker = 3,
}

impl RuntimeKind {
    /// All kinds, in the order of their discriminants.
    pub const ALL: [Self; 4] = [Self::Native, Self::Wasm, Self::Evm, Self::Docker];

    /// The name used in configurations, records and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Wasm => "wasm",
            Self::Evm => "evm",
            Self::Docker => "docker",
        }
    }

    /// True when one method can be named in several ways, of which only the contract's interface knows.
    pub(crate) const fn has_notations(self) -> bool {
        matches!(self, Self::Evm)
    }

    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for RuntimeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A runtime name that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown runtime '{0}'; expected native, wasm, evm or docker")]
pub struct UnknownRuntime(String);

impl FromStr for RuntimeKind {
    type Err = UnknownRuntime;

    fn from_str(text: &str) -> Result<Self, UnknownRuntime> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| UnknownRuntime(text.into()))
    }
}

/// SHA-256 over everything that decides how a contract behaves: runtime, code, interface and options.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct CodeHash([u8; 32]);

impl CodeHash {
    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for CodeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for CodeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for CodeHash {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

/// What is deployed: code for one runtime, with the interface and options it is to be run with.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Code {
    /// The runtime that executes it.
    pub runtime: RuntimeKind,
    /// The artefact: a WASM module, EVM creation code, an image archive or executable, or the name of a linked contract.
    pub bytes: Vec<u8>,
    /// An interface description that is not part of the artefact, such as a Solidity JSON ABI.
    pub abi: Option<String>,
    /// Options of the runtime, such as `migrate = "constructor"`; each runtime refuses those it does not know.
    pub options: BTreeMap<String, String>,
}

impl Code {
    /// Code without separate interface or options.
    pub fn new(runtime: RuntimeKind, bytes: impl Into<Vec<u8>>) -> Self {
        Self { runtime, bytes: bytes.into(), abi: None, options: BTreeMap::new() }
    }

    /// With an interface description.
    #[must_use]
    pub fn with_abi(mut self, abi: impl Into<String>) -> Self {
        self.abi = Some(abi.into());
        self
    }

    /// With one more option.
    #[must_use]
    pub fn with_option(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.insert(key.into(), value.into());
        self
    }

    /// The bytes of all of it, which storing and preparing it is paid by.
    pub fn size(&self) -> usize {
        let options = self.options.iter().map(|(key, value)| key.len().saturating_add(value.len()));
        let interface = self.abi.as_ref().map_or(0, String::len);
        options.fold(self.bytes.len().saturating_add(interface), usize::saturating_add)
    }

    /// The hash of all of it; the key of caches and pools.
    pub fn hash(&self) -> CodeHash {
        let mut hasher = Sha256::new();
        hasher.update(b"vm.code.v1");
        hasher.update([self.runtime as u8]);
        let mut part = |bytes: &[u8]| {
            hasher.update((bytes.len() as u64).to_be_bytes());
            hasher.update(bytes);
        };
        part(&self.bytes);
        match &self.abi {
            Some(abi) => {
                part(&[1]);
                part(abi.as_bytes());
            }
            None => part(&[0]),
        }
        for (key, value) in &self.options {
            part(key.as_bytes());
            part(value.as_bytes());
        }
        CodeHash(hasher.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert!(ContractName::new("token-1.0_x").is_ok());
        for (bad, why) in [("", "empty"), ("a b", "character"), ("naïve", "character"), ("0xab", "address")] {
            assert!(ContractName::new(bad).unwrap_err().to_string().contains(why), "{bad}");
        }
        assert!(ContractName::new(&"a".repeat(128)).is_ok());
        assert!(ContractName::new(&"a".repeat(129)).unwrap_err().to_string().contains("too long"));
        assert!(Version::new(&"1".repeat(65)).is_err());
    }

    #[test]
    fn code_hash_covers_every_part() {
        let base = Code::new(RuntimeKind::Wasm, b"code".to_vec());
        let variants = [
            Code::new(RuntimeKind::Evm, b"code".to_vec()),
            Code::new(RuntimeKind::Wasm, b"codf".to_vec()),
            base.clone().with_abi(""),
            base.clone().with_option("a", "b"),
            base.clone().with_option("ab", ""),
        ];
        let mut hashes: Vec<_> = variants.iter().map(Code::hash).chain([base.hash()]).collect();
        hashes.sort();
        hashes.dedup();
        assert_eq!(hashes.len(), 6);
    }
}
