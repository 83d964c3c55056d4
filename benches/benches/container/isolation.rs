//! What a process for each call costs: by the library in a container that stays, and by a new container.

use futures_executor::block_on;
use vm_core::{Code, RuntimeKind, RuntimeProvider};

use crate::{
    percentiles::{Times, heading, time},
    place::{Caller, Place, probe},
};

const ROUNDS: usize = 20;

/// Calls of a turn where they take microseconds.
const TURN: usize = 50;

/// The same where they take a container: the first finds one that waits.
const FEW: usize = 4;

pub(crate) fn run(place: &Place) {
    let runtime = place.runtime(|_| {});
    let count = |code: &Code| Caller::of(&runtime, code, "count", b"\x01\0\0\0k");
    let kept = count(&probe());
    let fresh = count(&probe().with_option("isolation", "call"));
    let program = Code::new(RuntimeKind::Docker, place.plain.clone()).with_option("isolation", "call");
    let container = count(&program);
    let [mut keeping, mut forking, mut starting] = [(); 3].map(|()| Times::default());
    for _ in 0..ROUNDS {
        keeping.extend((0..TURN).map(|_| time(|| kept.call()).0));
        forking.extend((0..TURN).map(|_| time(|| fresh.call()).0));
        starting.extend((0..FEW).map(|_| time(|| container.call()).0));
    }
    heading("one call after the other", "us");
    keeping.print("isolation = contract", 1.0, None);
    forking.print("isolation = call, vm-sdk's process for each", 1.0, Some(&keeping));
    starting.print("isolation = call, a container for each", 1.0, Some(&keeping));
    println!();
    block_on(runtime.stop()).unwrap();
}
