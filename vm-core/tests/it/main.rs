//! Tests of the machine as a whole, over contracts that are closures.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod absent;
mod access;
mod apart;
mod cache;
mod commit;
mod deadline;
mod denials;
mod dispatch;
mod dry_run;
mod governance;
mod history;
mod journal;
mod lifecycle;
mod log;
mod managed;
mod memory;
mod migrate;
mod quota;
mod races;
mod refusals;
mod script;
mod state_fault;
mod trace;
