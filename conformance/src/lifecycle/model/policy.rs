//! Who may do what.

use std::collections::{BTreeMap, BTreeSet};

use super::super::request::address;
use super::super::step::{ADMINISTRATORS, MEMBERS, Member, Who};

/// The rule of each right, and those of methods that have one.
pub(in super::super) type Rights = BTreeMap<&'static str, Who>;

/// Those whose endorsement a rule counted.
pub(in super::super) type Endorsers = BTreeSet<&'static str>;

/// A version of the host's policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Host {
    /// Nobody of the first.
    pub(in super::super) author: Option<&'static str>,
    pub(in super::super) endorsers: Endorsers,
    pub(in super::super) reason: &'static str,
    pub(in super::super) block: u64,
    pub(in super::super) deploys: Who,
    pub(in super::super) administrators: Who,
    pub(in super::super) members: BTreeSet<Member>,
    /// What contracts begin with.
    pub(in super::super) begins: Rights,
}

/// Who asks for something.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Asker<'a> {
    pub(in super::super) actor: &'a str,
    pub(in super::super) endorsers: &'a [&'static str],
    /// Of the contract, if it is about one.
    pub(in super::super) owner: Option<&'static str>,
}

impl Asker<'_> {
    fn endorses(&self, name: &str) -> bool {
        self.actor == name || self.endorsers.contains(&name)
    }
}

/// What contracts have whose policy nobody has changed.
pub(in super::super) fn usual() -> Rights {
    let owners = ["upgrade", "rollback", "freeze", "revoke", "grant"].map(|right| (right, Who::Owner));
    owners.into_iter().chain([("skip-migration", Who::Administrators), ("call", Who::Anyone)]).collect()
}

impl Default for Host {
    fn default() -> Self {
        Self {
            author: None,
            endorsers: Endorsers::new(),
            reason: "",
            block: 0,
            deploys: Who::Anyone,
            administrators: ADMINISTRATORS.1,
            members: MEMBERS.into(),
            begins: usual(),
        }
    }
}

impl Host {
    /// Whose endorsements a rule counts that lets somebody do something, or whom it would have let.
    pub(super) fn permits(&self, who: Who, asker: Asker<'_>) -> Result<Endorsers, String> {
        self.counted(who, asker).ok_or_else(|| self.explained(who, asker))
    }

    fn counted(&self, who: Who, asker: Asker<'_>) -> Option<Endorsers> {
        let alone = |permitted: bool| permitted.then(Endorsers::new);
        match who {
            Who::Anyone => alone(true),
            Who::Nobody => None,
            Who::Owner => alone(asker.owner == Some(asker.actor)),
            Who::Administrators => self.counted(self.administrators, asker),
            Who::OneOf(names) => alone(names.contains(&asker.actor)),
            Who::Role(role) => alone(self.holders(role).any(|(.., name)| *name == asker.actor)),
            Who::Two(names) => {
                let endorsers: Endorsers = names.iter().copied().filter(|name| asker.endorses(name)).collect();
                (endorsers.len() >= 2).then_some(endorsers)
            }
            Who::Majority(role) => {
                let (endorsing, all) = self.organisations(role, asker);
                let holders = self.holders(role).map(|(.., name)| *name).filter(|name| asker.endorses(name));
                (endorsing * 2 > all).then(|| holders.collect())
            }
            Who::Either(rules) => rules.iter().find_map(|rule| self.counted(*rule, asker)),
        }
    }

    fn explained(&self, who: Who, asker: Asker<'_>) -> String {
        match who {
            Who::Anyone => "anyone may".into(),
            Who::Nobody => "nobody may".into(),
            Who::Owner => "only its owner may".into(),
            Who::Administrators => {
                format!("only the host's administrators may: {}", self.explained(self.administrators, asker))
            }
            Who::OneOf(names) => format!("only {} may", addresses(names)),
            Who::Role(role) => format!("only those with the role '{role}' may"),
            Who::Two(names) => {
                let endorsing = names.iter().filter(|name| asker.endorses(name)).count();
                format!("2 of {} must endorse it, and {endorsing} did", addresses(names))
            }
            Who::Majority(role) => {
                let (endorsing, all) = self.organisations(role, asker);
                format!("more than half of {all} organisations must endorse it by their '{role}', and {endorsing} did")
            }
            Who::Either(rules) => {
                rules.iter().map(|rule| self.explained(*rule, asker)).collect::<Vec<_>>().join("; or ")
            }
        }
    }

    fn holders(&self, role: &str) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(move |(_, of, _)| *of == role)
    }

    /// How many of the organisations that have a role endorse something by it, and how many have it.
    fn organisations(&self, role: &str, asker: Asker<'_>) -> (usize, usize) {
        let count = |counts: &dyn Fn(&str) -> bool| {
            let holders = self.holders(role).filter(|(.., name)| counts(name));
            holders.map(|(organisation, ..)| *organisation).collect::<BTreeSet<_>>().len()
        };
        (count(&|name| asker.endorses(name)), count(&|_| true))
    }

    /// Refuses what would end the host's government by a slip.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        let defined = |who: &Who| matches!(who, Who::Administrators);
        let owned = |who: &Who| matches!(who, Who::Owner);
        if has(self.administrators, defined) || has(self.administrators, owned) || has(self.deploys, owned) {
            return Err("policy");
        }
        if self.administrators != Who::Nobody && !self.can_meet(self.administrators) {
            return Err("policy");
        }
        Ok(())
    }

    fn can_meet(&self, who: Who) -> bool {
        match who {
            Who::Nobody | Who::Owner | Who::Administrators => false,
            Who::Anyone | Who::OneOf(_) | Who::Two(_) => true,
            Who::Role(role) | Who::Majority(role) => self.holders(role).next().is_some(),
            Who::Either(rules) => rules.iter().any(|rule| self.can_meet(*rule)),
        }
    }
}

fn has(who: Who, what: fn(&Who) -> bool) -> bool {
    match who {
        Who::Either(rules) => rules.iter().any(|rule| has(*rule, what)),
        who => what(&who),
    }
}

/// Addresses in their order, as text.
fn addresses(names: &[&str]) -> String {
    let all: BTreeSet<_> = names.iter().map(|name| address(name)).collect();
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
