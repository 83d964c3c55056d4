//! What compilers write behind a contract: a CBOR map, and its length in two bytes.

use serde::Serialize;

/// The compiler's note on itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Metadata {
    /// Where it begins in the given bytes.
    pub offset: usize,
    /// Its length in bytes, that of the length included.
    pub size: usize,
    /// The compiler and its version, such as `solc 0.8.30`.
    pub compiler: Option<String>,
    /// The address of the metadata file: `ipfs`, `bzzr0` or `bzzr1`, and the hash in hex.
    pub hash: Option<String>,
    /// True when experimental features of the compiler were used.
    pub experimental: bool,
}

impl Metadata {
    pub(super) fn at(mut self, base: usize) -> Self {
        self.offset += base;
        self
    }
}

/// The metadata at the end of `code`; none unless it is well-formed and names a compiler or a hash.
pub(super) fn find(code: &[u8]) -> Option<Metadata> {
    let (body, length) = code.split_last_chunk::<2>()?;
    let length = usize::from(u16::from_be_bytes(*length));
    let offset = body.len().checked_sub(length)?;
    let mut rest = body.get(offset..)?;
    let mut metadata = Metadata { offset, size: length + 2, compiler: None, hash: None, experimental: false };
    let Item::Map(entries) = item(&mut rest)? else { return None };
    for _ in 0..entries {
        let Item::Text(key) = item(&mut rest)? else { return None };
        match (key, item(&mut rest)?) {
            ("solc", Item::Bytes([major, minor, patch])) => {
                metadata.compiler = Some(format!("solc {major}.{minor}.{patch}"));
            }
            ("solc", Item::Text(version)) => metadata.compiler = Some(format!("solc {version}")),
            ("vyper", Item::Array(3)) => {
                let mut number = || match item(&mut rest)? {
                    Item::Number(n) => Some(n),
                    _ => None,
                };
                metadata.compiler = Some(format!("vyper {}.{}.{}", number()?, number()?, number()?));
            }
            ("ipfs" | "bzzr0" | "bzzr1", Item::Bytes(hash)) => {
                metadata.hash = Some(format!("{key} {}", hex::encode(hash)));
            }
            ("experimental", Item::Flag(on)) => metadata.experimental = on,
            (_, Item::Map(_) | Item::Array(_)) => return None,
            _ => {}
        }
    }
    (rest.is_empty() && (metadata.compiler.is_some() || metadata.hash.is_some())).then_some(metadata)
}

/// The kinds of CBOR (RFC 8949) that compilers use.
enum Item<'c> {
    Number(usize),
    Bytes(&'c [u8]),
    Text(&'c str),
    Array(usize),
    Map(usize),
    Flag(bool),
}

/// Takes one item off the front; of arrays and maps only the head.
fn item<'c>(rest: &mut &'c [u8]) -> Option<Item<'c>> {
    let (head, tail) = rest.split_first()?;
    *rest = tail;
    let argument = match head & 0x1f {
        small @ 0..=23 => usize::from(small),
        24 => {
            let (n, tail) = rest.split_first()?;
            *rest = tail;
            usize::from(*n)
        }
        25 => {
            let (n, tail) = rest.split_first_chunk::<2>()?;
            *rest = tail;
            usize::from(u16::from_be_bytes(*n))
        }
        _ => return None,
    };
    let mut take = || {
        let (bytes, tail) = rest.split_at_checked(argument)?;
        *rest = tail;
        Some(bytes)
    };
    match head >> 5 {
        0 => Some(Item::Number(argument)),
        2 => take().map(Item::Bytes),
        3 => take().and_then(|bytes| std::str::from_utf8(bytes).ok()).map(Item::Text),
        4 => Some(Item::Array(argument)),
        5 => Some(Item::Map(argument)),
        7 if argument == 20 || argument == 21 => Some(Item::Flag(argument == 21)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(code: &str) -> Option<Metadata> {
        find(&hex::decode(code).unwrap())
    }

    #[test]
    fn compilers_and_hashes() {
        let ipfs = "11".repeat(34);
        // {"ipfs": 34 bytes, "solc": 0.8.30}
        let solc = found(&format!("6000a264697066735822{ipfs}64736f6c634300081e0033")).unwrap();
        assert_eq!((solc.offset, solc.size), (2, 53));
        assert_eq!(solc.compiler.as_deref(), Some("solc 0.8.30"));
        assert_eq!(solc.hash, Some(format!("ipfs {ipfs}")));
        // {"experimental": true, "solc": "0.8.31-pre"}
        let early = found("a26c6578706572696d656e74616cf564736f6c636a302e382e33312d707265001f").unwrap();
        assert_eq!(early.compiler.as_deref(), Some("solc 0.8.31-pre"));
        assert!(early.experimental);
        // {"vyper": [0, 3, 9]}
        assert_eq!(found("a165767970657283000309000b").unwrap().compiler.as_deref(), Some("vyper 0.3.9"));
    }

    #[test]
    fn other_bytes_are_no_metadata() {
        for code in ["", "00", "0000", "a00001", "6000", "a164736f6c6343000800000b", "a164736f6c63430008000009"] {
            assert_eq!(found(code), None, "{code}");
        }
    }
}
