use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::str::FromStr;

use borsh::{BorshDeserialize, BorshSerialize, io};

use super::recent::Recent;
use super::{Action, HostPolicy, Rule};
use crate::record::Stored;
use crate::{Change, ContractName, Journal, Refusal, StateError, StateKey};

/// Who may do what with a contract.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Policy {
    /// Who upgrades it, and has its code migrate its state. Default: its owner.
    pub upgrade: Rule,
    /// Who upgrades it without the migration that the new code has; nobody where nobody upgrades it. Default: the host's
    /// administrators.
    pub skip_migration: Rule,
    /// Who rolls it back. Default: its owner.
    pub rollback: Rule,
    /// Who freezes and unfreezes it. Default: its owner.
    pub freeze: Rule,
    /// Who revokes it. Default: its owner.
    pub revoke: Rule,
    /// Who changes this policy. Default: its owner.
    pub grant: Rule,
    /// Who calls its methods. Default: anyone.
    pub call: Rule,
    /// Who calls these methods, in place of [`call`](Self::call); an EVM contract's by selector. Default: none.
    pub methods: BTreeMap<String, Rule>,
}

impl Default for Policy {
    fn default() -> Self {
        let (upgrade, rollback, freeze, revoke) = (Rule::Owner, Rule::Owner, Rule::Owner, Rule::Owner);
        let (grant, call, methods) = (Rule::Owner, Rule::Anyone, BTreeMap::new());
        Self { upgrade, skip_migration: Rule::Administrators, rollback, freeze, revoke, grant, call, methods }
    }
}

/// The rule of [`skip_migration`](Policy::skip_migration) comes last, and only where it is not the default: a policy that was stored
/// before there was this rule reads as what it was, and what says the same occupies the same bytes.
impl BorshSerialize for Policy {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        let Self { upgrade, skip_migration, rollback, freeze, revoke, grant, call, methods } = self;
        (upgrade, rollback, freeze, revoke, grant, call, methods).serialize(writer)?;
        if *skip_migration == Rule::Administrators { Ok(()) } else { skip_migration.serialize(writer) }
    }
}

impl BorshDeserialize for Policy {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let (upgrade, rollback, freeze, revoke, grant, call, methods) = BorshDeserialize::deserialize_reader(reader)?;
        let mut rest = Vec::new();
        reader.read_to_end(&mut rest)?;
        let skip_migration = if rest.is_empty() { Rule::Administrators } else { Rule::try_from_slice(&rest)? };
        Ok(Self { upgrade, skip_migration, rollback, freeze, revoke, grant, call, methods })
    }
}

/// What a policy gives a rule for. As text `upgrade`, `call`, …, and `call:METHOD` for one method.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Right {
    /// Upgrade the contract, or have it migrate.
    Upgrade,
    /// Upgrade it without its migration.
    SkipMigration,
    /// Roll it back.
    Rollback,
    /// Freeze and unfreeze it.
    Freeze,
    /// Revoke it.
    Revoke,
    /// Change its policy.
    Grant,
    /// Call its methods.
    Call,
    /// Call one method.
    Method(String),
}

/// Text that names no right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is no right; expected upgrade, skip-migration, rollback, freeze, revoke, grant, call, or call: and a method's name"
)]
pub struct InvalidRight(String);

/// The most methods that have a rule of their own.
pub(crate) const METHODS: usize = 256;

/// The longest stored form of a contract's policy, in bytes: each guarded call reads it.
const LONGEST: usize = 8 << 10;

/// The longest name of a method, in bytes.
const METHOD: usize = 256;

impl FromStr for Right {
    type Err = InvalidRight;

    fn from_str(text: &str) -> Result<Self, InvalidRight> {
        match text {
            "upgrade" => Ok(Self::Upgrade),
            "skip-migration" => Ok(Self::SkipMigration),
            "rollback" => Ok(Self::Rollback),
            "freeze" => Ok(Self::Freeze),
            "revoke" => Ok(Self::Revoke),
            "grant" => Ok(Self::Grant),
            "call" => Ok(Self::Call),
            other => match other.strip_prefix("call:") {
                Some(method) if (1..=METHOD).contains(&method.len()) => Ok(Self::Method(method.to_owned())),
                _ => Err(InvalidRight(other.chars().take(80).collect())),
            },
        }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Upgrade => f.write_str("upgrade"),
            Self::SkipMigration => f.write_str("skip-migration"),
            Self::Rollback => f.write_str("rollback"),
            Self::Freeze => f.write_str("freeze"),
            Self::Revoke => f.write_str("revoke"),
            Self::Grant => f.write_str("grant"),
            Self::Call => f.write_str("call"),
            Self::Method(method) => write!(f, "call:{method}"),
        }
    }
}

thread_local! {
    static RECENT: Recent<Policy> = const { Recent::new() };
    static USUAL: Rc<Policy> = Rc::default();
}

impl Policy {
    /// Sets the rule of a right; false when it is the one that the right has.
    pub fn set(&mut self, right: Right, rule: Rule) -> bool {
        let of = match right {
            Right::Upgrade => &mut self.upgrade,
            Right::SkipMigration => &mut self.skip_migration,
            Right::Rollback => &mut self.rollback,
            Right::Freeze => &mut self.freeze,
            Right::Revoke => &mut self.revoke,
            Right::Grant => &mut self.grant,
            Right::Call => &mut self.call,
            Right::Method(method) => return self.methods.insert(method, rule.clone()) != Some(rule),
        };
        std::mem::replace(of, rule.clone()) != rule
    }

