//! What happens in a random life.

use proptest::prelude::*;
use proptest::sample::select;
use vm_core::{Change, RuntimeKind};

/// Everybody who does something.
pub(super) const ACTORS: [&str; 4] = ["ann", "bob", "cat", "root"];
/// All contracts, apart from those of the system.
pub(super) const NAMES: [&str; 2] = ["one", "two"];
/// Who has which role in which organisation at first.
pub(super) const MEMBERS: [Member; 3] =
    [("org1", "admin", "ann"), ("org2", "admin", "bob"), ("org3", "auditor", "cat")];
const ORGANISATIONS: [&str; 3] = ["org1", "org2", "org3"];
const ROLES: [&str; 2] = ["admin", "auditor"];
const VERSIONS: [&str; 3] = ["1", "2", "3"];
const KINDS: [RuntimeKind; 2] = [RuntimeKind::Native, RuntimeKind::Wasm];
const CAPABILITIES: [&str; 6] = ["all", "all", "none", "events, time", "calls", "state"];
/// The rights, of which all but that to skip migrations are granted.
pub(super) const RIGHTS: [&str; 8] =
    ["upgrade", "skip-migration", "rollback", "freeze", "revoke", "grant", "call", "call:count"];
/// Who administers the host.
pub(super) const ADMINISTRATORS: &str = "callers(root) or majority(admin)";
/// The rules that rights are granted by, as text, and as the model understands them.
pub(super) const RULES: [(&str, Who); 8] = [
    ("anyone", Who::Anyone),
    ("owner", Who::Owner),
    ("administrators", Who::Administrators),
    ("callers(bob, cat)", Who::OneOf(&["bob", "cat"])),
    ("role(auditor)", Who::Role("auditor")),
    ("quorum(2 of ann, bob, cat)", Who::Two(&["ann", "bob", "cat"])),
    ("majority(admin)", Who::Majority("admin")),
    ("owner or callers(root)", Who::OwnerOr("root")),
];

/// Organisation, role, and who has it.
pub(super) type Member = (&'static str, &'static str, &'static str);

/// A rule as the model understands it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Anyone,
    Owner,
    Administrators,
    OneOf(&'static [&'static str]),
    Role(&'static str),
    Two(&'static [&'static str]),
    Majority(&'static str),
    OwnerOr(&'static str),
}

/// A request, by somebody, endorsed by others, and what becomes of the host while it is carried out.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) verb: Verb,
    pub(super) name: &'static str,
    pub(super) actor: &'static str,
    pub(super) endorsers: Vec<&'static str>,
    pub(super) way: Way,
    pub(super) crash: Crash,
}

/// How an operation is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// By a request, which quotas are asked for.
    Request,
    /// By a transaction of a system contract, in a block. Nobody endorses those.
    Transaction,
    /// By a proposal that the endorsers approve, in a block.
    Proposal,
}

#[derive(Debug, Clone)]
pub(super) enum Verb {
    Deploy {
        version: &'static str,
        kind: RuntimeKind,
        capabilities: &'static str,
        fails: bool,
    },
    Upgrade {
        version: &'static str,
        kind: RuntimeKind,
        fails: bool,
        skip: bool,
        change_runtime: bool,
    },
    Migrate {
        written_by: &'static str,
        fails: bool,
    },
    Rollback {
        version: &'static str,
        migration: Option<bool>,
        change_runtime: bool,
    },
    Change(Change),
    Grant {
        right: &'static str,
        rule: usize,
    },
    Govern(Governing),
    Call(Calling),
    /// Tries an upgrade.
    DryRun {
        version: &'static str,
        kind: RuntimeKind,
    },
}

/// A change of the host.
#[derive(Debug, Clone, Copy)]
pub(super) enum Governing {
    /// Who deploys from now on.
    Deploy {
        rule: usize,
    },
    Enrol(Member),
    Dismiss(Member),
    /// The most keys and bytes that the contract may have.
    Room(Option<(u64, u64)>),
}

/// What a contract is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Calling {
    /// Count.
    Count,
    /// Write so many bytes.
    Put(&'static str, usize),
    Delete(&'static str),
    /// Emit an event.
    Emit,
    /// Tell the time.
    Time,
    /// Have the other contract count.
    Forward,
    /// Ask the other contract for something that changes nothing.
    Ask,
}

/// What becomes of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Crash {
    /// Nothing.
    None,
    /// It ends and is started again.
    Restart,
    /// It ends before the commit is written.
    Before,
    /// It ends after the commit is written and before anybody is told.
    After,
    /// It ends when so many thousandths of the commit's bytes are written.
    Within(u16),
}

