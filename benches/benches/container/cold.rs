//! From nothing warm to the first answer, against the bare life of the same container.

use std::time::Duration;

use futures_executor::block_on;
use vm_core::RuntimeProvider;

use crate::{
    Missed,
    bare::Bare,
    percentiles::{Times, heading, time},
    place::{Caller, Place, detail},
};

const ROUNDS: usize = 40;

/// How often the OCI runtime's own part is looked at.
const LOOKS: usize = 10;

const MILLISECONDS: f64 = 1000.0;

/// What the issue asks for.
const GOAL: f64 = 1.2;

pub(crate) fn run(place: &Place) -> Vec<Missed> {
    let bare = Bare::like_one_of_ours(place);
    let runtime = place.runtime(|config| {
        config.pool_min = 0;
        config.pool_idle = Duration::from_millis(1);
    });
    let caller = Caller::counting(&runtime);
    let [mut create, mut start, mut delete, mut whole, mut ours] = [(); 5].map(|()| Times::default());
    for _ in 0..ROUNDS {
        let phases = bare.life();
        for (times, phase) in [&mut create, &mut start, &mut delete].into_iter().zip(phases) {
            times.add(phase);
        }
        whole.add(phases.iter().sum());
        while detail(&runtime, "containers") > 0 {
            std::thread::park_timeout(Duration::from_millis(2));
        }
        ours.add(time(|| caller.call()).0);
    }
    heading("cold start", "ms");
    whole.print("bare create, start, delete", MILLISECONDS, None);
    ours.print("first answer of a contract of vm-sdk", MILLISECONDS, Some(&whole));
    println!("goal: {GOAL} at p50; of the bare container:");
    for (name, times) in [("  create", &create), ("  start", &start), ("  delete", &delete)] {
        times.print(name, MILLISECONDS, Some(&whole));
    }
    let mut in_runtime = Times::default();
    in_runtime.extend((0..LOOKS).map(|_| bare.life_in_runtime()));
    in_runtime.print("  of all of it, in runc", MILLISECONDS, Some(&whole));
    println!();
    block_on(runtime.stop()).unwrap();
    ours.missed("the first answer", &whole, GOAL)
}
