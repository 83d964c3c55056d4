//! A fresh instance and a transfer: through `Contract::call`, and on the bare engine. And what a contract's growth of its memory takes.

use std::time::{Duration, Instant};

use vm_wasm::EngineKind;

use crate::Missed;
use crate::transfer::{Transfer, bare_wasmi, contract, module, through};

/// Calls that are timed together, and how often: variants take turns, and the least disturbed run of each counts.
const CALLS: u32 = 500;
const ROUNDS: usize = 100;

/// The most that a contract may take of what the bare engine does,
const RATIO: f64 = 1.25;
/// and with up to 17 pages on wasmtime in nanoseconds.
#[cfg(feature = "wasmtime")]
const LARGE: f64 = 4_000.0;

/// Prints a table.
pub(crate) fn run() -> Vec<Missed> {
    let mut missed = Vec::new();
    println!("{:<32}{:>12}{:>12}{:>10}", "fresh instance and transfer", "bare", "contract", "ratio");
    for pages in [1, 17] {
        let module = module(pages);
        let ours = |engine| through(contract(engine, &module));
        let mut row = |name: &str, variants, most| missed.extend(print(name, variants, most));
        row(&format!("wasmi, {pages} pages"), [bare_wasmi(&module), ours(EngineKind::Wasmi)], None);
        #[cfg(feature = "wasmtime")]
        {
            let bare = crate::transfer::bare_wasmtime(&crate::transfer::Pool::of(pages).engine(), &module);
            row(&format!("wasmtime, {pages} pages"), [bare, ours(EngineKind::Wasmtime)], Some(LARGE));
        }
    }
    println!();
    growth();
    missed
}

/// How often a contract grows in a call.
const GROWTHS: u32 = 10;

/// Prints what a growth takes beside its price: a contract's own is a call of the host and, on wasmi, of the engine.
fn growth() {
    let schedule = vm_core::GasSchedule::v1();
    let prices = &schedule.wasm;
    println!("{:<32}{:>12}{:>12}", "growth of memory", "takes", "price");
    for engine in EngineKind::ALL.iter().copied().filter(|engine| matches!(engine.as_str(), "wasmi" | "wasmtime")) {
        for (pages, gas) in [(0, prices.grow), (1, prices.grow + prices.page)] {
            let growing = |count: u32| {
                let growths = format!("(drop (memory.grow (i32.const {pages})))").repeat(count as usize);
                let text = format!(
                    r#"(module (memory (export "memory") 1)
                        (func (export "vm_call") (param i32 i32 i32) (result i32) {growths} (i32.const 0)))"#
                );
                through(contract(engine, &wat::parse_str(text).unwrap()))
            };
            let [without, with] = measure([growing(0), growing(GROWTHS)]);
            let each = (with - without) / f64::from(GROWTHS);
            println!("{:<32}{each:>9.0} ns{gas:>8} gas", format!("{engine}, by {pages} pages"));
        }
    }
    println!();
}

/// Prints a row, and tells what is more than it may be.
fn print(name: &str, variants: [Transfer; 2], most: Option<f64>) -> Option<Missed> {
    let [bare, contract] = measure(variants);
    let ratio = contract / bare;
    println!("{name:<32}{bare:>9.0} ns{contract:>9.0} ns{ratio:>10.2}");
    if ratio > RATIO {
        return Some(format!("{name}: {ratio:.2} of the bare engine, at most {RATIO}"));
    }
    let most = most.filter(|most| contract > *most)?;
    Some(format!("{name}: {contract:.0} ns, at most {most:.0}"))
}

/// Nanoseconds of a call.
pub(crate) fn measure<const N: usize>(mut variants: [Transfer; N]) -> [f64; N] {
    let mut best = [Duration::MAX; N];
    for _ in 0..ROUNDS {
        for (transfer, best) in variants.iter_mut().zip(&mut best) {
            #[allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
            let started = Instant::now();
            (0..CALLS).for_each(|_| transfer());
            *best = (*best).min(started.elapsed());
        }
    }
    best.map(|best| best.as_secs_f64() * 1e9 / f64::from(CALLS))
}
