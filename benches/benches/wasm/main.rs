//! What WASM contracts pay for being contracts, against the bare engines: metering, a sandbox for each call, threads.
//!
//! An argument (`metering`, `sandbox`, `threads`) chooses one of them.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

mod engine;
mod metering;
mod sandbox;
mod threads;
mod transfer;

fn main() {
    let chosen: Vec<_> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let parts: [(&str, fn()); 3] = [("sandbox", sandbox::run), ("threads", threads::run), ("metering", metering::run)];
    for (name, run) in parts {
        if chosen.is_empty() || chosen.iter().any(|chosen| chosen == name) {
            run();
        }
    }
}
