//! What has to be, told in the simplest way.

use std::collections::BTreeMap;

use vm_core::{Change, RuntimeKind};

use super::step::{Crash, RIGHTS, RULES, Step, Verb, Who};

/// A host with its contracts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Model {
    pub(super) deploys: Who,
    pub(super) host_policy: u32,
    pub(super) contracts: BTreeMap<&'static str, Contract>,
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
    /// One line an entry: operation, migration, actor, version before and after, state and policy after.
    pub(super) history: Vec<String>,
    pub(super) count: u64,
    /// What the last migration wrote.
    pub(super) migrated: Option<String>,
}

/// Whether a request is carried out: otherwise the stable name of why not.
pub(super) type Verdict = Result<(), &'static str>;

impl Default for Model {
    fn default() -> Self {
        Self { deploys: Who::Anyone, host_policy: 1, contracts: BTreeMap::new() }
    }
}

impl Who {
    fn permits(self, step: &Step, owner: Option<&str>) -> Verdict {
        let endorses = |name: &&&str| step.actor == **name || step.endorsers.contains(*name);
        let permitted = match self {
            Self::Anyone => true,
            Self::Owner => owner == Some(step.actor),
            Self::Administrators => step.actor == "root",
            Self::OneOf(names) => names.contains(&step.actor),
            Self::Two(names) => names.iter().filter(endorses).count() >= 2,
            Self::OwnerOr(name) => owner == Some(step.actor) || step.actor == name,
        };
        if permitted { Ok(()) } else { Err("denied") }
    }
}

impl Contract {
    fn permits(&self, right: &str, step: &Step) -> Verdict {
        let who = self.rights.get(right).copied().unwrap_or(if right == "call" { Who::Anyone } else { Who::Owner });
        who.permits(step, Some(self.owner))
    }

    fn write_down(&mut self, operation: &str, migration: &str, step: &Step, before: &str) {
        let (actor, version, life, policy) = (step.actor, self.version, self.life, self.policy);
        self.history.push(format!("{operation} {migration} by {actor}: {before} -> {version} {life} {policy}"));
    }

    /// Other code: a version that is there or becomes one.
    fn replace(&mut self, to: (&'static str, RuntimeKind), allowed: bool) -> Verdict {
        if self.kind != to.1 && !allowed {
            return Err("runtime_change");
        }
        if self.life == "revoked" {
            return Err("transition");
        }
        (self.version, self.kind) = to;
        Ok(())
    }
}

impl Model {
    /// Does a step, or leaves everything as it is.
    pub(super) fn apply(&mut self, step: &Step) -> Verdict {
        let mut next = self.clone();
        next.attempt(step)?;
        if !matches!(step.verb, Verb::DryRun { .. }) {
            *self = next;
        }
        Ok(())
    }

    fn attempt(&mut self, step: &Step) -> Verdict {
        match step.verb {
            Verb::Deploy { version, kind, fails } => self.deploy(step, version, kind, fails),
            Verb::Govern { rule } => self.govern(step, rule),
            _ => {
                let contract = self.contracts.get_mut(step.name).ok_or("unknown_contract")?;
                match step.verb {
                    Verb::Upgrade { version, kind, fails, skip, change_runtime } => {
                        upgrade(contract, step, (version, kind), Migrating { fails, skip }, change_runtime)
                    }
                    Verb::DryRun { version, kind } => {
                        upgrade(contract, step, (version, kind), Migrating { fails: false, skip: false }, true)
                    }
                    Verb::Rollback { version, migration, change_runtime } => {
                        rollback(contract, step, version, migration, change_runtime)
                    }
                    Verb::Change(to) => change(contract, step, to),
                    Verb::Grant { right, rule } => grant(contract, step, right, rule),
                    _ => call(contract, step),
                }
            }
        }
    }

    fn deploy(&mut self, step: &Step, version: &'static str, kind: RuntimeKind, fails: bool) -> Verdict {
        self.deploys.permits(step, None)?;
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
            history: Vec::new(),
            count: 0,
            migrated: None,
        };
        contract.write_down("deploy", "None", step, "-");
        self.contracts.insert(step.name, contract);
        Ok(())
    }

