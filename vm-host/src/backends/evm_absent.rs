//! What stands for the EVM in a build without it.

use std::io::Write;

use vm_core::Code;

use crate::HostError;
use crate::code::{Analysis, CodeFile, Loaded};
use crate::config::Config;

/// There is nothing to trace.
pub(crate) type Tracing = ();

/// Nothing is written.
pub(crate) fn tracing(_sink: impl Write + Send + 'static) -> Tracing {}

fn absent<T>() -> Result<T, HostError> {
    Err(HostError::Absent { what: "the runtime \"evm\"".to_owned(), feature: "evm" })
}

/// No code is read.
pub(crate) fn code(_config: &Config, _file: &CodeFile) -> Result<Loaded, HostError> {
    absent()
}

/// No code is analysed.
pub(crate) fn analysis(_config: &Config, _code: &Code) -> Result<Analysis, HostError> {
    absent()
}
