//! What is no module at all, and what ends too early.

use super::{GateConfig, Rule, Violation};

/// What the first bytes say: the cheapest check, with the most helpful messages.
pub(super) fn preamble(bytes: &[u8], config: &GateConfig) -> Result<(), Violation> {
    let limit = config.shape.module_bytes;
    if bytes.len() > limit {
        return Err(Violation::new(
            Rule::ModuleSize,
            format!("the module has {} bytes, {limit} are allowed", bytes.len()),
        ));
    }
    if bytes.is_empty() {
        return Err(Violation::new(Rule::NotWasm, "the code is empty"));
    }
    let looks_like = match bytes {
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => return Ok(()),
        [0, b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => {
            return Err(Violation::new(Rule::Component, "the code is a component, not a core module"));
        }
        [0, b'a', b's', b'm', _, _, _, _, ..] => {
            return Err(Violation::new(Rule::Malformed, "the version of the binary format is not 1").at(4));
        }
        _ if b"\0asm\x01\0\0\0".starts_with(bytes) => {
            return Err(Violation::new(Rule::Truncated, "the module ends in its header").at(bytes.len()));
        }
        [0x7f, b'E', b'L', b'F', ..] => ", it is an ELF executable",
        _ if is_text(bytes) => ", it looks like the text format",
        [b'!', b'<', b'a', b'r', b'c', b'h', b'>', ..] => ", it is a static library",
        [0x1f, 0x8b, ..] => ", it is compressed with gzip",
        [b'0', b'x', ..] => ", it looks like hexadecimal text",
        _ => "",
    };
    Err(Violation::new(Rule::NotWasm, format!("the code is not a WebAssembly module{looks_like}")).at(0))
}

/// Whether this begins as the text format does: with a parenthesis, perhaps after white space and comments.
fn is_text(bytes: &[u8]) -> bool {
    let text = bytes.trim_ascii_start();
    text.starts_with(b"(") || text.starts_with(b";;")
}

/// A decoder's error as a violation.
pub(super) fn undecodable(bytes: &[u8], error: &wasmparser::Error) -> Violation {
    let message = error.message();
    let ends = message.contains("unexpected end");
    let (rule, why) = if ends && reaches_end(bytes, error.offset()) {
        (Rule::Truncated, format!("the module ends too early, after {} bytes", bytes.len()))
    } else if message.contains("gc proposal") {
        (Rule::Gc, "managed types are not supported".into())
    } else {
        (Rule::Malformed, format!("the module cannot be decoded: {message}"))
    };
    Violation::new(rule, why).at(error.offset())
}

/// Whether the section at or before `offset` claims bytes beyond the end of the module.
fn reaches_end(bytes: &[u8], offset: usize) -> bool {
    let mut at = 8usize;
    while at < bytes.len() && at <= offset {
        let mut length = 0usize;
        let mut position = at + 1;
        let mut shift = 0;
        loop {
            let Some(byte) = bytes.get(position) else { return true };
            length |= usize::from(byte & 0x7f) << shift;
            position += 1;
            shift += 7;
            if byte & 0x80 == 0 || shift > 28 {
                break;
            }
        }
        at = position.saturating_add(length);
    }
    at > bytes.len()
}
