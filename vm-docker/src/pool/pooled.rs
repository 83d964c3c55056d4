//! What a call gets: one connection of a container that it may share with other calls.

use std::{
    ops::Deref,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use super::{Pool, desk::Worker};
use crate::{connection::Connection, container::Container, engine::Engine};

/// A connection of a container, for one call at a time. Who does not give it back with [`Pool::release`] gives its container up:
/// it gets no further call, and is killed when those that it still performs have ended.
pub(crate) struct Pooled {
    pub(crate) connection: Connection,
    /// The calls that this connection has had.
    calls: u64,
    shared: Arc<Shared>,
}

/// A container, and its place among those that may run. It is killed when the last of its connections is dropped.
struct Shared {
    container: Container,
    connections: usize,
    /// The calls that all its connections have had.
    calls: AtomicU64,
    retired: AtomicBool,
    place: Place,
}

impl Pooled {
    /// A container's connections, its place having this number.
    pub(super) fn all(
        engine: &Engine,
        container: Container,
        connections: Vec<Connection>,
        pool: Weak<Pool>,
        number: usize,
    ) -> Vec<Self> {
        let shared = Arc::new(Shared {
            container,
            connections: connections.len(),
            calls: AtomicU64::new(0),
            retired: AtomicBool::new(false),
            place: Place { pool, number },
        });
        let (weak, mut exit) = (Arc::downgrade(&shared), shared.container.exit.clone());
        engine.spawn(async move {
            exit.ended().await;
            // What ends between calls is replaced before somebody calls.
            if let Some(shared) = weak.upgrade() {
                shared.retire();
            }
        });
        connections.into_iter().map(|connection| Self { connection, calls: 0, shared: shared.clone() }).collect()
    }

    /// Takes a call; false if the container cannot: it has ended in the meantime, speaks without being asked, or was given up.
    pub(super) fn begin(&mut self) -> bool {
        let ready = !self.is_retired() && self.connection.is_idle();
        if ready {
            self.calls += 1;
            self.shared.calls.fetch_add(1, Ordering::Relaxed);
        }
        ready
    }

    /// True if its container has taken a call before the one that this connection is at.
    pub(crate) fn is_used(&self) -> bool {
        self.shared.calls.load(Ordering::Relaxed) > 1
    }

    /// The number of the call that the connection is at, from 1.
    pub(crate) fn call_number(&self) -> u64 {
        self.calls
    }
}

impl Worker for Pooled {
    fn id(&self) -> &str {
        self.shared.container.id()
    }

    fn siblings(&self) -> usize {
        self.shared.connections
    }

    fn is_retired(&self) -> bool {
        self.shared.retired.load(Ordering::Acquire)
    }
}

impl Deref for Pooled {
    type Target = Container;

    fn deref(&self) -> &Container {
        &self.shared.container
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        self.shared.retire();
    }
}

impl Shared {
    /// Gives the container up.
    fn retire(&self) {
        if !self.retired.swap(true, Ordering::AcqRel)
            && let Some(pool) = self.place.pool.upgrade()
        {
            let idle = pool.desk().retire(self.container.id());
            drop(idle);
        }
    }
}

struct Place {
    pool: Weak<Pool>,
    number: usize,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.upgrade() {
            pool.gauges.leave(self.number);
            pool.desk().lost();
            // Who waits, and the minimum, have use for the place.
            pool.grow();
        }
    }
}
