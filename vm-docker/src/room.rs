//! How many containers there may be of all images together, and which start gets the next place.

use std::{
    collections::BTreeMap,
    iter,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{sync::oneshot, time};

use crate::DockerError;

/// The places of a host's containers. They go to the starts that wait, by their [`Rank`], then in the order in which they came.
#[derive(Debug)]
pub(crate) struct Room {
    most: usize,
    places: Arc<Places>,
}

/// Why a container is to start, what matters most first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// Other containers wait for the call that needs it.
    Nested,
    /// Its image has none that takes calls.
    Cold,
    /// Its image has some.
    More,
}

/// A container may exist as long as this does.
#[derive(Debug)]
pub(crate) struct Place(Arc<Places>);

#[derive(Debug)]
struct Places {
    queue: Mutex<Queue>,
    /// The length of the queue, which is mostly asked for where there is none.
    waiting: AtomicUsize,
}

/// Nobody waits while a place is free.
#[derive(Debug)]
struct Queue {
    free: usize,
    next: u64,
    waiting: BTreeMap<u64, Waiting>,
}

/// A start that waits.
#[derive(Debug)]
struct Waiting {
    pool: u64,
    rank: Rank,
    since: Instant,
    answer: oneshot::Sender<Place>,
}

impl Room {
    /// Room for so many.
    pub(crate) fn new(most: usize) -> Self {
        let queue = Mutex::new(Queue { free: most, next: 0, waiting: BTreeMap::new() });
        Self { most, places: Arc::new(Places { queue, waiting: AtomicUsize::new(0) }) }
    }

    /// How many there may be.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// A place that is free.
    pub(crate) fn take(&self) -> Option<Place> {
        let mut queue = self.places.queue();
        queue.free = queue.free.checked_sub(1)?;
        Some(Place(self.places.clone()))
    }

    /// Waits for a place for a pool, by its number; `wanted` is called once it is counted as waiting.
    ///
    /// # Errors
    /// When none has come free within `patience`.
    pub(crate) async fn wait(
        &self,
        pool: u64,
        rank: Rank,
        patience: Duration,
        wanted: impl FnOnce(),
    ) -> Result<Place, DockerError> {
        let (answer, place) = oneshot::channel();
        let _turn = self.places.enter(Waiting { pool, rank, since: now(), answer });
        wanted();
        match time::timeout(patience, place).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) => Err(DockerError::NotRunning),
            Err(_) => Err(DockerError::NoRoom { most: self.most, waited: patience }),
        }
    }

    /// A nested call needs what this pool waits for.
    pub(crate) fn hurry(&self, pool: u64) {
        for waiting in self.places.queue().waiting.values_mut().filter(|waiting| waiting.pool == pool) {
            waiting.rank = Rank::Nested;
        }
    }

    /// How many starts wait for a place.
    pub(crate) fn waiting(&self) -> usize {
        self.places.waiting.load(Ordering::SeqCst)
    }

    /// How many of them have waited for so long that cannot be served by a container of their own image.
    pub(crate) fn pressing(&self, waited: Duration) -> usize {
        let now = now();
        let presses =
            |start: &&Waiting| start.rank != Rank::More && now.saturating_duration_since(start.since) >= waited;
        self.places.queue().waiting.values().filter(presses).count()
    }
}

impl Places {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(self: &Arc<Self>, waiting: Waiting) -> Turn {
        let mut queue = self.queue();
        let number = queue.next;
        queue.next += 1;
        queue.waiting.insert(number, waiting);
        self.serve(queue);
        Turn { places: self.clone(), number }
    }

    /// Gives the places that are free to those who wait. The lock is not released before these are taken, so that nobody who comes
    /// now has one of them.
    fn serve(self: &Arc<Self>, mut queue: MutexGuard<'_, Queue>) {
        let called: Vec<_> = iter::from_fn(|| queue.call()).collect();
        self.waiting.store(queue.waiting.len(), Ordering::SeqCst);
        drop(queue);
        for first in called {
            // Who has gone gives it back by dropping it.
            let _ = first.answer.send(Place(self.clone()));
        }
    }
}

