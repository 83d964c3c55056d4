//! Version 1 of the ABI between WASM contracts and the host, as documented in `docs/wasm-abi.md`; independent of engines.

mod frame;
pub(crate) mod import;
mod memory;
mod operation;

pub(crate) use self::frame::{AbiPrices, Frame, Stopped};
pub(crate) use self::operation::CallOperands;
