use std::fmt;
use std::str::FromStr;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::ContractName;

/// What a contract may use of its host beside its own state. Granted when it is deployed, and kept by its upgrades.
///
/// As text a list such as `calls, events`, or `all` or `none`.
///
/// ```
/// use vm_core::Capabilities;
/// let some: Capabilities = "events, time".parse()?;
/// assert!(some.contains(Capabilities::EVENTS) && !some.contains(Capabilities::CALLS));
/// assert_eq!(some.to_string(), "events, time");
/// # Ok::<(), vm_core::InvalidCapabilities>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Capabilities(u8);

/// Text that names no capabilities.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no capability; expected all, none, or some of state, calls, events and time")]
pub struct InvalidCapabilities(String);

impl Capabilities {
    /// Read other contracts' state, by calls that may not change anything.
    pub const STATE: Self = Self(1);
    /// Call other contracts.
    pub const CALLS: Self = Self(2);
    /// Emit events.
    pub const EVENTS: Self = Self(4);
    /// See the time of the block. Without it, contracts see the time 0.
    pub const TIME: Self = Self(8);
    /// Everything.
    pub const ALL: Self = Self(15);
    /// Nothing.
    pub const NONE: Self = Self(0);

    const NAMES: [(&str, Self); 4] =
        [("state", Self::STATE), ("calls", Self::CALLS), ("events", Self::EVENTS), ("time", Self::TIME)];

    /// True when all of `others` are among these.
    pub const fn contains(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// Why a contract with these may not call others, if it may not: for a call that changes nothing, [`STATE`](Self::STATE) is enough.
    pub fn lack(self, name: Option<&ContractName>, reads: bool) -> Option<String> {
        let needed = if reads { Self::STATE } else { Self::CALLS };
        if self.contains(needed) || self.contains(Self::CALLS) {
            return None;
        }
        let name = name.map_or("", ContractName::as_str);
        Some(format!(
            "contract '{name}' was deployed without the capability '{needed}'; capabilities are granted with the deployment, and never later"
        ))
    }

    /// These and others.
    #[must_use]
    pub const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }
}

impl fmt::Display for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ALL => f.write_str("all"),
            Self::NONE => f.write_str("none"),
            some => {
                let names = Self::NAMES.into_iter().filter(|(_, one)| some.contains(*one)).map(|(name, _)| name);
                f.write_str(&names.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

impl FromStr for Capabilities {
    type Err = InvalidCapabilities;

    fn from_str(text: &str) -> Result<Self, InvalidCapabilities> {
        match text.trim() {
            "all" => return Ok(Self::ALL),
            "none" => return Ok(Self::NONE),
            _ => {}
        }
        let one = |word: &str| Self::NAMES.into_iter().find(|(name, _)| *name == word).map(|(_, one)| one);
        text.split(',').map(str::trim).try_fold(Self::NONE, |all, word| {
            one(word).map(|one| all.and(one)).ok_or_else(|| InvalidCapabilities(word.chars().take(40).collect()))
        })
    }
}

impl serde::Serialize for Capabilities {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}
