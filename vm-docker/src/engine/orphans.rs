//! The removal of what dead hosts left behind.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{sync::oneshot, task, time};

use super::{Engine, RETRY, Resource};
use crate::{
    DockerError,
    cgroup::ControlGroup,
    folder::{DeadFolder, Fate, Owner, Scope, dead_folders, host_of, lives},
    shim::Shim,
};

/// How long it is waited at least until it is looked again: what containerd was doing for a host when that was killed is done by then.
const LATE: Duration = Duration::from_secs(2);

/// What was found of dead hosts.
#[derive(Default)]
struct Found {
    /// How many things there were.
    all: usize,
    /// How many of them could not be removed.
    left: usize,
    /// How many folders stay until it is looked again.
    folders: usize,
}

/// Removes what dead hosts left behind, and looks again until nothing more comes of them, or the engine stops. `cleared` ends
/// after the first look in which nothing failed.
pub(super) async fn clear(engine: Arc<Engine>, cleared: oneshot::Sender<()>) {
    let (mut pause, mut cleared) = (LATE, Some(cleared));
    loop {
        match engine.remove_orphans().await {
            Ok(Found { all: 0, folders: 0, .. }) => return,
            Ok(Found { left: 0, .. }) => {
                pause = LATE;
                drop(cleared.take());
            }
            Ok(Found { left, .. }) => {
                tracing::warn!(left, "not all that dead hosts left behind could be removed, trying again");
            }
            Err(error) => {
                tracing::warn!(%error, "what dead hosts left behind cannot be listed now, trying again");
            }
        }
        tokio::select! {
            () = time::sleep(pause) => pause = RETRY.1.min(pause * 2),
            () = engine.stopping() => return,
        }
    }
}

impl Engine {
    /// Removes what hosts made that are dead, and the folders of those of which nothing was found for a while.
    async fn remove_orphans(self: &Arc<Self>) -> Result<Found, DockerError> {
        // First, so that all that these have made is in the list.
        let dead = dead_folders(&self.config.socket_folder);
        let owned = self.daemon.owned().await?;
        let owners: BTreeSet<_> =
            owned.containers.iter().chain(&owned.leases).map(|(owner, _)| owner.clone()).collect();
        let mut found = Found::default();
        let mut had: BTreeSet<&Path> = BTreeSet::new();
        for owner in &owners {
            match owner.fate(&self.config.socket_folder, &dead) {
                Fate::Lives => continue,
                Fate::Dead => had.insert(owner.folder()),
                Fate::Unknown => {
                    tracing::warn!(%owner, "things in containerd are left alone: whether their host lives cannot be seen");
                    continue;
                }
            };
            let of_owner = |(found, _): &&(Owner, String)| found == owner;
            for (_, id) in owned.containers.iter().filter(of_owner) {
                tracing::info!(container = id, "removing a container of a host that is dead");
                found.count(id, self.daemon.remove(id).await.map(drop));
            }
            for (_, lease) in owned.leases.iter().filter(of_owner) {
                found.count(lease, self.daemon.delete_lease(lease).await);
            }
        }
        for id in &owned.strays {
            if host_of(&self.config.socket_folder, id).is_some_and(|host| !lives(&host, &dead)) {
                tracing::info!(task = id, "removing a task without a container");
                found.count(id, self.remove_task(id).await);
            }
        }
        // Of what containerd has lost it tells nothing: the names do.
        let scope = Scope::of(&self.config);
        let dead_host = |id: &str| {
            let host = host_of(&self.config.socket_folder, id).filter(|_| !owned.tasks.contains(id))?;
            dead.iter().find(|dead| dead.path() == host && dead.is_of(&scope)).map(DeadFolder::path)
        };
        for shim in self.shims().await {
            let Some(host) = dead_host(shim.id()) else { continue };
            tracing::info!(task = shim.id(), "ending a shim that containerd has lost");
            had.insert(host);
            let id = shim.id().to_owned();
            found.count(&id, end(shim).await);
        }
        for group in ControlGroup::all() {
            let Some(host) = dead_host(group.id()) else { continue };
            had.insert(host);
            let id = group.id().to_owned();
            found.count(&id, remove_group(group).await);
        }
        // As long as it is there, the next look knows who the things belong to. Those of others tell hosts elsewhere the same.
        let had: BTreeSet<PathBuf> = had.into_iter().map(Path::to_owned).collect();
        for folder in dead {
            let had = had.contains(folder.path());
            match folder.noted(&scope) {
                Some(quiet) if !had && quiet >= LATE => {
                    folder.remove();
                    continue;
                }
                Some(_) if !had => {}
                _ if had || folder.is_of(&scope) => folder.note(&scope),
                _ => continue,
            }
            found.folders += 1;
        }
        Ok(found)
    }

    /// Removes a task that has no container, in the background. Until that is done it is a thing of this host, which others remove
    /// should it die.
    async fn remove_task(self: &Arc<Self>, id: &str) -> Result<(), DockerError> {
        let _removed = self.guard(Resource::Container(id.into()), None, None)?;
        self.daemon.adopt_task(id, &self.owner(), &self.config.runtime).await
    }
}

impl Engine {
    /// Removes what is left of a container outside of containerd. A shim of it is one that containerd has lost where that did not know
    /// the task.
    pub(super) async fn remove_rest(&self, id: &str, knew: bool) -> Result<(), DockerError> {
        let shims = if knew { Vec::new() } else { self.shims().await };
        for shim in shims {
            if shim.id() == id {
                tracing::info!(task = id, "ending a shim that containerd has lost");
                end(shim).await?;
            }
        }
        remove_group(ControlGroup::of(id)).await
    }

    /// The shims of tasks in the name space.
    async fn shims(&self) -> Vec<Shim> {
        let config = self.config.clone();
        task::spawn_blocking(move || Shim::all(&config)).await.unwrap_or_default()
    }
}

async fn end(shim: Shim) -> Result<(), DockerError> {
    // It fails to be done where tokio ends.
    task::spawn_blocking(move || shim.end()).await.unwrap_or(Err(DockerError::NotRunning))
}

async fn remove_group(group: ControlGroup) -> Result<(), DockerError> {
    task::spawn_blocking(move || group.remove()).await.unwrap_or(Err(DockerError::NotRunning))
}

impl Found {
    /// Counts something that was to be removed.
    fn count(&mut self, name: &str, removed: Result<(), DockerError>) {
        self.all += 1;
        if let Err(error) = removed {
            tracing::warn!(name, %error, "what a dead host left behind cannot be removed now");
            self.left += 1;
        }
    }
}
