//! Transfers on one thread and on two at a time: contracts, and the bare engine with other settings of its pool. Beside them
//! what two threads reach that only compute, in the same rounds: no contract can do better.
//!
//! Everything is measured in several passes, one after the other, and its best pass counts: another process on one of the two processors
//! slows two threads more than one, for seconds or minutes, and nothing makes two threads faster than they are. So a goal is missed when
//! no pass reaches it. What the worst pass gave is printed beside it.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use vm_wasm::EngineKind;

use crate::Missed;
use crate::transfer::{Transfer, contract, module, through};

/// Calls that each thread makes in a round.
const CALLS: u32 = 1_000;
/// Passes; rounds of each, and how many of those count: in which what only computes was disturbed least.
const PASSES: usize = 5;
const ROUNDS: usize = 60;
const COUNTED: usize = 15;

/// As workers have: on a smaller one, every call of a compiled contract would have a stack added.
const STACK: usize = 64 << 20;

/// What two threads that call contracts reach at least of one.
const RATIO: f64 = 1.7;

/// Prints a table.
pub(crate) fn run() -> Vec<Missed> {
    let cpus: Vec<_> = sched_getaffinity(None)
        .map(|set| (0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).take(2).collect())
        .unwrap_or_default();
    let &[first, second] = cpus.as_slice() else {
        println!("threads: skipped, there is one processor only\n");
        return Vec::new();
    };
    let mut measured: Vec<(Row, Vec<Ratios>)> = rows().into_iter().map(|row| (row, Vec::new())).collect();
    for _ in 0..PASSES {
        measured.iter_mut().for_each(|(row, passes)| passes.push(pass([first, second], &*row.transfer)));
    }
    println!(
        "{:<52}{:>12}{:>12}{:>10}{:>12}{:>12}",
        "calls a second", "1 thread", "2 threads", "ratio", "computing", "worst pass"
    );
    let mut missed = Vec::new();
    for (Row { name, has_goal, .. }, mut passes) in measured {
        passes.sort_by(|a, b| b.calling.total_cmp(&a.calling));
        let (Some(best), Some(worst)) = (passes.first(), passes.last()) else { continue };
        let (&Ratios { one, two, calling, computing }, worst) = (best, worst.calling);
        println!("{name:<52}{one:>12.0}{two:>12.0}{calling:>10.2}{computing:>12.2}{worst:>12.2}");
        if has_goal && calling < RATIO {
            missed.push(format!(
                "{name}: {calling:.2} times one thread in the best of {PASSES} passes, at least {RATIO}; what only computes reached {computing:.2}"
            ));
        }
    }
    println!();
    missed
}

/// Something that is measured.
struct Row {
    name: String,
    has_goal: bool,
    transfer: Box<dyn Fn() -> Transfer + Sync>,
}

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for pages in [1, 17] {
        let module = Arc::new(module(pages));
        for engine in EngineKind::ALL.iter().filter(|engine| matches!(engine.as_str(), "wasmi" | "wasmtime")) {
            let contract = contract(*engine, &module);
            let transfer = Box::new(move || through(contract.clone()));
            rows.push(Row { name: format!("contract on {engine}, {pages} pages"), has_goal: true, transfer });
        }
        let mut bare = |name: String, transfer| rows.push(Row { name, has_goal: false, transfer });
        #[cfg(feature = "wasmtime")]
        for pool in crate::transfer::Pool::ALL {
            let (engine, module) = (pool.engine(), module.clone());
            let transfer = move || crate::transfer::bare_wasmtime(&engine, &module);
            bare(format!("wasmtime, {pages} pages, {pool}"), Box::new(transfer));
        }
        bare(format!("wasmi, {pages} pages"), Box::new(move || crate::transfer::bare_wasmi(&module)));
    }
    rows
}

/// What was measured in a round.
struct Round {
    computing: Rates,
    calling: Rates,
}

/// Runs a second.
#[derive(Clone, Copy)]
struct Rates {
    one: f64,
    two: f64,
}

/// What a pass gave: runs a second, what two threads reach of one, and what they do that only compute.
#[derive(Clone, Copy)]
struct Ratios {
    one: f64,
    two: f64,
    calling: f64,
    computing: f64,
}

fn pass(cpus: [usize; 2], transfer: &(dyn Fn() -> Transfer + Sync)) -> Ratios {
    let mut rounds = rounds(cpus, transfer);
    rounds.sort_by(|a, b| b.computing.two.total_cmp(&a.computing.two));
    rounds.truncate(COUNTED);
    let of = |value: fn(&Round) -> f64| median(rounds.iter().map(value).collect());
    Ratios {
        one: of(|round| round.calling.one),
        two: of(|round| round.calling.two),
        calling: of(|round| round.calling.two / round.calling.one),
        computing: of(|round| round.computing.two / round.computing.one),
    }
}

/// Both threads, each on a processor of its own and with what it works on made by itself, go through the same steps: first one
/// of them alone, then both.
fn rounds(cpus: [usize; 2], transfer: &(dyn Fn() -> Transfer + Sync)) -> Vec<Round> {
    let arrived = AtomicUsize::new(0);
    let work = |thread: usize, cpu: usize| {
        let mut only = CpuSet::new();
        only.set(cpu);
        sched_setaffinity(None, &only).unwrap();
        let (mut compute, mut transfer) = (compute(), transfer());
        let mut steps = 0;
        (0..ROUNDS)
            .map(|_| {
                [&mut compute, &mut transfer].map(|run| {
                    run();
                    [thread == 0, true].map(|takes_part| {
                        steps += cpus.len();
                        meet(&arrived, steps);
                        let started = now();
                        if takes_part {
                            (0..CALLS).for_each(|_| run());
                        }
                        (started, now())
                    })
                })
            })
            .collect::<Vec<_>>()
    };
    let both = std::thread::scope(|scope| {
        let spawn = |(thread, cpu)| {
            std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, move || work(thread, cpu)).unwrap()
        };
        [(0, cpus[0]), (1, cpus[1])].map(spawn).map(|thread| thread.join().unwrap())
    });
    let [first, second] = both;
    let rates = |[alone, first]: [Span; 2], [_, second]: [Span; 2]| Rates {
        one: rate(1, alone.1 - alone.0),
        two: rate(2, first.1.max(second.1) - first.0.min(second.0)),
    };
    let rounds = first.into_iter().zip(second);
    rounds.map(|(a, b)| Round { computing: rates(a[0], b[0]), calling: rates(a[1], b[1]) }).collect()
}

/// Waits, awake, until the threads have arrived so many times: a processor that fell asleep takes long to come back.
fn meet(arrived: &AtomicUsize, times: usize) {
    arrived.fetch_add(1, Ordering::AcqRel);
    while arrived.load(Ordering::Acquire) < times {
        std::hint::spin_loop();
    }
}

/// When something began and ended.
type Span = (Instant, Instant);

fn rate(threads: u32, time: Duration) -> f64 {
    f64::from(threads * CALLS) / time.as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Work for all of a processor's units and none of the memory's, about as long as a transfer.
fn compute() -> Transfer {
    let mut words = [1u64, 2, 3, 4, 5, 6, 7, 8];
    Box::new(move || {
        let mut next = words;
        for _ in 0..600 {
            next = next.map(|word| word.wrapping_mul(5) ^ (word >> 7));
        }
        words = black_box(next);
    })
}

#[allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn now() -> Instant {
    Instant::now()
}
