//! Tiering: a contract starts on wasmi and moves to wasmtime when it has run for as long as compiling it would take.
//!
//! Gas and results are the same on both, so nobody needs to know when. A thread compiles in the background; calls go on
//! with wasmi until the code is there, and for good if it cannot be compiled, or only at more than the [budget](super::work).
//! A contract whose code is on disk starts on wasmtime.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use metrics::{counter, gauge};

use super::budget::OverBudget;
use super::wasmi::Wasmi;
use super::{Completion, Engine, Halt, Invocation, Program, lane};
use crate::abi::Frame;
use crate::count::{Count, Level};
use crate::meter::Instrumented;

/// The part of the [estimate](super::work), which is what compiling takes at most, that compiling what compilers write takes.
const EXPECTED: u64 = 2;

/// What wasmtime makes of a byte of an instrumented module, in bytes, at most on average, and what it takes for a module of any
/// size.
const CODE_PER_BYTE: usize = 3;
const LEAST_CODE: usize = 24 << 10;

/// Stack of the thread that compiles: as much as any thread has on which wasmtime compiles otherwise, and more.
const STACK: usize = 16 << 20;

#[derive(Debug)]
pub(crate) struct Auto {
    shared: Arc<Shared>,
    compiler: Arc<dyn Engine>,
    over_budget: OverBudget,
    thread: Option<JoinHandle<()>>,
}

/// What the contracts and the thread share.
#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    /// Contracts on wasmi, and on wasmtime.
    interpreted: Level,
    compiled: Level,
    /// Compilations.
    succeeded: Count,
    failed: Count,
}

#[derive(Debug, Default)]
struct Queue {
    worth_it: VecDeque<Weak<Tiers>>,
    closed: bool,
    /// Why the last compilation failed that did.
    failure: Option<String>,
}

impl Auto {
    /// Before this compiler, wasmi. The text of an error is the system's own.
    pub(crate) fn new(compiler: Box<dyn Engine>) -> Result<Self, String> {
        let (shared, compiler) = (Arc::new(Shared::new()), Arc::<dyn Engine>::from(compiler));
        let (queue, engine) = (shared.clone(), compiler.clone());
        let thread = thread::Builder::new()
            .name("vm-wasm-compiler".into())
            .stack_size(STACK)
            .spawn(move || queue.work(&*engine));
        let thread = Some(thread.map_err(|error| error.to_string())?);
        Ok(Self { shared, compiler, over_budget: OverBudget::new(), thread })
    }

    /// The module on wasmi.
    fn tiered(&self, module: &Instrumented) -> Result<Tiers, String> {
        let interpreted = Wasmi.compile(module)?;
        let worth = self.over_budget.admits(self.name(), module).map_or(u64::MAX, |estimate| estimate / EXPECTED);
        let module = Instrumented { bytes: module.bytes.clone(), calls: module.calls };
        self.shared.interpreted.up();
        let shared = self.shared.clone();
        Ok(Tiers { interpreted, compiled: OnceLock::new(), worth, module, spent: AtomicU64::new(0), shared })
    }
}

impl Drop for Auto {
    /// Waits for the compilation under way, if any; those in the queue are dropped.
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.wake.notify_one();
        // Panics of the compiler do not end the thread, so it is not told here how it ended.
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
        if let Some(program) = self.compiler.kept(module) {
            self.shared.compiled.up();
            return Ok(Box::new(Loaded { program, shared: self.shared.clone() }));
        }
        Ok(Box::new(Tiered(Arc::new(self.tiered(module)?))))
    }

    fn details(&self) -> Vec<(String, String)> {
        let Shared { interpreted, compiled, failed, .. } = &*self.shared;
        let tiers = format!("{} on wasmi, {} on wasmtime", interpreted.get(), compiled.get());
        let mut failures = failed.get().to_string();
        if let Some(why) = &self.shared.lock().failure {
            failures.push_str(&format!("; the last one: {why}"));
        }
        let mut details =
            vec![("tiers".into(), tiers), ("failed_compilations".into(), failures), self.over_budget.detail()];
        details.extend(self.compiler.details());
        details
    }
}

impl Shared {
    fn new() -> Self {
        let level = |tier: &'static str| Level::new(gauge!("vm_wasm_contracts", "tier" => tier));
        let count = |outcome: &'static str| Count::new(counter!("vm_wasm_compilations_total", "outcome" => outcome));
        Self {
            queue: Mutex::default(),
            wake: Condvar::new(),
            interpreted: level("wasmi"),
            compiled: level("wasmtime"),
            succeeded: count("success"),
            failed: count("failure"),
        }
    }

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

    /// Notes that a contract stays on wasmi because its compilation failed: the status and the log tell why.
    fn fail(&self, why: String) {
        self.failed.add();
        tracing::warn!(target: "vm", %why, "a module cannot be compiled in the background and stays interpreted");
        self.lock().failure = Some(why);
    }
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
    /// Moves the contract, unless the compiler fails. Should it panic, other contracts can be compiled all the same.
    fn compile(&self, compiler: &dyn Engine) {
        let shared = &self.shared;
        match catch_unwind(AssertUnwindSafe(|| compiler.compile(&self.module))) {
            Ok(Ok(program)) => {
                // Only this thread sets it, once for each contract.
                let _ = self.compiled.set(program);
                shared.interpreted.down();
                shared.compiled.up();
                shared.succeeded.add();
            }
            Ok(Err(why)) => shared.fail(why),
            Err(panic) => shared.fail(format!("the compiler panicked: {}", message(&*panic))),
        }
    }
}

impl Drop for Tiers {
    fn drop(&mut self) {
        let tier = if self.compiled.get().is_some() { &self.shared.compiled } else { &self.shared.interpreted };
        tier.down();
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
        let code = bytes.saturating_mul(CODE_PER_BYTE).saturating_add(LEAST_CODE).saturating_mul(2 + lane::count());
        self.0.interpreted.weight().saturating_add(bytes).saturating_add(code)
    }
}

/// A contract that began on wasmtime.
#[derive(Debug)]
struct Loaded {
    program: Box<dyn Program>,
    shared: Arc<Shared>,
}

impl Program for Loaded {
    fn run(&self, frame: &mut Frame<'_>, invocation: Invocation) -> Result<Completion, Halt> {
        self.program.run(frame, invocation)
    }

    fn weight(&self) -> usize {
        self.program.weight()
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        self.shared.compiled.down();
    }
}

/// What a panic said.
fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref().copied()).unwrap_or("without a word")
}

#[allow(clippy::disallowed_methods, reason = "decides which engine runs a contract, never a result")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests;
