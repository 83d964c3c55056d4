//! The containers of one image.

mod backoff;
mod chains;
mod desk;
mod gauges;
mod idle;
mod pooled;

pub(crate) use chains::Chains;
pub(crate) use pooled::Pooled;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
        mpsc::RecvTimeoutError,
    },
    time::{Duration, Instant},
};

use tokio::time;
use vm_core::{HostFault, Interrupt};

use crate::{
    DockerConfig, DockerError, Isolation, Refused,
    connection::Connection,
    container::Container,
    engine::{Engine, Imported},
    image::Image,
    metrics::Counts,
    room::{Place, Rank},
};
use backoff::{Backoff, Pause};
use desk::{Bounds, Desk, Full, Need, Worker};
use gauges::Gauges;

/// How long a call waits for a container that is busy before another one starts. A start takes some 80 ms of a processor,
/// most calls less than a tenth of one: a burst of them is over sooner than a second container would be there.
const BEFORE_GROWTH: Duration = Duration::from_millis(5);

/// How long a thread waits for a container before it looks whether it was interrupted.
const SLICE: Duration = Duration::from_millis(50);

/// How often it is looked for containers that were idle for too long, and for missing ones: bounds.
const ROUNDS: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// A container that did not start is tried again after 2, 4, ... rounds, at most 2 to the power of this.
const LONGEST_PAUSE: u32 = 6;

/// Starts containers when they are needed and keeps them for the next calls.
pub(crate) struct Pool {
    engine: Arc<Engine>,
    image: Image,
    isolation: Isolation,
    interface: String,
    /// Absent while it is put away: also told apart, for those who do not wait.
    away: AtomicBool,
    imported: tokio::sync::Mutex<Option<Imported>>,
    desk: Mutex<Desk<Pooled>>,
    /// What all pools of the image share.
    backoff: Arc<Mutex<Backoff>>,
    /// True while a start is put off.
    put_off: AtomicBool,
    /// True if the last start that needed room found none.
    no_room: AtomicBool,
    /// True while a start waits for room on disk, and when the last one found none.
    no_disk: AtomicBool,
    /// Its number among the chains of nested calls.
    number: u64,
    gauges: Gauges,
    counts: Arc<Counts>,
    this: Weak<Self>,
}

/// The pools of a host, one for each image, isolation and role, however many contracts use it.
#[derive(Default)]
pub(crate) struct Pools {
    slots: Mutex<BTreeMap<(String, Isolation, Role), Slot>>,
    /// By image, as long as there is something to remember: also of one that has never started.
    backoffs: Mutex<BTreeMap<String, Arc<Mutex<Backoff>>>>,
}

/// What the containers of a pool are for. Those of two roles are never the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Perform,
    /// `replay_check`.
    Repeat,
}

impl Role {
    /// What metrics call the isolation of its containers.
    fn label(self, isolation: Isolation) -> &'static str {
        match self {
            Self::Perform => isolation.as_str(),
            Self::Repeat => "replay_check",
        }
    }
}

/// A pool that is made, was made, or is gone.
type Slot = Arc<tokio::sync::Mutex<Weak<Pool>>>;

impl Pools {
    /// The pool of an image; who comes first makes it.
    pub(crate) async fn get(
        &self,
        engine: &Arc<Engine>,
        image: Image,
        isolation: Isolation,
        role: Role,
    ) -> Result<Arc<Pool>, DockerError> {
        let slot = {
            let mut slots = self.slots();
            // One that somebody else holds is about to be used.
            slots.retain(|_, slot| {
                Arc::strong_count(slot) > 1 || slot.try_lock().map_or(true, |pool| pool.strong_count() > 0)
            });
            slots.entry((image.name(), isolation, role)).or_default().clone()
        };
        let mut slot = slot.lock().await;
        if let Some(pool) = slot.upgrade() {
            return Ok(pool);
        }
        let pool = Pool::new(engine.clone(), image, isolation, role).await?;
        *slot = Arc::downgrade(&pool);
        Ok(pool)
    }

