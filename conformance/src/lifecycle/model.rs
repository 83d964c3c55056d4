//! What has to be, told in the simplest way.

use std::collections::{BTreeMap, BTreeSet};

use vm_core::{Change, Operation, RuntimeKind};

use super::step::{Calling, Crash, Governing, MEMBERS, Member, RIGHTS, RULES, Step, Verb, Way, Who};

/// How many requests everybody may send, and how many calls every contract may get, until the host is started again: the
/// quotas of the machine give the next one back only after a day.
pub(super) const BURST: u32 = 8;

/// A host with its contracts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Model {
    pub(super) deploys: Who,
    pub(super) host_policy: u32,
    /// Who endorsed it.
    pub(super) host_endorsers: Endorsers,
    pub(super) members: BTreeSet<Member>,
    pub(super) contracts: BTreeMap<&'static str, Contract>,
    /// The requests of callers, and the calls of contracts.
    spent: BTreeMap<&'static str, u32>,
}

/// A contract as everybody sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Contract {
    pub(super) owner: &'static str,
    pub(super) life: &'static str,
    pub(super) version: &'static str,
    pub(super) kind: RuntimeKind,
    /// All versions, oldest first.
    pub(super) versions: Vec<(&'static str, RuntimeKind)>,
    pub(super) policy: u32,
    pub(super) rights: BTreeMap<&'static str, Who>,
    pub(super) capabilities: &'static str,
    /// The most keys and bytes that it may have.
    pub(super) room: Option<(u64, u64)>,
    /// One line an entry: operation, migration, actor and endorsers, version before and after, state and policy after.
    pub(super) history: Vec<String>,
    pub(super) state: BTreeMap<&'static str, Vec<u8>>,
}

/// Nothing was done since all was so already, which is no error.
pub(super) const UNCHANGED: &str = "unchanged";

/// Whether a request is carried out: otherwise the stable name of why not.
pub(super) type Verdict = Result<(), &'static str>;

/// Those whose endorsement a rule counted.
pub(super) type Endorsers = BTreeSet<&'static str>;

/// The same as words.
pub(super) fn told(endorsers: &Endorsers) -> String {
    endorsers.iter().map(|endorser| format!(" with {endorser}")).collect()
}

impl Default for Model {
    fn default() -> Self {
        let (members, contracts, spent) = (MEMBERS.into(), BTreeMap::new(), BTreeMap::new());
        Self { deploys: Who::Anyone, host_policy: 1, host_endorsers: BTreeSet::new(), members, contracts, spent }
    }
}

impl Contract {
    fn write_down(&mut self, operation: &str, migration: &str, step: &Step, by: &Endorsers, before: &str) {
        let (actor, version, life, policy) = (step.actor, self.version, self.life, self.policy);
        let by = told(by);
        self.history.push(format!("{operation} {migration} by {actor}{by}: {before} -> {version} {life} {policy}"));
    }

    fn may_use(&self, capability: &str) -> bool {
        self.capabilities == "all" || self.capabilities.contains(capability)
    }

    /// The rule of a right.
    fn who(&self, right: &str) -> Who {
        self.rights.get(right).copied().unwrap_or(match right {
            "call" => Who::Anyone,
            "skip-migration" => Who::Administrators,
            _ => Who::Owner,
        })
    }

    /// The rule of a method.
    fn callers(&self, method: Calling) -> Who {
        let own = matches!(method, Calling::Count) && self.rights.contains_key("call:count");
        self.who(if own { "call:count" } else { "call" })
    }

    /// Sets a key, or deletes it, unless there is no room: then the state may not grow.
    fn write(&mut self, key: &'static str, value: Option<Vec<u8>>) -> Verdict {
        let size = |state: &BTreeMap<&str, Vec<u8>>| {
            (state.len() as u64, state.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>() as u64)
        };
        let before = size(&self.state);
        match value {
            Some(value) => drop(self.state.insert(key, value)),
            None => drop(self.state.remove(key)),
        }
        let after = size(&self.state);
        let fits = |most: u64, before: u64, after: u64| after <= most || after <= before;
        match self.room {
            Some((keys, bytes)) if !fits(keys, before.0, after.0) || !fits(bytes, before.1, after.1) => Err("trapped"),
            _ => Ok(()),
        }
    }

