//! EasyCodec: the map of names to typed values in which ChainMaker's contracts and their host talk.
//!
//! `[16 bytes: "cmec", "v1.0", 8 times FF] count { key type, key length, key, value type, value length, value }`, all numbers
//! `u32` in little-endian order. The first 16 bytes may be missing; this host never writes them.

/// What may stand in front.
const HEADER: [u8; 16] = *b"cmecv1.0\xff\xff\xff\xff\xff\xff\xff\xff";

/// Data of this length and below is an empty map, whatever it is: no entry is shorter.
const EMPTY: usize = 20;

/// The most entries of a map: parameters, given and added, are fewer.
const MOST: usize = 64;

/// The bytes of an entry beside key and value.
const ENTRY: usize = 16;

/// A value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Int(i32),
    /// Text: should be UTF-8, but nobody guarantees it.
    Text(&'a [u8]),
    Bytes(&'a [u8]),
}

/// An entry of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Item<'a> {
    /// Whether the SDK itself put it there, not the contract's author. Never decides anything.
    pub(crate) system: bool,
    pub(crate) key: &'a [u8],
    pub(crate) value: Value<'a>,
}

impl<'a> Item<'a> {
    /// An entry as contracts and callers make them.
    pub(crate) const fn user(key: &'a str, value: Value<'a>) -> Self {
        Self { system: false, key: key.as_bytes(), value }
    }
}

/// Data that is no EasyCodec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the data is not EasyCodec: {0}")]
pub(crate) struct Malformed(pub(super) &'static str);

/// Reads a map. Entries stay in their order; bytes behind the last are ignored.
pub(crate) fn decode(data: &[u8]) -> Result<Vec<Item<'_>>, Malformed> {
    let mut rest = data.strip_prefix(&HEADER).unwrap_or(data);
    if data.len() <= EMPTY {
        return Ok(Vec::new());
    }
    let count = number(&mut rest)? as usize;
    if count > rest.len() / ENTRY {
        return Err(Malformed("it has fewer entries than it says"));
    }
    if count > MOST {
        return Err(Malformed("it has more than 64 entries"));
    }
    (0..count).map(|_| item(&mut rest)).collect()
}

/// Writes a map, in the order of the entries.
pub(crate) fn encode(items: &[Item<'_>]) -> Vec<u8> {
    let size: usize =
        items.iter().map(|item| ENTRY.saturating_add(item.key.len()).saturating_add(size(item.value))).sum();
    let mut out = Vec::with_capacity(size.saturating_add(4));
    let length = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    out.extend_from_slice(&length(items.len()));
    for Item { system, key, value } in items {
        out.extend_from_slice(&u32::from(!system).to_le_bytes());
        out.extend_from_slice(&length(key.len()));
        out.extend_from_slice(key);
        let int;
        let (kind, bytes): (u32, &[u8]) = match value {
            Value::Int(number) => {
                int = number.to_le_bytes();
                (0, &int)
            }
            Value::Text(text) => (1, text),
            Value::Bytes(bytes) => (2, bytes),
        };
        out.extend_from_slice(&kind.to_le_bytes());
        out.extend_from_slice(&length(bytes.len()));
        out.extend_from_slice(bytes);
    }
    out
}

const fn size(value: Value<'_>) -> usize {
    match value {
        Value::Int(_) => 4,
        Value::Text(bytes) | Value::Bytes(bytes) => bytes.len(),
    }
}

fn item<'a>(rest: &mut &'a [u8]) -> Result<Item<'a>, Malformed> {
    let system = match number(rest)? {
        0 => true,
        1 => false,
        _ => return Err(Malformed("a key has an unknown type")),
    };
    let key = part(rest)?;
    let kind = number(rest)?;
    let bytes = part(rest)?;
    let value = match kind {
        0 => {
            Value::Int(bytes.try_into().map(i32::from_le_bytes).map_err(|_| Malformed("a number has not four bytes"))?)
        }
        1 => Value::Text(bytes),
        2 => Value::Bytes(bytes),
        _ => return Err(Malformed("a value has an unknown type")),
    };
    Ok(Item { system, key, value })
}

fn part<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Malformed> {
    let length = number(rest)? as usize;
    let (part, after) = rest.split_at_checked(length).ok_or(Malformed("a length reaches beyond the end"))?;
    *rest = after;
    Ok(part)
}

fn number(rest: &mut &[u8]) -> Result<u32, Malformed> {
    let (bytes, after) = rest.split_first_chunk().ok_or(Malformed("it ends too early"))?;
    *rest = after;
    Ok(u32::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The example of the format's description.
    #[test]
    fn known_bytes() {
        let items = [Item::user("__context_ptr__", Value::Bytes(b"0")), Item::user("key", Value::Bytes(b"k1"))];
        let hex = "02000000 01000000 0f000000 5f5f636f6e746578745f7074725f5f 02000000 01000000 30
            01000000 03000000 6b6579 02000000 02000000 6b31";
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        let bytes: Vec<u8> =
            digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect();
        assert_eq!(encode(&items), bytes);
        assert_eq!(decode(&bytes).unwrap(), items);
        assert_eq!(decode(&[&HEADER[..], &bytes].concat()).unwrap(), items, "the header is optional");
    }

    #[test]
    fn what_is_no_map() {
        assert_eq!(decode(&[0xff; 20]), Ok(Vec::new()), "too short for an entry");
        for (bytes, why) in [
            (&[0xff; 21][..], "fewer entries"),
            (&[&[1, 0, 0, 0, 2, 0, 0, 0][..], &[0; 20]].concat(), "a key has"),
            (&[&[1, 0, 0, 0, 1, 0, 0, 0][..], &[9; 20]].concat(), "beyond the end"),
            (&[&[1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0][..], &[0; 8]].concat(), "a value has"),
            (&[&[1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &[0; 8]].concat(), "four bytes"),
        ] {
            assert!(decode(bytes).unwrap_err().to_string().contains(why), "{bytes:?}: {:?}", decode(bytes));
        }
    }

    proptest! {
        #[test]
        fn decoding_reverses_encoding(
            entries in prop::collection::vec((any::<bool>(), "[a-z_]{1,12}", 0..3u8, prop::collection::vec(any::<u8>(), 0..40), any::<i32>()), 0..8),
            header in any::<bool>(),
            tail in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            let items: Vec<_> = entries.iter().map(|(system, key, kind, bytes, number)| {
                let value = match kind { 0 => Value::Int(*number), 1 => Value::Text(bytes), _ => Value::Bytes(bytes) };
                Item { system: *system, key: key.as_bytes(), value }
            }).collect();
            let mut bytes = if header { HEADER.to_vec() } else { Vec::new() };
            bytes.extend(encode(&items));
            if !items.is_empty() {
                bytes.extend(tail);
            }
            prop_assert_eq!(decode(&bytes), Ok(items));
        }

        #[test]
        fn garbage_is_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(items) = decode(&bytes) {
                prop_assert!(items.len() <= bytes.len() / ENTRY);
            }
        }
    }
}
