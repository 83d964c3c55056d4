use crate::{
    Action, ChangeRequest, ContractName, DeployRequest, GovernRequest, Governance, GrantRequest, MigrateRequest,
    Outcome, RollbackRequest, Sender, UpgradeRequest,
};

/// What became of a change of rules, roles or bounds that was permitted.
///
/// Asking for what is so already is no error, so that what asks can be run again. It is no operation either: when nothing
/// changed, nothing was written, neither a version of a policy nor an entry of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Regulated<T> {
    /// What is in force now.
    pub now: T,
    /// False when it was in force before.
    pub changed: bool,
    /// What was asked for and was so already, in words, such as `the rule of freeze is 'owner' already`. The rest was done.
    pub already: Vec<String>,
}

/// What became of an operation that a contract asked for.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Operated {
    /// Success, or a revert that says what refused it, or how the contract failed whose code was entered.
    pub outcome: Outcome,
    /// False when it was refused or failed, and when what was asked for was so already.
    pub changed: bool,
    /// What whoever asked for it should look at: as [`Receipt::warnings`](crate::Receipt::warnings), and what was so already.
    pub warnings: Vec<String>,
}

impl Operated {
    /// An operation that ended so, without more to say.
    #[must_use]
    pub const fn new(outcome: Outcome) -> Self {
        let changed = outcome.status.is_success();
        Self { outcome, changed, warnings: Vec::new() }
    }

    /// The same with warnings.
    #[must_use]
    pub fn warning(self, warnings: Vec<String>) -> Self {
        Self { warnings, ..self }
    }
}

/// An operation on a contract or on the host: everything that can be asked for but calls.
///
/// A contract can ask for it inside its own transaction, too; see [`TransactionHost::manage`](crate::TransactionHost::manage). Of the
/// sender count the caller and the endorsers then; there is no value, and gas and block are those of the transaction.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Managed {
    /// A deployment.
    Deploy(DeployRequest),
    /// An upgrade.
    Upgrade(UpgradeRequest),
    /// A migration by itself.
    Migrate(MigrateRequest),
    /// A rollback.
    Rollback(RollbackRequest),
    /// Freeze, unfreeze, revoke.
    Change(ChangeRequest),
    /// Another policy for a contract.
    Grant(GrantRequest),
    /// Another policy for the host.
    Govern(GovernRequest),
}

/// What all requests have, of whichever it is.
macro_rules! of_any {
    ($managed:expr, $request:ident => $part:expr) => {
        match $managed {
            Managed::Deploy($request) => $part,
            Managed::Upgrade($request) => $part,
            Managed::Migrate($request) => $part,
            Managed::Rollback($request) => $part,
            Managed::Change($request) => $part,
            Managed::Grant($request) => $part,
            Managed::Govern($request) => $part,
        }
    };
}

impl Managed {
    /// Which contract it is about; none for the host. To bound the state of one contract, and no more, is about that one.
    pub fn name(&self) -> Option<&ContractName> {
        match self {
            Self::Deploy(request) => Some(&request.name),
            Self::Upgrade(request) => Some(&request.name),
            Self::Migrate(request) => Some(&request.name),
            Self::Rollback(request) => Some(&request.name),
            Self::Change(request) => Some(&request.name),
            Self::Grant(request) => Some(&request.name),
            Self::Govern(request) => match &*request.changes {
                [Governance::Room { contract, .. }] => Some(contract),
                _ => None,
            },
        }
    }

    /// What it wants to do with a contract; none for the host.
    pub fn action(&self) -> Option<Action<'static>> {
        match self {
            Self::Deploy(_) => Some(Action::Deploy),
            Self::Upgrade(_) => Some(Action::Upgrade),
            Self::Migrate(_) => Some(Action::Migrate),
            Self::Rollback(_) => Some(Action::Rollback),
            Self::Change(request) => Some(Action::Change(request.change)),
            Self::Grant(_) => Some(Action::Grant),
            Self::Govern(_) => self.name().map(|_| Action::Room),
        }
    }

    /// Who does it, and who endorses it.
    pub const fn sender(&self) -> &Sender {
        of_any!(self, request => &request.sender)
    }

    /// Why, in the sender's words.
    pub fn reason(&self) -> &str {
        of_any!(self, request => &request.reason)
    }

    /// Sets who does it, and who endorses it.
    #[must_use]
    pub fn by(mut self, sender: Sender) -> Self {
        *of_any!(&mut self, request => &mut request.sender) = sender;
        self
    }
}
