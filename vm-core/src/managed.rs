use crate::{
    Action, ChangeRequest, ContractName, DeployRequest, GovernRequest, Governance, GrantRequest, MigrateRequest,
    RollbackRequest, Sender, UpgradeRequest,
};

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
