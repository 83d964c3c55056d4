//! The ABI of ChainMaker's WASM contracts, so that published contracts in Rust and TinyGo run as they are.
//!
//! Such a contract exports a function for each method and asks the host for everything through `sys_call`, in a codec of its
//! own. The instrumenter generates an [entry](Exports::entry) that calls the method that is asked for; the [`Adapter`] makes
//! the parameters that it gets; what comes back, comes by sys_calls.

mod adapter;
mod cross_call;
mod easycodec;
mod entry;
mod event;
mod import;
mod interface;
mod iterator;
mod parameters;
mod session;
mod state;
mod sys_call;

pub(crate) use self::adapter::{Adapter, Opening};
pub(crate) use self::entry::{Exports, is_method, units};
pub(crate) use self::import::{MODULE, PARAMETERS, PARAMETERS_INDEX, find, is_of_cpp, is_own, names};
pub(crate) use self::session::Session;
