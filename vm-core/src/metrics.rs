use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use crate::{Gas, RuntimeKind, Status};

/// What a machine has done since it was built.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct MetricsSnapshot {
    /// By runtime, in the order of [`RuntimeKind::ALL`].
    pub runtimes: Vec<(RuntimeKind, RuntimeMetrics)>,
    /// Commits, each of one or more transactions.
    pub commits: u64,
    /// Transactions in these commits.
    pub committed: u64,
    /// Executions that were repeated because another transaction came first.
    pub conflicts: u64,
    /// Requests refused before execution.
    pub refused: u64,
    /// Transactions that ended in a host fault.
    pub faults: u64,
    /// Calls that were stopped at their deadline.
    pub deadlines: u64,
    /// Prepared contracts found in the cache.
    pub cache_hits: u64,
    /// Prepared contracts that had to be made.
    pub cache_misses: u64,
    /// Prepared contracts that were dropped to make room for others.
    pub cache_evictions: u64,
    /// What prepared contracts occupy in memory now, in bytes, as far as their runtimes tell.
    pub cache_bytes: u64,
    /// Deployments and upgrades with code that was refused before, and was not checked again.
    pub known_refusals: u64,
}

/// What the contracts of one runtime have done. Calls between contracts count like calls from outside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct RuntimeMetrics {
    /// Calls that succeeded.
    pub succeeded: u64,
    /// Calls that reverted.
    pub reverted: u64,
    /// Calls that trapped.
    pub trapped: u64,
    /// Gas used by all calls, their callees included.
    pub gas_used: u64,
    /// Nanoseconds spent in all calls, their callees included.
    pub nanoseconds: u64,
}

/// The live counters. Recording is a few relaxed additions; the `metrics` facade gets the same numbers.
pub(crate) struct Metrics {
    runtimes: [Runtime; 4],
    pub(crate) commits: AtomicU64,
    pub(crate) committed: AtomicU64,
    pub(crate) conflicts: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) faults: AtomicU64,
    pub(crate) deadlines: AtomicU64,
    pub(crate) cache: CacheMetrics,
}

/// What the cache of prepared contracts has done.
pub(crate) struct CacheMetrics {
    hits: (AtomicU64, Counter),
    misses: (AtomicU64, Counter),
    evictions: (AtomicU64, Counter),
    bytes: (AtomicU64, Gauge),
    known_refusals: (AtomicU64, Counter),
}

impl CacheMetrics {
    pub(crate) fn new() -> Self {
        let count = |outcome| (AtomicU64::new(0), counter!("vm_code_cache_total", "outcome" => outcome));
        Self {
            hits: count("hit"),
            misses: count("miss"),
            evictions: count("eviction"),
            bytes: (AtomicU64::new(0), gauge!("vm_code_cache_bytes")),
            known_refusals: count("known_refusal"),
        }
    }

    pub(crate) fn hit(&self) {
        count(&self.hits);
    }

    pub(crate) fn miss(&self) {
        count(&self.misses);
    }

    pub(crate) fn eviction(&self) {
        count(&self.evictions);
    }

    pub(crate) fn known_refusal(&self) {
        count(&self.known_refusals);
    }

    #[cfg(test)]
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.0.load(Ordering::Relaxed)
    }

    /// Tells what the cache weighs now.
    #[allow(clippy::cast_precision_loss, reason = "a gauge is for people")]
    pub(crate) fn weighs(&self, bytes: usize) {
        self.bytes.0.store(bytes as u64, Ordering::Relaxed);
        self.bytes.1.set(bytes as f64);
    }
}

fn count((number, facade): &(AtomicU64, Counter)) {
    add(number, 1);
    facade.increment(1);
}

struct Runtime {
    outcomes: [(AtomicU64, Counter); 3],
    gas_used: (AtomicU64, Counter),
    nanoseconds: AtomicU64,
    duration: Histogram,
}

impl Runtime {
    fn new(kind: RuntimeKind) -> Self {
        let runtime = kind.as_str();
        let calls =
            |outcome| (AtomicU64::new(0), counter!("vm_calls_total", "runtime" => runtime, "outcome" => outcome));
        Self {
            outcomes: [calls("success"), calls("revert"), calls("trap")],
            gas_used: (AtomicU64::new(0), counter!("vm_gas_used_total", "runtime" => runtime)),
            nanoseconds: AtomicU64::new(0),
            duration: histogram!("vm_call_duration_seconds", "runtime" => runtime),
        }
    }

    fn snapshot(&self) -> RuntimeMetrics {
        let load = |value: &AtomicU64| value.load(Ordering::Relaxed);
        let [success, revert, trap] = &self.outcomes;
        RuntimeMetrics {
            succeeded: load(&success.0),
            reverted: load(&revert.0),
            trapped: load(&trap.0),
            gas_used: load(&self.gas_used.0),
            nanoseconds: load(&self.nanoseconds),
        }
    }
}

pub(crate) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            runtimes: RuntimeKind::ALL.map(Runtime::new),
            commits: AtomicU64::new(0),
            committed: AtomicU64::new(0),
            conflicts: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            faults: AtomicU64::new(0),
            deadlines: AtomicU64::new(0),
            cache: CacheMetrics::new(),
        }
    }

    pub(crate) fn call(&self, kind: RuntimeKind, status: &Status, gas: Gas, duration: Duration) {
        let Some(runtime) = self.runtimes.get(kind.index()) else { return };
        let [success, revert, trap] = &runtime.outcomes;
        let (count, total) = match status {
            Status::Success => success,
            Status::Revert => revert,
            Status::Trap(_) => trap,
        };
        add(count, 1);
        total.increment(1);
        add(&runtime.gas_used.0, gas.get());
        runtime.gas_used.1.increment(gas.get());
        add(&runtime.nanoseconds, u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
        runtime.duration.record(duration);
    }

    pub(crate) fn snapshot(&self) -> MetricsSnapshot {
        let load = |value: &AtomicU64| value.load(Ordering::Relaxed);
        MetricsSnapshot {
            runtimes: RuntimeKind::ALL.into_iter().zip(self.runtimes.iter().map(Runtime::snapshot)).collect(),
            commits: load(&self.commits),
            committed: load(&self.committed),
            conflicts: load(&self.conflicts),
            refused: load(&self.refused),
            faults: load(&self.faults),
            deadlines: load(&self.deadlines),
            cache_hits: load(&self.cache.hits.0),
            cache_misses: load(&self.cache.misses.0),
            cache_evictions: load(&self.cache.evictions.0),
            cache_bytes: load(&self.cache.bytes.0),
            known_refusals: load(&self.cache.known_refusals.0),
        }
    }
}
