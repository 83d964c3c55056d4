//! Keys and values. A key of the state is `key`, or `key#field`.

use bytes::Bytes;

use super::sys_call::{Answer, Body, Fail, refused};
use crate::abi::Frame;

/// The longest key, and the longest field, in bytes.
const PART_BYTES: usize = 1024;

/// Between key and field; neither contains it.
pub(super) const SEPARATOR: u8 = b'#';

/// Checks a key, or a field that is there.
fn check(what: &str, part: &str) -> Result<(), Fail> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if part.len() > PART_BYTES {
        return refused(format!("the {what} has {} bytes, {PART_BYTES} are allowed", part.len()));
    }
    if !part.bytes().all(allowed) {
        let shown: String = part.chars().take(40).collect();
        return refused(format!("the {what} {shown:?} has characters other than a-z A-Z 0-9 . _ -"));
    }
    Ok(())
}

/// The key of the state that two operands give.
pub(super) fn state_key(body: &Body<'_>, key: &str, field: &str) -> Result<Vec<u8>, Fail> {
    let (key_text, field_text) = (body.text(key)?, body.text(field)?);
    if key_text.is_empty() {
        return refused(format!("the {key} is empty"));
    }
    check(key, key_text)?;
    check(field, field_text)?;
    let mut whole = key_text.as_bytes().to_vec();
    if !field_text.is_empty() {
        whole.push(SEPARATOR);
        whole.extend_from_slice(field_text.as_bytes());
    }
    Ok(whole)
}

impl Frame<'_> {
    /// The value of a key; empty when there is none.
    pub(super) fn get_state(&mut self, body: &Body<'_>) -> Result<Bytes, Fail> {
        let key = state_key(body, "key", "field")?;
        Ok(self.host.get(&key)?.unwrap_or_default())
    }

    pub(super) fn put_state(&mut self, body: &Body<'_>) -> Result<Answer, Fail> {
        let key = state_key(body, "key", "field")?;
        self.host.put(&key, body.bytes("value")?)?;
        Ok(Answer::Nothing)
    }

    pub(super) fn delete_state(&mut self, body: &Body<'_>) -> Result<Answer, Fail> {
        let key = state_key(body, "key", "field")?;
        self.host.delete(&key)?;
        Ok(Answer::Nothing)
    }
}
