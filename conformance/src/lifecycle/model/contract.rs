//! A contract as everybody sees it.

use std::collections::BTreeMap;

use vm_core::{Address, ContractName, Excess, Measure, Migration, Operation};

use super::super::program::Program;
use super::super::request::hex;
use super::super::step::{Step, Who};
use super::Verdict;
use super::policy::{Endorsers, Rights};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Contract {
    pub(in super::super) owner: &'static str,
    pub(in super::super) deployed_in: u64,
    pub(in super::super) capabilities: &'static str,
    pub(in super::super) now: Situation,
    /// All versions, oldest first.
    pub(in super::super) versions: Vec<Version>,
    /// All versions of its policy; the first is that of contracts whose policy nobody has changed.
    pub(in super::super) policies: Vec<Rights>,
    pub(in super::super) history: Vec<Entry>,
    pub(in super::super) state: State,
}

/// What is under which key.
pub(in super::super) type State = BTreeMap<&'static str, Vec<u8>>;

/// What a history compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Situation {
    pub(in super::super) life: &'static str,
    pub(in super::super) version: &'static str,
    pub(in super::super) program: Program,
    pub(in super::super) policy: u32,
    /// The most keys and bytes that it may have.
    pub(in super::super) room: Option<(u64, u64)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Version {
    pub(in super::super) name: &'static str,
    pub(in super::super) program: Program,
    pub(in super::super) author: &'static str,
    pub(in super::super) reason: &'static str,
    pub(in super::super) block: u64,
}

/// An operation that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Entry {
    pub(in super::super) operation: Operation,
    pub(in super::super) migration: Migration,
    /// The version whose state was migrated.
    pub(in super::super) migrated_from: Option<&'static str>,
    pub(in super::super) actor: &'static str,
    pub(in super::super) endorsers: Endorsers,
    pub(in super::super) reason: &'static str,
    pub(in super::super) before: Option<Situation>,
    pub(in super::super) after: Situation,
    pub(in super::super) block: u64,
}

/// What a migration did, and of which version's state.
#[derive(Debug, Clone, Copy)]
pub(super) enum Migrated {
    No,
    Skipped,
    From(&'static str),
}

/// What a call wrote, by key, as text: a value, or that nothing is there any more.
pub(super) type Writes = BTreeMap<String, Option<String>>;

impl Contract {
    pub(in super::super) fn rights(&self) -> Rights {
        self.policies.last().cloned().unwrap_or_default()
    }

    /// The rule of a right.
    pub(super) fn who(&self, right: &str) -> Who {
        let of =
            |right: &str| self.policies.last().and_then(|rights| rights.get(right)).copied().unwrap_or(Who::Nobody);
        match right {
            // Code that nobody upgrades stays.
            "skip-migration" if of("upgrade") == Who::Nobody => Who::Nobody,
            right => of(right),
        }
    }

    /// The rule of a method.
    pub(super) fn callers(&self, method: &str) -> Who {
        let own = self.policies.last().and_then(|rights| rights.get(&*format!("call:{method}"))).copied();
        own.unwrap_or_else(|| self.who("call"))
    }

    pub(super) fn may_use(&self, capability: &str) -> bool {
        self.capabilities == "all" || self.capabilities.contains(capability)
    }

    /// Adds an entry to its history.
    pub(super) fn write_down(
        &mut self,
        step: &Step,
        operation: Operation,
        migrated: Migrated,
        endorsers: Endorsers,
        before: Option<Situation>,
    ) {
        let (migration, migrated_from) = match migrated {
            Migrated::No => (Migration::None, None),
            Migrated::Skipped => (Migration::Skipped, None),
            Migrated::From(version) => (Migration::Ran, Some(version)),
        };
        let (actor, reason, after, block) = (step.actor, step.reason, self.now, step.block());
        self.history.push(Entry {
            operation,
            migration,
            migrated_from,
            actor,
            endorsers,
            reason,
            before,
            after,
            block,
        });
    }

    /// Adds its version to those that are kept.
    pub(super) fn keep(&mut self, step: &Step) {
        let (Situation { version: name, program, .. }, author, reason) = (self.now, step.actor, step.reason);
        self.versions.push(Version { name, program, author, reason, block: step.block() });
    }

    pub(super) fn had(&self, version: &str) -> Option<&Version> {
        self.versions.iter().find(|kept| kept.name == version)
    }

    /// Keys and bytes.
    fn size(&self) -> (u64, u64) {
        (self.state.len() as u64, self.state.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>() as u64)
    }

    /// Sets a key, or deletes it, unless there is no room: then the state may not grow.
    pub(super) fn write(&mut self, name: &str, key: &'static str, value: Option<Vec<u8>>) -> Result<Writes, Excess> {
        let before = self.size();
        let mut writes = Writes::from([(format!("{name}/{key}"), value.as_deref().map(hex))]);
        match value {
            Some(value) => drop(self.state.insert(key, value)),
            None => drop(self.state.remove(key)),
        }
        let after = self.size();
        let Some((keys, bytes)) = self.now.room else { return Ok(writes) };
        let contract = ContractName::new(name).map_or(Address::ZERO, |name| name.address());
        for (what, limit, present, wanted) in
            [(Measure::Keys, keys, before.0, after.0), (Measure::Bytes, bytes, before.1, after.1)]
        {
            if wanted > limit && wanted > present {
                return Err(Excess { contract, what, limit, present, wanted });
            }
        }
        if before != after {
            let usage = [after.0.to_le_bytes(), after.1.to_le_bytes()].concat();
            writes.insert(format!("what {name} has"), Some(hex(&usage)));
        }
        Ok(writes)
    }

    /// Adds one to its number, and tells it.
    pub(super) fn count(&mut self, name: &str) -> Result<(u64, Writes), Excess> {
        let number =
            self.state.get("n").and_then(|bytes| bytes.first_chunk()).map_or(0, |bytes| u64::from_le_bytes(*bytes)) + 1;
        Ok((number, self.write(name, "n", Some(number.to_le_bytes().to_vec()))?))
    }

    /// What a program's migration does.
    pub(super) fn migrate(&mut self, by: Program, from: &str, to: &str, fails: bool) -> Verdict {
        let text = format!("{from}{}{to}", by.edition.arrow());
        self.write("", "upgraded", Some(text.into_bytes())).map_err(|_| "failed")?;
        if fails { Err("failed".into()) } else { Ok(()) }
    }

    /// Other code: of a version that is there or becomes one.
    pub(super) fn replace(&mut self, version: &'static str, program: Program, allowed: bool) -> Verdict {
        if self.now.program.kind != program.kind && !allowed {
            return Err("runtime_change".into());
        }
        self.alive()?;
        (self.now.version, self.now.program) = (version, program);
        Ok(())
    }

    pub(super) fn alive(&self) -> Verdict {
        if self.now.life == "revoked" { Err("transition".into()) } else { Ok(()) }
    }

    /// True when somebody is asked for whoever calls this.
    pub(in super::super) fn is_guarded(&self) -> bool {
        let rights = self.policies.last().into_iter().flatten();
        rights.filter(|(right, _)| right.starts_with("call")).any(|(_, who)| *who != Who::Anyone)
    }

    /// What is decided on calls of it by what it is and has, and not by its history.
    pub(super) const fn runs_as(&self) -> (Program, &'static str, Option<(u64, u64)>, &State) {
        (self.now.program, self.now.life, self.now.room, &self.state)
    }
}
