use std::fmt;

use crate::{Address, Change, ContractName, ContractRecord, Governance, Interface, Operation, abridged};

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action<'a> {
    /// Deploy a new contract.
    Deploy,
    /// Call a method; also asked for calls between contracts, with the calling contract as actor.
    Call {
        /// The method; for an EVM contract its selector, such as `0xa9059cbb`, where call data begins with one.
        method: &'a str,
    },
    /// Replace the code.
    Upgrade,
    /// Replace the code and leave out the migration that it has. The policy has a rule for that; an [`Authorizer`] is asked about
    /// [`Upgrade`](Self::Upgrade), too.
    SkipMigration,
    /// Have the current code migrate the state by itself.
    Migrate,
    /// Return to the code of an earlier version.
    Rollback,
    /// Freeze, unfreeze or revoke.
    Change(Change),
    /// Change the contract's policy.
    Grant,
    /// Bound the contract's state. Told to observers only: it is an administrator's change of the host.
    Room,
    /// Use, as the contract itself, what it was deployed without. Told to observers only: nobody asks a rule for it.
    Use {
        /// The capability, such as `calls`.
        capability: &'a str,
    },
}

impl fmt::Display for Action<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deploy => f.write_str("deploy contract"),
            Self::Call { method: "" } => f.write_str("call contract"),
            Self::Call { method } => write!(f, "call '{method}' of contract"),
            Self::Upgrade => f.write_str("upgrade contract"),
            Self::SkipMigration => f.write_str("skip the migration of contract"),
            Self::Migrate => f.write_str("migrate contract"),
            Self::Rollback => f.write_str("roll back contract"),
            Self::Change(change) => write!(f, "{} contract", Operation::from(*change)),
            Self::Grant => f.write_str("change the policy of contract"),
            Self::Room => f.write_str("bound the state of contract"),
            Self::Use { capability } => write!(f, "use the capability '{capability}' of contract"),
        }
    }
}

/// A question to the authorizer.
#[derive(Debug, Clone, Copy)]
pub struct Access<'a> {
    /// Who.
    pub actor: Address,
    /// What.
    pub action: Action<'a>,
    /// On which contract.
    pub contract: &'a ContractName,
    /// The contract's owner; `None` for a deployment.
    pub owner: Option<Address>,
    /// True when the contract's policy does not let everybody call every method.
    pub guarded: bool,
}

/// A refusal by a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{actor} may not {action} '{contract}': {rule}")]
pub struct Denied {
    /// Who was refused.
    pub actor: Address,
    /// What was refused.
    pub action: String,
    /// On which contract.
    pub contract: ContractName,
    /// Which rule refused it.
    pub rule: String,
}

/// The most characters that a denial shows of a method's signature.
const SIGNATURE: usize = 120;

impl Denied {
    /// The refusal of a call, with the signature beside a selector, where the contract's interface describes it. For people:
    /// contracts are answered with what policies know.
    pub(crate) fn describing(mut self, method: &str, interface: &dyn Interface) -> Self {
        if let Some(signature) = interface.described(method) {
            let described = format!("'{}' ({method})", abridged(&signature, SIGNATURE));
            self.action = self.action.replacen(&format!("'{method}'"), &described, 1);
        }
        self
    }
}

impl<'a> Access<'a> {
    /// A question about a contract that there is.
    pub(crate) fn of(actor: Address, action: Action<'a>, record: &'a ContractRecord) -> Self {
        let ContractRecord { name, owner, guarded, .. } = record;
        Self { actor, action, contract: name, owner: Some(*owner), guarded: *guarded }
    }

    /// A refusal of this, by a rule.
    pub fn denied(&self, rule: impl Into<String>) -> Denied {
        let action = self.action.to_string();
        Denied { actor: self.actor, action, contract: self.contract.clone(), rule: rule.into() }
    }
}

/// What the embedder refuses beside the policies, which are asked first. Must be deterministic: the same question has the
/// same answer on every node.
///
/// ```
/// use vm_core::{Access, Action, Address, Authorizer, Denied};
///
/// /// Only one address deploys; everything else is as the policies say.
/// struct OneDeployer(Address);
///
/// impl Authorizer for OneDeployer {
///     fn authorize(&self, access: &Access<'_>) -> Result<(), Denied> {
///         match access.action {
///             Action::Deploy if access.actor != self.0 => Err(access.denied("only the operator deploys")),
///             _ => Ok(()),
///         }
///     }
/// }
/// ```
pub trait Authorizer: Send + Sync {
    /// Permits or refuses.
    ///
    /// # Errors
    /// When it is refused, with the rule that refused it.
    fn authorize(&self, access: &Access<'_>) -> Result<(), Denied>;

    /// Permits or refuses changes of the host's policy and of the room of contracts, about which
    /// [`authorize`](Self::authorize) is not asked. Default: permits them.
    ///
    /// # Errors
    /// When they are refused, with the rule that refused them.
    fn govern(&self, _actor: Address, _changes: &[Governance]) -> Result<(), String> {
        Ok(())
    }
}
