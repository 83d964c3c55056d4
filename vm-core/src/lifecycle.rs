use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::Operation;

/// Where a contract is in its life.
///
/// ```text
///              activate               freeze
/// (deploying) ----------> (active) <-----------> (frozen)
///                          |    ^    unfreeze     |    ^
///            begin_upgrade |    | activate        |    | freeze
///                          v    |                 v    |
///                        (upgrading)            (upgrading)
///             revoke: from active or frozen, for good
/// ```
/// `deploying` and `upgrading` exist only inside the transaction that deploys, upgrades, rolls back or migrates: a failure leaves
/// the state before it, and no other transaction ever sees them. A frozen contract that gets other code stays frozen.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize, serde::Serialize,
)]
#[serde(rename_all = "lowercase")]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Lifecycle {
    /// Its constructor runs.
    Deploying = 0,
    /// It can be called.
    Active = 1,
    /// Calls are refused until it is unfrozen.
    Frozen = 2,
    /// Its migration runs.
    Upgrading = 3,
    /// Calls are refused for good.
    Revoked = 4,
}

/// A step in a contract's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Transition {
    /// The end of a deployment, or of an upgrade, rollback or migration of an active contract.
    Activate,
    /// The beginning of an upgrade, rollback or migration.
    BeginUpgrade,
    /// No calls for now; also the end of an upgrade, rollback or migration of a frozen contract.
    Freeze,
    /// Calls again.
    Unfreeze,
    /// No calls any more.
    Revoke,
}

/// The steps that are requests of their own; the others belong to deploy and upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// No calls for now.
    Freeze,
    /// Calls again.
    Unfreeze,
    /// No calls any more.
    Revoke,
}

impl From<Change> for Transition {
    fn from(change: Change) -> Self {
        match change {
            Change::Freeze => Self::Freeze,
            Change::Unfreeze => Self::Unfreeze,
            Change::Revoke => Self::Revoke,
        }
    }
}

impl From<Change> for Operation {
    fn from(change: Change) -> Self {
        match change {
            Change::Freeze => Self::Freeze,
            Change::Unfreeze => Self::Unfreeze,
            Change::Revoke => Self::Revoke,
        }
    }
}

/// A step that the state machine does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub struct IllegalTransition {
    /// The state it is in.
    pub from: Lifecycle,
    /// The state it was to have.
    pub to: Lifecycle,
}

impl fmt::Display for IllegalTransition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self { from, to } if from == to => write!(f, "it is {from} already"),
            Self { from, to: Lifecycle::Upgrading } => {
                write!(f, "a contract that is {from} is neither upgraded nor rolled back nor migrated any more")
            }
            Self { from, to } => write!(f, "a contract that is {from} cannot become {to}"),
        }
    }
}

impl Transition {
    /// All steps.
    pub const ALL: [Self; 5] = [Self::Activate, Self::BeginUpgrade, Self::Freeze, Self::Unfreeze, Self::Revoke];

    /// The state that it leads to.
    pub const fn target(self) -> Lifecycle {
        match self {
            Self::Activate | Self::Unfreeze => Lifecycle::Active,
            Self::BeginUpgrade => Lifecycle::Upgrading,
            Self::Freeze => Lifecycle::Frozen,
            Self::Revoke => Lifecycle::Revoked,
        }
    }
}

impl Lifecycle {
    /// All states.
    pub const ALL: [Self; 5] = [Self::Deploying, Self::Active, Self::Frozen, Self::Upgrading, Self::Revoked];

    /// The state after a step.
    ///
    /// # Errors
    /// When the state machine has no such step; the error names both states.
    pub const fn apply(self, transition: Transition) -> Result<Self, IllegalTransition> {
        use Transition::{Activate, BeginUpgrade, Freeze, Revoke, Unfreeze};
        let to = transition.target();
        match (self, transition) {
            (Self::Deploying | Self::Upgrading, Activate)
            | (Self::Active, BeginUpgrade | Freeze | Revoke)
            | (Self::Frozen, BeginUpgrade | Unfreeze | Revoke)
            | (Self::Upgrading, Freeze) => Ok(to),
            _ => Err(IllegalTransition { from: self, to }),
        }
    }

    /// True when other contracts and callers may call it.
    pub const fn is_callable(self) -> bool {
        matches!(self, Self::Active)
    }

    /// The name used in records, messages and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deploying => "deploying",
            Self::Active => "active",
            Self::Frozen => "frozen",
            Self::Upgrading => "upgrading",
            Self::Revoked => "revoked",
        }
    }
}

impl fmt::Display for Lifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_legal_steps_are_exactly_these() {
        let legal: Vec<_> = Lifecycle::ALL
            .into_iter()
            .flat_map(|from| Transition::ALL.map(|step| (from, step)))
            .filter(|(from, step)| from.apply(*step).is_ok())
            .map(|(from, step)| format!("{from} {step:?}"))
            .collect();
        assert_eq!(
            legal,
            [
                "deploying Activate",
                "active BeginUpgrade",
                "active Freeze",
                "active Revoke",
                "frozen BeginUpgrade",
                "frozen Unfreeze",
                "frozen Revoke",
                "upgrading Activate",
                "upgrading Freeze"
            ]
        );
    }

    #[test]
    fn a_refusal_names_both_states() {
        let error = Lifecycle::Revoked.apply(Transition::Unfreeze).unwrap_err();
        assert_eq!(error.to_string(), "a contract that is revoked cannot become active");
        let error = Lifecycle::Frozen.apply(Transition::Freeze).unwrap_err();
        assert_eq!(error.to_string(), "it is frozen already");
        let error = Lifecycle::Revoked.apply(Transition::BeginUpgrade).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a contract that is revoked is neither upgraded nor rolled back nor migrated any more"
        );
    }

    proptest! {
        #[test]
        fn nothing_leaves_revoked_and_nothing_returns_to_deploying(steps in prop::collection::vec(0usize..5, 0..40)) {
            let (mut state, mut revoked) = (Lifecycle::Deploying, false);
            for (n, step) in steps.into_iter().enumerate() {
                let before = state;
                if let Ok(next) = state.apply(Transition::ALL[step]) {
                    prop_assert_eq!(next, Transition::ALL[step].target());
                    state = next;
                }
                prop_assert!(n == 0 || before == Lifecycle::Deploying || state != Lifecycle::Deploying);
                prop_assert!(!revoked || state == Lifecycle::Revoked);
                revoked = state == Lifecycle::Revoked;
            }
        }
    }
}
