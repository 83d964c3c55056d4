//! The bare engines: what a transfer costs when nothing is around the engine. The floors that the benchmarks compare
//! with; no journal, no gas schedule, no call stack, no receipt.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "tests fail by panicking"
    )
)]

pub mod bare_revm;
pub mod bare_wasmi;
pub mod host;
pub mod solidity;
pub mod turns;
