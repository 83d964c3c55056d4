//! What happens in a random life.

use proptest::prelude::*;
use proptest::sample::select;
use vm_core::{Change, RuntimeKind};

/// Everybody who does something.
pub(super) const ACTORS: [&str; 4] = ["ann", "bob", "cat", "root"];
/// All contracts.
pub(super) const NAMES: [&str; 2] = ["one", "two"];
const VERSIONS: [&str; 3] = ["1", "2", "3"];
const KINDS: [RuntimeKind; 2] = [RuntimeKind::Native, RuntimeKind::Wasm];
/// The rights that are granted.
pub(super) const RIGHTS: [&str; 7] = ["upgrade", "rollback", "freeze", "revoke", "grant", "call", "call:count"];
/// The rules that they are granted by, as text, and as the model understands them.
pub(super) const RULES: [(&str, Who); 6] = [
    ("anyone", Who::Anyone),
    ("owner", Who::Owner),
    ("administrators", Who::Administrators),
    ("callers(bob, cat)", Who::OneOf(&["bob", "cat"])),
    ("quorum(2 of ann, bob, cat)", Who::Two(&["ann", "bob", "cat"])),
    ("owner or callers(root)", Who::OwnerOr("root")),
];

/// A rule as the model understands it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Anyone,
    Owner,
    Administrators,
    OneOf(&'static [&'static str]),
    Two(&'static [&'static str]),
    OwnerOr(&'static str),
}

/// A request, by somebody, endorsed by others, and what becomes of the host while it is carried out.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) verb: Verb,
    pub(super) name: &'static str,
    pub(super) actor: &'static str,
    pub(super) endorsers: Vec<&'static str>,
    pub(super) crash: Crash,
}

#[derive(Debug, Clone)]
pub(super) enum Verb {
    Deploy {
        version: &'static str,
        kind: RuntimeKind,
        fails: bool,
    },
    Upgrade {
        version: &'static str,
        kind: RuntimeKind,
        fails: bool,
        skip: bool,
        change_runtime: bool,
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
    /// Who deploys from now on.
    Govern {
        rule: usize,
    },
    /// Counts.
    Call,
    /// Tries an upgrade.
    DryRun {
        version: &'static str,
        kind: RuntimeKind,
    },
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

fn verbs() -> impl Strategy<Value = Verb> {
    let (version, kind) = (|| select(&VERSIONS[..]), || select(&KINDS[..]));
    let rare = || prop::bool::weighted(0.15);
    let change = select(vec![Change::Freeze, Change::Unfreeze, Change::Revoke]);
    prop_oneof![
        4 => (version(), kind(), rare()).prop_map(|(version, kind, fails)| Verb::Deploy { version, kind, fails }),
        4 => (version(), kind(), rare(), rare(), any::<bool>()).prop_map(|(version, kind, fails, skip, change_runtime)| {
            Verb::Upgrade { version, kind, fails, skip, change_runtime }
        }),
        3 => (version(), prop::option::of(rare()), any::<bool>()).prop_map(|(version, migration, change_runtime)| {
            Verb::Rollback { version, migration, change_runtime }
        }),
        3 => change.prop_map(Verb::Change),
        2 => (select(&RIGHTS[..]), 0..RULES.len()).prop_map(|(right, rule)| Verb::Grant { right, rule }),
        1 => (0..RULES.len()).prop_map(|rule| Verb::Govern { rule }),
        4 => Just(Verb::Call),
        1 => (version(), kind()).prop_map(|(version, kind)| Verb::DryRun { version, kind }),
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
    let actor = || prop_oneof![3 => Just("ann"), 1 => Just("root"), 1 => select(&ACTORS[..])];
    let endorsers = prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(select(&ACTORS[..]), 1..3)];
    let step = (verbs(), prop_oneof![4 => Just("one"), 1 => select(&NAMES[..])], actor(), endorsers, crashes());
    let step = step.prop_map(|(verb, name, actor, endorsers, crash)| Step { verb, name, actor, endorsers, crash });
    // Before there is a contract, little can happen.
    let begin = Verb::Deploy { version: "1", kind: RuntimeKind::Native, fails: false };
    let begin = Step { verb: begin, name: "one", actor: "ann", endorsers: Vec::new(), crash: Crash::None };
    (any::<bool>(), prop::collection::vec(step, 1..most)).prop_map(move |(begins, mut life)| {
        if begins {
            life.insert(0, begin.clone());
        }
        life
    })
}
