//! What happens in a life.

use vm_core::{Change, Operation};

use super::program::Program;

/// Everybody who does something.
pub(super) const ACTORS: [&str; 4] = ["ann", "bob", "cat", "root"];
/// All contracts, apart from those of the system. One's name is how another one's begins.
pub(super) const NAMES: [&str; 3] = ["one", "two", "on"];
/// Who has which role in which organisation at first.
pub(super) const MEMBERS: [Member; 3] =
    [("org1", "admin", "ann"), ("org2", "admin", "bob"), ("org3", "auditor", "cat")];
/// The rights that rules are for.
pub(super) const RIGHTS: [&str; 8] =
    ["upgrade", "skip-migration", "rollback", "freeze", "revoke", "grant", "call", "call:count"];
/// Who administers the host at first.
pub(super) const ADMINISTRATORS: (&str, Who) =
    ("callers(root) or majority(admin)", Who::Either(&[Who::OneOf(&["root"]), Who::Majority("admin")]));
/// The rules that there are, as text, and as the model understands them.
pub(super) const RULES: [(&str, Who); 10] = [
    ("anyone", Who::Anyone),
    ("nobody", Who::Nobody),
    ("owner", Who::Owner),
    ("administrators", Who::Administrators),
    ("callers(bob, cat)", Who::OneOf(&["bob", "cat"])),
    ("role(auditor)", Who::Role("auditor")),
    ("quorum(2 of ann, bob, cat)", Who::Two(&["ann", "bob", "cat"])),
    ("majority(admin)", Who::Majority("admin")),
    ("owner or callers(root)", Who::Either(&[Who::Owner, Who::OneOf(&["root"])])),
    ADMINISTRATORS,
];

/// Organisation, role, and who has it.
pub(super) type Member = (&'static str, &'static str, &'static str);

/// A rule as the model understands it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Anyone,
    Nobody,
    Owner,
    Administrators,
    OneOf(&'static [&'static str]),
    Role(&'static str),
    Two(&'static [&'static str]),
    Majority(&'static str),
    Either(&'static [Who]),
}

impl Who {
    /// As text.
    pub(super) fn text(self) -> &'static str {
        RULES.iter().find(|(_, who)| *who == self).map_or("", |(text, _)| text)
    }
}

/// A request, by somebody, endorsed by others, and what becomes of the host while it is carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) verb: Verb,
    pub(super) name: &'static str,
    pub(super) actor: &'static str,
    pub(super) endorsers: Vec<&'static str>,
    pub(super) way: Way,
    /// Why, in the actor's words. Calls have none.
    pub(super) reason: &'static str,
    /// The block, of what belongs to one.
    pub(super) block: u64,
    pub(super) crash: Crash,
}