    /// Takes from the image whose idle container was used longest ago that one. False if all have calls.
    pub(crate) fn evict(&self) -> bool {
        let oldest = self.all().into_iter().filter_map(|pool| {
            let since = pool.desk().oldest()?;
            Some((since, pool))
        });
        let Some((_, pool)) = oldest.min_by_key(|(since, _)| *since) else { return false };
        let taken = pool.desk().take_oldest();
        if taken.is_empty() {
            return false;
        }
        pool.counts.evicted();
        true
    }

    /// Those of images that are on disk and have no call, the one that was used longest ago before the others.
    pub(crate) fn unused(&self) -> Vec<Arc<Pool>> {
        let mut unused: Vec<_> = self.all().into_iter().filter_map(|pool| Some((pool.unused_since()?, pool))).collect();
        unused.sort_by_key(|(since, _)| *since);
        unused.into_iter().map(|(_, pool)| pool).collect()
    }

    /// Those that are there. (One that is being made has nothing to give.)
    fn all(&self) -> Vec<Arc<Pool>> {
        let slots = self.slots();
        slots.values().filter_map(|slot| slot.try_lock().ok()?.upgrade()).collect()
    }

    /// What is remembered of the containers of an image that broke off.
    fn backoff(&self, image: &str, longest: Duration) -> Arc<Mutex<Backoff>> {
        let mut backoffs = self.backoffs.lock().unwrap_or_else(PoisonError::into_inner);
        backoffs.retain(|_, backoff| Arc::strong_count(backoff) > 1 || !lock(backoff).is_over(now()));
        let new = || Arc::new(Mutex::new(Backoff::new(longest)));
        backoffs.entry(image.into()).or_insert_with(new).clone()
    }

