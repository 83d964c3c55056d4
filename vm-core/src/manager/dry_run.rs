use std::sync::Arc;

use super::{Base, Provisional, deploy, invoke, migrate, phase, rollback, upgrade};
use crate::denial::Denials;
use crate::dry_run::compare;
use crate::fork::Fork;
use crate::transaction::now;
use crate::{
    ContractName, ContractRecord, DryRun, DryRunRequest, ErrorKind, HostFault, Interrupt, InvokeRequest, Journal,
    Lifecycle, Phase, Receipt, Replayed, StateError, Trial, VmError,
};

/// The trial on a fork, then each call on it and on another one without the trial; `next` gives each of these its time.
pub(crate) fn dry_run(
    base: &Base<'_>,
    request: &DryRunRequest,
    mut next: impl FnMut() -> Result<Interrupt, HostFault>,
) -> Result<DryRun, VmError> {
    let started = now();
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
    // What calls prepare of the new code goes when they are over, unless it was there before or others use it.
    let _tried = match &request.trial {
        Trial::Deploy(request) => Some(&request.name),
        trial => trial.contract(),
    }
    .map(|name| phase(Phase::Load, || provisional(base, &after_trial, name)))
    .transpose()?;
    let mut receipt = receipt.with(changes);
    receipt.duration = started.elapsed();

    let mut thawed = false;
    if let Some(name) = request.trial.contract().filter(|_| !request.replay.is_empty()) {
        for fork in [&mut as_it_is, &mut after_trial] {
            thawed |= phase(Phase::Load, || thaw(fork, name))?;
        }
    }
    let count = request.replay.len();
    let mut call = |fork: &mut Fork, request: &InvokeRequest| call(base, fork, request, next()?);
    let mut replay = |(number, request): (usize, &InvokeRequest)| {
        let both = call(&mut as_it_is, request).and_then(|before| Ok((before, call(&mut after_trial, request)?)));
        let (before, after) = both.map_err(|fault| {
            let fault = HostFault::Replay { call: number, of: count, fault: Box::new(fault) };
            VmError::new(Phase::Execute, fault)
        })?;
        let differences = compare(&before, &after);
        Ok(Replayed { request: request.clone(), before, after, differences })
    };
    let replayed = (1..).zip(&request.replay).map(&mut replay).collect::<Result<_, VmError>>()?;
    Ok(DryRun { receipt, thawed, replayed })
}

/// The code that a contract has in a fork, so that what is prepared of it is forgotten.
fn provisional<'c>(base: &Base<'c>, fork: &Fork, name: &ContractName) -> Result<Option<Provisional<'c>>, StateError> {
    let record = ContractRecord::load(&Journal::new(Arc::new(fork.clone())), name)?;
    Ok(record.map(|record| Provisional::new(base.core, record.code)))
}

/// A call whose changes stay in the fork. That it is refused is a result; that the host fails is none.
fn call(
    base: &Base<'_>,
    fork: &mut Fork,
    request: &InvokeRequest,
    interrupt: Interrupt,
) -> Result<Result<Receipt, VmError>, HostFault> {
    let started = now();
    // The view is gone before the fork changes, which is then its only owner.
    let denials = Denials::default();
    let executed = match invoke(
        &Base { view: Arc::new(fork.clone()), interrupt, gas: None, entering: None, denials: &denials, ..*base },
        request,
        false,
    ) {
        Ok(executed) => executed,
        Err(VmError { kind: ErrorKind::Fault(fault), .. }) => return Err(fault),
        Err(refused) => return Ok(Err(refused)),
    };
    let (receipt, changes) = executed.into_parts();
    fork.apply(&changes.writes);
    let mut receipt = receipt.with(changes);
    (receipt.denials, receipt.duration) = (denials.take(), started.elapsed());
    Ok(Ok(receipt))
}

/// Lets a frozen contract be called in a fork; true when it was frozen.
fn thaw(fork: &mut Fork, name: &ContractName) -> Result<bool, StateError> {
    let journal = Journal::new(Arc::new(fork.clone()));
    let frozen = ContractRecord::load(&journal, name)?.filter(|record| record.lifecycle == Lifecycle::Frozen);
    let Some(frozen) = frozen else { return Ok(false) };
    ContractRecord { lifecycle: Lifecycle::Active, ..frozen }.store(&journal)?;
    fork.apply(&journal.finish().writes);
    Ok(true)
}
