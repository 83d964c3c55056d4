use std::collections::BTreeSet;
use std::rc::Rc;

use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;

use super::policy::METHODS;
use super::recent::{LONGEST, Recent};
use super::{Organisations, Policy, Rule};
use crate::record::Stored;
use crate::{Address, Journal, KeyRange, Refusal, Space, StateError, StateKey, WriteSet};

/// Who may do what with the host, and who its people are.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, serde::Serialize)]
#[non_exhaustive]
pub struct HostPolicy {
    /// Counts from 1; 0 is the default, which is not stored.
    pub version: u32,
    /// Who made this version; the zero address for that of the genesis.
    pub author: Address,
    /// Whose endorsements the rule for administrators counted, the author's among them; nobody where it asks for none.
    pub endorsers: BTreeSet<Address>,
    /// Why, in the author's words.
    pub reason: String,
    /// The number of the block that it came in.
    pub block: u64,
    /// Who deploys. Default: anyone.
    pub deploy: Rule,
    /// Who changes this policy, and whom rules of contracts call administrators. Default: nobody.
    pub administrators: Rule,
    /// Who has which role. Default: nobody has any.
    pub organisations: Organisations,
    /// What new contracts begin with. Contracts that exist keep theirs when this changes. Stays last: what is stored of it may end early.
    pub contracts: Policy,
}

impl Default for HostPolicy {
    fn default() -> Self {
        Self {
            version: 0,
            author: Address::ZERO,
            endorsers: BTreeSet::new(),
            reason: String::new(),
            block: 0,
            deploy: Rule::Anyone,
            administrators: Rule::Nobody,
            organisations: Organisations::default(),
            contracts: Policy::default(),
        }
    }
}

impl HostPolicy {
    /// Refuses a policy whose administrators are defined by themselves, rules of the host that ask for an owner,
    /// rules for contracts that are more than one can have, and one that is longer than 64 KiB.
    ///
    /// # Errors
    /// When it is one of these.
    pub fn check(&self) -> Result<(), Refusal> {
        if self.administrators.asks_administrators() {
            return Err(Refusal::Policy("the administrators cannot be defined as the administrators; name others"));
        }
        if self.administrators.asks_the_owner() || self.deploy.asks_the_owner() {
            return Err(Refusal::Policy("the host has no owner; give deploy and administrators other rules"));
        }
        if self.size() > LONGEST {
            return Err(Refusal::TooLarge {
                what: "the host's policy",
                found: self.size() as u64,
                limit: LONGEST as u64,
                key: "bytes; a fixed limit of some 3,000 members of organisations: keep larger groups in a contract",
            });
        }
        self.contracts.check_size(None)?;
        if self.contracts.methods.len() > METHODS {
            return Err(Refusal::Policy("more than 256 methods have a rule of their own; use the rule of all calls"));
        }
        Ok(())
    }

    /// Refuses to end the host's government by a slip: by a rule for administrators that nobody meets, or by the dismissal of the
    /// last who did. Who means it says `nobody`.
    pub(crate) fn check_government(&self) -> Result<(), Refusal> {
        if self.administrators == Rule::Nobody || self.administrators.can_be_met(self) {
            return Ok(());
        }
        Err(Refusal::Policy(
            "nobody could meet the rule of the administrators, so nobody could ever change it again; enrol somebody first, or \
             give the rule nobody if that is meant",
        ))
    }

    /// What it occupies in the state, in bytes.
    pub(crate) fn size(&self) -> usize {
        borsh::object_length(self).unwrap_or(usize::MAX)
    }

    /// The one in force.
    pub(crate) fn load(journal: &Journal) -> Result<Self, StateError> {
        Ok(Stored::load(journal, &StateKey::system(KEY))?.unwrap_or_default())
    }

    /// As [`load`](Self::load), for those who ask in each call.
    pub(super) fn in_force(journal: &Journal) -> Result<Rc<Self>, StateError> {
        let key = StateKey::system(KEY);
        journal.read(&key, |bytes| match bytes {
            Some(bytes) => RECENT.with(|recent| recent.decoded(&key, bytes)),
            None => Ok(Self::usual()),
        })?
    }

    /// What the one in force occupies in the state, in bytes; nothing when it is the default.
    pub(super) fn stored(journal: &Journal) -> Result<usize, StateError> {
        journal.read(&StateKey::system(KEY), |bytes| bytes.map_or(0, Bytes::len))
    }

    /// The default.
    pub(super) fn usual() -> Rc<Self> {
        USUAL.with(Rc::clone)
    }

    /// A version, if there was one; version 0 is the default.
    pub(crate) fn load_version(journal: &Journal, version: u32) -> Result<Option<Self>, StateError> {
        match version {
            0 => Ok(Some(Self::default())),
            version => Stored::load(journal, &StateKey::policy(None, version)),
        }
    }

    /// The versions that a transaction has made, one after the other.
    pub(crate) fn written(writes: &WriteSet) -> impl Iterator<Item = Self> {
        let all = KeyRange::of(Space::Policy, &[]);
        let written: Vec<_> = writes.range(&all).filter_map(|(_, value)| value.clone()).collect();
        written.into_iter().filter_map(|value| Self::try_from_slice(&value).ok())
    }

    /// Puts it in force, and keeps it among its versions.
    pub(crate) fn store(&self, journal: &Journal) -> Result<(), StateError> {
        Stored::store(self, journal, StateKey::policy(None, self.version))?;
        Stored::store(self, journal, StateKey::system(KEY))
    }
}

const KEY: &str = "policy";

thread_local! {
    static RECENT: Recent<HostPolicy> = const { Recent::new() };
    static USUAL: Rc<HostPolicy> = Rc::default();
}