impl Queue {
    /// Calls the first who waits, if there is a place for it, which is not free then.
    fn call(&mut self) -> Option<Waiting> {
        let left = self.free.checked_sub(1)?;
        let first = *self.waiting.iter().min_by_key(|(number, waiting)| (waiting.rank, **number))?.0;
        self.free = left;
        self.waiting.remove(&first)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut queue = self.0.queue();
        queue.free += 1;
        self.0.serve(queue);
    }
}

/// A start in the queue; it leaves when this is dropped.
struct Turn {
    places: Arc<Places>,
    number: u64,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut queue = self.places.queue();
        queue.waiting.remove(&self.number);
        self.places.waiting.store(queue.waiting.len(), Ordering::SeqCst);
    }
}

#[allow(clippy::disallowed_methods, reason = "tells how long a start has waited, which decides no result")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn waiting_for_a_place_has_an_end() {
        let room = Room::new(1);
        let place = room.take().unwrap();
        assert!(room.take().is_none());
        let error = room.wait(0, Rank::More, Duration::from_millis(10), || {}).await.unwrap_err();
        assert!(matches!(error, DockerError::NoRoom { most: 1, .. }), "{error}");
        assert_eq!(room.waiting(), 0);
        drop(place);
        assert!(room.take().is_some());
    }

    /// Who is nested first, then who has none, then in the order of coming.
    #[tokio::test]
    async fn places_are_given_by_rank_and_in_order() {
        let room = Room::new(1);
        let place = room.take().unwrap();
        let order = Mutex::new(Vec::new());
        let start = async |pool, rank| {
            let place = room.wait(pool, rank, PATIENCE, || {}).await.unwrap();
            order.lock().unwrap().push(pool);
            drop(place);
        };
        let given = async {
            assert_eq!((room.waiting(), room.pressing(Duration::ZERO), room.pressing(PATIENCE)), (5, 3, 0));
            room.hurry(1);
            assert_eq!(room.pressing(Duration::ZERO), 4);
            drop(place);
        };
        tokio::join!(
            start(0, Rank::More),
            start(1, Rank::More),
            start(2, Rank::Cold),
            start(3, Rank::Cold),
            start(4, Rank::Nested),
            given,
        );
        assert_eq!(*order.lock().unwrap(), [1, 4, 2, 3, 0]);
        assert_eq!((room.waiting(), room.pressing(Duration::ZERO)), (0, 0));
        assert!(room.take().is_some());
    }

    /// A place that is given to who has gone in the same moment goes to the next.
    #[tokio::test]
    async fn a_place_is_not_lost_with_who_was_to_have_it() {
        let room = Room::new(1);
        let place = room.take().unwrap();
        let mut gone = Box::pin(room.wait(0, Rank::Cold, PATIENCE, || {}));
        let mut next = Box::pin(room.wait(1, Rank::Cold, PATIENCE, || {}));
        assert!(time::timeout(Duration::ZERO, &mut gone).await.is_err());
        assert!(time::timeout(Duration::ZERO, &mut next).await.is_err());
        drop(place);
        drop(gone);
        drop(next.await.unwrap());
        assert!(room.take().is_some());
    }

    /// The same on threads of their own, where the waiting ends in just that moment now and then.
    #[test]
    fn no_place_is_lost_where_those_who_wait_go_at_any_time() {
        let room = Room::new(1);
        std::thread::scope(|scope| {
            for patience in [0, 20, 50, 90] {
                let room = &room;
                scope.spawn(move || {
                    let tokio = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                    let patience = Duration::from_micros(patience);
                    tokio.block_on(async {
                        for _ in 0..500 {
                            drop(room.wait(0, Rank::Cold, patience, || {}).await);
                        }
                    });
                });
            }
            for _ in 0..20_000 {
                drop(room.take());
            }
        });
        assert_eq!(room.waiting(), 0);
        assert!(room.take().is_some());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn nobody_who_comes_has_a_place_before_those_who_wait() {
        let room = Arc::new(Room::new(1));
        for _ in 0..2_000 {
            let place = room.take().unwrap();
            let mut waits = Box::pin(room.wait(0, Rank::Cold, PATIENCE, || {}));
            assert!(time::timeout(Duration::ZERO, &mut waits).await.is_err());
            let tries = {
                let room = room.clone();
                std::thread::spawn(move || (0..500).any(|_| room.take().is_some()))
            };
            drop(place);
            let place = waits.await.unwrap();
            assert!(!tries.join().unwrap(), "one was free while somebody waited for it");
            drop(place);
        }
    }
}
