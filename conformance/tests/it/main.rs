//! The runner, on states of our own making and, where they are, on Ethereum's.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod ethereum;
mod own;
