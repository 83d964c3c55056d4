//! Text of contracts and their authors, made fit to be shown.

use std::borrow::Cow;

/// Text in which nothing directs a terminal or begins a line of its own: control characters, and marks that turn the direction
/// of writing or break lines, are escaped as Rust writes them (`\n`, `\u{1b}`). Everything else stays as it is.
///
/// ```
/// assert_eq!(vm_core::printable("plain, ü"), "plain, ü");
/// assert_eq!(vm_core::printable("\u{1b}[31mred\r\n\u{202e}"), "\\u{1b}[31mred\\r\\n\\u{202e}");
/// ```
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    let is_unsafe = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(is_unsafe) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_unsafe(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown.into()
}

/// [`printable`] text of at most so many characters; what is longer ends in `…`, the last of them.
///
/// ```
/// assert_eq!(vm_core::abridged("transfer", 8), "transfer");
/// assert_eq!(vm_core::abridged("transfer_from", 8), "transfe…");
/// assert_eq!(vm_core::abridged("a\nb", 8), "a\\nb");
/// ```
#[must_use]
pub fn abridged(text: &str, most: usize) -> String {
    // What is not shown need not be escaped either: a character is never shown as less than one.
    let begin = text.char_indices().nth(most.saturating_add(1)).and_then(|(end, _)| text.get(..end)).unwrap_or(text);
    let shown = printable(begin);
    if shown.chars().nth(most).is_none() {
        return shown.into_owned();
    }
    shown.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}
