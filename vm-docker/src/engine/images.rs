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

/// An image that containerd has unpacked, kept until the last clone is dropped.
#[derive(Clone)]
pub(crate) struct Imported {
    pub(crate) program: Arc<Program>,
    /// Its uppermost snapshot.
    pub(super) snapshot: String,
    pub(super) lease: String,
    pub(super) guard: Arc<Guard>,
    _used: Arc<Use>,
}

impl Engine {
    /// Has containerd unpack an image, and keep it until the result is dropped. Where there is no room on disk for it, it is waited
    /// for, and `waits` is called before.
    pub(crate) async fn import(self: &Arc<Self>, image: &Image, waits: impl FnOnce()) -> Result<Imported, DockerError> {
        let (claim, used) = self.claim(image, waits).await?;
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
        Ok(Imported { program: image.program.clone(), snapshot, lease, guard: Arc::new(guard), _used: Arc::new(used) })
    }

    /// Room on disk for an image. Where there is none, others that have no call are put away until there is. Where those that have
    /// calls leave too little even so, none is, and it is waited at most `pool_wait` until one has none.
    async fn claim(&self, image: &Image, waits: impl FnOnce()) -> Result<(Claim, Use), DockerError> {
        let (size, most) = (image.on_disk(), self.disk.most());
        if size > most {
            return Err(DockerError::ImageLargerThanDisk { size, most });
        }
        if let Some(claimed) = self.disk.claim(image) {
            return Ok(claimed);
        }
        let deadline = time::Instant::now() + self.config.pool_wait;
        let _waiting = self.disk.wait();
        waits();
        let mut freed = self.freed.subscribe();
        loop {
            if let Some(claimed) = self.disk.claim(image) {
                return Ok(claimed);
            }
            self.make_room_on_disk(image);
            tokio::select! {
                changed = time::timeout_at(deadline, freed.changed()) => {
                    if !matches!(changed, Ok(Ok(()))) {
                        return Err(self.no_disk(image));
                    }
                }
                () = self.stopping() => return Err(DockerError::NotRunning),
            }
        }
    }

    /// What is said where an image has waited in vain for room on disk.
    pub(crate) fn no_disk(&self, image: &Image) -> DockerError {
        DockerError::NoDisk {
            size: image.on_disk(),
            taken: self.disk.taken(),
            most: self.disk.most(),
            waited: self.config.pool_wait,
        }
    }

    /// Puts as many images away as one needs to fit beside the others, when those are gone. None if it would not fit even so.
    fn make_room_on_disk(&self, image: &Image) {
        let _alone = self.making_room.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let unused = self.pools.unused();
            let Some(leaving) = self.disk.in_the_way(image, unused.iter().map(|pool| pool.image())) else { return };
            // One that is used by now stays, and what is in the way is another question.
            if unused.iter().take(leaving).all(|pool| pool.put_away()) {
                return;
            }
        }
    }

    /// An image has no call any more, perhaps: has those that wait for room on disk look.
    pub(crate) fn may_be_unused(&self) {
        if self.disk.waiting() > 0 {
            self.freed.send_replace(());
        }
    }
}
