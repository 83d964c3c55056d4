//! What contracts pay for living in containers, against bare containers and bare sockets: warm calls, cold starts, bursts,
//! processes for each call.
//!
//! An argument (`warm`, `cold`, `burst`, `isolation`) chooses one of them. Needs the rights of root, containerd and runc; it starts a
//! containerd of its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a benchmark fails by panicking, and reads the clock"
)]

mod bare;
mod burst;
mod cold;
mod isolation;
mod percentiles;
mod place;
mod warm;

use place::Place;

fn main() {
    let chosen: Vec<_> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    if let Some(missing) = place::missing() {
        println!("skipped: {missing}");
        return;
    }
    if chosen == [warm::HERE] {
        return warm::run(&Place::new());
    }
    let wanted = |name: &str| chosen.is_empty() || chosen.iter().any(|chosen| chosen == name);
    if wanted("warm") {
        warm::on_one_processor();
    }
    if chosen == ["warm"] {
        return;
    }
    let place = Place::new();
    if wanted("cold") {
        cold::run(&place);
    }
    if wanted("burst") {
        burst::run(&place);
    }
    if wanted("isolation") {
        isolation::run(&place);
    }
}
