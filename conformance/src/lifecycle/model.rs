//! What has to be, told in the simplest way.

mod calls;
mod contract;
mod dry_run;
mod policy;
mod proposals;

use std::collections::BTreeMap;

use vm_core::{Change, Operation};

use super::answer::{Expected, Refused, Text, Told};
use super::request::address;
use super::step::{Calling, Crash, Governing, Step, Verb, Way, Who};
use calls::{Call, denied, wanted};
use contract::Migrated;
use policy::Asker;

pub(super) use contract::{Contract, Entry, Situation, Version};
pub(super) use policy::{Endorsers, Host, Rights, usual};
pub(super) use proposals::Proposal;

/// How many requests everybody may send, and how many calls every contract may get, until the host is started again: the
/// quotas of the machine give the next one back only after a day.
pub(super) const BURST: u32 = 8;

/// A host with its contracts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Model {
    /// The host's policy, and those before it, oldest first.
    pub(super) host: Host,
    pub(super) earlier: Vec<Host>,
    pub(super) contracts: BTreeMap<&'static str, Contract>,
    /// Those that are open, by their numbers.
    pub(super) proposals: BTreeMap<u64, Proposal>,
    /// How many were ever made.
    proposed: u64,
    /// The requests of callers, and the calls of contracts.
    spent: BTreeMap<&'static str, u32>,
}

/// Nothing was done since all was so already, which is no error.
pub(super) const UNCHANGED: &str = "unchanged";

/// The longest reason.
const REASON: usize = 1_024;

/// Whether something is carried out.
type Verdict = Result<(), Why>;

/// Why something is not carried out: a stable name, and the text, where that is known.
#[derive(Debug, Clone)]
struct Why {
    name: &'static str,
    text: Option<String>,
}

impl From<&'static str> for Why {
    fn from(name: &'static str) -> Self {
        Self { name, text: None }
    }
}

impl Why {
    const fn denied(text: String) -> Self {
        Self { name: "denied", text: Some(text) }
    }
}

impl Step {
    fn asker(&self, owner: Option<&'static str>) -> Asker<'_> {
        Asker { actor: self.actor, endorsers: self.endorsers(), owner }
    }

    fn calling(&self, calling: Calling) -> Call<'_> {
        let is_static = matches!(self.verb, Verb::Query(_));
        Call { to: self.name, by: self.asker(None), calling, is_static, block: self.block() }
    }
}

impl Model {
    /// Does a step, or leaves everything as it is.
    pub(super) fn apply(&mut self, step: &Step) -> Expected {
        if step.way == Way::Request && !self.spend(step) {
            let calls = matches!(
                step.verb,
                Verb::Call(_) | Verb::Query(_) | Verb::DryRun { .. } | Verb::Propose { .. } | Verb::Sign(..)
            );
            let told = (!calls).then(|| self.refused(step, &step.verb, &Why::from("quota"), false));
            return Expected { name: "quota", told: told.into_iter().collect(), ..Expected::default() };
        }
        let (expected, calls) = match &step.verb {
            Verb::Call(calling) | Verb::Query(calling) => (self.apply_call(step, *calling), true),
            Verb::DryRun { trial, calls } => (self.try_out(step, trial, calls), matches!(**trial, Verb::Call(_))),
            Verb::Propose { .. } | Verb::Sign(..) => (self.apply_signing(step), false),
            operation => (self.apply_operation(step, operation), false),
        };
        // A refused call takes nothing of what may be asked of the contract.
        if calls
            && ["denied", "not_callable", "unknown_contract"].contains(&expected.name)
            && let Some(spent) = self.spent.get_mut(step.name)
        {
            *spent = spent.saturating_sub(1);
        }
        expected
    }

    /// The host was started again.
    pub(super) fn restarted(&mut self) {
        self.spent.clear();
    }

    /// Asks the quotas, of which those count that run code.
    fn spend(&mut self, step: &Step) -> bool {
        let verb = if let Verb::DryRun { trial, .. } = &step.verb { trial } else { &step.verb };
        let who = match verb {
            Verb::Change(_) | Verb::Grant { .. } | Verb::GrantAll(_) | Verb::Govern(_) | Verb::GovernAll(_) => {
                [None, None]
            }
            Verb::Rollback { migration: None, .. } if !matches!(step.verb, Verb::DryRun { .. }) => [None, None],
            Verb::Call(_) | Verb::Query(_) => [Some(step.actor), Some(step.name)],
            _ => [Some(step.actor), None],
        };
        let who = who.into_iter().flatten();
        let may = who.clone().all(|who| self.spent.get(who) != Some(&BURST));
        if may {
            who.for_each(|who| *self.spent.entry(who).or_default() += 1);
        }
        may
    }

