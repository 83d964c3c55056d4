//! Images become snapshots, which have room on disk.

use std::sync::{Arc, PoisonError};

use tokio::time;

use super::{Engine, Guard, Resource};
use crate::{
    DockerError,
    containerd::Leases,
    disk::{Claim, Use},
    image::{Image, Program},
};

/// An image that containerd has unpacked.
pub(crate) struct Imported {
    pub(crate) program: Arc<Program>,
    /// Its uppermost snapshot.
    pub(super) snapshot: String,
    pub(super) lease: String,
    pub(super) guard: Arc<Guard>,
    _used: Use,
}

impl Engine {
    /// Has containerd unpack an image, and keep it until the result is dropped.
    pub(crate) async fn import(self: &Arc<Self>, image: &Image) -> Result<Imported, DockerError> {
        let (claim, used) = self.claim(image).await?;
        let _begun = self.starts.read().await;
        let lease = self.name();
        let guard = self.guard(Resource::Lease(lease.clone()), None, None)?;
        if let Some(existence) = self.resources().get_mut(&guard.resource) {
            existence.claim = Some(claim);
        }
        // Another one keeps what is of no use once the layers are unpacked. However that ends, it goes.
        let archives = format!("{lease}-import");
        let _archives = self.guard(Resource::Lease(archives.clone()), None, None)?;
        let leases = Leases { image: &lease, archives: &archives, owner: &self.owner() };
        let snapshot = self.daemon.import(image, &leases, self.stopped.subscribe()).await?;
        Ok(Imported { program: image.program.clone(), snapshot, lease, guard: Arc::new(guard), _used: used })
    }

    /// Room on disk for an image. Where there is none, others that have no call are removed, and that is waited for.
    async fn claim(&self, image: &Image) -> Result<(Claim, Use), DockerError> {
        let no_room = || DockerError::NoDisk { taken: self.disk.taken(), most: self.disk.most() };
        let deadline = time::Instant::now() + self.config.pool_wait;
        let mut removed = self.removed.subscribe();
        loop {
            if let Some(claimed) = self.disk.claim(image) {
                return Ok(claimed);
            }
            if !self.make_room_on_disk(image) {
                return Err(no_room());
            }
            tokio::select! {
                changed = time::timeout_at(deadline, removed.changed()) => {
                    if !matches!(changed, Ok(Ok(()))) {
                        return Err(no_room());
                    }
                }
                () = self.stopping() => return Err(DockerError::NotRunning),
            }
        }
    }

    /// Puts as many images away as one needs to fit beside the others, when those are gone. False if too many are used.
    fn make_room_on_disk(&self, image: &Image) -> bool {
        let _alone = self.making_room.lock().unwrap_or_else(PoisonError::into_inner);
        while !self.disk.will_hold(image) {
            if !self.pools.put_away() {
                return false;
            }
        }
        true
    }
}
