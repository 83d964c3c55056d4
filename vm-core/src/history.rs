//! What was done with a contract, and by whom: one entry for each change of its record, never changed, never removed.

use std::collections::BTreeSet;
use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::record::{Stored, decode};
use crate::{
    Address, CodeHash, ContractName, ContractRecord, Journal, Lifecycle, Room, RuntimeKind, StateError, StateKey,
    Version,
};

/// The longest reason, in bytes.
pub(crate) const REASON: usize = 1_024;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Operation {
    /// The contract was created.
    Deploy = 0,
    /// It got code that it never had.
    Upgrade = 1,
    /// It got the code of an earlier version back.
    Rollback = 2,
    /// Calls are refused.
    Freeze = 3,
    /// Calls are accepted again.
    Unfreeze = 4,
    /// Calls are refused for good.
    Revoke = 5,
    /// It got another policy.
    Grant = 6,
    /// The most state that it may have changed.
    Room = 7,
    /// Its code migrated its state, and is the same as before.
    Migrate = 8,
}

impl Operation {
    /// The name used in messages and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Upgrade => "upgrade",
            Self::Rollback => "rollback",
            Self::Freeze => "freeze",
            Self::Unfreeze => "unfreeze",
            Self::Revoke => "revoke",
            Self::Grant => "grant",
            Self::Room => "room",
            Self::Migrate => "migrate",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What became of the migration when a contract got other code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Migration {
    /// The operation has none, the contract has none, or none was asked for.
    None = 0,
    /// It ran, and succeeded.
    Ran = 1,
    /// An administrator skipped it.
    Skipped = 2,
}

/// What a history compares: a contract before and after an operation.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, serde::Serialize)]
pub struct Situation {
    /// Where it is in its life.
    pub lifecycle: Lifecycle,
    /// The runtime.
    pub runtime: RuntimeKind,
    /// The version.
    pub version: Version,
    /// The version's code.
    pub code: CodeHash,
    /// The version of its policy; every version is kept.
    pub policy: u32,
    /// The most state that it may have, if that is bounded.
    pub room: Option<Room>,
}

impl From<&ContractRecord> for Situation {
    fn from(record: &ContractRecord) -> Self {
        let ContractRecord { lifecycle, runtime, version, code, policy, room, .. } = record;
        Self {
            lifecycle: *lifecycle,
            runtime: *runtime,
            version: version.clone(),
            code: *code,
            policy: *policy,
            room: *room,
        }
    }
}

/// One operation on a contract.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, serde::Serialize)]
pub struct HistoryEntry {
    /// Counts from 1.
    pub number: u64,
    /// What was done.
    pub operation: Operation,
    /// What became of the migration.
    pub migration: Migration,
    /// The version that the migration took the state for, if it ran; it took it to the one after.
    pub migrated_from: Option<Version>,
    /// Who did it.
    pub actor: Address,
    /// Whose endorsements the rule counted that let it happen, the actor's among them; nobody where a rule asks for none.
    pub endorsers: BTreeSet<Address>,
    /// Why, in the actor's words.
    pub reason: String,
    /// The contract before; nothing before its deployment.
    pub before: Option<Situation>,
    /// The contract after.
    pub after: Situation,
    /// The number of the block that it was done in.
    pub block: u64,
}

impl HistoryEntry {
    pub(crate) fn store(&self, journal: &Journal, name: &ContractName) -> Result<(), StateError> {
        Stored::store(self, journal, StateKey::history(name, self.number))
    }

    pub(crate) fn from_entry(key: &StateKey, bytes: &[u8]) -> Result<Self, StateError> {
        decode(key, bytes)
    }
}