    fn govern(&mut self, step: &Step, rule: usize) -> Verdict {
        Who::Administrators.permits(step, None)?;
        let (_, who) = RULES.get(rule).copied().ok_or("no such rule")?;
        if matches!(who, Who::Owner | Who::OwnerOr(_)) {
            return Err("policy");
        }
        self.deploys = who;
        self.host_policy += 1;
        Ok(())
    }
}

struct Migrating {
    fails: bool,
    skip: bool,
}

fn upgrade(
    contract: &mut Contract,
    step: &Step,
    to: (&'static str, RuntimeKind),
    migrating: Migrating,
    change_runtime: bool,
) -> Verdict {
    contract.permits("upgrade", step)?;
    if migrating.skip {
        Who::Administrators.permits(step, None)?;
    }
    if contract.versions.iter().any(|(version, _)| *version == to.0) {
        return Err("version_taken");
    }
    let before = contract.version;
    contract.replace(to, change_runtime)?;
    if !migrating.skip {
        contract.migrated = Some(format!("{before} -> {}", to.0));
        if migrating.fails {
            return Err("failed");
        }
    }
    contract.versions.push(to);
    contract.write_down("upgrade", if migrating.skip { "Skipped" } else { "Ran" }, step, before);
    Ok(())
}

fn rollback(
    contract: &mut Contract,
    step: &Step,
    to: &'static str,
    migration: Option<bool>,
    change_runtime: bool,
) -> Verdict {
    let kept = contract.versions.iter().find(|(version, _)| *version == to).copied().ok_or("unknown_version")?;
    contract.permits("rollback", step)?;
    if contract.version == to {
        return Err("current_version");
    }
    let before = contract.version;
    contract.replace(kept, change_runtime)?;
    if let Some(fails) = migration {
        contract.migrated = Some(format!("{before} -> {to}"));
        if fails {
            return Err("failed");
        }
    }
    contract.write_down("rollback", if migration.is_some() { "Ran" } else { "None" }, step, before);
    Ok(())
}

fn change(contract: &mut Contract, step: &Step, to: Change) -> Verdict {
    contract.permits(if to == Change::Revoke { "revoke" } else { "freeze" }, step)?;
    contract.life = match (contract.life, to) {
        ("active", Change::Freeze) => "frozen",
        ("frozen", Change::Unfreeze) => "active",
        ("active" | "frozen", Change::Revoke) => "revoked",
        _ => return Err("transition"),
    };
    contract.write_down(to.as_str(), "None", step, contract.version);
    Ok(())
}

fn grant(contract: &mut Contract, step: &Step, right: &'static str, rule: usize) -> Verdict {
    contract.permits("grant", step)?;
    let (_, who) = RULES.get(rule).copied().ok_or("no such rule")?;
    contract.rights.insert(right, who);
    contract.policy += 1;
    contract.write_down("grant", "None", step, contract.version);
    Ok(())
}

fn call(contract: &mut Contract, step: &Step) -> Verdict {
    if contract.life != "active" {
        return Err("not_callable");
    }
    let right = if contract.rights.contains_key("call:count") { "call:count" } else { "call" };
    contract.permits(right, step)?;
    contract.count += 1;
    Ok(())
}

/// The rule of each right as the machine tells it.
pub(super) fn rights_as_text(contract: &Contract) -> Vec<String> {
    let text = |who: Who| RULES.iter().find(|(_, other)| *other == who).map_or("?", |(text, _)| text);
    let of = |right: &&str| contract.rights.get(*right).copied();
    let told = |right: &&str| {
        let usual =
            || if *right == "call" { Some(Who::Anyone) } else { (*right != "call:count").then_some(Who::Owner) };
        of(right).or_else(usual).map(|who| format!("{right} = {}", text(who)))
    };
    RIGHTS.iter().filter_map(told).collect()
}

/// True when a crash can leave a step undone though it is permitted.
pub(super) const fn may_be_lost(crash: Crash) -> bool {
    matches!(crash, Crash::Before | Crash::Within(_))
}
