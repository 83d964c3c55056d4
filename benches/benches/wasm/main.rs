//! What WASM contracts pay for being contracts, against the bare engines: metering, a sandbox for each call, threads.
//!
//! An argument (`metering`, `sandbox`, `threads`) chooses one of them. The bench fails when a ratio misses its goal, and says which.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

mod engine;
mod metering;
mod sandbox;
mod threads;
mod transfer;

use std::process::ExitCode;

/// A goal that was missed.
type Missed = String;

fn main() -> ExitCode {
    let chosen: Vec<_> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    type Part = (&'static str, fn() -> Vec<Missed>);
    let parts: [Part; 3] = [("sandbox", sandbox::run), ("threads", threads::run), ("metering", metering::run)];
    let mut missed = Vec::new();
    for (name, run) in parts {
        if chosen.is_empty() || chosen.iter().any(|chosen| chosen == name) {
            missed.extend(run().into_iter().map(|goal| format!("{name}: {goal}")));
        }
    }
    missed.iter().for_each(|goal| println!("missed: {goal}"));
    if missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
