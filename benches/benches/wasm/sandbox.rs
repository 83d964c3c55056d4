//! A fresh instance and a transfer: through `Contract::call`, and on the bare engine.

use std::time::{Duration, Instant};

use vm_wasm::EngineKind;

use crate::transfer::{Transfer, bare_wasmi, contract, module, through};

/// Calls that are timed together, and how often: variants take turns, and the least disturbed run of each counts.
const CALLS: u32 = 500;
const ROUNDS: usize = 100;

/// Prints a table.
pub(crate) fn run() {
    println!("{:<32}{:>12}{:>12}{:>10}", "fresh instance and transfer", "bare", "contract", "ratio");
    for pages in [1, 17] {
        let module = module(pages);
        let ours = |engine| through(contract(engine, &module));
        print(&format!("wasmi, {pages} pages"), [bare_wasmi(&module), ours(EngineKind::Wasmi)]);
        #[cfg(feature = "wasmtime")]
        {
            let bare = crate::transfer::bare_wasmtime(&crate::transfer::Pool::of(pages).engine(), &module);
            print(&format!("wasmtime, {pages} pages"), [bare, ours(EngineKind::Wasmtime)]);
        }
    }
    println!();
}

fn print(name: &str, variants: [Transfer; 2]) {
    let [bare, contract] = measure(variants);
    println!("{name:<32}{bare:>9.0} ns{contract:>9.0} ns{:>10.2}", contract / bare);
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
