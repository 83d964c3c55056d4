//! Random lives of contracts. `cargo xtask fuzz lifecycle` goes on for longer.

use vm_conformance::lifecycle::{Report, replay};

/// How many lives there are anyway.
const LIVES: u64 = 150;
/// Lives in which what is rare happens. When lives are made in another way, look for others: a longer `cargo xtask fuzz lifecycle`
/// tells which endings there are, and with `--seconds 0 --seed N` what one life has.
const RARE: [u64; 16] = [176, 231, 242, 290, 339, 478, 504, 533, 589, 903, 1_038, 1_224, 1_246, 1_423, 1_523, 1_831];

/// How requests of operations end, beside being done or denied, which all of them are.
const OPERATIONS: [(&str, &[&str]); 12] = [
    ("deploy", &["failed", "name_taken", "quota"]),
    ("upgrade", &["failed", "quota", "runtime_change", "transition", "unknown_contract", "version_taken"]),
    ("migrate", &["failed", "quota", "transition", "unknown_contract", "unknown_version"]),
    (
        "rollback",
        &["current_version", "failed", "quota", "runtime_change", "transition", "unknown_contract", "unknown_version"],
    ),
    ("freeze", &["transition", "unknown_contract"]),
    ("unfreeze", &["transition", "unknown_contract"]),
    ("revoke", &["transition", "unknown_contract"]),
    ("grant", &["unchanged", "unknown_contract"]),
    ("govern deploy", &["policy", "unchanged"]),
    ("enrol", &["unchanged"]),
    ("dismiss", &["unchanged"]),
    ("room", &["unchanged", "unknown_contract"]),
];

/// How requests of calls end, beside those that every call has.
const CALLS: [(&str, &[&str]); 7] = [
    ("count", &["trapped"]),
    ("put", &["trapped"]),
    ("delete", &[]),
    ("emit", &["trapped"]),
    ("time", &["no time"]),
    ("forward", &["reverted"]),
    ("ask", &["reverted"]),
];

/// Every ending of every verb.
fn endings() -> Vec<String> {
    let mut endings = Vec::new();
    let mut add =
        |verb: &str, all: &[&str], way: &str| endings.extend(all.iter().map(|one| format!("{verb} {one}{way}")));
    for (verb, others) in OPERATIONS {
        add(verb, &["done", "denied"], "");
        add(verb, others, "");
        // A contract that carries out an operation hands on that it was refused.
        for way in [" as transaction", " by proposal"] {
            add(verb, &["done", "reverted"], way);
            let unchanged: Vec<_> = others.iter().copied().filter(|other| *other == "unchanged").collect();
            add(verb, &unchanged, way);
        }
    }
    for (method, others) in CALLS {
        add(method, &["done", "denied", "not_callable", "quota", "unknown_contract"], "");
        add(method, others, "");
    }
    let others = ["done", "denied", "failed", "quota", "transition", "unknown_contract", "version_taken"];
    add("dry run", &others, "");
    endings
}

#[test]
fn the_machine_agrees_with_the_model_through_crashes() {
    let seeds: Vec<u64> = (1..=LIVES).chain(RARE).collect();
    let report = replay(&seeds).unwrap();
    assert_eq!((report.lives, report.failures.len()), (LIVES + RARE.len() as u64, 0), "{report}");
    let expected = endings();
    let missing: Vec<_> = expected.iter().filter(|ending| !report.endings.contains_key(*ending)).collect();
    assert!(missing.is_empty(), "no {missing:?}: {report}");
    let unknown: Vec<_> = report.endings.keys().filter(|ending| !expected.contains(ending)).collect();
    assert!(unknown.is_empty(), "{unknown:?} are not expected: {report}");
    for crash in ["before the commit", "after the commit", "within the commit"] {
        assert!(report.crashes.contains_key(crash), "no crash {crash}: {report}");
    }
}

#[test]
fn one_seed_is_one_life() {
    let once = |seed| replay(&[seed]).unwrap();
    let same = |one: &Report, other: &Report| one.endings == other.endings && one.crashes == other.crashes;
    assert!(same(&once(7), &once(7)) && !same(&once(7), &once(8)));
}
