//! Tests of the WASM runtime in a whole machine, over contracts in the text format.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod abi;
mod analysis;
mod bounds;
mod calls;
mod contracts;
mod document;
mod gas;
mod gate;
mod lifecycle;
mod machine;
mod traps;