/// How an operation is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// By a request, which quotas are asked for and which belongs to no block.
    Request,
    /// By a transaction of a system contract, in a block. Nobody endorses those.
    Transaction,
    /// By a proposal that is carried out, endorsed by those who approved it. Proposing, approving and all else are steps of their own.
    Proposal,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verb {
    Deploy {
        version: &'static str,
        program: Program,
        capabilities: &'static str,
        fails: bool,
    },
    Upgrade {
        version: &'static str,
        program: Program,
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
    /// Gives a right a rule, or takes that of a method back.
    Grant {
        right: &'static str,
        rule: Option<Who>,
    },
    /// Gives several rights rules, or takes back those of methods, all at once or not at all.
    GrantAll(Vec<(&'static str, Option<Who>)>),
    Govern(Governing),
    /// Several changes of the host's policy, all at once or not at all.
    GovernAll(Vec<Governing>),
    Call(Calling),
    /// Calls a method that may change nothing, whether or not it would.
    Query(Calling),
    /// Tries one of the others on a fork, and compares calls with and without it: who is called, by whom, and what for.
    DryRun {
        trial: Box<Verb>,
        calls: Vec<(&'static str, &'static str, Calling)>,
    },
    /// Proposes one of the operations, to be carried out up to a block.
    Propose {
        operation: Box<Verb>,
        until: u64,
    },
    /// Does something with a proposal, counted from the newest one.
    Sign(Signing, u64),
}

/// What somebody does with a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signing {
    Approve,
    Reject,
    Execute,
    Expire,
}

/// A change of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Governing {
    /// Who deploys from now on.
    Deploy(Who),
    /// Who governs from now on.
    Administrators(Who),
    /// What contracts begin with from now on.
    Contracts {
        right: &'static str,
        rule: Who,
    },
    Enrol(Member),
    Dismiss(Member),
    /// The most keys and bytes that the contract may have.
    Room(Option<(u64, u64)>),
}

/// What a contract is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Calling {
    /// Count.
    Count,
    /// Write so many bytes.
    Put(&'static str, usize),
    Get(&'static str),
    Delete(&'static str),
    /// Emit an event.
    Emit,
    /// Tell everything about the call and its block, in the words of its edition.
    Env,
    /// Have the other contract count.
    Forward,
    /// The same, and succeed whatever becomes of it.
    Attempt,
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

/// The block of requests that belong to none.
pub(super) const OWN_BLOCK: u64 = 5;

impl Step {
    /// A request that belongs to no block, by somebody alone.
    pub(super) const fn by(actor: &'static str, name: &'static str, verb: Verb) -> Self {
        let (way, crash) = (Way::Request, Crash::None);
        Self { verb, name, actor, endorsers: Vec::new(), way, reason: "", block: OWN_BLOCK, crash }
    }

    /// The number of the block that it is in.
    pub(super) fn block(&self) -> u64 {
        if self.way == Way::Request { OWN_BLOCK } else { self.block }
    }

    /// Those who endorse it beside its sender, where the way takes them along.
    pub(super) fn endorsers(&self) -> &[&'static str] {
        if self.way == Way::Transaction { &[] } else { &self.endorsers }
    }
}

impl Verb {
    /// The right that it takes, of an operation on a contract that is there.
    pub(super) const fn right(&self) -> Option<&'static str> {
        Some(match self {
            Self::Upgrade { skip: true, .. } => "skip-migration",
            Self::Upgrade { .. } | Self::Migrate { .. } => "upgrade",
            Self::Rollback { .. } => "rollback",
            Self::Change(Change::Revoke) => "revoke",
            Self::Change(_) => "freeze",
            Self::Grant { .. } | Self::GrantAll(_) => "grant",
            _ => return None,
        })
    }

    /// For reports.
    pub(super) fn name(&self) -> String {
        let name = match self {
            Self::Deploy { .. } => "deploy",
            Self::Upgrade { .. } => "upgrade",
            Self::Rollback { .. } => "rollback",
            Self::Migrate { .. } => "migrate",
            Self::Change(change) => Operation::from(*change).as_str(),
            Self::Grant { rule: Some(_), .. } => "grant",
            Self::Grant { rule: None, .. } => "clear",
            Self::GrantAll(_) => "grant all",
            Self::GovernAll(_) => "govern all",
            Self::Govern(Governing::Deploy(_)) => "govern deploy",
            Self::Govern(Governing::Administrators(_)) => "administrators",
            Self::Govern(Governing::Contracts { .. }) => "contracts",
            Self::Govern(Governing::Enrol(_)) => "enrol",
            Self::Govern(Governing::Dismiss(_)) => "dismiss",
            Self::Govern(Governing::Room(_)) => "room",
            Self::Call(calling) => calling.method(),
            Self::Query(calling) => return format!("query of {}", calling.method()),
            Self::DryRun { trial, .. } if matches!(**trial, Self::Call(_)) => "dry run of call",
            Self::DryRun { trial, .. } => return format!("dry run of {}", trial.name()),
            Self::Propose { .. } => "propose",
            Self::Sign(signing, _) => signing.method(),
        };
        name.into()
    }
}

impl Signing {
    /// The method that is called.
    pub(super) const fn method(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Execute => "execute",
            Self::Expire => "expire",
        }
    }
}

impl Calling {
    /// The method that is called.
    pub(super) const fn method(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Put(..) => "put",
            Self::Get(_) => "get",
            Self::Delete(_) => "delete",
            Self::Emit => "emit",
            Self::Env => "env",
            Self::Forward => "forward",
            Self::Attempt => "attempt",
            Self::Ask => "ask",
        }
    }
}

impl Way {
    /// For reports.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Request => "",
            Self::Transaction => " as transaction",
            Self::Proposal => " by proposal",
        }
    }
}

impl Crash {
    /// For reports.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Restart => "restart",
            Self::Before => "before the commit",
            Self::After => "after the commit",
            Self::Within(_) => "within the commit",
        }
    }

    /// True when the host ends while the commit is made.
    pub(super) const fn ends_the_commit(self) -> bool {
        matches!(self, Self::Before | Self::After | Self::Within(_))
    }

    /// True when it can leave a step undone though it was carried out.
    pub(super) const fn may_lose(self) -> bool {
        matches!(self, Self::Before | Self::Within(_))
    }
}

/// The contract that another one calls.
pub(super) fn peer(name: &str) -> &'static str {
    match name {
        "one" => "two",
        "two" => "on",
        _ => "one",
    }
}
