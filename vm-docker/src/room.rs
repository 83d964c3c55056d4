//! How many containers there may be of all images together.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time,
};

use crate::DockerError;

/// The places of a host's containers, given in the order in which they were asked for.
#[derive(Debug)]
pub(crate) struct Room {
    most: usize,
    free: Arc<Semaphore>,
    /// Starts that wait, and those of them whose image has no container at all.
    waiting: AtomicUsize,
    cold: AtomicUsize,
}

/// A container may exist as long as this does.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
}

/// Counts a start as waiting.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Room {
    /// Room for so many.
    pub(crate) fn new(most: usize) -> Self {
        let free = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
        Self { most, free, waiting: AtomicUsize::new(0), cold: AtomicUsize::new(0) }
    }

    /// How many there may be.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// A place that is free.
    pub(crate) fn take(&self) -> Option<Place> {
        self.free.clone().try_acquire_owned().ok().map(|permit| Place { _permit: permit })
    }

    /// Waits for a place; `wanted` is called once it is counted as waiting. Who has no container at all, `cold`, may be given that
    /// of an image that has several.
    ///
    /// # Errors
    /// When none has come free within `patience`.
    pub(crate) async fn wait(
        &self,
        cold: bool,
        patience: Duration,
        wanted: impl FnOnce(),
    ) -> Result<Place, DockerError> {
        let _waiting = Counted::new(&self.waiting);
        let _cold = cold.then(|| Counted::new(&self.cold));
        wanted();
        match time::timeout(patience, self.free.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Place { _permit: permit }),
            Ok(Err(_)) => Err(DockerError::NotRunning),
            Err(_) => Err(DockerError::NoRoom { most: self.most, waited: patience }),
        }
    }

    /// How many starts wait for a place.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    /// How many of them are for images that have no container.
    pub(crate) fn cold(&self) -> usize {
        self.cold.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn places_are_given_in_order_and_waiting_has_an_end() {
        let room = Room::new(1);
        let place = room.take().unwrap();
        assert!(room.take().is_none());
        let error = room.wait(false, Duration::from_millis(10), || {}).await.unwrap_err();
        assert!(matches!(error, DockerError::NoRoom { most: 1, .. }), "{error}");
        let mut seen = (0, 0);
        let patience = Duration::from_secs(30);
        let (first, second) = (room.wait(true, patience, || {}), room.wait(false, patience, || ()));
        let given = async {
            seen = (room.waiting(), room.cold());
            drop(place);
        };
        let (first, ()) = tokio::join!(first, given);
        assert_eq!(seen, (1, 1));
        drop(first.unwrap());
        drop(second.await.unwrap());
        assert_eq!((room.waiting(), room.cold()), (0, 0));
        assert!(room.take().is_some());
    }
}