    fn apply_call(&mut self, step: &Step, calling: Calling) -> Expected {
        match self.call(step.calling(calling)) {
            Ok(ended) => {
                let mut told = ended.denials.clone();
                // Of queries nobody is told.
                let called = matches!(step.verb, Verb::Call(_));
                told.extend(called.then(|| Told::Called { contract: step.name.into() }));
                let (told_when_lost, commits) = (ended.denials, !ended.writes.is_empty());
                Expected {
                    name: ended.how,
                    text: Some(ended.text),
                    told,
                    told_when_lost,
                    commits,
                    ..Expected::default()
                }
            }
            Err(why) => {
                let told =
                    if why.name == "denied" { vec![self.refused(step, &step.verb, &why, false)] } else { Vec::new() };
                Expected { name: why.name, text: why.text, told, ..Expected::default() }
            }
        }
    }

    fn apply_operation(&mut self, step: &Step, operation: &Verb) -> Expected {
        let nested = step.way != Way::Request;
        let mut next = self.clone();
        let result = next.operate(step, operation);
        let refused = |why: &Why| self.refused(step, operation, why, false);
        let mut told: Vec<_> = match &result {
            Ok(()) => Some(next.done(step)),
            Err(why) if why.name == UNCHANGED => None,
            Err(why) => Some(refused(why)),
        }
        .into_iter()
        .collect();
        if nested {
            let contract = match (step.way, operation) {
                (Way::Proposal, _) => "multi_sign",
                (_, Verb::Grant { .. } | Verb::GrantAll(_) | Verb::Govern(_) | Verb::GovernAll(_)) => "access_control",
                _ => "contract_manager",
            };
            told.push(Told::Called { contract: contract.into() });
        }
        // It may have been done all the same.
        let left = if step.crash == Crash::Before { &*self } else { &next };
        let lost = left.refused(step, operation, &Why::from("lost"), false);
        let told_when_lost = if nested { Vec::new() } else { vec![lost] };
        let (name, text) = match result {
            Ok(()) => ("done", None),
            // A contract that carries out an operation hands on that it was refused.
            Err(Why { name, text }) if nested && name != UNCHANGED => ("reverted", text),
            Err(Why { name, text }) => (name, text),
        };
        // A proposal is carried out, also when what it proposes is so already.
        let commits = name == "done" || (name == UNCHANGED && step.way == Way::Proposal);
        if name == "done" {
            *self = next;
        }
        Expected { name, text, told, told_when_lost, commits, ..Expected::default() }
    }

    /// What is told of an operation that was done.
    fn done(&self, step: &Step) -> Told {
        let (actor, reason) = (step.actor.to_owned(), step.reason.to_owned());
        match (about(step, &step.verb), self.contracts.get(step.name)) {
            (Some((contract, action)), Some(of)) => {
                Told::Done { contract, action, actor, reason, entry: of.history.len() as u64 }
            }
            _ => Told::Governed { actor, reason, version: self.earlier.len() as u32 + 1 },
        }
    }

    /// What is told of something that was not done.
    fn refused(&self, step: &Step, verb: &Verb, why: &Why, tried: bool) -> Told {
        let nested = step.way != Way::Request;
        let on = about(step, verb);
        let exists = on.is_some() && self.contracts.contains_key(step.name);
        let reason = if nested { step.reason.get(..REASON).unwrap_or(step.reason) } else { step.reason };
        let why = match &why.text {
            Some(text) => Text::Exactly(text.clone()),
            // The caller is told with what words the contract reverted.
            None if nested && why.name == "failed" => Text::Begins("the contract failed with "),
            None => Text::AsAnswered,
        };
        Told::Refused(Refused { on, actor: step.actor.into(), reason: reason.into(), why, tried, exists })
    }