    fn slots(&self) -> MutexGuard<'_, BTreeMap<(String, Isolation, Role), Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pool {
    /// Imports an image and starts its first container, which tells the contract's interface. More start in the background
    /// if the configuration keeps more.
    async fn new(
        engine: Arc<Engine>,
        image: Image,
        isolation: Isolation,
        role: Role,
    ) -> Result<Arc<Self>, DockerError> {
        let DockerConfig { pool_min: min, pool_max: max, pool_queue: queue, restart_pause, .. } = *engine.config();
        let (gauges, pool_number) = (Gauges::new(&image.name(), role.label(isolation)), engine.chains().pool());
        let counts = Arc::new(engine.metrics().of(gauges.image(), role.label(isolation)));
        let backoff = engine.pools().backoff(&image.name(), restart_pause);
        if let Some(pause) = lock(&backoff).pause(now()) {
            return Err(backing_off(&gauges, pause));
        }
        let imported = engine.import(&image, || {}).await.inspect_err(|error| blame(&backoff, error, now()))?;
        let place = engine.place(pool_number, Rank::Cold, || {}).await?;
        let begun = now();
        let launched = engine.launch(&imported, isolation, &counts, place).await;
        let (container, connections) = launched.inspect_err(|error| blame(&backoff, error, begun))?;
        let interface = container.hello.interface.clone();
        let pool = Arc::new_cyclic(|this: &Weak<Self>| {
            let number = gauges.enter(container.id());
            let first = Pooled::all(&engine, container, connections, this.clone(), number);
            Self {
                number: pool_number,
                backoff,
                put_off: AtomicBool::new(false),
                no_room: AtomicBool::new(false),
                no_disk: AtomicBool::new(false),
                engine,
                image,
                isolation,
                interface,
                away: AtomicBool::new(false),
                imported: tokio::sync::Mutex::new(Some(imported)),
                desk: Mutex::new(Desk::new(Bounds { min, max, queue }, first, now())),
                gauges,
                counts,
                this: this.clone(),
            }
        });
        pool.grow();
        tokio::spawn(keep_in_bounds(pool.this.clone(), pool.engine.config().pool_idle));
        Ok(pool)
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    pub(crate) fn image(&self) -> &Image {
        &self.image
    }

    /// What its containers have done.
    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    pub(crate) fn isolation(&self) -> Isolation {
        self.isolation
    }

    /// What the contract says of its methods.
    pub(crate) fn interface(&self) -> &str {
        &self.interface
    }

    /// Bytes of memory that it takes.
    pub(crate) fn weight(&self) -> usize {
        self.image.size()
    }

    /// A connection of a container that waits for a call, for a transaction. Calls get one in the order in which they asked; those
    /// that are nested in others come first, and are told at once if they would wait for ever.
    pub(crate) fn acquire(&self, interrupt: &Interrupt, transaction: u64) -> Result<Pooled, HostFault> {
        let begun = now();
        let patience = Interrupt::after(self.engine.config().pool_wait);
        loop {
            let mut pooled = self.next(interrupt, &patience, transaction)?;
            if pooled.begin(|card| self.engine.chains().hold(transaction, self.number, card)) {
                self.counts.waited(begun.elapsed());
                return Ok(pooled);
            }
            // It has ended in the meantime, or speaks without being asked.
            self.counts.broken();
        }
    }

    /// Keeps a container for the next call, unless it was given up in the meantime.
    pub(crate) fn release(&self, mut pooled: Pooled) {
        pooled.end();
        let serving = self.desk().serving();
        if !pooled.is_retired() && self.engine.gives_up(pooled.id(), serving) {
            // Another image has no container, and this one has several, or had this one for long enough.
            return self.counts.evicted();
        }
        // What is dropped needs the desk.
        let retired = self.desk().put(pooled, now());
        drop(retired);
        self.engine.make_room();
        self.engine.may_be_unused();
    }

    fn next(&self, interrupt: &Interrupt, patience: &Interrupt, transaction: u64) -> Result<Pooled, HostFault> {
        let mut desk = self.desk();
        if let Some(pooled) = desk.take() {
            return Ok(pooled);
        }
        let wait = self.engine.chains().wait(transaction, self.number)?;
        let waiting = self.engine.config().pool_queue;
        let ticket = desk.wait(wait.nested).map_err(|Full| DockerError::QueueFull { waiting })?;
        drop(desk);
        if wait.nested {
            self.engine.room().hurry(self.number);
        }
        let mut slice = BEFORE_GROWTH;
        if ticket.cold {
            self.grow();
        }
        loop {
            let left = interrupt.remaining().min(patience.remaining());
            match ticket.answer.recv_timeout(left.min(slice)) {
                Ok(answer) => return answer,
                Err(RecvTimeoutError::Disconnected) => return Err(HostFault::Stopping),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if slice == BEFORE_GROWTH {
                self.grow();
                slice = SLICE;
            }
            if left.is_zero() && self.desk().leave(ticket.number) {
                return Err(self.given_up(interrupt));
            }
        }
    }

    /// Why a call got no container in time.
    fn given_up(&self, interrupt: &Interrupt) -> HostFault {
        let DockerConfig { pool_max: max, pool_wait: waited, .. } = *self.engine.config();
        let (live, serving) = self.desk().numbers();
        let no_room = serving < max && (self.engine.room().waiting() > 0 || self.no_room.load(Ordering::Relaxed));
        match interrupt.remaining().is_zero() {
            // None was busy: one that starts takes too long.
            true if live < max => interrupt.fault(),
            true => DockerError::AllBusy { max, until: "the call's deadline".into() }.into(),
            false if live == 0 && self.no_disk.load(Ordering::Relaxed) => self.engine.no_disk(&self.image).into(),
            false if no_room => DockerError::NoRoom { most: self.engine.room().most(), waited }.into(),
            false if live < max => DockerError::TimedOut { operation: "start a container", limit: waited }.into(),
            false => DockerError::AllBusy { max, until: format!("pool_wait, {} s", waited.as_secs_f64()) }.into(),
        }
    }

    /// When it was used last, if its image can be put away.
    fn unused_since(&self) -> Option<Instant> {
        self.imported.try_lock().ok()?.as_ref()?;
        self.desk().unused_since()
    }

    /// Has its image removed from the disk, with its containers, until it is called again; false if it is used.
    pub(crate) fn put_away(&self) -> bool {
        let Ok(mut imported) = self.imported.try_lock() else { return false };
        let mut desk = self.desk();
        if imported.is_none() || desk.unused_since().is_none() {
            return false;
        }
        self.away.store(true, Ordering::Release);
        let (image, workers) = (imported.take(), desk.take_all());
        drop(desk);
        drop(imported);
        tracing::info!(code = self.gauges.image(), "an image is put away to make room on disk for another one");
        // The containers need the desk when they go, and the image goes after them.
        drop((workers, image));
        true
    }

    /// Starts a container in the background, if one is needed.
    fn grow(&self) {
        if self.away.load(Ordering::Acquire) && self.desk().need() == Some(Need::Least) {
            return;
        }
        let waiting = self.desk().waiting();
        let (pause, delay) = {
            let backoff = lock(&self.backoff);
            (backoff.pause(now()), backoff.delay(waiting, now()))
        };
        if let Some(pause) = pause {
            return self.desk().refuse(&backing_off(&self.gauges, pause).into());
        }
        if let Some(delay) = delay {
            return self.grow_after(delay);
        }
        let Some(need) = self.desk().begin() else { return };
        let Some(pool) = self.this.upgrade() else { return };
        let mut start = Start(Some(pool));
        self.engine.spawn(async move {
            let Some(pool) = start.0.clone() else { return };
            let Some(launched) = pool.start(need).await.transpose() else { return start.abandon() };
            if start.end(launched) {
                // Those who wait have a chance to be served by this one first.
                time::sleep(BEFORE_GROWTH).await;
                pool.grow();
            }
        });
    }

    /// Looks again later whether one is needed.
    fn grow_after(&self, delay: Duration) {
        if self.put_off.swap(true, Ordering::AcqRel) {
            return;
        }
        let pool = self.this.clone();
        self.engine.spawn(async move {
            time::sleep(delay).await;
            if let Some(pool) = pool.upgrade() {
                pool.put_off.store(false, Ordering::Release);
                pool.grow();
            }
        });
    }

    /// Room for one more container; `None` if that is not worth waiting for, or not needed any more.
    async fn place(&self, need: Need) -> Result<Option<Place>, DockerError> {
        match need {
            Need::Least => Ok(self.engine.room().take()),
            Need::Calls(rank) => {
                let nested = || {
                    // One that is nested may have come since.
                    if self.desk().need() == Some(Need::Calls(Rank::Nested)) {
                        self.engine.room().hurry(self.number);
                    }
                };
                let place = self.engine.place(self.number, rank, nested).await;
                // Each call is told when its own time is over: one that has just come waits for the next try.
                let none = matches!(place, Err(DockerError::NoRoom { .. }));
                self.no_room.store(none, Ordering::Relaxed);
                if none {
                    return Ok(None);
                }
                let place = place?;
                Ok(self.desk().need().map(|_| place))
            }
        }
    }

    /// Starts a container; `None` if room for it is not worth waiting for, or it is not needed any more. Who waits for room in memory
    /// has its image on disk, and who waits for that has nothing.
    async fn start(&self, need: Need) -> Result<Option<Launched>, DockerError> {
        let mut imported = self.imported.lock().await;
        let image = match &mut *imported {
            Some(image) => image,
            away => match self.unpack().await? {
                Some(image) => away.insert(image),
                None => return Ok(None),
            },
        };
        self.away.store(false, Ordering::Release);
        let Some(place) = self.place(need).await? else { return Ok(None) };
        let begun = now();
        let launched = self.launch(image, place).await;
        launched.map(Some).inspect_err(|error| blame(&self.backoff, error, begun))
    }

    /// Has the image on disk again; `None` if others keep it from that.
    async fn unpack(&self) -> Result<Option<Imported>, DockerError> {
        let imported = self.engine.import(&self.image, || self.no_disk.store(true, Ordering::Relaxed)).await;
        let none = matches!(imported, Err(DockerError::NoDisk { .. }));
        self.no_disk.store(none, Ordering::Relaxed);
        match none {
            // As where there is no place: each call is told when its own time is over.
            true => Ok(None),
            false => imported.map(Some).inspect_err(|error| blame(&self.backoff, error, now())),
        }
    }

    async fn launch(&self, image: &mut Imported, place: Place) -> Result<Launched, DockerError> {
        let launched = match self.engine.launch(image, self.isolation, &self.counts, place).await {
            // containerd has lost the image.
            Err(DockerError::Daemon { reason: Refused::NotFound, .. }) => {
                *image = self.engine.import(&self.image, || {}).await?;
                let place = self.engine.place(self.number, Rank::Cold, || {}).await?;
                self.engine.launch(image, self.isolation, &self.counts, place).await
            }
            other => other,
        };
        let (container, connections) = launched?;
        if container.hello.interface != self.interface {
            return Err(DockerError::Protocol("it describes other methods than its first process did".into()));
        }
        Ok((container, connections))
    }

    fn desk(&self) -> MutexGuard<'_, Desk<Pooled>> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A container and its connections.
type Launched = (Container, Vec<Connection>);

/// A start that has begun. However it ends, the desk is told.
struct Start(Option<Arc<Pool>>);

impl Start {
    /// Tells the desk; true if there is one container more now.
    fn end(&mut self, launched: Result<Launched, DockerError>) -> bool {
        let Some(pool) = self.0.take() else { return false };
        let started = match launched {
            Ok((container, connections)) => {
                let number = pool.gauges.enter(container.id());
                let started = Pooled::all(&pool.engine, container, connections, pool.this.clone(), number);
                let retired = pool.desk().started(started, now());
                drop(retired);
                true
            }
            Err(error) => {
                let fault = HostFault::from(error);
                tracing::warn!(error = %fault, "a container did not start");
                // Whether another start is worth trying, the next call or the next round says.
                pool.desk().failed(&fault);
                false
            }
        };
        pool.engine.may_be_unused();
        started
    }

    /// It is not needed, or not worth waiting for.
    fn abandon(&mut self) {
        let Some(pool) = self.0.take() else { return };
        pool.desk().abandoned();
        pool.engine.may_be_unused();
        // Calls that came in the meantime took it for theirs.
        if matches!(pool.desk().need(), Some(Need::Calls(_))) {
            pool.grow();
        }
    }
}

impl Drop for Start {
    fn drop(&mut self) {
        // Told once: nothing is left to tell after an end.
        if self.0.is_some() {
            self.end(Err(DockerError::NotRunning));
        }
    }
}

/// Removes containers that were idle for longer than `limit` and replaces missing ones, as long as there is a pool.
async fn keep_in_bounds(pool: Weak<Pool>, limit: Duration) {
    let round = (limit / 4).clamp(ROUNDS.0, ROUNDS.1);
    let mut pause = 0_u32;
    loop {
        time::sleep(round).await;
        let Some(pool) = pool.upgrade() else { return };
        let old = pool.desk().expire(limit, now());
        drop(old);
        // What does not start is tried ever more rarely, unless a call waits for it.
        pause = pause.saturating_add(1);
        if pause >= 1 << pool.desk().failures().min(LONGEST_PAUSE) {
            pause = 0;
            pool.grow();
        }
        pool.engine.make_room();
        pool.engine.may_be_unused();
        pool.engine.tell();
        let counts = pool.desk().counts();
        pool.gauges.tell(counts);
    }
}

/// Counts a start that failed, if that is the doing of what was to start.
fn blame(backoff: &Mutex<Backoff>, error: &DockerError, begun: Instant) {
    if error.is_of_code() {
        lock(backoff).failed(error.to_string(), begun.elapsed(), now());
    }
}

fn backing_off(gauges: &Gauges, Pause { cause, left }: Pause) -> DockerError {
    DockerError::BackingOff { code: gauges.image().to_owned(), cause, left }
}

fn lock(backoff: &Mutex<Backoff>) -> MutexGuard<'_, Backoff> {
    backoff.lock().unwrap_or_else(PoisonError::into_inner)
}

#[allow(clippy::disallowed_methods, reason = "tells how long a container was idle, which decides no result")]
fn now() -> Instant {
    Instant::now()
}
