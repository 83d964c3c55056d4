//! Sixty-four callers at once, and few containers, or none, when they come.

use std::{sync::Barrier, thread, time::Duration};

use futures_executor::block_on;
use vm_core::RuntimeProvider;
use vm_docker::DockerRuntime;

use crate::{
    Missed,
    percentiles::{Times, heading, time},
    place::{Caller, Place, detail, probe},
};

const CALLERS: usize = 64;
const BURSTS: usize = 20;

/// Turns of the longer call's loop: some milliseconds.
const TURNS: u64 = 1_000_000;

/// After this time without a call, containers above the least number leave: longer than a burst has calls for only some of them.
const IDLE: Duration = Duration::from_millis(400);

pub(crate) fn run(place: &Place) -> Vec<Missed> {
    heading("64 callers at once", "ms");
    let mut missed = Vec::new();
    for (pool_min, pool_max, concurrency) in [(0, 2, 1), (0, 4, 1), (1, 2, 1), (1, 4, 1), (1, 2, 4)] {
        for (what, method, input) in
            [("count", "count", b"\x01\0\0\0k".to_vec()), ("compute", "compute", TURNS.to_le_bytes().to_vec())]
        {
            let runtime = place.runtime(|config| {
                (config.pool_min, config.pool_max, config.concurrency) = (pool_min, pool_max, concurrency);
                config.pool_idle = IDLE;
            });
            let caller = Caller::of(&runtime, &probe(), method, &input);
            let alone = time(|| caller.call()).0;
            let (mut times, mut starts) = (Times::default(), Vec::new());
            for _ in 0..BURSTS {
                wait_for_containers(&runtime, pool_min);
                let before = detail(&runtime, "started");
                times.extend(burst(&caller));
                starts.push(detail(&runtime, "started") - before);
            }
            let name = format!("{what}, pool_min {pool_min}, pool_max {pool_max}, concurrency {concurrency}");
            times.print(&name, 1000.0, None);
            let (least, most) = (starts.iter().min().unwrap(), starts.iter().max().unwrap());
            println!("{:<44}{least} to {most} starts in a burst; one call alone {:.2} ms", "", alone / 1000.0);
            let allowed = (pool_max - pool_min) as u64;
            if *most > allowed {
                missed.push(format!("{name}: a burst waited for {most} starts, and {allowed} are allowed"));
            }
            block_on(runtime.stop()).unwrap();
        }
    }
    println!();
    missed
}

/// Waits until no containers are left but those that are kept ready.
fn wait_for_containers(runtime: &DockerRuntime, count: usize) {
    while detail(runtime, "containers") != count as u64 {
        thread::park_timeout(Duration::from_millis(2));
    }
}

/// What each of the callers waits for its answer.
fn burst(caller: &Caller) -> Vec<f64> {
    let barrier = Barrier::new(CALLERS);
    thread::scope(|scope| {
        let call = || {
            barrier.wait();
            time(|| caller.call()).0
        };
        let threads: Vec<_> = (0..CALLERS).map(|_| scope.spawn(call)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}
