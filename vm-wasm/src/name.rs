//! Names that modules bring along.

use vm_core::abridged;

/// The most characters of a name that are shown: as many as the name of a method may have.
const SHOWN: usize = 128;

/// A module's name for something, as it can be shown: in one line, and not at any length.
pub(crate) fn name(text: &str) -> String {
    abridged(text, SHOWN)
}

/// An import's full name.
pub(crate) fn import(module: &str, import: &str) -> String {
    format!("{}.{}", name(module), name(import))
}
