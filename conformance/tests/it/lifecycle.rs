//! Random lives of contracts. `cargo xtask fuzz lifecycle` goes on for longer.

use std::time::Duration;

use vm_conformance::lifecycle::{Report, replay, run};

/// How many lives there are anyway.
const LIVES: u64 = 300;
/// Lives in which what is rare happens. When lives are made in another way, look for others: a longer `cargo xtask fuzz lifecycle`
/// tells which endings there are, and with `--seconds 0 --seed N` what one life has.
const RARE: [u64; 28] = [
    321, 322, 381, 445, 496, 517, 521, 550, 561, 618, 815, 833, 1_310, 1_435, 1_515, 1_614, 1_624, 1_687, 2_018, 2_336,
    2_376, 2_399, 3_029, 3_914, 3_983, 4_424, 5_221, 5_468,
];

/// How requests of operations end, beside being done, denied, or refused for the length of their reason, which all of them are.
const OPERATIONS: [(&str, &[&str]); 17] = [
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
    ("clear", &["unchanged", "unknown_contract"]),
    ("grant all", &["unchanged", "unknown_contract"]),
    ("govern all", &["policy", "unchanged"]),
    ("govern deploy", &["policy", "unchanged"]),
    ("administrators", &["policy", "unchanged"]),
    ("contracts", &["unchanged"]),
    ("enrol", &["unchanged"]),
    ("dismiss", &["policy", "unchanged"]),
    ("room", &["unchanged", "unknown_contract"]),
];

/// Of these, those that are tried.
const TRIED: usize = 4;

/// How it ends when somebody says something to a proposal, without carrying an operation out, which ends as that does by proposal.
const PROPOSALS: [(&str, &[&str]); 5] = [
    ("propose", &["expired", "open too long", "too_large"]),
    ("approve", &["expired", "no contract", "no part", "not there", "overtaken", "said already"]),
    ("reject", &["expired", "no contract", "no part", "not there", "said already"]),
    ("execute", &["expired", "no contract", "no part", "not there", "overtaken"]),
    ("expire", &["not there", "open"]),
];

/// What somebody does with a proposal who is not refused.
const SIGNED: [&str; 6] = ["propose", "approve", "reject", "withdraw", "expire", "expire overtaken"];

/// How calls end, beside those endings that every call has.
const CALLS: [(&str, &[&str]); 9] = [
    ("count", &["trapped"]),
    ("put", &["trapped"]),
    ("get", &["reverted"]),
    ("delete", &[]),
    ("emit", &["trapped"]),
    ("env", &[]),
    ("forward", &["reverted"]),
    ("attempt", &[]),
    ("ask", &["reverted"]),
];

/// Every ending of every verb.
fn endings() -> Vec<String> {
    let mut endings = Vec::new();
    let mut add =
        |verb: &str, all: &[&str], way: &str| endings.extend(all.iter().map(|one| format!("{verb} {one}{way}")));
    for (number, (verb, others)) in OPERATIONS.into_iter().enumerate() {
        let always = ["done", "denied", "too_large"];
        add(verb, &always, "");
        add(verb, others, "");
        // A contract that carries out an operation hands on that it was refused.
        for way in [" as transaction", " by proposal"] {
            add(verb, &["done", "reverted"], way);
            let unchanged: Vec<_> = others.iter().copied().filter(|other| *other == "unchanged").collect();
            add(verb, &unchanged, way);
        }
        if number < TRIED {
            let verb = format!("dry run of {verb}");
            add(&verb, &always, "");
            add(&verb, others, "");
        }
    }
    let always = ["done", "denied", "not_callable", "quota", "unknown_contract"];
    for (method, others) in CALLS {
        add(method, &always, "");
        add(method, others, "");
    }
    add("dry run of call", &always, "");
    add("dry run of call", &["reverted", "trapped"], "");
    for (method, why) in PROPOSALS {
        endings.extend(why.iter().map(|why| format!("{method} reverted: {why}")));
    }
    endings.extend(SIGNED.map(|what| format!("{what} done")));
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
    // So many, when their number is asked for and no time.
    let (three, all) = (run(7, 3, Duration::ZERO, &|_| {}).unwrap(), replay(&[7, 8, 9]).unwrap());
    assert!(three.lives == 3 && same(&three, &all));
}
