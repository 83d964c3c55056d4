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
        "upgrade done as transaction",
        "upgrade done by proposal",
        "migrate done",
        "migrate unknown_version",
        "rollback done",
        "rollback unknown_version",
        "freeze done",
        "revoke done",
        "grant done",
        "enrol done",
        "room done",
        "count done",
        "count denied",
        "count not_callable",
        "put trapped",
        "emit trapped",
        "time no time",
        "forward done",
        "forward reverted",
        "ask done",
        "dry run done",
    ] {
        assert!(report.endings.contains_key(ending), "no {ending}: {report}");
    }
    assert!(report.endings.keys().any(|ending| ending.ends_with(" quota")), "no quota: {report}");
    for crash in ["before the commit", "after the commit", "within the commit"] {
        assert!(report.crashes.contains_key(crash), "no crash {crash}: {report}");
    }
}
