//! The containers of one code.

use std::{
    ops::{Deref, DerefMut},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::{RwLock, oneshot};
use vm_core::{HostFault, Interrupt, RuntimeKind};

use crate::{
    DockerError, Refused,
    container::Container,
    engine::{Engine, Imported},
    image::Image,
};

/// How long a thread waits for a free container before it looks whether it was interrupted.
const SLICE: Duration = Duration::from_millis(50);

/// Starts containers when they are needed and keeps them for the next call.
pub(crate) struct Pool {
    engine: Arc<Engine>,
    image: Image,
    imported: RwLock<Imported>,
    idle: Mutex<Vec<Pooled>>,
    released: Condvar,
    /// Containers that run or start. Raised only with `idle` locked.
    live: Arc<AtomicUsize>,
}

/// A container, and its place among those that may run. To drop it is to give it up.
pub(crate) struct Pooled {
    container: Container,
    _place: Place,
}

impl Deref for Pooled {
    type Target = Container;

    fn deref(&self) -> &Container {
        &self.container
    }
}

impl DerefMut for Pooled {
    fn deref_mut(&mut self) -> &mut Container {
        &mut self.container
    }
}

struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pool {
    /// Imports an image and starts its first container, which tells the contract's interface.
    pub(crate) async fn new(engine: Arc<Engine>, image: Image) -> Result<(Arc<Self>, String), DockerError> {
        let imported = engine.import(&image).await?;
        let container = engine.launch(&imported).await?;
        let interface = container.hello.interface.clone();
        let live = Arc::new(AtomicUsize::new(1));
        let first = Pooled { container, _place: Place(live.clone()) };
        let pool = Self {
            engine,
            image,
            imported: RwLock::new(imported),
            idle: Mutex::new(vec![first]),
            released: Condvar::new(),
            live,
        };
        Ok((Arc::new(pool), interface))
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Bytes of memory that it takes: containerd may need the image again.
    pub(crate) fn weight(&self) -> usize {
        self.image.size()
    }

    /// A container that is ready for a call: an idle one, else a new one, else the next that gets free.
    pub(crate) fn acquire(self: &Arc<Self>, interrupt: &Interrupt) -> Result<Pooled, HostFault> {
        let limit = self.engine.config().containers_per_code;
        let mut idle = self.idle();
        let place = loop {
            while let Some(mut pooled) = idle.pop() {
                // One that died, or spoke without being asked, is given up.
                if pooled.connection.is_idle() {
                    return Ok(pooled);
                }
            }
            if self.live.load(Ordering::Relaxed) < limit {
                self.live.fetch_add(1, Ordering::Relaxed);
                break Place(self.live.clone());
            }
            let left = interrupt.remaining();
            if left.is_zero() {
                let message = format!(
                    "all {limit} containers of this code were busy until the deadline; raise containers_per_code"
                );
                return Err(HostFault::Unavailable { runtime: RuntimeKind::Docker, message });
            }
            let waited = self.released.wait_timeout(idle, left.min(SLICE));
            idle = waited.unwrap_or_else(PoisonError::into_inner).0;
        };
        drop(idle);
        self.start(place, interrupt)
    }

    /// Keeps a container for the next call.
    pub(crate) fn release(&self, pooled: Pooled) {
        self.idle().push(pooled);
        self.released.notify_one();
    }

    /// Starts a container for a call. If it starts too late for this one it is there for the next.
    fn start(self: &Arc<Self>, place: Place, interrupt: &Interrupt) -> Result<Pooled, HostFault> {
        let (sender, receiver) = oneshot::channel();
        let pool = self.clone();
        self.engine.spawn(async move {
            let launched = pool.launch().await;
            let launched = launched.map(|container| Pooled { container, _place: place });
            if let Err(Ok(late)) = sender.send(launched) {
                pool.release(late);
            }
        });
        match self.engine.block_on(receiver, interrupt) {
            Some(Ok(launched)) => Ok(launched?),
            None if interrupt.remaining().is_zero() => Err(interrupt.fault()),
            _ => Err(HostFault::Stopping),
        }
    }

    async fn launch(&self) -> Result<Container, DockerError> {
        let launched = self.engine.launch(&*self.imported.read().await).await;
        match launched {
            // containerd has lost the image.
            Err(DockerError::Daemon { reason: Refused::NotFound, .. }) => {
                let mut imported = self.imported.write().await;
                *imported = self.engine.import(&self.image).await?;
                self.engine.launch(&imported).await
            }
            other => other,
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Pooled>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
