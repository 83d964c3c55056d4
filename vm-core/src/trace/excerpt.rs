use std::fmt;

use bytes::Bytes;
use sha2::{Digest, Sha256};

/// The most bytes that are kept of a key, a value, an input or an output.
const KEPT: usize = 256;

/// Bytes, or the start of long ones: at most 256.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct Excerpt {
    /// The bytes, or the first of them.
    #[serde(rename = "hex", serialize_with = "hex_text")]
    pub bytes: Bytes,
    /// How many there are.
    pub length: usize,
    /// SHA-256 of all of them, where they are not all here.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "hash_text")]
    pub sha256: Option<[u8; 32]>,
}

impl Excerpt {
    /// Of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let (start, sha256) = match bytes.get(..KEPT) {
            Some(start) if bytes.len() > KEPT => (start, Some(Sha256::digest(bytes).into())),
            _ => (bytes, None),
        };
        Self { bytes: Bytes::copy_from_slice(start), length: bytes.len(), sha256 }
    }

    /// What it occupies in memory, roughly.
    pub(super) fn weight(&self) -> usize {
        size_of::<Self>().saturating_add(self.bytes.len())
    }
}

impl<T: AsRef<[u8]> + ?Sized> From<&T> for Excerpt {
    fn from(bytes: &T) -> Self {
        Self::of(bytes.as_ref())
    }
}

/// `"text"` where it is some, else `0x…`; of long ones the start and their length.
impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 64;
        let start = self.bytes.get(..SHOWN).unwrap_or(&self.bytes);
        let is_text = |text: &&str| {
            !text.is_empty() && text.chars().all(|c| c == ' ' || c.is_alphanumeric() || c.is_ascii_punctuation())
        };
        match std::str::from_utf8(start).ok().filter(is_text) {
            Some(text) => write!(f, "{text:?}")?,
            None => write!(f, "0x{}", hex::encode(start))?,
        }
        if self.length > start.len() { write!(f, "… ({} bytes)", self.length) } else { Ok(()) }
    }
}

fn hex_text<S: serde::Serializer>(bytes: &Bytes, s: S) -> Result<S::Ok, S::Error> {
    s.collect_str(&format_args!("0x{}", hex::encode(bytes)))
}

fn hash_text<S: serde::Serializer>(hash: &Option<[u8; 32]>, s: S) -> Result<S::Ok, S::Error> {
    match hash {
        Some(hash) => s.collect_str(&format_args!("0x{}", hex::encode(hash))),
        None => s.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_bytes_are_cut_and_known_by_their_hash() {
        let whole = Excerpt::of(&[7; KEPT]);
        assert_eq!((whole.bytes.len(), whole.length, whole.sha256), (KEPT, KEPT, None));
        let cut = Excerpt::of(&[7; KEPT + 1]);
        assert_eq!((cut.bytes.len(), cut.length), (KEPT, KEPT + 1));
        assert_eq!(cut.sha256, Some(Sha256::digest([7; KEPT + 1]).into()));
        assert_ne!(cut.sha256, Excerpt::of(&[8; KEPT + 1]).sha256);
    }

    #[test]
    fn text_is_shown_as_such_and_directs_no_terminal() {
        assert_eq!(Excerpt::of(b"a key").to_string(), "\"a key\"");
        assert_eq!(Excerpt::of(b"\x1b[2J").to_string(), "0x1b5b324a");
        assert_eq!(Excerpt::of(b"").to_string(), "0x");
        assert!(Excerpt::of(&[0; 300]).to_string().ends_with("00… (300 bytes)"));
    }
}
