//! Random lives.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::select;
use vm_core::{Change, RuntimeKind};

use super::program::{Edition, Program};
use super::step::{ACTORS, Calling, Crash, Governing, NAMES, RIGHTS, RULES, Signing, Step, Verb, Way, Who};

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
        1 => rule().prop_map(|rule| Verb::Grant { right: "call:count", rule: Some(rule) }),
        2 => Just(Verb::Grant { right: "call:count", rule: None }),
        6 => governing().prop_map(Verb::Govern),
        2 => several_rules(),
        2 => several_changes(),
        16 => calling().prop_map(Verb::Call),
        6 => calling().prop_map(Verb::Query),
        4 => (trial, prop::collection::vec(call, 0..6)).prop_map(|(trial, calls)| {
            Verb::DryRun { trial: Box::new(trial), calls }
        }),
    ]
}

/// Rules that are given, and taken back, at once.
fn several_rules() -> impl Strategy<Value = Verb> {
    let rule = || select(&RULES[..]).prop_map(|(_, who)| who);
    let one = prop_oneof![
        4 => (select(&RIGHTS[..]), rule()).prop_map(|(right, rule)| (right, Some(rule))),
        1 => Just(("call:count", None)),
    ];
    prop::collection::vec(one, 1..4).prop_map(Verb::GrantAll)
}

/// Changes of the host's policy at once.
fn several_changes() -> impl Strategy<Value = Verb> {
    prop::collection::vec(policing(), 1..4).prop_map(Verb::GovernAll)
}

fn governing() -> impl Strategy<Value = Governing> {
    prop_oneof![
        8 => policing(),
        3 => prop::option::weighted(0.8, (0..4u64, 0..50u64)).prop_map(Governing::Room),
    ]
}

/// A change of the host's policy.
fn policing() -> impl Strategy<Value = Governing> {
    let member = || (select(&ORGANISATIONS[..]), select(&ROLES[..]), select(&ACTORS[..]));
    let rule = || select(&RULES[..]).prop_map(|(_, who)| who);
    prop_oneof![
        1 => rule().prop_map(Governing::Deploy),
        1 => rule().prop_map(Governing::Administrators),
        2 => (select(&RIGHTS[..]), rule()).prop_map(|(right, rule)| Governing::Contracts { right, rule }),
        2 => member().prop_map(Governing::Enrol),
        2 => member().prop_map(Governing::Dismiss),
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

/// What can be proposed.
fn proposable() -> impl Strategy<Value = Verb> {
    let change = select(vec![Change::Freeze, Change::Unfreeze, Change::Revoke]);
    let rule = || select(&RULES[..]).prop_map(|(_, who)| who);
    prop_oneof![
        6 => operations(),
        2 => change.prop_map(Verb::Change),
        2 => (select(&RIGHTS[..]), rule()).prop_map(|(right, rule)| Verb::Grant { right, rule: Some(rule) }),
        1 => Just(Verb::Grant { right: "call:count", rule: None }),
        3 => governing().prop_map(Verb::Govern),
        1 => several_rules(),
        1 => several_changes(),
    ]
}

/// Up to which block a proposal is open.
fn until() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 8..12u64, 2 => 0..10u64, 2 => Just(u64::MAX), 1 => 1_000_000..1_000_011u64]
}

fn signing() -> impl Strategy<Value = Signing> {
    prop_oneof![
        5 => Just(Signing::Approve),
        2 => Just(Signing::Reject),
        3 => Just(Signing::Execute),
        1 => Just(Signing::Expire),
    ]
}

/// Mostly the one who owns most, or few would get far.
fn actors() -> impl Strategy<Value = &'static str> {
    prop_oneof![5 => Just("ann"), 2 => Just("root"), 2 => select(&ACTORS[..])]
}

fn names() -> impl Strategy<Value = &'static str> {
    prop_oneof![3 => Just("one"), 2 => select(&NAMES[..])]
}

fn reasons() -> impl Strategy<Value = &'static str> {
    prop_oneof![20 => select(&REASONS[..]), 1 => select(&LONG[..])]
}

/// One step of any kind.
fn steps() -> impl Strategy<Value = Step> {
    let endorsers = prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(select(&ACTORS[..]), 1..3)];
    let way = prop_oneof![8 => Just(Way::Request), 2 => Just(Way::Transaction)];
    let verb = prop_oneof![
        20 => verbs(),
        1 => (proposable(), until()).prop_map(|(verb, until)| Verb::Propose { operation: Box::new(verb), until }),
        2 => (signing(), 0..4u64).prop_map(|(signing, which)| Verb::Sign(signing, which)),
    ];
    let step = (verb, names(), actors(), endorsers, way, reasons(), 0..10u64, crashes());
    step.prop_map(|(verb, name, actor, endorsers, way, reason, block, crash)| {
        // Calls are transactions already, and have no reason; queries and dry runs are none.
        let (calls, tries) = match &verb {
            Verb::DryRun { trial, .. } => (matches!(**trial, Verb::Call(_)), true),
            verb => (matches!(verb, Verb::Call(_) | Verb::Query(_) | Verb::Sign(..)), false),
        };
        let way = match verb {
            Verb::Propose { .. } | Verb::Sign(..) => Way::Transaction,
            _ if calls || tries => Way::Request,
            _ => way,
        };
        let reason = if calls { "" } else { reason };
        Step { verb, name, actor, endorsers, way, reason, block, crash }
    })
}

/// What is done before something is proposed, or done.
#[derive(Debug, Clone, Copy)]
enum Before {
    Nothing,
    /// It gets a rule that asks for endorsements; a method that is to lose its rule gets one.
    Ruled(Who),
    /// The same, so that there is nothing left to do; a freeze before an unfreeze.
    Done,
}

