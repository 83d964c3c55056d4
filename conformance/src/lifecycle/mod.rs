//! Random lives of contracts: sequences of all verbs by random actors, as requests, as transactions of system contracts, and by
//! proposals that several approve, on native and WASM contracts over the embedded store, with crashes before a commit, after it, and in the middle of its bytes. After each, what the machine answered,
//! and its state, histories and policies, have to be what a model says that was written without looking at it.
//!
//! `cargo xtask fuzz lifecycle` is how to run it.

mod crash;
mod machine;
mod model;
mod request;
mod run;
mod step;

pub use run::{Failure, Report, replay, run};
