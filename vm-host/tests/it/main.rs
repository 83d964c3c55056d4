//! Integration tests of vm-host: configuration, persistent state, and the command line end to end.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod cli;
mod config;
mod conformance;
mod host;
mod managed;
mod store;
mod vault;