/// A proposal with what comes before it and what may become of it, so that some are carried out. Others may do something in between.
fn proposals() -> impl Strategy<Value = Vec<Step>> {
    let saying = prop_oneof![4 => Just(Signing::Approve), 1 => Just(Signing::Reject)];
    let said = prop::collection::vec((saying, select(&ACTORS[..])), 0..4);
    let ending = prop_oneof![8 => Just(Signing::Execute), 1 => Just(Signing::Expire), 1 => Just(Signing::Reject)];
    let proposal = (proposable(), until(), names(), actors(), reasons());
    let rule = select(vec![Who::Two(&["ann", "bob", "cat"]), Who::Majority("admin")]);
    let before = prop_oneof![4 => Just(Before::Nothing), 4 => rule.prop_map(Before::Ruled), 1 => Just(Before::Done)];
    let between = prop::option::weighted(0.25, steps());
    let end = prop::option::weighted(0.95, (ending, prop::option::weighted(0.25, actors())));
    let when = prop::collection::vec((prop_oneof![9 => 0..8u64, 1 => 8..13u64], crashes()), 7);
    let story = (proposal, before, said, between, end, when);
    story.prop_map(|((operation, until, name, proposer, reason), before, said, between, end, when)| {
        let request = |actor, verb| Some(Step::by(actor, name, verb));
        let transaction = |verb, actor, reason| Step { way: Way::Transaction, reason, ..Step::by(actor, name, verb) };
        let first = match (before, &operation) {
            (Before::Nothing, _) => None,
            (_, Verb::Change(Change::Unfreeze)) => request("ann", Verb::Change(Change::Freeze)),
            (Before::Done, Verb::Govern(_) | Verb::GovernAll(_)) => request("root", operation.clone()),
            (Before::Done, _) => request("ann", operation.clone()),
            (Before::Ruled(rule), Verb::Grant { right, rule: None }) => {
                request("ann", Verb::Grant { right, rule: Some(rule) })
            }
            (Before::Ruled(rule), Verb::Deploy { .. }) => request("root", Verb::Govern(Governing::Deploy(rule))),
            (Before::Ruled(rule), _) => match operation.right() {
                Some(right) => request("ann", Verb::Grant { right, rule: Some(rule) }),
                None => request("root", Verb::Govern(Governing::Administrators(rule))),
            },
        };
        let proposed = transaction(Verb::Propose { operation: Box::new(operation), until }, proposer, reason);
        let said = said.into_iter().map(|(signing, actor)| transaction(Verb::Sign(signing, 0), actor, ""));
        let end = end.map(|(end, actor)| transaction(Verb::Sign(end, 0), actor.unwrap_or(proposer), ""));
        let all = first.into_iter().chain([proposed]).chain(said).chain(between).chain(end);
        all.zip(when).map(|(step, (block, crash))| Step { block, crash, ..step }).collect()
    })
}

/// The administrators become those with a role, and one of them dismisses the one who has it.
fn dismissals() -> impl Strategy<Value = Vec<Step>> {
    crashes().prop_map(|crash| {
        let govern = |actor, change| Step::by(actor, "one", Verb::Govern(change));
        let dismissed = govern("cat", Governing::Dismiss(("org3", "auditor", "cat")));
        vec![govern("root", Governing::Administrators(Who::Role("auditor"))), Step { crash, ..dismissed }]
    })
}

/// What is rare by itself: rules that are given twice, or given and taken back; roles that are; and what comes after the end.
fn pairs() -> impl Strategy<Value = Vec<Step>> {
    let rule = || select(&RULES[..]).prop_map(|(_, who)| who);
    let twice = |verb: Verb| (verb.clone(), verb);
    let member = (select(&ORGANISATIONS[..]), select(&ROLES[..]), select(&ACTORS[..]));
    let pair = prop_oneof![
        2 => governing().prop_map(move |change| twice(Verb::Govern(change))),
        1 => several_changes().prop_map(twice),
        1 => several_rules().prop_map(twice),
        1 => (select(&RIGHTS[..]), rule()).prop_map(move |(right, rule)| twice(Verb::Grant { right, rule: Some(rule) })),
        1 => rule().prop_map(|rule| {
            let of_count = |rule| Verb::Grant { right: "call:count", rule };
            (of_count(Some(rule)), of_count(None))
        }),
        1 => member.prop_map(|member| {
            (Verb::Govern(Governing::Enrol(member)), Verb::Govern(Governing::Dismiss(member)))
        }),
        1 => operations().prop_map(|verb| (Verb::Change(Change::Revoke), verb)),
        1 => operations().prop_map(|verb| {
            (Verb::Change(Change::Revoke), Verb::DryRun { trial: Box::new(verb), calls: Vec::new() })
        }),
    ];
    let ways = select(vec![Way::Request, Way::Transaction]);
    (pair, names(), ways, reasons(), 0..10u64, crashes()).prop_map(
        |((first, second), name, way, reason, block, crash)| {
            let actor = if matches!(first, Verb::Govern(_) | Verb::GovernAll(_)) { "root" } else { "ann" };
            let way = if matches!(second, Verb::DryRun { .. }) { Way::Request } else { way };
            let then = Step { way, reason, block, crash, ..Step::by(actor, name, second) };
            vec![Step::by(actor, name, first), then]
        },
    )
}

/// A life of so many steps, of which some belong together.
pub(super) fn lives(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let parts = prop_oneof![
        60 => steps().prop_map(|step| vec![step]),
        6 => proposals(),
        2 => pairs(),
        1 => dismissals(),
    ];
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
    (0..=first.len(), prop::collection::vec(parts, 1..most))
        .prop_map(move |(begins, life)| first.iter().take(begins).cloned().chain(life.into_iter().flatten()).collect())
}
