//! What was refused to contracts while a transaction ran.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use crate::{Action, Address, ContractName, Denied, abridged};

/// Something that a contract asked for and that was refused, whatever the contract made of it and the transaction came to: so it is
/// told of transactions, too, of which nothing else is left.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Denial {
    /// A call of a method, by a rule.
    Call {
        /// The method; of an EVM contract the selector, such as `0xa9059cbb`.
        method: String,
        /// Who was refused, and by which rule; of an EVM contract with the signature, where the ABI has it.
        denied: Denied,
    },
    /// An operation.
    Operation(DeniedOperation),
    /// What the contract was deployed without.
    Capability {
        /// The contract, which is the one that was refused.
        contract: ContractName,
        /// The capability, such as `calls`.
        capability: String,
        /// Why it was refused.
        why: String,
    },
}

/// An operation that a contract asked for and that was refused, or failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeniedOperation {
    /// On which contract, and what; nothing for the host's policy.
    pub on: Option<(ContractName, Action<'static>)>,
    /// Who wanted it: whom the contract that asked named.
    pub actor: Address,
    /// Why it was wanted, in the actor's words.
    pub reason: String,
    /// True when a rule refused the actor; false when it was refused for something else, or failed.
    pub by_rule: bool,
    /// Why it was refused: the error's text.
    pub why: String,
}

impl Denial {
    /// On which contract; none for the host's policy.
    pub fn contract(&self) -> Option<&ContractName> {
        match self {
            Self::Call { denied, .. } => Some(&denied.contract),
            Self::Operation(operation) => operation.on.as_ref().map(|(contract, _)| contract),
            Self::Capability { contract, .. } => Some(contract),
        }
    }

    /// What was asked for; nothing for a change of the host's policy.
    pub fn action(&self) -> Option<Action<'_>> {
        match self {
            Self::Call { method, .. } => Some(Action::Call { method }),
            Self::Operation(operation) => operation.on.as_ref().map(|(_, action)| *action),
            Self::Capability { capability, .. } => Some(Action::Use { capability }),
        }
    }

    /// Who was refused.
    pub fn actor(&self) -> Address {
        match self {
            Self::Capability { contract, .. } => contract.address(),
            Self::Call { denied, .. } => denied.actor,
            Self::Operation(operation) => operation.actor,
        }
    }

    /// Why it was asked for, in the actor's words; empty for calls and capabilities.
    pub fn reason(&self) -> &str {
        match self {
            Self::Call { .. } | Self::Capability { .. } => "",
            Self::Operation(operation) => &operation.reason,
        }
    }

    /// Why it was refused.
    pub fn why(&self) -> String {
        match self {
            Self::Call { denied, .. } => denied.to_string(),
            Self::Operation(operation) => operation.why.clone(),
            Self::Capability { why, .. } => why.clone(),
        }
    }

    /// True when it was a rule that refused it, or the deployment, which granted no more.
    pub const fn is_by_rule(&self) -> bool {
        match self {
            Self::Call { .. } | Self::Capability { .. } => true,
            Self::Operation(operation) => operation.by_rule,
        }
    }
}

impl Denial {
    /// The same without the rest of a method's name that only somebody makes up who wants to be told of at length.
    fn shortened(mut self) -> Self {
        if let Self::Call { method, denied } = &mut self
            && method.len() > METHOD
        {
            *method = abridged(method, METHOD);
            denied.action = Action::Call { method }.to_string();
        }
        self
    }
}

/// `0x… may not call 'mint' of contract 'token': only its owner may`, or what an operation was, and why not.
impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call { denied, .. } => denied.fmt(f),
            Self::Operation(DeniedOperation { on: Some((contract, action)), actor, why, .. }) => {
                write!(f, "{actor} could not {action} '{contract}': {why}")
            }
            Self::Operation(DeniedOperation { on: None, actor, why, .. }) => {
                write!(f, "{actor} could not change the host's policy: {why}")
            }
            Self::Capability { contract, capability, why } => {
                let action = Action::Use { capability };
                write!(f, "{} could not {action} '{contract}': {why}", contract.address())
            }
        }
    }
}

/// How many denials of one transaction are told: a contract can ask without end.
const MOST: usize = 256;

/// The most characters that are told of a method's name: no method that has a rule of its own has a longer one.
const METHOD: usize = 256;

/// Takes the denials of a request, for as long as that is executed. It belongs to nothing that an error, a fault or the end of a worker
/// takes along.
#[derive(Default)]
pub(crate) struct Denials(Mutex<Vec<Denial>>);

impl Denials {
    /// Notes what was refused, unless that is more than anybody reads.
    pub(crate) fn note(&self, denial: Denial) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.len() < MOST {
            noted.push(denial.shortened());
        }
    }

    /// What was noted since it was taken last, in its order.
    pub(crate) fn take(&self) -> Vec<Denial> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_is_bounded_in_number_and_length() {
        let contract = ContractName::new("c").unwrap();
        let denials = Denials::default();
        for length in [1, METHOD, METHOD + 1, 1 << 20].into_iter().cycle().take(1_000) {
            let method = "m".repeat(length);
            let action = Action::Call { method: &method }.to_string();
            let denied = Denied { actor: Address::ZERO, action, contract: contract.clone(), rule: "nobody may".into() };
            denials.note(Denial::Call { method, denied });
        }
        let noted = denials.take();
        let lengths: Vec<_> = noted.iter().take(4).map(|denial| denial.to_string().chars().count()).collect();
        assert_eq!(
            (noted.len(), lengths[1] - lengths[0], lengths[2], lengths[3]),
            (MOST, METHOD - 1, lengths[1], lengths[1])
        );
        assert!(denials.take().is_empty());
    }
}