impl Step {
    /// True for who sends it, and for endorsers, where the way takes them along.
    pub(super) fn endorses(&self, name: &str) -> bool {
        self.actor == name || (self.way != Way::Transaction && self.endorsers.contains(&name))
    }
}

fn verbs() -> impl Strategy<Value = Verb> {
    let (version, kind) = (|| select(&VERSIONS[..]), || select(&KINDS[..]));
    let rare = || prop::bool::weighted(0.15);
    let mostly = || prop::bool::weighted(0.8);
    let granted: Vec<_> = RIGHTS.into_iter().filter(|right| *right != "skip-migration").collect();
    let change = select(vec![Change::Freeze, Change::Unfreeze, Change::Revoke]);
    let deploy = (version(), kind(), select(&CAPABILITIES[..]), rare());
    prop_oneof![
        8 => deploy.prop_map(|(version, kind, capabilities, fails)| Verb::Deploy { version, kind, capabilities, fails }),
        8 => (version(), kind(), rare(), rare(), mostly()).prop_map(|(version, kind, fails, skip, change_runtime)| {
            Verb::Upgrade { version, kind, fails, skip, change_runtime }
        }),
        4 => (version(), rare()).prop_map(|(written_by, fails)| Verb::Migrate { written_by, fails }),
        6 => (version(), prop::option::of(prop::bool::weighted(0.4)), mostly()).prop_map(|(version, migration, change_runtime)| {
            Verb::Rollback { version, migration, change_runtime }
        }),
        6 => change.prop_map(Verb::Change),
        5 => (select(granted), 0..RULES.len()).prop_map(|(right, rule)| Verb::Grant { right, rule }),
        5 => governing().prop_map(Verb::Govern),
        14 => calling().prop_map(Verb::Call),
        2 => (version(), kind()).prop_map(|(version, kind)| Verb::DryRun { version, kind }),
    ]
}

fn governing() -> impl Strategy<Value = Governing> {
    let member = || (select(&ORGANISATIONS[..]), select(&ROLES[..]), select(&ACTORS[..]));
    prop_oneof![
        1 => (0..RULES.len()).prop_map(|rule| Governing::Deploy { rule }),
        1 => member().prop_map(Governing::Enrol),
        1 => member().prop_map(Governing::Dismiss),
        3 => prop::option::weighted(0.8, (0..4u64, 0..50u64)).prop_map(Governing::Room),
    ]
}

fn calling() -> impl Strategy<Value = Calling> {
    let key = || select(&["a", "b"][..]);
    prop_oneof![
        2 => Just(Calling::Count),
        3 => (key(), 0..40usize).prop_map(|(key, length)| Calling::Put(key, length)),
        1 => key().prop_map(Calling::Delete),
        1 => Just(Calling::Emit),
        1 => Just(Calling::Time),
        2 => Just(Calling::Forward),
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
pub(super) fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    // Mostly the one who owns most, or few would get far.
    let actor = || prop_oneof![5 => Just("ann"), 2 => Just("root"), 2 => select(&ACTORS[..])];
    let endorsers = prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(select(&ACTORS[..]), 1..3)];
    let way = prop_oneof![8 => Just(Way::Request), 2 => Just(Way::Transaction), 1 => Just(Way::Proposal)];
    let name = prop_oneof![3 => Just("one"), 1 => select(&NAMES[..])];
    let step = (verbs(), name, actor(), endorsers, way, crashes());
    let step = step.prop_map(|(verb, name, actor, endorsers, way, crash)| {
        // Calls are transactions already.
        let way = if matches!(verb, Verb::Call(_) | Verb::DryRun { .. }) { Way::Request } else { way };
        Step { verb, name, actor, endorsers, way, crash }
    });
    // Before there are contracts, little can happen.
    let begin =
        |name, verb| Step { verb, name, actor: "ann", endorsers: Vec::new(), way: Way::Request, crash: Crash::None };
    let deploy = |kind| Verb::Deploy { version: "1", kind, capabilities: "all", fails: false };
    let (version, kind) = ("2", RuntimeKind::Wasm);
    let upgrade = Verb::Upgrade { version, kind, fails: false, skip: false, change_runtime: true };
    let first =
        [begin("one", deploy(RuntimeKind::Native)), begin("two", deploy(RuntimeKind::Wasm)), begin("one", upgrade)];
    (0..=first.len(), prop::collection::vec(step, 1..most))
        .prop_map(move |(begins, life)| first.iter().take(begins).cloned().chain(life).collect())
}
