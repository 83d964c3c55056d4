//! The EVM runtime inside a machine, alone and next to contracts of another runtime.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]
#![allow(unreachable_pub, reason = "a test binary has no outside")]

mod accounts;
mod analysis;
mod artefacts;
mod artifact;
mod bounds;
mod call_tree;
mod calls;
mod deploy;
mod ethereum;
mod foreign;
mod forks;
mod interface;
mod limits;
mod machine;
mod native;
mod openzeppelin;
mod rules;
mod script;
mod token;
mod trace;
mod trees;
mod upgrade;
mod words;
