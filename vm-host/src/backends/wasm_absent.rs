//! A build without WebAssembly.

use vm_core::Code;

use crate::HostError;
use crate::code::Analysis;
use crate::config::Config;

pub(crate) fn analysis(_config: &Config, _code: &Code) -> Result<Analysis, HostError> {
    Err(HostError::Absent { what: "the runtime \"wasm\"".to_owned(), feature: "wasm" })
}
