//! What the containers of a host have done: for its status, and for the `metrics` facade. `docs/metrics.md` lists the names.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

/// What everything of a host shares.
pub(crate) struct Metrics {
    totals: Arc<Totals>,
    containers: Gauge,
    room: Gauge,
    images: Gauge,
}

/// Over all images.
#[derive(Default)]
struct Totals {
    started: AtomicU64,
    failed: AtomicU64,
    broken: AtomicU64,
    out_of_memory: AtomicU64,
    evicted: AtomicU64,
}

/// What the containers of one pool have done.
pub(crate) struct Counts {
    totals: Arc<Totals>,
    started: Counter,
    failed: Counter,
    broken: Counter,
    out_of_memory: Counter,
    evicted: Counter,
    start: Histogram,
    wait: Histogram,
}

fn add(total: &AtomicU64, counter: &Counter) {
    total.fetch_add(1, Ordering::Relaxed);
    counter.increment(1);
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            totals: Arc::default(),
            containers: gauge!("vm_docker_containers", "state" => "existing"),
            room: gauge!("vm_docker_containers", "state" => "wanted"),
            images: gauge!("vm_docker_images_bytes"),
        }
    }

    /// Counts for the containers of an image, by what is shown of its name, with an isolation.
    pub(crate) fn of(&self, image: &str, isolation: &'static str) -> Counts {
        let labels = [("image", image.to_owned()), ("isolation", isolation.to_owned())];
        let starts = |outcome: &'static str| counter!("vm_docker_starts_total", "image" => image.to_owned(), "isolation" => isolation, "outcome" => outcome);
        Counts {
            totals: self.totals.clone(),
            started: starts("started"),
            failed: starts("failed"),
            broken: counter!("vm_docker_broken_total", &labels),
            out_of_memory: counter!("vm_docker_oom_kills_total", &labels),
            evicted: counter!("vm_docker_evictions_total", &labels),
            start: histogram!("vm_docker_start_duration_seconds", &labels),
            wait: histogram!("vm_docker_wait_duration_seconds", &labels),
        }
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

    /// What a status shows, by name.
    pub(crate) fn details(&self) -> [(String, String); 5] {
        let detail = |name: &str, total: &AtomicU64| (name.to_owned(), total.load(Ordering::Relaxed).to_string());
        let Totals { started, failed, broken, out_of_memory, evicted } = &*self.totals;
        [
            detail("started", started),
            detail("failed_starts", failed),
            detail("broken", broken),
            detail("oom_kills", out_of_memory),
            detail("evictions", evicted),
        ]
    }
}

impl Counts {
    /// A container has been started and has introduced itself, in this time, or could not be.
    pub(crate) fn start(&self, succeeded: bool, took: Duration) {
        if succeeded {
            add(&self.totals.started, &self.started);
            self.start.record(took);
        } else {
            add(&self.totals.failed, &self.failed);
        }
    }

    /// A call has waited for a container.
    pub(crate) fn waited(&self, time: Duration) {
        self.wait.record(time);
    }

    /// A container was killed because it misbehaved, or has broken off.
    pub(crate) fn broken(&self) {
        add(&self.totals.broken, &self.broken);
    }

    /// A container was killed for its memory.
    pub(crate) fn out_of_memory(&self) {
        add(&self.totals.out_of_memory, &self.out_of_memory);
    }

    /// A container makes room for one of another image.
    pub(crate) fn evicted(&self) {
        add(&self.totals.evicted, &self.evicted);
    }
}
