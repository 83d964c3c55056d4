//! Transfers on one thread and on two at a time: contracts, and the bare engine with other settings of its pool.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use vm_wasm::EngineKind;

use crate::transfer::{Transfer, contract, module, through};

/// Calls that each thread makes in a round, and rounds: the least disturbed one counts.
const CALLS: u32 = 2_000;
const ROUNDS: usize = 60;

/// As workers have: on a smaller one, every call of a compiled contract would have a stack added.
const STACK: usize = 64 << 20;

/// Prints a table.
pub(crate) fn run() {
    println!("{:<48}{:>12}{:>12}{:>10}", "calls a second", "1 thread", "2 threads", "ratio");
    for pages in [1, 17] {
        let module = module(pages);
        for engine in EngineKind::ALL.iter().filter(|engine| matches!(engine.as_str(), "wasmi" | "wasmtime")) {
            let contract = contract(*engine, &module);
            print(&format!("contract on {engine}, {pages} pages"), || through(contract.clone()));
        }
        #[cfg(feature = "wasmtime")]
        for (kept, batch, copy_on_write) in
            [(64, 64, true), (64, 1, true), (0, 1, true), (0, 64, true), (2_048, 1, true), (64, 64, false)]
        {
            let engine = crate::transfer::pool(kept << 10, batch, copy_on_write);
            let copy = if copy_on_write { "" } else { ", no copy-on-write" };
            let name = format!("wasmtime, {pages} pages, keeps {kept} KiB, {batch} at once{copy}");
            print(&name, || crate::transfer::bare_wasmtime(&engine, &module));
        }
    }
    println!();
}

fn print(name: &str, transfer: impl Fn() -> Transfer) {
    let (mut one, mut two) = (Duration::MAX, Duration::MAX);
    let (mut first, mut second) = (transfer(), transfer());
    for _ in 0..ROUNDS {
        one = one.min(time(&mut [&mut first]));
        two = two.min(time(&mut [&mut first, &mut second]));
    }
    let rate = |threads: f64, time: Duration| threads * f64::from(CALLS) / time.as_secs_f64();
    let (one, two) = (rate(1.0, one), rate(2.0, two));
    println!("{name:<48}{one:>12.0}{two:>12.0}{:>10.2}", two / one);
}

/// The time until all threads have made their calls, from when all are ready.
fn time(transfers: &mut [&mut Transfer]) -> Duration {
    let barrier = Barrier::new(transfers.len());
    let ran = |transfer: &mut Transfer| {
        barrier.wait();
        #[allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
        let started = Instant::now();
        (0..CALLS).for_each(|_| transfer());
        started.elapsed()
    };
    std::thread::scope(|scope| {
        let worker = || std::thread::Builder::new().stack_size(STACK);
        let threads = transfers.iter_mut().map(|transfer| worker().spawn_scoped(scope, || ran(transfer)).unwrap());
        let threads: Vec<_> = threads.collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).max().unwrap_or_default()
    })
}
