//! State with types. Each [`Item`] and [`Map`] has a name, and the names keep their keys apart: a key is
//! `[length of the name][name][borsh of the map's key]`, with the length's top bit set for a map. No key is the beginning
//! of another one's name, whatever the names are.

mod item;
mod map;

pub use item::Item;
pub use map::Map;

/// The start of the keys of an item or a map.
#[derive(Debug, Clone, Copy)]
struct Prefix {
    tag: u8,
    name: &'static str,
}

impl Prefix {
    const fn item(name: &'static str) -> Self {
        assert!(!name.is_empty() && name.len() < 128, "a name has 1 to 127 bytes");
        #[allow(clippy::cast_possible_truncation, reason = "below 128")]
        let tag = name.len() as u8;
        Self { tag, name }
    }

    const fn map(name: &'static str) -> Self {
        let Self { tag, name } = Self::item(name);
        Self { tag: tag | 0x80, name }
    }

    fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64);
        bytes.push(self.tag);
        bytes.extend_from_slice(self.name.as_bytes());
        bytes
    }
}
