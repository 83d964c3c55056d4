//! The removal of what dead hosts left behind.

use std::{collections::BTreeSet, sync::Arc};

use tokio::time;

use super::{Engine, RETRY};
use crate::{
    DockerError,
    folder::{DeadFolder, Fate, Owner, Scope, dead_folders, host_of, lives},
};

/// Removes what dead hosts left behind; tries until that is done or the engine stops.
pub(super) async fn clear(engine: Arc<Engine>) {
    let mut pause = RETRY.0;
    loop {
        match engine.remove_orphans().await {
            Ok(0) => return,
            Ok(left) => tracing::warn!(left, "not all that dead hosts left behind could be removed, trying again"),
            Err(error) => tracing::warn!(%error, "what dead hosts left behind cannot be listed now, trying again"),
        }
        tokio::select! {
            () = time::sleep(pause) => pause = RETRY.1.min(pause * 2),
            () = engine.stopping() => return,
        }
    }
}

impl Engine {
    /// Removes what hosts made that are dead, and their folders. Returns how many things could not be removed.
    async fn remove_orphans(&self) -> Result<usize, DockerError> {
        // First, so that all that these have made is in the list.
        let mut dead = dead_folders(&self.config.socket_folder);
        let owned = self.daemon.owned().await?;
        let owners: BTreeSet<_> =
            owned.containers.iter().chain(&owned.leases).map(|(owner, _)| owner.clone()).collect();
        let mut left = 0;
        for owner in owners {
            let folder = match owner.fate(&self.config.socket_folder, &mut dead) {
                Fate::Lives => continue,
                Fate::Dead(folder) => folder,
                Fate::Unknown => {
                    tracing::warn!(%owner, "things in containerd are left alone: whether their host lives cannot be seen");
                    continue;
                }
            };
            let before = left;
            let of_owner = |(found, _): &&(Owner, String)| *found == owner;
            for (_, id) in owned.containers.iter().filter(of_owner) {
                tracing::info!(container = id, "removing a container of a host that is dead");
                left += left_of(id, self.daemon.remove(id).await);
            }
            for (_, lease) in owned.leases.iter().filter(of_owner) {
                left += left_of(lease, self.daemon.delete_lease(lease).await);
            }
            // As long as it is there, the next try knows who the things belong to.
            if left == before {
                folder.into_iter().for_each(DeadFolder::remove);
            }
        }
        for id in &owned.tasks {
            if host_of(&self.config.socket_folder, id).is_some_and(|host| !lives(&host, &dead)) {
                tracing::info!(task = id, "removing a task without a container");
                left += left_of(id, self.daemon.remove_task(id, &self.config.runtime).await);
            }
        }
        // These have nothing here. Where else they have something, their folder tells whose it is.
        let scope = Scope::of(&self.config);
        dead.into_iter().filter(|folder| folder.is_of(&scope)).for_each(DeadFolder::remove);
        Ok(left)
    }
}

/// How many things are left of one that was to be removed, which a warning names.
fn left_of(name: &str, removed: Result<(), DockerError>) -> usize {
    match removed {
        Ok(()) => 0,
        Err(error) => {
            tracing::warn!(name, %error, "what a dead host left behind cannot be removed now");
            1
        }
    }
}