    pub(super) fn count(&mut self) -> Verdict {
        let number =
            self.state.get("n").and_then(|bytes| bytes.first_chunk()).map_or(0, |bytes| u64::from_le_bytes(*bytes));
        self.write("n", Some((number + 1).to_le_bytes().to_vec()))
    }

    /// What the probe's migration does.
    fn migrate(&mut self, from: &str, to: &str, fails: bool) -> Verdict {
        self.write("upgraded", Some(format!("{from} -> {to}").into_bytes())).map_err(|_| "failed")?;
        if fails { Err("failed") } else { Ok(()) }
    }

    /// Other code: a version that is there or becomes one.
    fn replace(&mut self, to: (&'static str, RuntimeKind), allowed: bool) -> Verdict {
        if self.kind != to.1 && !allowed {
            return Err("runtime_change");
        }
        self.alive()?;
        (self.version, self.kind) = to;
        Ok(())
    }

    fn alive(&self) -> Verdict {
        if self.life == "revoked" { Err("transition") } else { Ok(()) }
    }
}

impl Model {
    /// Does a step, or leaves everything as it is.
    pub(super) fn apply(&mut self, step: &Step) -> Verdict {
        if step.way == Way::Request {
            self.spend(step)?;
        }
        let mut next = self.clone();
        let verdict = next.attempt(step);
        if verdict.is_ok() && !matches!(step.verb, Verb::DryRun { .. }) {
            *self = next;
        }
        match verdict {
            // A contract that carries out an operation hands on that it was refused.
            Err(why) if step.way != Way::Request && why != UNCHANGED => Err("reverted"),
            verdict => verdict,
        }
    }

    /// The host was started again.
    pub(super) fn restarted(&mut self) {
        self.spent.clear();
    }

    /// Asks the quotas, of which those count that run code.
    fn spend(&mut self, step: &Step) -> Verdict {
        let who = match step.verb {
            Verb::Change(_) | Verb::Grant { .. } | Verb::Govern(_) => [None, None],
            Verb::Call(_) => [Some(step.actor), Some(step.name)],
            _ => [Some(step.actor), None],
        };
        let who = who.into_iter().flatten();
        if who.clone().any(|who| self.spent.get(who) == Some(&BURST)) {
            return Err("quota");
        }
        who.for_each(|who| *self.spent.entry(who).or_default() += 1);
        Ok(())
    }

    /// Whose endorsements a rule counts that lets a step happen.
    fn permits(&self, who: Who, step: &Step, owner: Option<&str>) -> Result<Endorsers, &'static str> {
        let alone = |permitted: bool| permitted.then(BTreeSet::new);
        let permitted = match who {
            Who::Anyone => alone(true),
            Who::Owner => alone(owner == Some(step.actor)),
            Who::Administrators => alone(step.actor == "root").or_else(|| self.endorsed_by_majority("admin", step)),
            Who::OneOf(names) => alone(names.contains(&step.actor)),
            Who::Role(role) => alone(self.members.iter().any(|(_, of, name)| *of == role && *name == step.actor)),
            Who::Two(names) => {
                let endorsers: BTreeSet<_> = names.iter().copied().filter(|name| step.endorses(name)).collect();
                (endorsers.len() >= 2).then_some(endorsers)
            }
            Who::Majority(role) => self.endorsed_by_majority(role, step),
            Who::OwnerOr(name) => alone(owner == Some(step.actor) || step.actor == name),
        };
        permitted.ok_or("denied")
    }

    /// Those with a role who endorse a step, when they are in more than half of the organisations that have it.
    fn endorsed_by_majority(&self, role: &str, step: &Step) -> Option<Endorsers> {
        let holders = self.members.iter().filter(|(_, of, _)| *of == role);
        let all: BTreeSet<_> = holders.clone().map(|(organisation, ..)| organisation).collect();
        let endorsing = holders.filter(|(.., member)| step.endorses(member));
        let organisations: BTreeSet<_> = endorsing.clone().map(|(organisation, ..)| organisation).collect();
        (organisations.len() * 2 > all.len()).then(|| endorsing.map(|(.., member)| *member).collect())
    }

