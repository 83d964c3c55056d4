//! Random lives of contracts: sequences of all verbs by random actors, as requests, as transactions of system contracts, and by
//! proposals that some make and others approve, reject, carry out or clear away, over the embedded store, with crashes before a commit, after it, and in the middle of its bytes. The
//! contracts have native and WASM code, two of each that behave visibly differently.
//!
//! A model that was written without looking at the machine says what has to become of each step: the answer, word for word; whom observers
//! are told of, with the rule that refused them; what a dry run sees of calls with and without what it tries, and that it changes nothing;
//! and records, versions, histories and policies, whole. The machine has to agree after each step, and after each restart.
//!
//! `cargo xtask fuzz lifecycle` is how to run it.

mod answer;
mod crash;
mod lives;
mod machine;
mod model;
mod program;
mod request;
mod run;
mod step;

pub use run::{Failure, Report, replay, run};
