//! One request on its way: queue, execution, commit, answer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use futures_channel::oneshot;

use super::{Inner, Vm, audit};
use crate::commit::{Committed, Pending};
use crate::denial::Denials;
use crate::error::InPhase;
use crate::manager::{self, Base, Executed};
use crate::metrics::add;
use crate::quota::{Demand, Ticket};
use crate::transaction::now;
use crate::worker::{Watch, retire};
use crate::{
    Changes, ContractRecord, DryRun, DryRunRequest, ErrorKind, Gas, Height, HostFault, HostPolicy, Interrupt,
    InvokeRequest, Managed, Phase, Receipt, Regulated, Sender, Trial, VmError,
};

pub(super) enum Request {
    Invoke(InvokeRequest),
    Query(InvokeRequest),
    Operation(Managed),
    DryRun(Box<DryRunRequest>),
}

impl Request {
    /// Why, in the sender's words.
    fn reason(&self) -> &str {
        match self {
            Self::Operation(managed) => managed.reason(),
            Self::DryRun(run) => run.trial.reason(),
            Self::Invoke(_) | Self::Query(_) => "",
        }
    }

    const fn sender(&self) -> &Sender {
        match self {
            Self::Invoke(request) | Self::Query(request) => &request.sender,
            Self::Operation(managed) => managed.sender(),
            Self::DryRun(run) => run.trial.sender(),
        }
    }

    /// What the quotas count it as, if they do.
    pub(super) fn demand(&self) -> Option<Demand<'_>> {
        let operation = |sender| Some(Demand { sender, call: None });
        match self {
            Self::Invoke(call) | Self::Query(call) => Some(Demand::call(call)),
            Self::Operation(managed) => match managed {
                Managed::Deploy(request) => operation(&request.sender),
                Managed::Upgrade(request) => operation(&request.sender),
                Managed::Migrate(request) => operation(&request.sender),
                Managed::Rollback(request) if request.migration.is_some() => operation(&request.sender),
                // They run no code, and have to get through when calls do not.
                Managed::Rollback(_) => None,
                Managed::Change(_) | Managed::Grant(_) | Managed::Govern(_) => None,
            },
            Self::DryRun(run) => match &run.trial {
                Trial::Invoke(call) => Some(Demand::call(call)),
                Trial::Deploy(request) => operation(&request.sender),
                Trial::Upgrade(request) => operation(&request.sender),
                Trial::Migrate(request) => operation(&request.sender),
                Trial::Rollback(request) => operation(&request.sender),
            },
        }
    }
}

pub(super) enum Answer {
    Receipt(Box<Receipt>),
    Record(Box<(ContractRecord, Changes)>),
    Granted(Box<(Regulated<ContractRecord>, Changes)>),
    Policy(Box<(Regulated<HostPolicy>, Changes)>),
    DryRun(Box<DryRun>),
}

impl Answer {
    pub(super) fn receipt(self) -> Receipt {
        match self {
            Self::Receipt(receipt) => *receipt,
            _ => unreachable!("a transaction is answered with its receipt"),
        }
    }

    pub(super) fn record(self) -> ContractRecord {
        match self {
            Self::Record(record) => record.0,
            _ => unreachable!("a change is answered with a record"),
        }
    }

    pub(super) fn granted(self) -> Regulated<ContractRecord> {
        match self {
            Self::Granted(granted) => granted.0,
            _ => unreachable!("the contract's record is the answer to the change of its policy"),
        }
    }

    pub(super) fn policy(self) -> Regulated<HostPolicy> {
        match self {
            Self::Policy(policy) => policy.0,
            _ => unreachable!("the host's policy is the answer to its change"),
        }
    }

    pub(super) fn dry_run(self) -> DryRun {
        match self {
            Self::DryRun(run) => *run,
            _ => unreachable!("a dry run is answered with what it saw"),
        }
    }

    /// Adds what is known only after the commit.
    fn completed(self, changes: Changes, height: Height, started: Instant) -> Self {
        match self {
            Self::Receipt(receipt) => {
                let mut receipt = receipt.with(changes);
                receipt.height = height;
                receipt.duration = started.elapsed();
                Self::Receipt(Box::new(receipt))
            }
            Self::Record(record) => Self::Record(Box::new((record.0, changes))),
            Self::Granted(granted) => Self::Granted(Box::new((granted.0, changes))),
            Self::Policy(policy) => Self::Policy(Box::new((policy.0, changes))),
            other => other,
        }
    }
}

pub(super) type Reply = Result<Answer, VmError>;

/// A request until it is answered. It may be executed several times, but only one execution is committed.
pub(super) struct Task {
    vm: Vm,
    request: Request,
    started: Instant,
    /// Set when execution begins: time in the queue does not count.
    interrupt: OnceLock<Interrupt>,
    attempts: AtomicU32,
    /// What was refused to contracts in the last execution.
    denials: Denials,
    reply: Mutex<Option<oneshot::Sender<Reply>>>,
    /// What the quotas give a call that asks for no gas in particular.
    gas: Option<Gas>,
    /// Counts it among what is in flight, until it is answered.
    ticket: Mutex<Option<Ticket>>,
}

