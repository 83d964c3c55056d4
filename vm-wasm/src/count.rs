//! Numbers that `status` tells and the `metrics` facade exports. `docs/metrics.md` lists the names.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use metrics::{Counter, Gauge};

/// A number that only grows.
pub(crate) struct Count {
    number: AtomicU64,
    metric: Counter,
}

impl Count {
    /// From zero.
    pub(crate) fn new(metric: Counter) -> Self {
        Self { number: AtomicU64::new(0), metric }
    }

    pub(crate) fn add(&self) {
        self.number.fetch_add(1, Ordering::Relaxed);
        self.metric.increment(1);
    }

    pub(crate) fn get(&self) -> u64 {
        self.number.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

/// How many there are of something now. The metric is the sum over the runtimes of the process.
#[cfg_attr(not(feature = "wasmtime"), allow(dead_code, reason = "only contracts with tiers are counted"))]
pub(crate) struct Level {
    number: AtomicU64,
    metric: Gauge,
}

#[cfg_attr(not(feature = "wasmtime"), allow(dead_code, reason = "only contracts with tiers are counted"))]
impl Level {
    /// From zero.
    pub(crate) fn new(metric: Gauge) -> Self {
        Self { number: AtomicU64::new(0), metric }
    }

    pub(crate) fn up(&self) {
        self.number.fetch_add(1, Ordering::Relaxed);
        self.metric.increment(1.0);
    }

    pub(crate) fn down(&self) {
        self.number.fetch_sub(1, Ordering::Relaxed);
        self.metric.decrement(1.0);
    }

    pub(crate) fn get(&self) -> u64 {
        self.number.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}
