//! Random lives of contracts. `cargo xtask fuzz lifecycle` goes on for longer.

use std::time::Duration;

use vm_conformance::lifecycle::{Report, replay, run};

/// How many lives there are anyway.
const LIVES: u64 = 300;
/// Lives in which what is rare happens. When lives are made in another way, look for others: a longer `cargo xtask fuzz lifecycle`
/// tells which endings there are, and with `--seconds 0 --seed N` what one life has.
const RARE: [u64; 35] = [
    403, 496, 531, 547, 566, 646, 664, 703, 889, 892, 964, 1_058, 1_273, 1_344, 1_377, 1_402, 1_487, 1_507, 1_614,
    1_693, 2_027, 2_163, 2_390, 2_463, 2_488, 2_503, 2_518, 2_803, 2_823, 2_861, 3_013, 3_521, 4_193, 5_180, 5_615,
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

/// How queries end, beside being refused as calls are: what would change something traps, or fails where another contract is asked for it.
const QUERIES: [(&str, &[&str]); 9] = [
    ("count", &["trapped"]),
    ("put", &["trapped"]),
    ("get", &["done", "reverted"]),
    ("delete", &["trapped"]),
    ("emit", &["trapped"]),
    ("env", &["done"]),
    ("forward", &["reverted"]),
    ("attempt", &["done"]),
    ("ask", &["done", "reverted"]),
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
    let refused = ["denied", "not_callable", "quota", "unknown_contract"];
    for (method, others) in CALLS {
        add(method, &["done"], "");
        add(method, &refused, "");
        add(method, others, "");
    }
    for (method, endings) in QUERIES {
        let query = format!("query of {method}");
        add(&query, &refused, "");
        add(&query, endings, "");
    }
    add("dry run of call", &refused, "");
    add("dry run of call", &["done", "reverted", "trapped"], "");
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
