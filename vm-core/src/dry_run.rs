//! What would happen, without letting it happen.

use bytes::Bytes;

use crate::{
    DeployRequest, Event, Gas, InvokeRequest, MigrateRequest, Receipt, RollbackRequest, StateKey, Status,
    UpgradeRequest, VmError,
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

/// A trial, and calls that are made with and without it.
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
    /// The calls with and without it, in their order.
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
    /// It is refused, or the host failed, in one of both or for another reason: the texts of the errors.
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

/// Compares a call before and after a trial.
pub(crate) fn compare(before: &Result<Receipt, VmError>, after: &Result<Receipt, VmError>) -> Vec<Difference> {
    let (old, new) = match (before, after) {
        (Ok(old), Ok(new)) => (old, new),
        _ => {
            let text = |result: &Result<Receipt, VmError>| result.as_ref().err().map(ToString::to_string);
            let (old, new) = (text(before), text(after));
            return if old == new { Vec::new() } else { vec![Difference::Refusal(old, new)] };
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
