//! Random modules on the engines of this build. `cargo xtask fuzz wasm` goes on for longer, on all engines.

use std::time::Duration;

use vm_conformance::fuzz::{Case, run};

#[test]
fn machines_agree_on_random_modules() {
    let report = run(1, 50, Duration::ZERO, &|_| {}).unwrap();
    assert!(report.differences.is_empty(), "{report}");
    // Most modules are deployed, and their calls end in different ways.
    for outcome in ["success", "revert", "trap: out of gas", "trap: unreachable code executed"] {
        assert!(report.outcomes.contains_key(outcome), "{report}");
    }
}

#[test]
fn a_seed_makes_the_same_case_each_time() {
    for seed in 0..20 {
        assert_eq!(Case::new(seed).code, Case::new(seed).code, "seed {seed}");
    }
}
