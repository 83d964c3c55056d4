//! WebAssembly's official suite on the engines of this build. `cargo xtask conformance wasm` runs all of it on all engines.

use vm_conformance::wasm::{Source, engines, prices, run, standard};
use vm_wasm::EngineKind;

fn script(text: &str) -> [Source; 1] {
    [Source { name: "test.wast".into(), text: text.into() }]
}

#[test]
fn the_suite_of_version_2_passes() {
    let scripts = standard("wasm-v2/");
    assert_eq!(scripts.len(), 90);
    let report = run(&scripts).unwrap();
    assert_eq!(report.failures, []);
    let mut compared = 0;
    for engine in engines() {
        let [bare, metered] = [engine.to_owned(), format!("{engine}, metered")].map(|by| report.tallies[&by].passed);
        assert!(bare > 20_000 && metered > 20_000, "{report}");
        // Each other one with wasmi.
        compared += if engine == "wasmi" { 0 } else { 20_000 };
    }
    assert!(report.compared >= compared, "{report}");
}

/// In this profile; `cargo xtask conformance wasm` asks the same in release.
#[test]
fn operators_cost_what_is_pinned() {
    let report = prices();
    assert_eq!(report.failures, []);
    for engine in engines() {
        assert!(report.tallies[&format!("{engine}, prices")].passed > 200, "{report}");
    }
}

/// The other tests here say nothing of an engine that is left out.
#[test]
fn every_engine_of_the_build_is_tested() {
    let built: Vec<_> = EngineKind::ALL.iter().map(|kind| kind.as_str()).filter(|name| *name != "auto").collect();
    let tested: Vec<_> = engines().collect();
    assert_eq!(
        tested, built,
        "vm-wasm has engines that this crate has not: turn on the features of the same names here"
    );
}

#[test]
fn what_does_not_come_out_as_expected_is_a_failure_that_says_so() {
    let report = run(&script(
        r#"(module (func (export "f") (param i32) (result i32) (i32.div_u (i32.const 7) (local.get 0))))
        (assert_return (invoke "f" (i32.const 2)) (i32.const 3))
        (assert_return (invoke "f" (i32.const 2)) (i32.const 4))
        (assert_trap (invoke "f" (i32.const 0)) "integer divide by zero")
        (assert_trap (invoke "f" (i32.const 0)) "unreachable")
        (assert_invalid (module (func (result i32))) "type mismatch")
        (assert_invalid (module) "nothing")
        (module (func (export "v") (param v128)))
        (invoke "v" (v128.const i64x2 0 0))"#,
    ))
    .unwrap();
    let of = |by: &str| {
        let tally = report.tallies[by];
        (tally.passed, tally.failed, tally.skipped)
    };
    assert_eq!((of("gate"), of("wasmi"), of("wasmi, metered")), ((1, 1, 0), (3, 2, 2), (3, 2, 2)), "{report}");
    let text = report.to_string();
    assert!(text.contains("failed: test.wast:3 on wasmi: (i32 3), expected (i32 4)"), "{text}");
    assert!(text.contains("expected the trap 'unreachable'"), "{text}");
    assert_eq!(report.skipped[&("wasmi".into(), "simd".into())], 2, "{text}");
}
