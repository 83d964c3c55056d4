//! Random lives.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::select;
use vm_core::{Change, RuntimeKind};

use super::program::{Edition, Program};
use super::step::{ACTORS, Calling, Crash, Governing, NAMES, RIGHTS, RULES, Step, Verb, Way};

const ORGANISATIONS: [&str; 3] = ["org1", "org2", "org3"];
const ROLES: [&str; 2] = ["admin", "auditor"];
/// One is how another begins.
const VERSIONS: [&str; 4] = ["1", "2", "10", "3"];
const CAPABILITIES: [&str; 6] = ["all", "all", "none", "events, time", "calls", "state"];

/// Why things are done.
const REASONS: [&str; 4] = ["", "life", "it had to be; as they say: « déjà vu »", "life"];
/// The same, too long for a history.
static LONG: LazyLock<[&'static str; 1]> = LazyLock::new(|| ["x".repeat(1_025).leak()]);

fn operations() -> impl Strategy<Value = Verb> {
    let (version, program) = (|| select(&VERSIONS[..]), || select(&Program::ALL[..]));
    let (rare, mostly) = (|| prop::bool::weighted(0.15), || prop::bool::weighted(0.8));
    let deploy = (version(), program(), select(&CAPABILITIES[..]), rare());
    let upgrade = (version(), program(), rare(), rare(), mostly());
    let rollback = (version(), prop::option::of(prop::bool::weighted(0.4)), mostly());
    prop_oneof![
        8 => deploy.prop_map(|(version, program, capabilities, fails)| Verb::Deploy { version, program, capabilities, fails }),
        9 => upgrade.prop_map(|(version, program, fails, skip, change_runtime)| {
            Verb::Upgrade { version, program, fails, skip, change_runtime }
        }),
        4 => (version(), rare()).prop_map(|(written_by, fails)| Verb::Migrate { written_by, fails }),
        7 => rollback.prop_map(|(version, migration, change_runtime)| Verb::Rollback { version, migration, change_runtime }),
    ]
}

fn verbs() -> impl Strategy<Value = Verb> {
    let change = select(vec![Change::Freeze, Change::Unfreeze, Change::Revoke]);
    let rule = || select(&RULES[..]).prop_map(|(_, who)| who);
    let trial = prop_oneof![4 => operations(), 1 => calling().prop_map(Verb::Call)];
    let call = (prop_oneof![2 => Just("one"), 1 => select(&NAMES[..])], select(&ACTORS[..]), calling());
    prop_oneof![
        28 => operations(),
        6 => change.prop_map(Verb::Change),
        5 => (select(&RIGHTS[..]), rule()).prop_map(|(right, rule)| Verb::Grant { right, rule: Some(rule) }),
        1 => Just(Verb::Grant { right: "call:count", rule: None }),
        6 => governing().prop_map(Verb::Govern),
        16 => calling().prop_map(Verb::Call),
        4 => (trial, prop::collection::vec(call, 0..6)).prop_map(|(trial, calls)| {
            Verb::DryRun { trial: Box::new(trial), calls }
        }),
    ]
}

fn governing() -> impl Strategy<Value = Governing> {
    let member = || (select(&ORGANISATIONS[..]), select(&ROLES[..]), select(&ACTORS[..]));
    let rule = || select(&RULES[..]).prop_map(|(_, who)| who);
    prop_oneof![
        1 => rule().prop_map(Governing::Deploy),
        1 => rule().prop_map(Governing::Administrators),
        2 => (select(&RIGHTS[..]), rule()).prop_map(|(right, rule)| Governing::Contracts { right, rule }),
        2 => member().prop_map(Governing::Enrol),
        2 => member().prop_map(Governing::Dismiss),
        3 => prop::option::weighted(0.8, (0..4u64, 0..50u64)).prop_map(Governing::Room),
    ]
}

fn calling() -> impl Strategy<Value = Calling> {
    let key = || select(&["a", "b"][..]);
    prop_oneof![
        2 => Just(Calling::Count),
        3 => (key(), 0..40usize).prop_map(|(key, length)| Calling::Put(key, length)),
        2 => select(&["a", "n", "upgraded"][..]).prop_map(Calling::Get),
        1 => key().prop_map(Calling::Delete),
        1 => Just(Calling::Emit),
        4 => Just(Calling::Env),
        2 => Just(Calling::Forward),
        1 => Just(Calling::Attempt),
        1 => Just(Calling::Ask),
    ]
}

fn crashes() -> impl Strategy<Value = Crash> {
    prop_oneof![
        30 => Just(Crash::None),
        1 => Just(Crash::Restart),
        1 => Just(Crash::Before),
        1 => Just(Crash::After),
        1 => (0..1_000u16).prop_map(Crash::Within),
    ]
}

/// A life of up to so many steps.
pub(super) fn lives(most: usize) -> impl Strategy<Value = Vec<Step>> {
    // Mostly the one who owns most, or few would get far.
    let actor = || prop_oneof![5 => Just("ann"), 2 => Just("root"), 2 => select(&ACTORS[..])];
    let endorsers = prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(select(&ACTORS[..]), 1..3)];
    let way = prop_oneof![8 => Just(Way::Request), 2 => Just(Way::Transaction), 1 => Just(Way::Proposal)];
    let name = prop_oneof![3 => Just("one"), 2 => select(&NAMES[..])];
    let reason = prop_oneof![20 => select(&REASONS[..]), 1 => select(&LONG[..])];
    let step = (verbs(), name, actor(), endorsers, way, reason, 0..10u64, crashes());
    let step = step.prop_map(|(verb, name, actor, endorsers, way, reason, block, crash)| {
        // Calls are transactions already, and have no reason; dry runs are none.
        let (calls, tries) = match &verb {
            Verb::DryRun { trial, .. } => (matches!(**trial, Verb::Call(_)), true),
            verb => (matches!(verb, Verb::Call(_)), false),
        };
        let way = if calls || tries { Way::Request } else { way };
        let reason = if calls { "" } else { reason };
        Step { verb, name, actor, endorsers, way, reason, block, crash }
    });
    // Before there are contracts, little can happen.
    let begin = |name, verb| Step::by("ann", name, verb);
    let program = |kind, edition| Program { kind, edition };
    let deploy = |program| Verb::Deploy { version: "1", program, capabilities: "all", fails: false };
    let upgrade = Verb::Upgrade {
        version: "2",
        program: program(RuntimeKind::Wasm, Edition::Second),
        fails: false,
        skip: false,
        change_runtime: true,
    };
    let first = [
        begin("one", deploy(program(RuntimeKind::Native, Edition::First))),
        begin("two", deploy(program(RuntimeKind::Wasm, Edition::First))),
        begin("one", upgrade),
    ];
    (0..=first.len(), prop::collection::vec(step, 1..most))
        .prop_map(move |(begins, life)| first.iter().take(begins).cloned().chain(life).collect())
}
