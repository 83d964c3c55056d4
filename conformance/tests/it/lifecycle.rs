//! Random lives of contracts. `cargo xtask fuzz lifecycle` goes on for longer.

use std::time::Duration;

use vm_conformance::lifecycle::run;

#[test]
fn the_machine_agrees_with_the_model_through_crashes() {
    let report = run(1, 150, Duration::ZERO, &|_| {}).unwrap();
    assert!(report.failures.is_empty(), "{report}");
    let expected = [
        "deploy done",
        "deploy name_taken",
        "deploy failed",
        "deploy denied",
        "upgrade done",
        "upgrade version_taken",
        "upgrade failed",
        "upgrade denied",
        "upgrade transition",
        "upgrade runtime_change",
        "upgrade unknown_contract",
        "upgrade done as transaction",
        "upgrade done by proposal",
        "migrate done",
        "migrate unknown_version",
        "rollback done",
        "rollback unknown_version",
        "rollback current_version",
        "rollback denied",
        "migrate denied",
        "migrate failed",
        "freeze done",
        "freeze denied",
        "freeze transition",
        "unfreeze done",
        "unfreeze transition",
        "revoke done",
        "revoke denied",
        "revoke transition",
        "grant done",
        "grant denied",
        "grant unchanged",
        "grant done as transaction",
        "grant done by proposal",
        "govern deploy done",
        "govern deploy denied",
        "govern deploy policy",
        "enrol done",
        "enrol denied",
        "enrol unchanged",
        "dismiss done",
        "dismiss unchanged",
        "room done",
        "room denied",
        "room unchanged",
        "room unknown_contract",
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
    ];
    let missing: Vec<_> = expected.iter().filter(|ending| !report.endings.contains_key(**ending)).collect();
    assert!(missing.is_empty(), "no {missing:?}: {report}");
    assert!(report.endings.keys().any(|ending| ending.ends_with(" quota")), "no quota: {report}");
    for crash in ["before the commit", "after the commit", "within the commit"] {
        assert!(report.crashes.contains_key(crash), "no crash {crash}: {report}");
    }
}