impl Task {
    pub(super) fn new(vm: Vm, request: Request, ticket: Option<Ticket>) -> (Arc<Self>, oneshot::Receiver<Reply>) {
        let (sender, receiver) = oneshot::channel();
        let (interrupt, attempts, denials) = (OnceLock::new(), AtomicU32::new(0), Denials::default());
        let gas = ticket.as_ref().and_then(|ticket| ticket.gas);
        let (reply, ticket) = (Mutex::new(Some(sender)), Mutex::new(ticket));
        (Arc::new(Self { vm, request, started: now(), interrupt, attempts, denials, reply, gas, ticket }), receiver)
    }

    /// Hands the task to a worker.
    pub(super) fn enqueue(self: Arc<Self>) {
        let task = self.clone();
        let accepted = self.vm.0.workers.get().map(|workers| workers.submit(Box::new(move || task.run(true))));
        if !matches!(accepted, Some(Ok(()))) {
            let queue = self.vm.0.core.limits.queue;
            let stopping = self.vm.running().is_err();
            let fault = if stopping { HostFault::Stopping } else { HostFault::Busy { queue } };
            self.answer(Err(VmError::new(Phase::Admit, fault)));
        }
    }

    /// Executes the task on this thread.
    pub(super) fn run(self: Arc<Self>, on_worker: bool) {
        let inner: &Inner = &self.vm.0;
        let Some(workers) = inner.workers.get() else { return };
        let limits = &inner.core.limits;
        let interrupt = self.interrupt.get_or_init(|| Interrupt::after(limits.execution_timeout)).clone();
        let abandoned = self.clone();
        let abandon = Box::new(move || {
            let fault = abandoned.interrupt.get().map_or(HostFault::Stopping, Interrupt::fault);
            abandoned.answer(Err(VmError::new(Phase::Execute, fault)));
        });
        let mut watch = workers.watch(interrupt.clone(), limits.grace, on_worker, abandon);
        self.attempts.fetch_add(1, Ordering::Relaxed);
        let result = catch_unwind(AssertUnwindSafe(|| self.execute(interrupt, &mut watch))).unwrap_or_else(|panic| {
            let fault = HostFault::Internal(format!("panic: {}", panic_message(&*panic)));
            Err(VmError::new(Phase::Execute, fault))
        });
        if !watch.finish() {
            // Somebody else has answered, so nothing of this may count.
            if on_worker {
                retire();
            }
            return;
        }
        match result {
            Ok((answer, changes, base)) if changes.writes.is_empty() => {
                self.answer(Ok(answer.completed(changes, base, self.started)));
            }
            Ok((answer, changes, base)) => {
                let task = self.clone();
                let done = Box::new(move |committed, changes| task.committed(answer, committed, changes));
                inner.committer.submit(Pending { base, changes, done });
            }
            Err(error) => self.answer(Err(error)),
        }
    }

    fn execute(&self, interrupt: Interrupt, watch: &mut Watch) -> Result<(Answer, Changes, Height), VmError> {
        let inner: &Inner = &self.vm.0;
        // Those of an execution that lost its race are not of this one.
        drop(self.denials.take());
        let view = inner.backend.snapshot().phase(Phase::Load)?;
        let height = view.height();
        // Before anything is refused, which is told with the reason.
        manager::check_reason(self.request.reason()).phase(Phase::Admit)?;
        let (core, block, id, denials) = (&*inner.core, &inner.block, self.vm.next_id(), &self.denials);
        let tried = matches!(self.request, Request::DryRun(_));
        let (entering, numbered) = (|| self.enters(), inner.numbered);
        let entering: Option<&dyn Fn() -> _> = Some(&entering);
        let base = Base { core, view, block, numbered, interrupt, id, gas: self.gas, entering, denials, tried };
        let receipt = |executed: Executed| {
            let (receipt, changes) = executed.into_parts();
            (Answer::Receipt(Box::new(receipt)), changes, height)
        };
        // What an operation changed is told when it is committed.
        let later = Changes::default;
        match &self.request {
            Request::Invoke(request) => manager::invoke(&base, request, false).map(receipt),
            Request::Query(request) => {
                let (answer, mut changes, height) = manager::invoke(&base, request, true).map(receipt)?;
                // A runtime may touch its own bookkeeping in a read-only call; none of it is kept.
                changes.writes = Default::default();
                Ok((answer, changes, height))
            }
            // Nothing of it is committed.
            Request::DryRun(request) => {
                // Each of its transactions has the time of one.
                let next = || {
                    let interrupt = Interrupt::after(inner.core.limits.execution_timeout);
                    if watch.renew(&interrupt) { Ok(interrupt) } else { Err(interrupt.fault()) }
                };
                let run = manager::dry_run(&base, request, next)?;
                Ok((Answer::DryRun(Box::new(run)), Changes::default(), height))
            }
            Request::Operation(operation) => match operation {
                Managed::Deploy(request) => manager::deploy(&base, request).map(receipt),
                Managed::Upgrade(request) => manager::upgrade(&base, request).map(receipt),
                Managed::Migrate(request) => manager::migrate(&base, request).map(receipt),
                Managed::Rollback(request) => manager::rollback(&base, request).map(receipt),
                Managed::Change(request) => {
                    let (record, changes) = manager::change(&base, request)?;
                    Ok((Answer::Record(Box::new((record, later()))), changes, height))
                }
                Managed::Grant(request) => {
                    let (granted, changes) = manager::grant(&base, request)?;
                    Ok((Answer::Granted(Box::new((granted, later()))), changes, height))
                }
                Managed::Govern(request) => {
                    let (policy, changes) = manager::govern(&base, request)?;
                    Ok((Answer::Policy(Box::new((policy, later()))), changes, height))
                }
            },
        }
    }