    fn operate(&mut self, step: &Step, operation: &Verb) -> Verdict {
        if step.reason.len() > REASON {
            return Err("too_large".into());
        }
        match operation {
            Verb::Deploy { .. } => self.deploy(step, operation),
            Verb::Upgrade { .. } => self.upgrade(step, operation),
            Verb::Migrate { written_by, fails } => self.migrate(step, written_by, *fails),
            Verb::Rollback { version, migration, change_runtime } => {
                self.rollback(step, version, *migration, *change_runtime)
            }
            Verb::Change(to) => self.change(step, *to),
            Verb::Grant { right, rule } => self.grant(step, &[(*right, *rule)]),
            Verb::GrantAll(rules) => self.grant(step, rules),
            Verb::Govern(Governing::Room(room)) => self.bound(step, *room),
            Verb::Govern(change) => self.govern(step, &[*change]),
            Verb::GovernAll(changes) => self.govern(step, changes),
            Verb::Call(_) | Verb::Query(_) | Verb::DryRun { .. } | Verb::Propose { .. } | Verb::Sign(..) => Ok(()),
        }
    }

    fn deploy(&mut self, step: &Step, deployment: &Verb) -> Verdict {
        let Verb::Deploy { version, program, capabilities, fails } = *deployment else { return Ok(()) };
        let endorsers = self.permit(self.host.deploys, step, None, "deploy contract")?;
        if self.contracts.contains_key(step.name) {
            return Err("name_taken".into());
        }
        if fails {
            return Err("failed".into());
        }
        let mut policies = vec![usual()];
        policies.extend((self.host.begins != usual()).then(|| self.host.begins.clone()));
        let policy = policies.len() as u32 - 1;
        let now = Situation { life: "active", version, program, policy, room: None };
        let mut contract = Contract {
            owner: step.actor,
            deployed_in: step.block(),
            capabilities,
            now,
            versions: Vec::new(),
            policies,
            history: Vec::new(),
            state: BTreeMap::new(),
        };
        contract.keep(step);
        contract.write_down(step, Operation::Deploy, Migrated::No, endorsers, None);
        self.contracts.insert(step.name, contract);
        Ok(())
    }

    /// Whose endorsements count, for somebody who may do something.
    fn permit(&self, who: Who, step: &Step, owner: Option<&'static str>, wanted: &str) -> Result<Endorsers, Why> {
        let denied =
            |rule: String| Why::denied(format!("permission: {}", denied(step.actor, wanted, step.name, &rule)));
        self.host.permits(who, step.asker(owner)).map_err(denied)
    }

    /// The contract, for somebody who has a right.
    fn approach(&mut self, step: &Step, right: &str, wanted: &str) -> Result<(&mut Contract, Endorsers), Why> {
        let contract = self.contracts.get(step.name).ok_or("unknown_contract")?;
        let endorsers = self.permit(contract.who(right), step, Some(contract.owner), wanted)?;
        let contract = self.contracts.get_mut(step.name).ok_or("unknown_contract")?;
        Ok((contract, endorsers))
    }

    fn upgrade(&mut self, step: &Step, upgrade: &Verb) -> Verdict {
        let Verb::Upgrade { version, program, fails, skip, change_runtime } = *upgrade else { return Ok(()) };
        let (contract, endorsers) = match skip {
            true => self.approach(step, "skip-migration", "skip the migration of contract")?,
            false => self.approach(step, "upgrade", "upgrade contract")?,
        };
        if contract.had(version).is_some() {
            return Err("version_taken".into());
        }
        let before = contract.now;
        contract.replace(version, program, change_runtime)?;
        if !skip {
            contract.migrate(program, before.version, version, fails)?;
        }
        contract.keep(step);
        let migrated = if skip { Migrated::Skipped } else { Migrated::From(before.version) };
        contract.write_down(step, Operation::Upgrade, migrated, endorsers, Some(before));
        Ok(())
    }

    fn migrate(&mut self, step: &Step, written_by: &'static str, fails: bool) -> Verdict {
        let (contract, endorsers) = self.approach(step, "upgrade", "migrate contract")?;
        if contract.had(written_by).is_none() {
            return Err("unknown_version".into());
        }
        contract.alive()?;
        let now = contract.now;
        contract.migrate(now.program, written_by, now.version, fails)?;
        contract.write_down(step, Operation::Migrate, Migrated::From(written_by), endorsers, Some(now));
        Ok(())
    }

    fn rollback(&mut self, step: &Step, to: &'static str, migration: Option<bool>, change_runtime: bool) -> Verdict {
        let (contract, endorsers) = self.approach(step, "rollback", "roll back contract")?;
        let program = contract.had(to).ok_or("unknown_version")?.program;
        if contract.now.version == to {
            return Err("current_version".into());
        }
        let before = contract.now;
        contract.replace(to, program, change_runtime)?;
        let mut migrated = Migrated::No;
        if let Some(fails) = migration {
            // By the code that is left.
            contract.migrate(before.program, before.version, to, fails)?;
            migrated = Migrated::From(before.version);
        }
        contract.write_down(step, Operation::Rollback, migrated, endorsers, Some(before));
        Ok(())
    }

