use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use crate::Interrupt;
use crate::transaction::now;

/// Stack of a worker: room for 64 frames of any runtime, of which compiled WASM takes the most, 2 MiB and 1 MiB for the host
/// below it. Only what is touched occupies memory.
const STACK: usize = 64 * (3 << 20);

/// Longer times are cut: what ends in a year is not watched for longer.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// The threads that execute requests, and the one that watches their deadlines.
pub(crate) struct Workers {
    jobs: Mutex<Option<Sender<Job>>>,
    shared: Arc<Shared>,
    count: usize,
}

struct Shared {
    queue: Receiver<Job>,
    live: AtomicUsize,
    in_flight: AtomicUsize,
    quarantined: AtomicUsize,
    calls: Mutex<Calls>,
    wake: Condvar,
    /// Signalled when a worker ends or is given up.
    ended: Condvar,
}

#[derive(Default)]
struct Calls {
    /// By time of the next step, then by number.
    watched: BTreeMap<(Instant, u64), Watched>,
    next: u64,
    /// When the watchdog will look again; `None` while it waits to be woken.
    looks_at: Option<Instant>,
    closed: bool,
}

/// A call with a deadline.
struct Watched {
    call: Arc<CallState>,
    interrupt: Interrupt,
    grace: Duration,
    raised: bool,
    /// True when giving it up costs a worker.
    on_worker: bool,
    /// Answers the caller in the worker's place.
    abandon: Box<dyn FnOnce() + Send>,
}

/// Whether a call's result still counts.
#[derive(Default)]
struct CallState {
    /// Taken by the one who answers: the worker, or the watchdog that gives it up.
    answered: AtomicBool,
}

/// A watched call. The worker asks [`finish`](Self::finish) before it makes anything of its result.
pub(crate) struct Watch {
    shared: Arc<Shared>,
    call: Arc<CallState>,
    at: (Instant, u64),
    grace: Duration,
}

impl Watch {
    /// Another transaction of the same request begins, with time of its own; false when the request was given up.
    pub(crate) fn renew(&mut self, interrupt: &Interrupt) -> bool {
        let mut calls = self.shared.lock();
        let (at, number) = self.at;
        let found = calls.watched.remove(&self.at).or_else(|| calls.watched.remove(&(at + self.grace, number)));
        let Some(watched) = found else { return false };
        let at = now() + interrupt.remaining().min(LONGEST);
        self.at = (at, number);
        calls.watched.insert(self.at, Watched { interrupt: interrupt.clone(), raised: false, ..watched });
        let late = calls.looks_at.is_none_or(|looks_at| at < looks_at);
        drop(calls);
        if late {
            self.shared.wake.notify_one();
        }
        true
    }

