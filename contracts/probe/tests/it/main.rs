//! The probe in the sandbox, and the same in real runtimes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod runtimes;
mod sandbox;
