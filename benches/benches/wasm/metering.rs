//! Code that computes, on each engine: as it is, with the engine's own fuel, and metered by instrumentation.

use std::time::{Duration, Instant};

use vm_wasm::WasmConfig;

use crate::Missed;
use crate::engine::{ENGINES, Engine, Metering, Run};

/// The most that gas may take of what the engine's own fuel takes, in any case.
const WORST: f64 = 1.45;

/// Every variant runs so often; they take turns, and the least disturbed run of each counts.
const ROUNDS: usize = 200;

/// Contracts that compute; see `benches/contracts`.
const CALLS: &[u8] = include_bytes!("../../contracts/calls.wat");
const COMPUTE: &[u8] = include_bytes!("../../contracts/compute.wasm");

/// Name, module, export, argument: each takes well below a millisecond on the interpreter, so that some runs are undisturbed.
const CASES: [(&str, &[u8], &str, i32); 8] = [
    ("calls: fib(20)", CALLS, "fib", 20),
    ("loop: 100,000 turns", CALLS, "loop", 100_000),
    ("call_indirect: 20,000 methods", COMPUTE, "dispatch", 20_000),
    ("sha256: 5 KiB", COMPUTE, "sha256", 80),
    ("keccak-f: 20 permutations", COMPUTE, "keccak", 20),
    ("sieve: 32,768", COMPUTE, "sieve", 32_768),
    ("sort: 4,096 numbers", COMPUTE, "sort", 4_096),
    ("matrix: 10 squares, 24 by 24", COMPUTE, "matrix", 10),
];

/// The same for the geometric mean over all cases.
fn mean_goal(engine: &Engine) -> f64 {
    if engine.name == "wasmtime" { 1.1 } else { 1.2 }
}

/// Prints a table for each engine.
pub(crate) fn run() -> Vec<Missed> {
    let mut missed = Vec::new();
    for engine in ENGINES {
        println!("{:<32}{:>12}{:>12}{:>12}{:>10}{:>10}", engine.name, "bare", "fuel", "gas", "to bare", "to fuel");
        let mut ratios = Vec::new();
        for (name, module, export, argument) in CASES {
            let [bare, fuel, gas] = measure(engine, module, export, argument);
            let (to_bare, to_fuel) = (gas / bare, gas / fuel);
            println!("{name:<32}{bare:>9.0} us{fuel:>9.0} us{gas:>9.0} us{to_bare:>10.2}{to_fuel:>10.2}");
            ratios.push((to_bare, to_fuel));
            if to_fuel > WORST {
                missed.push(format!(
                    "{name} on {} takes {to_fuel:.2} of what it takes with fuel, at most {WORST:.2}",
                    engine.name
                ));
            }
        }
        let mean = |ratios: Vec<f64>| (ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / ratios.len() as f64).exp();
        let (to_bare, to_fuel) = ratios.into_iter().unzip();
        let (to_bare, to_fuel, goal) = (mean(to_bare), mean(to_fuel), mean_goal(engine));
        println!("{:<68}{to_bare:>10.2}{to_fuel:>10.2}\n", "geometric mean");
        if to_fuel > goal {
            missed.push(format!("the mean on {} is {to_fuel:.2} of fuel's, at most {goal:.2}", engine.name));
        }
    }
    missed
}

/// Microseconds of a call: bare, with fuel, with gas.
fn measure(engine: &Engine, module: &[u8], export: &str, argument: i32) -> [f64; 3] {
    let plain = wat::parse_bytes(module).unwrap();
    let metered = vm_wasm::conformance::instrument(&plain, &WasmConfig::default()).unwrap();
    let mut runs = [(&*plain, Metering::None), (&plain, Metering::Fuel), (&metered, Metering::Gas)]
        .map(|(wasm, metering)| (engine.prepare)(wasm, export, argument, metering));
    let expected = runs.each_mut().map(|run| run());
    assert!(expected.iter().all(|result| *result == expected[0]), "{export}: {expected:?}");
    let mut best = [Duration::MAX; 3];
    for _ in 0..ROUNDS {
        for (run, best) in runs.iter_mut().zip(&mut best) {
            *best = (*best).min(time(run));
        }
    }
    best.map(|best| best.as_secs_f64() * 1e6)
}

#[allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn time(run: &mut Run) -> Duration {
    let start = Instant::now();
    std::hint::black_box(run());
    start.elapsed()
}
