//! What the containers of one image use, told to the `metrics` facade.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use metrics::{Counter, Gauge, counter, gauge};

use crate::cgroup::ControlGroup;

/// What is told of a pool that is gone: nothing is there any more.
impl Drop for Gauges {
    fn drop(&mut self) {
        for gauge in [&self.idle, &self.live, &self.waiting] {
            gauge.set(0.0);
        }
        for place in self.places().values() {
            place.memory.set(0.0);
        }
    }
}

/// The containers of a pool by their places. A place is free again when its container is gone, so that there are no more of
/// them, and of their metrics, than containers may run at a time.
pub(super) struct Gauges {
    image: String,
    isolation: &'static str,
    places: Mutex<BTreeMap<usize, Place>>,
    idle: Gauge,
    live: Gauge,
    waiting: Gauge,
}

struct Place {
    group: ControlGroup,
    /// The processor time that was told already, in microseconds.
    told: u64,
    memory: Gauge,
    cpu: Counter,
}

impl Gauges {
    /// For the image with this name, of which a part is shown.
    pub(super) fn new(image: &str, isolation: &'static str) -> Self {
        let digits = image.strip_prefix("sha256:").unwrap_or(image);
        let image: String = digits.chars().take(12).collect();
        let pool = |state: &'static str| gauge!("vm_docker_pool", "image" => image.clone(), "isolation" => isolation, "state" => state);
        let (idle, live, waiting) = (pool("idle"), pool("live"), pool("waiting"));
        Self { image, isolation, places: Mutex::default(), idle, live, waiting }
    }

    /// What is shown of the image's name.
    pub(super) fn image(&self) -> &str {
        &self.image
    }

    /// A container is there; the number of its place.
    pub(super) fn enter(&self, container: &str) -> usize {
        let mut places = self.places();
        let free = (0..).find(|number| !places.contains_key(number)).unwrap_or(0);
        let label =
            [("image", self.image.clone()), ("isolation", self.isolation.to_owned()), ("place", free.to_string())];
        let place = Place {
            group: ControlGroup::of(container),
            told: 0,
            memory: gauge!("vm_docker_container_memory_bytes", &label),
            cpu: counter!("vm_docker_container_cpu_microseconds_total", &label),
        };
        places.insert(free, place);
        free
    }

    /// The container of a place is gone.
    pub(super) fn leave(&self, number: usize) {
        if let Some(place) = self.places().remove(&number) {
            place.memory.set(0.0);
        }
    }

    /// Reads and tells what is used, and how many containers are idle, exist, and are waited for.
    #[allow(clippy::cast_precision_loss, reason = "gauges are for people")]
    pub(super) fn tell(&self, (idle, live, waiting): (usize, usize, usize)) {
        for (gauge, value) in [(&self.idle, idle), (&self.live, live), (&self.waiting, waiting)] {
            gauge.set(value as f64);
        }
        for place in self.places().values_mut() {
            if let Some(memory) = place.group.memory() {
                place.memory.set(memory as f64);
            }
            if let Some(used) = place.group.cpu() {
                place.cpu.increment(used.saturating_sub(place.told));
                place.told = used;
            }
        }
    }

    fn places(&self) -> MutexGuard<'_, BTreeMap<usize, Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
