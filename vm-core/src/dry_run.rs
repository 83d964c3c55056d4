//! What would happen, without letting it happen.

use bytes::Bytes;

use crate::{
    ArgumentError, ContractName, DeployRequest, Event, Gas, InvokeRequest, MigrateRequest, Receipt, Refusal,
    RollbackRequest, Sender, StateKey, Status, UpgradeRequest, VmError,
};

/// Something to be tried on a fork of the state, of which nothing is kept.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Trial {
    /// A call.
    Invoke(InvokeRequest),
    /// A deployment.
    Deploy(DeployRequest),
    /// An upgrade.
    Upgrade(UpgradeRequest),
    /// A migration by itself.
    Migrate(MigrateRequest),
    /// A rollback.
    Rollback(RollbackRequest),
}

impl Trial {
    /// Why, in the sender's words.
    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::Deploy(request) => &request.reason,
            Self::Upgrade(request) => &request.reason,
            Self::Migrate(request) => &request.reason,
            Self::Rollback(request) => &request.reason,
            Self::Invoke(_) => "",
        }
    }

    /// Whom it is for.
    pub(crate) const fn sender(&self) -> &Sender {
        match self {
            Self::Invoke(request) => &request.sender,
            Self::Deploy(request) => &request.sender,
            Self::Upgrade(request) => &request.sender,
            Self::Migrate(request) => &request.sender,
            Self::Rollback(request) => &request.sender,
        }
    }

    /// The contract that gets other code or state, if it is there already.
    pub(crate) const fn contract(&self) -> Option<&ContractName> {
        match self {
            Self::Upgrade(request) => Some(&request.name),
            Self::Migrate(request) => Some(&request.name),
            Self::Rollback(request) => Some(&request.name),
            Self::Invoke(_) | Self::Deploy(_) => None,
        }
    }
}

/// A trial, and calls that are made with and without it.
///
/// Each call is made as its own sender, whoever that is, and what it returns is part of the answer. An embedder who lets others ask for
/// dry runs has to authenticate the senders of all calls, or to replay only calls that it recorded itself and keep their
/// outputs from those who may not see them: else whoever may try one thing reads whatever anybody may read.
///
/// Quotas count a dry run as one request of the trial's sender, with the gas of the trial; what is replayed is not counted, for nobody.
///
/// Every call, and the trial, has the time of a transaction, [`Limits::execution_timeout`](crate::Limits).
#[derive(Debug, Clone)]
pub struct DryRunRequest {
    /// What is tried.
    pub trial: Trial,
    /// Calls that are made after it, one after the other, each on what the ones before left; and in the same way without it.
    pub replay: Vec<InvokeRequest>,
}

impl DryRunRequest {
    /// A trial alone.
    pub const fn new(trial: Trial) -> Self {
        Self { trial, replay: Vec::new() }
    }

    /// With calls to be compared.
    #[must_use]
    pub fn replay(mut self, calls: impl IntoIterator<Item = InvokeRequest>) -> Self {
        self.replay.extend(calls);
        self
    }
}

/// What would have happened.
#[derive(Debug, Clone)]
pub struct DryRun {
    /// The receipt of the trial.
    pub receipt: Receipt,
    /// True when the contract is frozen. The calls are made as if it were not: what would happen once it is not is what is asked.
    pub thawed: bool,
    /// The calls with and without it, in their order. When the host fails in one of them, there is no answer at all.
    pub replayed: Vec<Replayed>,
}

/// One call with and without a trial.
#[derive(Debug, Clone)]
pub struct Replayed {
    /// The call.
    pub request: InvokeRequest,
    /// What it does as things are.
    pub before: Result<Receipt, VmError>,
    /// What it would do after the trial.
    pub after: Result<Receipt, VmError>,
    /// In what they differ; empty when in nothing.
    pub differences: Vec<Difference>,
}

/// In what a call differs; each with what it is before and after the trial.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Difference {
    /// It is refused in one of both, or for another reason: the texts of the errors.
    Refusal(Option<String>, Option<String>),
    /// How it ends.
    Status(Status, Status),
    /// What it returns, or the reason of its revert.
    Output(Bytes, Bytes),
    /// The events.
    Events(Vec<Event>, Vec<Event>),
    /// What it writes to a key: nothing, a deletion, or a value.
    Key(StateKey, Option<Option<Bytes>>, Option<Option<Bytes>>),
    /// The gas that it uses.
    Gas(Gas, Gas),
}

impl Replayed {
    /// True when it was refused both with and without the trial, so that it says nothing of it.
    pub const fn is_refused(&self) -> bool {
        self.before.is_err() && self.after.is_err()
    }
}

/// The method that was asked for and is not there; the error's text lists those that are, which is no difference of the call.
fn unknown_method(result: &Result<Receipt, VmError>) -> Option<&str> {
    match result.as_ref().err()?.refusal()? {
        Refusal::Arguments(ArgumentError::UnknownMethod { method, .. }) => Some(method),
        _ => None,
    }
}

/// Compares a call before and after a trial.
pub(crate) fn compare(before: &Result<Receipt, VmError>, after: &Result<Receipt, VmError>) -> Vec<Difference> {
    let (old, new) = match (before, after) {
        (Ok(old), Ok(new)) => (old, new),
        _ => {
            let text = |result: &Result<Receipt, VmError>| result.as_ref().err().map(ToString::to_string);
            let (old, new) = (text(before), text(after));
            let same = old == new || unknown_method(before).is_some_and(|method| unknown_method(after) == Some(method));
            return if same { Vec::new() } else { vec![Difference::Refusal(old, new)] };
        }
    };
    let mut found = Vec::new();
    if old.status != new.status {
        found.push(Difference::Status(old.status.clone(), new.status.clone()));
    }
    if old.output != new.output {
        found.push(Difference::Output(old.output.clone(), new.output.clone()));
    }
    if old.events != new.events {
        found.push(Difference::Events(old.events.clone(), new.events.clone()));
    }
    for (key, value) in old.writes.iter() {
        let other = new.writes.get(key);
        if other != Some(value) {
            found.push(Difference::Key(key.clone(), Some(value.clone()), other.cloned()));
        }
    }
    for (key, value) in new.writes.iter().filter(|(key, _)| old.writes.get(key).is_none()) {
        found.push(Difference::Key(key.clone(), None, Some(value.clone())));
    }
    if old.gas_used != new.gas_used {
        found.push(Difference::Gas(old.gas_used, new.gas_used));
    }
    found
}
