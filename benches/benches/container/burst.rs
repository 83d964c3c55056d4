//! Sixty-four callers at once, and few containers.

use std::sync::Barrier;

use futures_executor::block_on;
use vm_core::RuntimeProvider;

use crate::{
    percentiles::{Times, heading, time},
    place::{Caller, Place, detail, probe},
};

const CALLERS: usize = 64;
const BURSTS: usize = 30;

/// Turns of the longer call's loop: some milliseconds.
const TURNS: u64 = 1_000_000;

pub(crate) fn run(place: &Place) {
    heading("64 callers at once", "ms");
    for (pool_max, concurrency) in [(2, 1), (4, 1), (2, 4)] {
        for (what, method, input) in
            [("count", "count", b"\x01\0\0\0k".to_vec()), ("compute", "compute", TURNS.to_le_bytes().to_vec())]
        {
            let runtime = place.runtime(|config| (config.pool_max, config.concurrency) = (pool_max, concurrency));
            let caller = Caller::of(&runtime, &probe(), method, &input);
            let alone = time(|| caller.call()).0;
            let mut times = Times::default();
            for _ in 0..BURSTS {
                times.extend(burst(&caller));
            }
            let starts = detail(&runtime, "started");
            let name = format!("{what}, pool_max {pool_max}, concurrency {concurrency}");
            times.print(&name, 1000.0, None);
            println!("{:<44}{starts} starts; one call alone {:.2} ms", "", alone / 1000.0);
            block_on(runtime.stop()).unwrap();
        }
    }
    println!();
}

/// What each of the callers waits for its answer.
fn burst(caller: &Caller) -> Vec<f64> {
    let barrier = Barrier::new(CALLERS);
    std::thread::scope(|scope| {
        let call = || {
            barrier.wait();
            time(|| caller.call()).0
        };
        let threads: Vec<_> = (0..CALLERS).map(|_| scope.spawn(call)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}
