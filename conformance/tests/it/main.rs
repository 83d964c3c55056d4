//! The runners, on tests of our own making and on those that others wrote.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod calls;
mod command;
mod ethereum;
mod fuzz;
mod lifecycle;
mod own;
mod wasm;