    fn attempt(&mut self, step: &Step) -> Verdict {
        match step.verb {
            Verb::Deploy { version, kind, capabilities, fails } => {
                self.deploy(step, (version, kind), capabilities, fails)
            }
            Verb::Upgrade { version, kind, fails, skip, change_runtime } => {
                self.upgrade(step, (version, kind), (!skip).then_some(fails), change_runtime)
            }
            Verb::DryRun { version, kind } => self.upgrade(step, (version, kind), Some(false), true),
            Verb::Migrate { written_by, fails } => self.migrate(step, written_by, fails),
            Verb::Rollback { version, migration, change_runtime } => {
                self.rollback(step, version, migration, change_runtime)
            }
            Verb::Change(to) => self.change(step, to),
            Verb::Grant { right, rule } => self.grant(step, right, rule),
            Verb::Govern(change) => self.govern(step, change),
            Verb::Call(method) => self.call(step, method),
        }
    }

    fn deploy(
        &mut self,
        step: &Step,
        (version, kind): (&'static str, RuntimeKind),
        capabilities: &'static str,
        fails: bool,
    ) -> Verdict {
        let endorsers = self.permits(self.deploys, step, None)?;
        if self.contracts.contains_key(step.name) {
            return Err("name_taken");
        }
        if fails {
            return Err("failed");
        }
        let mut contract = Contract {
            owner: step.actor,
            life: "active",
            version,
            kind,
            versions: vec![(version, kind)],
            policy: 0,
            rights: BTreeMap::new(),
            capabilities,
            room: None,
            history: Vec::new(),
            state: BTreeMap::new(),
        };
        contract.write_down("deploy", "None", step, &endorsers, "-");
        self.contracts.insert(step.name, contract);
        Ok(())
    }

    /// The contract, for somebody who has a right.
    fn approach(&mut self, step: &Step, right: &str) -> Result<(&mut Contract, Endorsers), &'static str> {
        let contract = self.contracts.get(step.name).ok_or("unknown_contract")?;
        let endorsers = self.permits(contract.who(right), step, Some(contract.owner))?;
        let contract = self.contracts.get_mut(step.name).ok_or("unknown_contract")?;
        Ok((contract, endorsers))
    }