    fn change(&mut self, step: &Step, to: Change) -> Verdict {
        let operation = Operation::from(to);
        let right = if to == Change::Revoke { "revoke" } else { "freeze" };
        let (contract, endorsers) = self.approach(step, right, &format!("{operation} contract"))?;
        let before = contract.now;
        contract.now.life = match (before.life, to) {
            ("active", Change::Freeze) => "frozen",
            ("frozen", Change::Unfreeze) => "active",
            ("active" | "frozen", Change::Revoke) => "revoked",
            _ => return Err("transition".into()),
        };
        contract.write_down(step, operation, Migrated::No, endorsers, Some(before));
        Ok(())
    }

    fn grant(&mut self, step: &Step, rules: &[(&'static str, Option<Who>)]) -> Verdict {
        let (contract, endorsers) = self.approach(step, "grant", "change the policy of contract")?;
        let mut rights = contract.rights();
        for (right, rule) in rules {
            match rule {
                Some(rule) => rights.insert(right, *rule),
                None => rights.remove(right),
            };
        }
        if rights == contract.rights() {
            return Err(UNCHANGED.into());
        }
        let before = contract.now;
        contract.policies.push(rights);
        contract.now.policy += 1;
        contract.write_down(step, Operation::Grant, Migrated::No, endorsers, Some(before));
        Ok(())
    }

    /// Whose endorsements count, for somebody who may change the host.
    fn permit_govern(&self, step: &Step) -> Result<Endorsers, Why> {
        let permitted = self.host.permits(self.host.administrators, step.asker(None));
        permitted.map_err(|rule| {
            let actor = address(step.actor);
            Why::denied(format!("permission: {actor} may not change the host's policy: {rule}"))
        })
    }

    fn bound(&mut self, step: &Step, room: Option<(u64, u64)>) -> Verdict {
        let endorsers = self.permit_govern(step)?;
        let contract = self.contracts.get_mut(step.name).ok_or("unknown_contract")?;
        if contract.now.room == room {
            return Err(UNCHANGED.into());
        }
        let before = contract.now;
        contract.now.room = room;
        contract.write_down(step, Operation::Room, Migrated::No, endorsers, Some(before));
        Ok(())
    }

    fn govern(&mut self, step: &Step, changes: &[Governing]) -> Verdict {
        let endorsers = self.permit_govern(step)?;
        let mut host = self.host.clone();
        for change in changes {
            match *change {
                Governing::Deploy(who) => host.deploys = who,
                Governing::Administrators(who) => host.administrators = who,
                Governing::Contracts { right, rule } => drop(host.begins.insert(right, rule)),
                Governing::Enrol(member) => drop(host.members.insert(member)),
                Governing::Dismiss(member) => drop(host.members.remove(&member)),
                Governing::Room(room) => self.bound(step, room)?,
            }
        }
        if host == self.host {
            return Err(UNCHANGED.into());
        }
        host.check()?;
        (host.author, host.reason, host.block) = (Some(step.actor), step.reason, step.block());
        self.earlier.push(std::mem::replace(&mut self.host, Host { endorsers, ..host }));
        Ok(())
    }
}

/// Which contract something is about, and what it wants with it; nothing for the host.
fn about(step: &Step, verb: &Verb) -> Option<(String, String)> {
    let action = match verb {
        Verb::Deploy { .. } => "deploy contract".into(),
        Verb::Upgrade { .. } => "upgrade contract".into(),
        Verb::Migrate { .. } => "migrate contract".into(),
        Verb::Rollback { .. } => "roll back contract".into(),
        Verb::Change(change) => format!("{} contract", Operation::from(*change)),
        Verb::Grant { .. } | Verb::GrantAll(_) => "change the policy of contract".into(),
        Verb::Govern(Governing::Room(_)) => "bound the state of contract".into(),
        Verb::Call(calling) | Verb::Query(calling) => wanted(*calling),
        Verb::Govern(_) | Verb::GovernAll(_) | Verb::DryRun { .. } | Verb::Propose { .. } | Verb::Sign(..) => {
            return None;
        }
    };
    Some((step.name.to_owned(), action))
}
