//! An image that containerd has already, pinned by its digest.

use std::fmt;

use vm_core::CodeError;

/// Longest reference, in bytes.
const LIMIT: usize = 512;

/// A name for people and the digest that counts: `docker.io/library/token@sha256:…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    name: String,
    digest: String,
}

impl Reference {
    /// Reads code that is a short text; `None` for any other code.
    pub(super) fn read(code: &[u8]) -> Option<Result<Self, CodeError>> {
        let text = std::str::from_utf8(code.get(..LIMIT + 1).unwrap_or(code)).ok()?.trim();
        let of_name = |c: char| c.is_ascii_alphanumeric() || "./:@_-".contains(c);
        if text.is_empty() || text.len() > LIMIT || !text.chars().all(of_name) || !text.contains('/') {
            return None;
        }
        let pinned = text.split_once('@').filter(|(name, digest)| {
            let hash = digest.strip_prefix("sha256:").unwrap_or_default();
            !name.is_empty() && hash.len() == 64 && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        });
        Some(match pinned {
            Some((name, digest)) => Ok(Self { name: name.into(), digest: digest.into() }),
            None => Err(CodeError::new(
                "not-pinned",
                format!(
                    "'{text}' names an image that may change; append its digest: NAME@sha256:64 hexadecimal digits"
                ),
            )),
        })
    }

    /// The digest of the image's manifest or index.
    pub(crate) fn digest(&self) -> &str {
        &self.digest
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_pinned_or_refused() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        let text = format!("docker.io/library/token:1@{digest}");
        let reference = Reference::read(format!("{text}\n").as_bytes()).unwrap().unwrap();
        assert_eq!((reference.digest(), reference.to_string()), (&*digest, text));
        for loose in ["docker.io/library/token:1", "a/b@sha256:00", "a/b@sha512:00"] {
            assert_eq!(Reference::read(loose.as_bytes()).unwrap().unwrap_err().rule(), "not-pinned", "{loose}");
        }
        for other in [&b""[..], b"token", b"#!/bin/sh", b"\x7fELF", &[b'a'; 600], b"\xff/"] {
            assert!(Reference::read(other).is_none(), "{other:?}");
        }
    }
}
