use std::sync::Arc;

use super::{Base, deploy, invoke, migrate, rollback, upgrade};
use crate::dry_run::compare;
use crate::fork::Fork;
use crate::{DryRun, DryRunRequest, InvokeRequest, Receipt, Replayed, Trial, VmError};

/// The trial on a fork, then each call on it and on another one without the trial.
pub(crate) fn dry_run(base: &Base<'_>, request: &DryRunRequest) -> Result<DryRun, VmError> {
    let executed = match &request.trial {
        Trial::Invoke(request) => invoke(base, request, false),
        Trial::Deploy(request) => deploy(base, request),
        Trial::Upgrade(request) => upgrade(base, request),
        Trial::Migrate(request) => migrate(base, request),
        Trial::Rollback(request) => rollback(base, request),
    };
    let (receipt, changes) = executed?.into_parts();
    let mut as_it_is = Fork::of(base.view.clone());
    let mut after_trial = as_it_is.clone();
    after_trial.apply(&changes.writes);
    let receipt = receipt.with(changes);
    let replay = |request: &InvokeRequest| {
        let before = call(base, &mut as_it_is, request);
        let after = call(base, &mut after_trial, request);
        let differences = compare(&before, &after);
        Replayed { request: request.clone(), before, after, differences }
    };
    Ok(DryRun { receipt, replayed: request.replay.iter().map(replay).collect() })
}

/// A call whose changes stay in the fork.
fn call(base: &Base<'_>, fork: &mut Fork, request: &InvokeRequest) -> Result<Receipt, VmError> {
    let (view, interrupt) = (Arc::new(fork.clone()), base.interrupt.clone());
    let executed = invoke(&Base { view, interrupt, ..*base }, request, false)?;
    let (receipt, changes) = executed.into_parts();
    fork.apply(&changes.writes);
    Ok(receipt.with(changes))
}
