//! Random lives of contracts. `cargo xtask fuzz lifecycle` goes on for longer.

use std::time::Duration;

use vm_conformance::lifecycle::run;

#[test]
fn the_machine_agrees_with_the_model_through_crashes() {
    let report = run(1, 150, Duration::ZERO, &|_| {}).unwrap();
    assert!(report.failures.is_empty(), "{report}");
    for ending in [
        "deploy done",
        "deploy name_taken",
        "deploy failed",
        "upgrade done",
        "upgrade version_taken",
        "rollback done",
        "rollback unknown_version",
        "freeze done",
        "revoke done",
        "grant done",
        "call done",
        "call not_callable",
        "dry run done",
    ] {
        assert!(report.endings.contains_key(ending), "no {ending}: {report}");
    }
    for crash in ["before the commit", "after the commit", "within the commit"] {
        assert!(report.crashes.contains_key(crash), "no crash {crash}: {report}");
    }
}