    /// True when the result counts; false when the watchdog has given the call up.
    pub(crate) fn finish(self) -> bool {
        let mut calls = self.shared.lock();
        let (at, number) = self.at;
        if calls.watched.remove(&(at, number)).is_none() {
            // Its deadline is over: it waits for the end of the grace.
            calls.watched.remove(&(at + self.grace, number));
        }
        // Under the lock, as the watchdog gives calls up.
        !self.call.answered.swap(true, Ordering::AcqRel)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// There is no room for another job, or no worker any more.
pub(crate) struct Rejected;

impl Workers {
    pub(crate) fn start(count: usize, queue: usize) -> std::io::Result<Self> {
        let (jobs, receiver) = bounded(queue);
        let shared = Arc::new(Shared {
            queue: receiver,
            live: AtomicUsize::new(0),
            in_flight: AtomicUsize::new(0),
            quarantined: AtomicUsize::new(0),
            calls: Mutex::default(),
            wake: Condvar::new(),
            ended: Condvar::new(),
        });
        for _ in 0..count {
            spawn_worker(&shared)?;
        }
        let watching = shared.clone();
        thread::Builder::new().name("vm-watchdog".into()).spawn(move || watch(&watching))?;
        Ok(Self { jobs: Mutex::new(Some(jobs)), shared, count })
    }

    pub(crate) fn submit(&self, job: Job) -> Result<(), Rejected> {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        match jobs.as_ref().map(|jobs| jobs.try_send(job)) {
            Some(Ok(())) => Ok(()),
            Some(Err(TrySendError::Full(_) | TrySendError::Disconnected(_))) | None => Err(Rejected),
        }
    }

    /// Watches a call that begins now: at the end of its time its interrupt is raised; when it has not come back after the
    /// grace, `abandon` answers for it, and (on a worker) another worker takes its place.
    pub(crate) fn watch(
        &self,
        interrupt: Interrupt,
        grace: Duration,
        on_worker: bool,
        abandon: Box<dyn FnOnce() + Send>,
    ) -> Watch {
        let call = Arc::new(CallState::default());
        let shared = self.shared.clone();
        let (remaining, grace) = (interrupt.remaining().min(LONGEST), grace.min(LONGEST));
        let at = now() + remaining;
        let mut calls = shared.lock();
        let key = (at, calls.next);
        calls.next += 1;
        calls.watched.insert(key, Watched { call: call.clone(), interrupt, grace, raised: false, on_worker, abandon });
        let late = calls.looks_at.is_none_or(|looks_at| at < looks_at);
        drop(calls);
        if late {
            shared.wake.notify_one();
        }
        Watch { shared, call, at: key, grace }
    }

    /// Takes no more jobs and waits until the queue is empty and every worker has ended or was given up.
    pub(crate) fn stop(&self) {
        self.close();
        let mut calls = self.shared.lock();
        while self.shared.live.load(Ordering::Acquire) > 0 {
            calls = self.shared.ended.wait(calls).unwrap_or_else(PoisonError::into_inner);
        }
        calls.closed = true;
        drop(calls);
        self.shared.wake.notify_one();
    }

    fn close(&self) {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn quarantined(&self) -> usize {
        self.shared.quarantined.load(Ordering::Relaxed)
    }

    pub(crate) fn queued(&self) -> usize {
        self.shared.queue.len()
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.shared.in_flight.load(Ordering::Relaxed)
    }
}

impl Drop for Workers {
    /// Lets the threads end by themselves; [`stop`](Self::stop) is the one that waits.
    fn drop(&mut self) {
        self.close();
        self.shared.lock().closed = true;
        self.shared.wake.notify_one();
    }
}

std::thread_local! {
    /// Set while the worker's own job was given up: the thread ends instead of taking another job.
    static GIVEN_UP: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Called on a worker whose call came back after it was given up.
pub(crate) fn retire() {
    GIVEN_UP.set(true);
}

fn spawn_worker(shared: &Arc<Shared>) -> std::io::Result<()> {
    let shared = shared.clone();
    shared.live.fetch_add(1, Ordering::Relaxed);
    let worker = shared.clone();
    let run = move || {
        for job in worker.queue.iter() {
            worker.in_flight.fetch_add(1, Ordering::Relaxed);
            // A job answers its caller even when it unwinds; what a panic leaves behind was the job's own.
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(job)).is_err() {
                tracing::error!(target: "vm::worker", "a worker's job panicked outside the contract; its caller gets a fault");
            }
            worker.in_flight.fetch_sub(1, Ordering::Relaxed);
            if GIVEN_UP.get() {
                worker.quarantined.fetch_sub(1, Ordering::Relaxed);
                return;
            }
        }
        let _calls = worker.lock();
        worker.live.fetch_sub(1, Ordering::Release);
        worker.ended.notify_all();
    };
    let spawned = thread::Builder::new().name("vm-worker".into()).stack_size(STACK).spawn(run);
    if spawned.is_err() {
        shared.live.fetch_sub(1, Ordering::Relaxed);
    }
    spawned.map(drop)
}

/// The watchdog: sleeps until the next deadline.
fn watch(shared: &Arc<Shared>) {
    let mut calls = shared.lock();
    loop {
        let time = now();
        while let Some(entry) = calls.watched.first_entry() {
            if entry.key().0 > time {
                break;
            }
            let ((at, number), mut watched) = entry.remove_entry();
            if !watched.raised {
                watched.interrupt.raise();
                watched.raised = true;
                let next = at + watched.grace;
                calls.watched.insert((next, number), watched);
            } else if !watched.call.answered.swap(true, Ordering::AcqRel) {
                if watched.on_worker {
                    // Under the lock, so that a worker that comes back now finds itself counted.
                    shared.quarantined.fetch_add(1, Ordering::Relaxed);
                    shared.live.fetch_sub(1, Ordering::Relaxed);
                }
                drop(calls);
                if watched.on_worker
                    && let Err(error) = spawn_worker(shared)
                {
                    tracing::error!(target: "vm::worker", %error, "a worker that does not come back could not be replaced");
                }
                (watched.abandon)();
                shared.ended.notify_all();
                calls = shared.lock();
            }
        }
        if calls.closed && calls.watched.is_empty() {
            return;
        }
        let next = calls.watched.first_key_value().map(|((at, _), _)| *at);
        calls.looks_at = next;
        calls = match next {
            Some(at) => {
                let wait = at.saturating_duration_since(now());
                shared.wake.wait_timeout(calls, wait).unwrap_or_else(PoisonError::into_inner).0
            }
            None => shared.wake.wait(calls).unwrap_or_else(PoisonError::into_inner),
        };
        calls.looks_at = None;
    }
}
