//! What WASM contracts pay for being contracts: metering, against the bare engines.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

mod engine;
mod metering;

fn main() {
    metering::run();
}
