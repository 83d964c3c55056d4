//! What contract authors rely on, seen from outside.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "tests fail by panicking, and contracts are public"
)]

mod container;
mod macros;
mod sample;
mod sandbox;
mod storage;
