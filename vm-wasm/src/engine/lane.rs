//! Lanes: threads that run the same contract at the same time keep out of each other's way.
//!
//! A fresh instance counts references to its engine and module and takes their locks, a dozen times in two microseconds. When
//! two processors do that to the same memory, it wanders between them all the time, and two threads are hardly quicker than
//! one. So engines and compiled modules exist once for each lane, and every thread belongs to one for good. Which one decides
//! nothing but the time that a call takes.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::available_parallelism;

/// The most lanes that there are: each holds another copy of the code.
const MOST: usize = 4;

/// How many lanes there are: one for each processor, up to [`MOST`].
pub(super) fn count() -> usize {
    static COUNT: OnceLock<usize> = OnceLock::new();
    *COUNT.get_or_init(|| available_parallelism().map_or(1, NonZero::get).min(MOST))
}

/// What is made when it is first asked for, once. That it could not be made is told and forgotten: the machine may have been
/// out of memory, and have some when it is asked for again.
#[derive(Debug)]
pub(super) struct Made<T> {
    value: OnceLock<T>,
    /// Held by the thread that makes it.
    making: Mutex<()>,
}

impl<T> Made<T> {
    /// Nothing yet.
    pub(super) const fn new() -> Self {
        Self { value: OnceLock::new(), making: Mutex::new(()) }
    }

    /// What was made, or is made now.
    pub(super) fn get<E>(&self, make: impl FnOnce() -> Result<T, E>) -> Result<&T, E> {
        if let Some(value) = self.value.get() {
            return Ok(value);
        }
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = self.value.get() {
            return Ok(value);
        }
        let made = make()?;
        Ok(self.value.get_or_init(|| made))
    }

    /// Whether it was made.
    #[cfg(all(test, feature = "wasmtime"))]
    pub(super) fn is_there(&self) -> bool {
        self.value.get().is_some()
    }
}

/// What exists once for each lane.
#[derive(Debug)]
pub(super) struct Lanes<T> {
    first: Made<T>,
    others: Box<[Made<T>]>,
}

impl<T> Lanes<T> {
    /// With nothing in any lane.
    pub(super) fn new() -> Self {
        Self { first: Made::new(), others: (1..count()).map(|_| Made::new()).collect() }
    }

    /// What the calling thread's lane has; it is made when a thread of the lane asks first.
    pub(super) fn get<E>(&self, make: impl FnOnce() -> Result<T, E>) -> Result<&T, E> {
        let lane = number() % (1 + self.others.len());
        self.others.get(lane).unwrap_or(&self.first).get(make)
    }
}

/// The number of the calling thread: threads are dealt to the lanes in turn.
fn number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static NUMBER: usize = NEXT.fetch_add(1, Ordering::Relaxed));
    NUMBER.with(|number| *number)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_thread_keeps_its_lane() {
        let lanes = Lanes::new();
        let first = lanes.get(|| Ok::<_, ()>(1));
        assert_eq!((first, lanes.get(|| Ok::<_, ()>(2))), (Ok(&1), Ok(&1)));
    }

    #[test]
    fn a_failure_is_not_kept() {
        let lanes = Lanes::new();
        assert_eq!(lanes.get(|| Err("no room")), Err("no room"));
        assert_eq!(lanes.get(|| Err("no room yet")), Err("no room yet"));
        assert_eq!(lanes.get(|| Ok::<_, &str>(1)), Ok(&1));
        assert_eq!(lanes.get(|| Err("not asked")), Ok(&1));
    }

    #[test]
    fn every_thread_has_a_lane_and_each_lane_is_made_once() {
        let (lanes, made) = (Lanes::new(), AtomicUsize::new(0));
        let lane = || *lanes.get(|| Ok::<_, ()>(made.fetch_add(1, Ordering::Relaxed))).unwrap();
        let seen: BTreeSet<usize> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4 * MOST).map(|_| scope.spawn(lane)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(seen.len() == made.load(Ordering::Relaxed) && seen.len() <= count(), "{seen:?}");
    }
}
