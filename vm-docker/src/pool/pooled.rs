//! What a call gets: one connection of a container that it may share with other calls.

use std::{
    ops::Deref,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{
    Pool,
    chains::{Card, Hold},
    desk::Worker,
    idle::{self, Busy},
};
use crate::{cgroup::ControlGroup, connection::Connection, container::Container, engine::Engine};

/// A connection of a container, for one call at a time. Who does not give it back with [`Pool::release`] gives its container up:
/// it gets no further call, and is killed when those that it still performs have ended.
pub(crate) struct Pooled {
    pub(crate) connection: Connection,
    /// The calls that this connection has had.
    calls: u64,
    /// While it is in a call.
    hold: Option<Hold>,
    shared: Arc<Shared>,
}

/// A container, and its place among those that may run. It is killed when the last of its connections is dropped.
pub(super) struct Shared {
    container: Container,
    pub(super) busy: Busy,
    card: Arc<Card>,
    /// The calls that all its connections have had.
    calls: AtomicU64,
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
        let card = Arc::new(Card::new(container.id(), connections.len()));
        let shared = Arc::new(Shared {
            container,
            busy: Busy::new(super::now()),
            card,
            calls: AtomicU64::new(0),
            place: Place { pool, number },
        });
        let group = ControlGroup::of(shared.container.id());
        engine.spawn(idle::watch(Arc::downgrade(&shared), group, engine.config().cpu_millis));
        let (weak, mut exit) = (Arc::downgrade(&shared), shared.container.exit.clone());
        engine.spawn(async move {
            let exit = exit.ended().await;
            // What ends between calls is replaced before somebody calls. Who kills it has dropped it before.
            if let Some(shared) = weak.upgrade() {
                if let Some(exit) = exit {
                    shared.blame(&exit.to_string());
                }
                shared.retire();
            }
        });
        let pooled = |connection| Self { connection, calls: 0, hold: None, shared: shared.clone() };
        connections.into_iter().map(pooled).collect()
    }

    /// Takes a call; false if the container cannot: it has ended in the meantime, speaks without being asked, or was given up.
    pub(super) fn begin(&mut self, hold: impl FnOnce(&Arc<Card>) -> Hold) -> bool {
        if self.is_retired() {
            return false;
        }
        if !self.connection.is_idle() {
            self.blame("it ended, or spoke, between two calls");
            return false;
        }
        self.calls += 1;
        self.shared.calls.fetch_add(1, Ordering::Relaxed);
        self.hold = Some(hold(&self.shared.card));
        self.shared.busy.begin(super::now());
        true
    }

    /// Its call has ended.
    pub(super) fn end(&mut self) {
        if self.hold.take().is_some() {
            self.shared.busy.end(super::now());
        }
    }

    /// Gives the container up before it is dropped: it takes no more calls, and is not waited for.
    pub(crate) fn give_up(&self) {
        self.shared.retire();
    }

    /// Kills the container's process, unless other calls are on it.
    pub(crate) fn kill_if_alone(&self) {
        if Arc::strong_count(&self.shared) == 1 {
            self.shared.container.process.kill();
        }
    }

    /// That the container has to be replaced is its own doing.
    pub(crate) fn blame(&self, cause: &str) {
        self.shared.blame(cause);
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
        &self.shared.card.id
    }

    fn siblings(&self) -> usize {
        self.shared.card.connections
    }

    fn is_retired(&self) -> bool {
        self.shared.card.retired.load(Ordering::Acquire)
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
        self.end();
        self.shared.retire();
    }
}

impl Shared {
    /// Gives the container up.
    fn retire(&self) {
        if !self.card.retired.swap(true, Ordering::AcqRel)
            && let Some(pool) = self.place.pool.upgrade()
        {
            let idle = pool.desk().retire(self.container.id());
            drop(idle);
        }
    }

    /// Gives the container up for what it does.
    pub(super) fn give_up(&self, cause: &str) {
        let Some(pool) = self.place.pool.upgrade() else { return };
        tracing::warn!(container = self.container.id(), code = pool.gauges.image(), "a container is given up: {cause}");
        pool.counts.broken();
        self.blame(cause);
        self.retire();
    }

    /// Counts it among those of its image that broke off, once: who has had calls apart from who has had none.
    fn blame(&self, cause: &str) {
        if self.card.blamed.swap(true, Ordering::AcqRel) {
            return;
        }
        let Some(pool) = self.place.pool.upgrade() else { return };
        let mut backoff = super::lock(&pool.backoff);
        match self.calls.load(Ordering::Relaxed) {
            0 => backoff.failed(cause.to_owned(), Duration::ZERO, super::now()),
            _ => backoff.broke(super::now()),
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
            pool.engine.may_be_unused();
        }
    }
}
