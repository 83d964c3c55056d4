//! Who is told what was done, and what was refused.

use std::collections::BTreeSet;

use crate::{Action, Address, ContractName, HistoryEntry, HostPolicy, InvokeRequest, Receipt};

/// Told of every lifecycle operation and every refusal of one, of every denied call, of dry runs that were denied, and of every call
/// that was carried out, each once: after the commit, or when the answer is known. What was refused to contracts is told first, whatever
/// became of their transaction. Decides nothing.
///
/// It is called on the threads that execute requests, so it must be quick. Everything that it is told of operations and
/// denials goes to the log, too, under the target `vm::audit`.
///
/// ```
/// use std::sync::Mutex;
/// use vm_core::{AuditEvent, Observer};
///
/// #[derive(Default)]
/// struct Lines(Mutex<Vec<String>>);
///
/// impl Observer for Lines {
///     fn audit(&self, event: &AuditEvent<'_>) {
///         self.0.lock().unwrap().push(event.to_string());
///     }
/// }
/// ```
pub trait Observer: Send + Sync {
    /// An operation that was carried out, or something that was refused.
    fn audit(&self, event: &AuditEvent<'_>);

    /// A change of the host's policy that was carried out or refused.
    fn governed(&self, _event: &GovernanceEvent<'_>) {}

    /// A call from outside that has a receipt, successful or not; no queries.
    fn called(&self, _request: &InvokeRequest, _receipt: &Receipt) {}
}

/// An operation that was carried out, or something that was refused.
#[derive(Debug, Clone, Copy)]
pub struct AuditEvent<'a> {
    /// On which contract.
    pub contract: &'a ContractName,
    /// What.
    pub action: Action<'a>,
    /// Who.
    pub actor: Address,
    /// Why, in the actor's words.
    pub reason: &'a str,
    /// What became of it.
    pub result: AuditResult<'a>,
    /// True when it was only tried, in a dry run, and refused even so.
    pub tried: bool,
    /// False when there is no contract of this name: anybody can ask for something on names that nobody has.
    pub exists: bool,
}

/// What became of what somebody wanted to do.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum AuditResult<'a> {
    /// It was done; the entry has the contract before and after.
    Done(&'a HistoryEntry),
    /// It was refused, or failed, and nothing was changed: the error's text.
    Refused(&'a str),
}

/// A change of the host's policy that was carried out or refused.
#[derive(Debug, Clone, Copy)]
pub struct GovernanceEvent<'a> {
    /// Who.
    pub actor: Address,
    /// Why, in the actor's words.
    pub reason: &'a str,
    /// The new policy, or why it was refused: the error's text.
    pub result: Result<&'a HostPolicy, &'a str>,
    /// True when it was only tried, in a dry run, and refused even so.
    pub tried: bool,
}

impl AuditEvent<'_> {
    /// Whose endorsements made it that it was done, the actor's among them; nobody where none was asked for, and of what was refused.
    pub fn endorsers(&self) -> impl Iterator<Item = &Address> {
        let counted = match self.result {
            AuditResult::Done(entry) => Some(&entry.endorsers),
            AuditResult::Refused(_) => None,
        };
        counted.into_iter().flatten()
    }
}

/// `, endorsed by 0x…, 0x…`, or nothing.
struct Endorsed<'a>(&'a BTreeSet<Address>);

impl std::fmt::Display for Endorsed<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut between = ", endorsed by ";
        for endorser in self.0 {
            write!(f, "{between}{endorser}")?;
            between = ", ";
        }
        Ok(())
    }
}

impl std::fmt::Display for GovernanceEvent<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.result {
            Ok(policy) => {
                write!(f, "{} gave the host policy {}{}", self.actor, policy.version, Endorsed(&policy.endorsers))
            }
            Err(why) if self.tried => write!(f, "{} could not try to change the host's policy: {why}", self.actor),
            Err(why) => write!(f, "{} could not change the host's policy: {why}", self.actor),
        }
    }
}

impl std::fmt::Display for AuditEvent<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { contract, action, actor, result, tried, .. } = self;
        match result {
            AuditResult::Done(entry) => write!(f, "{actor} did {action} '{contract}'{}", Endorsed(&entry.endorsers)),
            AuditResult::Refused(why) if *tried => write!(f, "{actor} could not try to {action} '{contract}': {why}"),
            AuditResult::Refused(why) => write!(f, "{actor} could not {action} '{contract}': {why}"),
        }
    }
}
