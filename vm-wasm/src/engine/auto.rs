//! Tiering: a contract starts on wasmi and moves to wasmtime when it has run for as long as compiling it would take.
//!
//! Gas and results are the same on both, so nobody needs to know when. A thread compiles in the background; calls go on
//! with wasmi until the code is there, and for good if it cannot be compiled, or only at more than the [budget](super::work).

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use metrics::{counter, gauge};

use super::wasmi::Wasmi;
use super::{Completion, Engine, Halt, Invocation, Program, lane, work};
use crate::abi::Frame;
use crate::meter::Instrumented;

/// The estimate of what compiling takes, in nanoseconds: for any module, and for each byte of it. Measured with wasmtime 48.
const COMPILE: u64 = 1_000_000;
const COMPILE_PER_BYTE: u64 = 500;

/// What wasmtime makes of a byte of an instrumented module, in bytes, at most on average.
const CODE_PER_BYTE: usize = 6;

/// Stack of the thread that compiles: as much as any thread has on which wasmtime compiles otherwise, and more.
const STACK: usize = 16 << 20;

#[derive(Debug)]
pub(crate) struct Auto {
    shared: Arc<Shared>,
    compiler: Arc<dyn Engine>,
    thread: Option<JoinHandle<()>>,
}

/// What the contracts and the thread share.
#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    /// Contracts on wasmi, and on wasmtime.
    interpreted: AtomicUsize,
    compiled: AtomicUsize,
    /// Compilations that failed.
    failed: AtomicUsize,
}

#[derive(Debug, Default)]
struct Queue {
    worth_it: VecDeque<Weak<Tiers>>,
    closed: bool,
}

impl Auto {
    /// Before this compiler, wasmi. The text of an error is the system's own.
    pub(crate) fn new(compiler: Box<dyn Engine>) -> Result<Self, String> {
        let (shared, compiler) = (Arc::<Shared>::default(), Arc::<dyn Engine>::from(compiler));
        let (queue, engine) = (shared.clone(), compiler.clone());
        let thread = thread::Builder::new()
            .name("vm-wasm-compiler".into())
            .stack_size(STACK)
            .spawn(move || queue.work(&*engine));
        Ok(Self { shared, compiler, thread: Some(thread.map_err(|error| error.to_string())?) })
    }
}

impl Drop for Auto {
    /// Waits for the compilation under way, if any; those in the queue are dropped.
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.wake.notify_one();
        // A compilation that panicked has ended the thread already; contracts stayed where they were.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Engine for Auto {
    fn name(&self) -> &'static str {
        "auto"
    }

    fn version(&self) -> &'static str {
        "wasmi, then wasmtime"
    }

    fn fingerprint(&self) -> String {
        format!("auto {} {}", Wasmi.fingerprint(), self.compiler.fingerprint())
    }

    fn compile(&self, module: &Instrumented) -> Result<Box<dyn Program>, String> {
        let interpreted = Wasmi.compile(module)?;
        let worth = if work::affordable(module) { worth(module) } else { u64::MAX };
        let module = Instrumented { bytes: module.bytes.clone(), calls: module.calls };
        self.shared.interpreted.fetch_add(1, Ordering::Relaxed);
        self.shared.show();
        let shared = self.shared.clone();
        Ok(Box::new(Tiered(Arc::new(Tiers {
            interpreted,
            compiled: OnceLock::new(),
            worth,
            module,
            spent: AtomicU64::new(0),
            shared,
        }))))
    }

    fn load(&self, _: &[u8]) -> Result<Box<dyn Program>, String> {
        Err("contracts with tiers have no serialised form".into())
    }

    fn details(&self) -> Vec<(String, String)> {
        let count = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        let Shared { interpreted, compiled, failed, .. } = &*self.shared;
        let tiers = format!("{} on wasmi, {} on wasmtime", count(interpreted), count(compiled));
        let mut details = vec![("tiers".into(), tiers), ("failed_compilations".into(), count(failed).to_string())];
        details.extend(self.compiler.details());
        details
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Compiles what is worth it, one after the other, until the engine is dropped.
    fn work(&self, compiler: &dyn Engine) {
        loop {
            let mut queue = self.lock();
            let next = loop {
                if queue.closed {
                    return;
                }
                match queue.worth_it.pop_front() {
                    Some(next) => break next,
                    None => queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner),
                }
            };
            drop(queue);
            if let Some(contract) = next.upgrade() {
                contract.compile(compiler);
            }
        }
    }

    /// Gives the numbers to the `metrics` facade.
    fn show(&self) {
        for (tier, count) in [("wasmi", &self.interpreted), ("wasmtime", &self.compiled)] {
            gauge!("vm_wasm_contracts", "tier" => tier)
                .set(u32::try_from(count.load(Ordering::Relaxed)).unwrap_or(u32::MAX));
        }
    }
}

/// What compiling is expected to take, in nanoseconds.
fn worth(module: &Instrumented) -> u64 {
    (module.bytes.len() as u64).saturating_mul(COMPILE_PER_BYTE).saturating_add(COMPILE)
}

#[derive(Debug)]
struct Tiered(Arc<Tiers>);

/// A contract on wasmi, and perhaps on wasmtime.
#[derive(Debug)]
struct Tiers {
    interpreted: Box<dyn Program>,
    compiled: OnceLock<Box<dyn Program>>,
    module: Instrumented,
    /// The time on wasmi after which it is compiled, in nanoseconds.
    worth: u64,
    /// Nanoseconds on wasmi, those of its callees included.
    spent: AtomicU64,
    shared: Arc<Shared>,
}

impl Tiers {
    fn compile(&self, compiler: &dyn Engine) {
        let outcome = match compiler.compile(&self.module) {
            Ok(program) => {
                // Only this thread sets it, once for each contract.
                let _ = self.compiled.set(program);
                self.shared.interpreted.fetch_sub(1, Ordering::Relaxed);
                self.shared.compiled.fetch_add(1, Ordering::Relaxed);
                self.shared.show();
                "success"
            }
            Err(_) => {
                self.shared.failed.fetch_add(1, Ordering::Relaxed);
                "failure"
            }
        };
        counter!("vm_wasm_compilations_total", "outcome" => outcome).increment(1);
    }
}

impl Drop for Tiers {
    fn drop(&mut self) {
        let tier = if self.compiled.get().is_some() { &self.shared.compiled } else { &self.shared.interpreted };
        tier.fetch_sub(1, Ordering::Relaxed);
        self.shared.show();
    }
}

impl Program for Tiered {
    fn run(&self, frame: &mut Frame<'_>, invocation: Invocation) -> Result<Completion, Halt> {
        let tiers = &self.0;
        if let Some(compiled) = tiers.compiled.get() {
            return compiled.run(frame, invocation);
        }
        let started = now();
        let result = tiers.interpreted.run(frame, invocation);
        let time = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let before = tiers.spent.fetch_add(time, Ordering::Relaxed);
        if before < tiers.worth && before.saturating_add(time) >= tiers.worth {
            tiers.shared.lock().worth_it.push_back(Arc::downgrade(tiers));
            tiers.shared.wake.notify_one();
        }
        result
    }

    /// With the code that may come, because the cache asks once.
    fn weight(&self) -> usize {
        let bytes = self.0.module.bytes.len();
        self.0.interpreted.weight().saturating_add(bytes.saturating_mul(1 + (1 + lane::count()) * CODE_PER_BYTE))
    }
}

#[allow(clippy::disallowed_methods, reason = "decides which engine runs a contract, never a result")]
fn now() -> Instant {
    Instant::now()
}
