//! Protobuf, as far as the probe needs it.

/// A field of type bytes, string or message.
pub fn bytes(number: u64, content: &[u8]) -> Vec<u8> {
    [plain(number << 3 | 2), plain(content.len() as u64), content.to_vec()].concat()
}

/// A field of a number type.
pub fn varint(number: u64, value: u64) -> Vec<u8> {
    [plain(number << 3), plain(value)].concat()
}

fn plain(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// Byte strings, each after its length.
pub fn packed<const N: usize>(keys: [&[u8]; N]) -> Vec<u8> {
    keys.into_iter().flat_map(|key| [&(key.len() as u32).to_le_bytes()[..], key].concat()).collect()
}

/// The content of a field of type bytes; empty if it is not there.
pub fn field(message: &[u8], wanted: u64) -> Vec<u8> {
    let mut found = Vec::new();
    walk(message, |field, content, _| {
        if field == wanted && found.is_empty() {
            found = content.to_vec();
        }
    });
    found
}

/// The value of a field of a number type; 0 if it is not there.
pub fn number(message: &[u8], wanted: u64) -> u64 {
    let mut found = 0;
    walk(message, |field, _, value| {
        if field == wanted {
            found = value;
        }
    });
    found
}

/// How often a field of type bytes or message is there.
pub fn fields(message: &[u8], wanted: u64) -> usize {
    let mut count = 0;
    walk(message, |field, _, _| count += usize::from(field == wanted));
    count
}

/// Visits each field with its number, its content, and its value: the length of the content if it has one.
fn walk(message: &[u8], mut visit: impl FnMut(u64, &[u8], u64)) {
    let mut at = 0;
    while at < message.len() {
        let key = take(message, &mut at);
        let value = take(message, &mut at);
        let length = if key & 7 == 2 { value as usize } else { 0 };
        visit(key >> 3, &message[at..at + length], value);
        at += length;
    }
}

fn take(message: &[u8], at: &mut usize) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let byte = message[*at];
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
}