    fn committed(self: Arc<Self>, answer: Answer, committed: Committed, changes: Changes) {
        match committed {
            Committed::At(height) => self.answer(Ok(answer.completed(changes, height, self.started))),
            Committed::Failed(error) => self.answer(Err(VmError::new(Phase::Update, error))),
            Committed::Conflict => {
                let expired = self.interrupt.get().is_none_or(|interrupt| interrupt.remaining().is_zero());
                if expired {
                    let attempts = self.attempts.load(Ordering::Relaxed);
                    self.answer(Err(VmError::new(Phase::Update, HostFault::Conflict { attempts })));
                } else {
                    self.enqueue();
                }
            }
        }
    }

    /// The request's call is about to enter its contract, unless the contract's quotas refuse it.
    fn enters(&self) -> Result<(), HostFault> {
        let mut ticket = self.ticket.lock().unwrap_or_else(PoisonError::into_inner);
        ticket.as_mut().map_or(Ok(()), Ticket::enter)
    }

    /// The first answer counts.
    fn answer(&self, mut reply: Reply) {
        let Some(sender) = self.reply.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let denials = audit::described(&self.vm, self.denials.take());
        match &mut reply {
            Ok(Answer::Receipt(receipt)) => receipt.denials.clone_from(&denials),
            Ok(Answer::DryRun(run)) => {
                run.receipt.denials.clone_from(&denials);
                for receipt in run.replayed.iter_mut().flat_map(|call| [&mut call.before, &mut call.after]).flatten() {
                    receipt.denials = audit::described(&self.vm, std::mem::take(&mut receipt.denials));
                }
            }
            Err(VmError { kind: ErrorKind::Failed(receipt), .. }) => {
                (receipt.denials, receipt.duration) = (denials.clone(), self.started.elapsed());
            }
            _ => {}
        }
        if let Some(ticket) = self.ticket.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let limit = self.vm.0.core.gas_limit(self.request.sender().gas.or(self.gas));
            ticket.used(gas_used(&reply, limit), gas_replayed(&reply, limit));
        }
        audit::tell(&self.vm, &self.request, &reply, &denials);
        let metrics = &self.vm.0.core.metrics;
        match reply.as_ref().map_err(|error| &error.kind) {
            Err(ErrorKind::Refused(_)) => add(&metrics.refused, 1),
            // Whether it was refused before it waited or after makes no difference.
            Err(ErrorKind::Fault(HostFault::Quota { .. })) => {}
            Err(ErrorKind::Fault(fault)) => {
                add(&metrics.faults, 1);
                if matches!(fault.root(), HostFault::Deadline(_)) {
                    add(&metrics.deadlines, 1);
                }
            }
            Ok(_) | Err(ErrorKind::Failed(_)) => {}
        }
        // A caller that has gone away does not want the answer any more.
        let _ = sender.send(reply);
    }
}

/// What a request counts for in a window. One that was stopped by its deadline has no receipt, and counts all that it might have used,
/// `limit`: it has kept a worker longer than any other.
fn gas_used(reply: &Reply, limit: Gas) -> Gas {
    match reply {
        Ok(Answer::Receipt(receipt)) => receipt.gas_used,
        Ok(Answer::DryRun(run)) => run.receipt.gas_used,
        Err(VmError { kind: ErrorKind::Failed(receipt), .. }) => receipt.gas_used,
        Err(VmError { kind: ErrorKind::Fault(fault), .. }) if matches!(fault.root(), HostFault::Deadline(_)) => limit,
        _ => Gas::ZERO,
    }
}

/// What the calls used that a dry run replayed, before and after. One that a fault ended has no receipts, and counts for each call until
/// then all that it might have used, `limit`.
fn gas_replayed(reply: &Reply, limit: Gas) -> Gas {
    match reply {
        Ok(Answer::DryRun(run)) => {
            let receipts = run.replayed.iter().flat_map(|call| [&call.before, &call.after]).flatten();
            receipts.fold(Gas::ZERO, |sum, receipt| sum.saturating_add(receipt.gas_used))
        }
        Err(VmError { kind: ErrorKind::Fault(HostFault::Replay { call, .. }), .. }) => {
            Gas::new(limit.get().saturating_mul(2).saturating_mul(*call as u64))
        }
        _ => Gas::ZERO,
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text,
        _ => "no message",
    }
}
