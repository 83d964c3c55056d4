//! What contracts pay for living in containers, against bare containers and bare sockets: warm calls, cold starts, bursts,
//! processes for each call.
//!
//! An argument (`warm`, `cold`, `burst`, `isolation`) chooses one of them. The bench fails when a goal is missed, and says which. Needs
//! the rights of root, containerd and runc; it starts a containerd of its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
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

use std::process::ExitCode;

use place::Place;

/// A goal that was missed.
type Missed = String;

fn main() -> ExitCode {
    let chosen: Vec<_> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    if let Some(missing) = place::missing() {
        println!("skipped: {missing}");
        return ExitCode::SUCCESS;
    }
    if chosen == [warm::HERE] {
        return end(&warm::run(&Place::new()));
    }
    let wanted = |name: &str| chosen.is_empty() || chosen.iter().any(|chosen| chosen == name);
    let mut missed = Vec::new();
    let mut add =
        |name: &str, goals: Vec<Missed>| missed.extend(goals.into_iter().map(|goal| format!("{name}: {goal}")));
    if wanted("warm") {
        add("warm", warm::on_one_processor());
    }
    if chosen != ["warm"] {
        let place = Place::new();
        if wanted("cold") {
            add("cold", cold::run(&place));
        }
        if wanted("burst") {
            add("burst", burst::run(&place));
        }
        if wanted("isolation") {
            isolation::run(&place);
        }
    }
    end(&missed)
}

fn end(missed: &[Missed]) -> ExitCode {
    missed.iter().for_each(|goal| println!("missed: {goal}"));
    if missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