    /// All rules, those of methods last.
    pub fn iter(&self) -> impl Iterator<Item = (Right, &Rule)> {
        let rights = [
            (Right::Upgrade, &self.upgrade),
            (Right::SkipMigration, &self.skip_migration),
            (Right::Rollback, &self.rollback),
            (Right::Freeze, &self.freeze),
            (Right::Revoke, &self.revoke),
            (Right::Grant, &self.grant),
            (Right::Call, &self.call),
        ];
        let methods = self.methods.iter().map(|(method, rule)| (Right::Method(method.clone()), rule));
        rights.into_iter().chain(methods)
    }

    /// The rule of an action on the contract.
    pub(crate) fn rule(&self, action: Action<'_>) -> &Rule {
        match action {
            Action::Call { method } => self.methods.get(method).unwrap_or(&self.call),
            Action::Upgrade | Action::Migrate => &self.upgrade,
            Action::Rollback => &self.rollback,
            Action::Change(Change::Freeze | Change::Unfreeze) => &self.freeze,
            Action::Change(Change::Revoke) => &self.revoke,
            Action::Grant => &self.grant,
            // Code that nobody upgrades stays, whoever may do without a migration.
            Action::SkipMigration if self.upgrade == Rule::Nobody => &Rule::Nobody,
            Action::SkipMigration => &self.skip_migration,
            // Of the host, not of a contract.
            Action::Room => &Rule::Administrators,
            Action::Use { .. } => &Rule::Nobody,
            Action::Deploy => &Rule::Nobody,
        }
    }

    /// True when not everybody may call every method.
    pub(crate) fn guards_calls(&self) -> bool {
        self.call != Rule::Anyone || self.methods.values().any(|rule| *rule != Rule::Anyone)
    }

    /// A version of a contract's policy; version 0 is the default.
    pub(crate) fn load(journal: &Journal, name: &ContractName, version: u32) -> Result<Self, StateError> {
        Self::of(journal, name, version).map(|policy| (*policy).clone())
    }

    /// As [`load`](Self::load), for those who ask in each call.
    pub(super) fn of(journal: &Journal, name: &ContractName, version: u32) -> Result<Rc<Self>, StateError> {
        if version == 0 {
            return Ok(USUAL.with(Rc::clone));
        }
        let key = StateKey::policy(Some(name), version);
        // A version never changes, and the record that names it has been read.
        match journal.get_immutable(&key)? {
            Some(bytes) => RECENT.with(|recent| recent.decoded(&key, &bytes)),
            None => {
                let what = format!("policy {version} of '{name}'");
                Err(StateError::Damaged { what, message: "it is missing".into() })
            }
        }
    }

    /// What it occupies in the state, in bytes.
    pub(crate) fn length(&self) -> usize {
        borsh::object_length(self).unwrap_or(usize::MAX)
    }

    /// What a version of a contract's policy occupies in the state, in bytes; nothing when it is the default.
    pub(crate) fn size(journal: &Journal, name: &ContractName, version: u32) -> Result<usize, StateError> {
        if version == 0 {
            return Ok(0);
        }
        Ok(journal.get_immutable(&StateKey::policy(Some(name), version))?.map_or(0, |bytes| bytes.len()))
    }

    /// The bytes of the policies that are looked at for a call: of the contract's own, and of the host's, where a rule for calls asks
    /// who its people are.
    pub(crate) fn asked_for_calls(journal: &Journal, name: &ContractName, version: u32) -> Result<usize, StateError> {
        let policy = Self::of(journal, name, version)?;
        let asks_the_host = policy.call.asks_the_host() || policy.methods.values().any(Rule::asks_the_host);
        let host = if asks_the_host { HostPolicy::stored(journal)? } else { 0 };
        Ok(Self::size(journal, name, version)?.saturating_add(host))
    }

    /// Refuses a policy that is longer than one may be, unless it was as long before.
    pub(crate) fn check_size(&self, before: Option<&Self>) -> Result<(), Refusal> {
        let (found, limit) = (self.length(), LONGEST.max(before.map_or(0, Self::length)));
        if found <= limit {
            return Ok(());
        }
        let (found, limit) = (found as u64, LONGEST as u64);
        Err(Refusal::TooLarge {
            what: "the policy",
            found,
            limit,
            key: "bytes; a fixed limit: use roles in place of lists",
        })
    }

    pub(crate) fn store(&self, journal: &Journal, name: &ContractName, version: u32) -> Result<(), StateError> {
        Stored::store(self, journal, StateKey::policy(Some(name), version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HostPolicy;

    #[test]
    fn what_was_stored_before_migrations_had_a_rule_is_read_and_stored_as_it_was() {
        let policy = Policy { call: Rule::Owner, methods: [("m".into(), Rule::Nobody)].into(), ..Policy::default() };
        let Policy { upgrade, rollback, freeze, revoke, grant, call, methods, .. } = &policy;
        let before = borsh::to_vec(&(upgrade, rollback, freeze, revoke, grant, call, methods)).unwrap();
        assert_eq!((borsh::to_vec(&policy).unwrap(), borsh::from_slice(&before).unwrap()), (before, policy.clone()));
        let other = Policy { skip_migration: Rule::Nobody, ..policy.clone() };
        for policy in [policy, other] {
            assert_eq!(borsh::from_slice::<Policy>(&borsh::to_vec(&policy).unwrap()).unwrap(), policy);
            let host = HostPolicy { contracts: policy, ..HostPolicy::default() };
            assert_eq!(borsh::from_slice::<HostPolicy>(&borsh::to_vec(&host).unwrap()).unwrap(), host);
        }
        let mut torn = borsh::to_vec(&Policy::default()).unwrap();
        torn.push(99);
        assert!(borsh::from_slice::<Policy>(&torn).is_err());
    }
}
