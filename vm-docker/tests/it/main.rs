//! Contracts in real containers. The tests start a containerd of their own; where containerd, runc or the rights of root
//! are missing they are skipped, and say so.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]
#![allow(clippy::disallowed_methods, reason = "tests bound how long they wait")]

mod calls;
mod concurrency;
mod confinement;
mod cycles;
mod daemon;
mod daemon_faults;
mod disk;
mod documentation;
mod faults;
mod images;
mod isolation;
mod killed;
mod leftovers;
mod managed;
mod nested;
mod pool;
mod python;
mod room;
mod telling;
mod token;
mod warm;
mod world;
