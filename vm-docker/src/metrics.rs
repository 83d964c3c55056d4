//! What the containers of a host have done: for its status, and for the `metrics` facade.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

/// Counters that everything of a host shares.
pub(crate) struct Metrics {
    /// Containers that were started and have introduced themselves.
    started: Count,
    /// Containers that were not.
    failed: Count,
    /// Containers that were killed because they misbehaved, or that broke off.
    broken: Count,
    /// Containers that were killed for their memory.
    out_of_memory: Count,
    /// Containers that were removed to make room for those of other images.
    evicted: Count,
    containers: Gauge,
    room: Gauge,
    images: Gauge,
    start: Histogram,
    wait: Histogram,
}

struct Count(AtomicU64, Counter);

impl Count {
    fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
        self.1.increment(1);
    }
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let count = |counter| Count(AtomicU64::new(0), counter);
        Self {
            started: count(counter!("vm_docker_starts_total", "outcome" => "started")),
            failed: count(counter!("vm_docker_starts_total", "outcome" => "failed")),
            broken: count(counter!("vm_docker_broken_total")),
            out_of_memory: count(counter!("vm_docker_oom_kills_total")),
            evicted: count(counter!("vm_docker_evictions_total")),
            containers: gauge!("vm_docker_containers", "state" => "existing"),
            room: gauge!("vm_docker_containers", "state" => "wanted"),
            images: gauge!("vm_docker_images_bytes"),
            start: histogram!("vm_docker_start_duration_seconds"),
            wait: histogram!("vm_docker_wait_duration_seconds"),
        }
    }

    /// A container has been started, in this time, or could not be.
    pub(crate) fn start(&self, succeeded: bool, took: Duration) {
        if succeeded {
            self.started.add();
            self.start.record(took);
        } else {
            self.failed.add();
        }
    }

    /// A call has waited for a container.
    pub(crate) fn waited(&self, time: Duration) {
        self.wait.record(time);
    }

    /// A container has misbehaved or broken off.
    pub(crate) fn broken(&self) {
        self.broken.add();
    }

    /// A container was killed for its memory.
    pub(crate) fn out_of_memory(&self) {
        self.out_of_memory.add();
    }

    /// How many containers exist, and how many more starts wait for room for.
    #[allow(clippy::cast_precision_loss, reason = "gauges are for people")]
    pub(crate) fn containers(&self, existing: usize, wanted: usize) {
        self.containers.set(existing as f64);
        self.room.set(wanted as f64);
    }

    /// What images take on disk, in bytes.
    #[allow(clippy::cast_precision_loss, reason = "gauges are for people")]
    pub(crate) fn images(&self, bytes: u64) {
        self.images.set(bytes as f64);
    }

    /// A container makes room for one of another image.
    pub(crate) fn evicted(&self) {
        self.evicted.add();
    }

    /// What a status shows, by name.
    pub(crate) fn details(&self) -> [(String, String); 5] {
        let detail = |name: &str, count: &Count| (name.to_owned(), count.0.load(Ordering::Relaxed).to_string());
        [
            detail("started", &self.started),
            detail("failed_starts", &self.failed),
            detail("broken", &self.broken),
            detail("oom_kills", &self.out_of_memory),
            detail("evictions", &self.evicted),
        ]
    }
}
