//! The content of a file: a header, and the code.
//!
//! | bytes | |
//! |---|---|
//! | 0..8 | `VMWASMCC` |
//! | 8..12 | the format's version, little-endian |
//! | 12..44 | the key |
//! | 44..52 | the length of the code, little-endian |
//! | 52..84 | SHA-256 of everything above and the code |
//! | 84.. | the code |

use std::io;

use sha2::{Digest, Sha256};

use super::Key;

const MAGIC: &[u8; 8] = b"VMWASMCC";
const FORMAT: u32 = 1;
const CHECKED: usize = 52;
const HEADER: usize = 84;

/// Why an entry is not used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    /// There is none.
    #[error("there is none")]
    Absent,
    #[error("it cannot be read: {0}")]
    Unreadable(io::Error),
    #[error("{0}")]
    Foreign(&'static str),
    #[error("its checksum is wrong")]
    Checksum,
    #[error("the engine does not load it: {0}")]
    Engine(String),
}

/// The content of a file with this code.
pub(super) fn encode(key: &Key, code: &[u8]) -> Vec<u8> {
    let mut file = Vec::with_capacity(HEADER + code.len());
    file.extend_from_slice(MAGIC);
    file.extend_from_slice(&FORMAT.to_le_bytes());
    file.extend_from_slice(&key.0);
    file.extend_from_slice(&(code.len() as u64).to_le_bytes());
    let checksum = checksum(&file, code);
    file.extend_from_slice(&checksum);
    file.extend_from_slice(code);
    file
}

/// The code in a file, if the file is what was written under this key.
pub(super) fn decode<'f>(key: &Key, file: &'f [u8]) -> Result<&'f [u8], Unusable> {
    let foreign = |what| Err(Unusable::Foreign(what));
    let Some((header, code)) = file.split_at_checked(HEADER) else {
        return foreign("it is shorter than its header");
    };
    let Some((checked, expected)) = header.split_at_checked(CHECKED) else {
        return foreign("it is shorter than its header");
    };
    let Some((magic, rest)) = checked.split_first_chunk::<8>() else { return foreign("it has no header") };
    let Some((format, rest)) = rest.split_first_chunk::<4>() else { return foreign("it has no header") };
    let Some((own, length)) = rest.split_first_chunk::<32>() else { return foreign("it has no header") };
    if magic != MAGIC {
        return foreign("it is no compiled code");
    }
    if u32::from_le_bytes(*format) != FORMAT {
        return foreign("its format is another version's");
    }
    if *own != key.0 {
        return foreign("it is the code of another module or engine");
    }
    if *length != (code.len() as u64).to_le_bytes() {
        return foreign("its length is wrong");
    }
    if checksum(checked, code) != *expected { Err(Unusable::Checksum) } else { Ok(code) }
}

fn checksum(header: &[u8], code: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(header).chain_update(code).finalize().into()
}