    /// `migration` says whether it fails, unless it is skipped.
    fn upgrade(
        &mut self,
        step: &Step,
        to: (&'static str, RuntimeKind),
        migration: Option<bool>,
        change_runtime: bool,
    ) -> Verdict {
        let right = if migration.is_none() { "skip-migration" } else { "upgrade" };
        let (contract, endorsers) = self.approach(step, right)?;
        if contract.versions.iter().any(|(version, _)| *version == to.0) {
            return Err("version_taken");
        }
        let before = contract.version;
        contract.replace(to, change_runtime)?;
        if let Some(fails) = migration {
            contract.migrate(before, to.0, fails)?;
        }
        contract.versions.push(to);
        let migration = if migration.is_some() { "Ran" } else { "Skipped" };
        contract.write_down("upgrade", migration, step, &endorsers, before);
        Ok(())
    }

    fn migrate(&mut self, step: &Step, written_by: &'static str, fails: bool) -> Verdict {
        let (contract, endorsers) = self.approach(step, "upgrade")?;
        if !contract.versions.iter().any(|(version, _)| *version == written_by) {
            return Err("unknown_version");
        }
        contract.alive()?;
        contract.migrate(written_by, contract.version, fails)?;
        contract.write_down("migrate", "Ran", step, &endorsers, contract.version);
        Ok(())
    }

    fn rollback(&mut self, step: &Step, to: &'static str, migration: Option<bool>, change_runtime: bool) -> Verdict {
        let (contract, endorsers) = self.approach(step, "rollback")?;
        let kept = contract.versions.iter().find(|(version, _)| *version == to).copied().ok_or("unknown_version")?;
        if contract.version == to {
            return Err("current_version");
        }
        let before = contract.version;
        contract.replace(kept, change_runtime)?;
        if let Some(fails) = migration {
            contract.migrate(before, to, fails)?;
        }
        contract.write_down("rollback", if migration.is_some() { "Ran" } else { "None" }, step, &endorsers, before);
        Ok(())
    }

    fn change(&mut self, step: &Step, to: Change) -> Verdict {
        let (contract, endorsers) = self.approach(step, if to == Change::Revoke { "revoke" } else { "freeze" })?;
        contract.life = match (contract.life, to) {
            ("active", Change::Freeze) => "frozen",
            ("frozen", Change::Unfreeze) => "active",
            ("active" | "frozen", Change::Revoke) => "revoked",
            _ => return Err("transition"),
        };
        contract.write_down(Operation::from(to).as_str(), "None", step, &endorsers, contract.version);
        Ok(())
    }

    fn grant(&mut self, step: &Step, right: &'static str, rule: usize) -> Verdict {
        let (contract, endorsers) = self.approach(step, "grant")?;
        let (_, who) = RULES.get(rule).copied().ok_or("no such rule")?;
        // A method's own rule is one, also where it says what the rule of all calls says.
        let unchanged =
            if right == "call:count" { contract.rights.get(right) == Some(&who) } else { contract.who(right) == who };
        if unchanged {
            return Err(UNCHANGED);
        }
        contract.rights.insert(right, who);
        contract.policy += 1;
        contract.write_down("grant", "None", step, &endorsers, contract.version);
        Ok(())
    }

    fn govern(&mut self, step: &Step, change: Governing) -> Verdict {
        let endorsers = self.permits(Who::Administrators, step, None)?;
        let changed = match change {
            Governing::Deploy { rule } => {
                let (_, who) = RULES.get(rule).copied().ok_or("no such rule")?;
                if matches!(who, Who::Owner | Who::OwnerOr(_)) {
                    return Err("policy");
                }
                std::mem::replace(&mut self.deploys, who) != who
            }
            Governing::Enrol(member) => self.members.insert(member),
            Governing::Dismiss(member) => self.members.remove(&member),
            Governing::Room(room) => {
                let contract = self.contracts.get_mut(step.name).ok_or("unknown_contract")?;
                if contract.room == room {
                    return Err(UNCHANGED);
                }
                contract.room = room;
                contract.write_down("room", "None", step, &endorsers, contract.version);
                return Ok(());
            }
        };
        if !changed {
            return Err(UNCHANGED);
        }
        self.host_policy += 1;
        self.host_endorsers = endorsers;
        Ok(())
    }

    fn call(&mut self, step: &Step, method: Calling) -> Verdict {
        let other = self.contracts.get(other(step.name)).map(|other| (other.life, other.callers(peers(method))));
        let contract = self.contracts.get(step.name).ok_or("unknown_contract")?;
        if contract.life != "active" {
            return Err("not_callable");
        }
        self.permits(contract.callers(method), step, Some(contract.owner))?;
        let contract = self.contracts.get_mut(step.name).ok_or("unknown_contract")?;
        match method {
            Calling::Count => contract.count(),
            Calling::Put(key, length) => contract.write(key, Some(vec![7; length])),
            Calling::Delete(key) => contract.write(key, None),
            Calling::Emit if !contract.may_use("events") => Err("trapped"),
            Calling::Time if !contract.may_use("time") => Err("no time"),
            Calling::Emit | Calling::Time => Ok(()),
            Calling::Forward if !contract.may_use("calls") => Err("reverted"),
            Calling::Ask if !contract.may_use("calls") && !contract.may_use("state") => Err("reverted"),
            // A contract is nobody's owner, has no role, and nobody endorses what it does.
            Calling::Forward | Calling::Ask if other != Some(("active", Who::Anyone)) => Err("reverted"),
            Calling::Forward => {
                let other = self.contracts.get_mut(self::other(step.name)).ok_or("unknown_contract")?;
                other.count().map_err(|_| "reverted")
            }
            Calling::Ask => Ok(()),
        }
    }
}

/// What a contract asks the other one for.
const fn peers(method: Calling) -> Calling {
    match method {
        Calling::Forward => Calling::Count,
        other => other,
    }
}

/// The other one of the two contracts.
pub(super) fn other(name: &str) -> &'static str {
    if name == "one" { "two" } else { "one" }
}

/// The rule of each right as the machine tells it.
pub(super) fn rights_as_text(contract: &Contract) -> Vec<String> {
    let text = |who: Who| RULES.iter().find(|(_, other)| *other == who).map_or("?", |(text, _)| text);
    let told = RIGHTS.iter().filter(|right| **right != "call:count" || contract.rights.contains_key(*right));
    told.map(|right| format!("{right} = {}", text(contract.who(right)))).collect()
}

/// True when a crash can leave a step undone though it is permitted.
pub(super) const fn may_be_lost(crash: Crash) -> bool {
    matches!(crash, Crash::Before | Crash::Within(_))
}
