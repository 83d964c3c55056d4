//! What a started runtime consists of: containerd, the host's folder, and everything that has to be removed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    future::Future,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::{RwLock, watch},
    time,
};
use vm_core::Interrupt;

use crate::{
    DockerConfig, DockerError, Isolation,
    cgroup::ControlGroup,
    connection::Connection,
    container::{Container, ExitWatch, Process},
    containerd::{Daemon, NewContainer},
    door::{Door, SOCKET_NAME},
    folder::{DeadFolder, Fate, HostFolder, Owner, dead_folders},
    image::{Image, Program},
    metrics::Metrics,
    output::{CallLabel, Output},
    pool::{Chains, Pools},
    room::{Place, Room},
    sandbox::{self, Inside, Users},
};

/// Most bytes of a unix socket's path.
const SOCKET_PATH_LIMIT: usize = 107;

/// How long a thread waits before it looks whether it was interrupted.
const SLICE: Duration = Duration::from_millis(50);

/// Pauses between attempts to remove something: the first, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// How long a start waits until what dead hosts left behind is removed; what is left then is removed while the host runs.
const ORPHAN_PATIENCE: Duration = Duration::from_secs(5);

pub(crate) struct Engine {
    config: DockerConfig,
    daemon: Daemon,
    tokio: Handle,
    folder: HostFolder,
    /// Numbers containers and leases.
    next: AtomicU64,
    stopped: watch::Sender<bool>,
    /// Held for reading while an image is imported or a container starts.
    starts: RwLock<()>,
    resources: Mutex<BTreeMap<Resource, Existence>>,
    /// Changes whenever a resource is gone.
    removed: watch::Sender<()>,
    pools: Pools,
    room: Room,
    /// Held while containers are taken from who does not need them.
    making_room: Mutex<()>,
    chains: Arc<Chains>,
    metrics: Metrics,
}

/// What has to be removed in the end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Resource {
    Container(String),
    Lease(String),
}

struct Existence {
    removing: bool,
    /// What must not be removed before.
    _needs: Option<Arc<Guard>>,
    /// What it occupies until it is removed.
    _place: Option<Place>,
}

/// Removes a resource when it is dropped.
pub(crate) struct Guard {
    /// The engine has guards among its resources, and outlives none by them.
    engine: Weak<Engine>,
    resource: Resource,
}

impl Guard {
    /// Begins to remove it now.
    pub(crate) fn release(&self) {
        // What an engine leaves that is gone is in the folder that it left.
        if let Some(engine) = self.engine.upgrade() {
            engine.remove(&self.resource);
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.release();
    }
}

/// An image that containerd has unpacked.
pub(crate) struct Imported {
    pub(crate) program: Arc<Program>,
    /// Its uppermost snapshot.
    snapshot: String,
    lease: String,
    guard: Arc<Guard>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("daemon", &self.daemon).field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Engine {
    /// Connects to containerd and removes what dead hosts left behind. Runs on `tokio`.
    pub(crate) async fn start(config: DockerConfig, tokio: Handle) -> Result<Arc<Self>, DockerError> {
        let folder = HostFolder::create(&config.socket_folder)?;
        let longest = folder.path().join(u64::MAX.to_string()).join(SOCKET_FOLDER).join(SOCKET_NAME);
        if longest.as_os_str().len() > SOCKET_PATH_LIMIT {
            return Err(DockerError::PathTooLong { path: longest });
        }
        let daemon = Daemon::connect(&config).await?;
        let engine = Self {
            room: Room::new(config.max_containers),
            making_room: Mutex::default(),
            chains: Chains::new(config.pool_max, config.max_containers),
            config,
            daemon,
            tokio,
            folder,
            next: AtomicU64::new(0),
            stopped: watch::Sender::new(false),
            starts: RwLock::default(),
            resources: Mutex::default(),
            removed: watch::Sender::new(()),
            pools: Pools::default(),
            metrics: Metrics::new(),
        };
        let engine = Arc::new(engine);
        // What cannot be removed now keeps nobody from starting.
        let _ = time::timeout(ORPHAN_PATIENCE, engine.tokio.spawn(clear_orphans(engine.clone()))).await;
        Ok(engine)
    }

    pub(crate) fn config(&self) -> &DockerConfig {
        &self.config
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub(crate) fn pools(&self) -> &Pools {
        &self.pools
    }

    pub(crate) fn room(&self) -> &Room {
        &self.room
    }

    pub(crate) fn chains(&self) -> &Arc<Chains> {
        &self.chains
    }

    pub(crate) fn daemon(&self) -> &Daemon {
        &self.daemon
    }

    /// The number of containers that exist.
    pub(crate) fn containers(&self) -> usize {
        self.resources().keys().filter(|resource| matches!(resource, Resource::Container(_))).count()
    }

    /// Room for one more container. Where there is none, idle ones are taken from those that used theirs longest ago; where all
    /// have calls, it is waited for at most `pool_wait`. `cold` tells that the image has none at all.
    pub(crate) async fn place(self: &Arc<Self>, cold: bool) -> Result<Place, DockerError> {
        match self.room.take() {
            Some(place) => Ok(place),
            None => self.room.wait(cold, self.config.pool_wait, || self.make_room()).await,
        }
    }

    /// Tells how many containers there are.
    pub(crate) fn tell(&self) {
        self.metrics.containers(self.containers(), self.room.waiting());
    }

    /// Removes as many idle containers as starts wait for room.
    pub(crate) fn make_room(&self) {
        if self.room.waiting() == 0 {
            return;
        }
        let _alone = self.making_room.lock().unwrap_or_else(PoisonError::into_inner);
        while self.lacks_room() && self.pools.evict() {
            self.metrics.evicted();
        }
    }

    /// True if more starts wait for room than containers are being removed.
    pub(crate) fn lacks_room(&self) -> bool {
        let leaving = |(resource, existence): &(&Resource, &Existence)| {
            existence.removing && matches!(resource, Resource::Container(_))
        };
        self.room.waiting() > self.resources().iter().filter(leaving).count()
    }

    /// Removes everything, and waits for that at most `patience`. Returns the number of resources that are left.
    pub(crate) async fn stop(self: &Arc<Self>, patience: Duration) -> usize {
        self.stopped.send_replace(true);
        let _ = time::timeout(patience, async {
            let _none = self.starts.write().await;
            // An image goes with its last container, or after all of them.
            self.remove_all(|resource| matches!(resource, Resource::Container(_)));
            self.wait_until(|| self.containers() == 0).await;
            self.remove_all(|_| true);
            self.wait_until(|| self.resources().is_empty()).await;
        })
        .await;
        let left = mem::take(&mut *self.resources());
        match left.is_empty() {
            true => self.folder.remove(),
            false => self.folder.leave(),
        }
        left.len()
    }

    /// Waits for a future from a thread that is no worker of tokio. `None` when it was interrupted or the runtime ended.
    pub(crate) fn block_on<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
        interrupt: &Interrupt,
    ) -> Option<T> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.tokio.spawn(async move {
            // Nobody may wait any more.
            let _ = sender.send(future.await);
        });
        loop {
            match receiver.recv_timeout(interrupt.remaining().min(SLICE)) {
                Ok(result) => return Some(result),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) if interrupt.remaining().is_zero() => return None,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Begins something on tokio.
    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.tokio.spawn(future);
    }

    /// Has containerd unpack an image, and keep it until the result is dropped.
    pub(crate) async fn import(self: &Arc<Self>, image: &Image) -> Result<Imported, DockerError> {
        let _begun = self.starts.read().await;
        let lease = self.name();
        let guard = self.guard(Resource::Lease(lease.clone()), None, None)?;
        let snapshot = self.daemon.import(image, &lease, &self.owner()).await?;
        Ok(Imported { program: image.program.clone(), snapshot, lease, guard: Arc::new(guard) })
    }

    /// Starts a container and waits until it has introduced itself on all its connections.
    pub(crate) async fn launch(
        self: &Arc<Self>,
        image: &Imported,
        isolation: Isolation,
        place: Place,
    ) -> Result<(Container, Vec<Connection>), DockerError> {
        // What is made while everything is removed would stay: a stop waits for starts that have begun.
        let _begun = self.starts.read().await;
        let limit = self.config.start_timeout;
        let begun = time::Instant::now();
        let launched = time::timeout(limit, self.launch_now(image, isolation, place)).await;
        let launched = launched.unwrap_or(Err(DockerError::TimedOut { operation: "start a container", limit }));
        self.metrics.start(launched.is_ok(), begun.elapsed());
        launched
    }

    async fn launch_now(
        self: &Arc<Self>,
        image: &Imported,
        isolation: Isolation,
        place: Place,
    ) -> Result<(Container, Vec<Connection>), DockerError> {
        let number = self.number();
        let id = self.name_of(number);
        let guard = self.guard(Resource::Container(id.clone()), Some(image.guard.clone()), Some(place))?;
        let folder = self.folder.subfolder(&id)?;
        // Hosts begin at different places of the range that they share.
        let users = Users::of(&self.config, self.folder.number().wrapping_add(number));
        let sockets = folder.join(SOCKET_FOLDER);
        let door = Door::open(&sockets, users.contract())?;
        let output = Output::create(&folder)?;

        let most = self.config.concurrency_of(isolation);
        let process = Inside { program: &image.program, isolation, concurrency: most, users, sockets: &sockets };
        let spec = sandbox::spec(&self.config, &process, &ControlGroup::of(&id).path());
        let pid = self
            .daemon
            .create(&NewContainer {
                id: &id,
                owner: &self.owner(),
                lease: &image.lease,
                snapshot: &image.snapshot,
                runtime: &self.config.runtime,
                spec: &spec,
                stdout: &output.stdout,
                stderr: &output.stderr,
            })
            .await?;
        let process = Process::open(pid, &ControlGroup::of(&id));
        self.daemon.start(&id).await?;
        let mut exit = ExitWatch::begin(self.clone(), id.clone());
        let label = CallLabel::default();
        let following = output.follow(&id, &label, &exit);

        let (hello, connections) = tokio::select! {
            admitted = door.admit(&id, most, self.config.start_timeout) => admitted?,
            ended = exit.ended() => {
                let Some(exit) = ended else { return Err(DockerError::HungUp) };
                return Err(DockerError::NotReady { exit, printed: following.last_words().await });
            }
            () = self.stopping() => return Err(DockerError::NotRunning),
        };
        Ok((Container { id, hello, exit, label, process, guard }, connections))
    }

    /// Removes what hosts made that are dead, and their folders. Returns how many things could not be removed.
    async fn remove_orphans(&self) -> Result<usize, DockerError> {
        let owned = self.daemon.owned().await?;
        let owners: BTreeSet<_> =
            owned.containers.iter().chain(&owned.leases).map(|(owner, _)| owner.clone()).collect();
        let mut left = 0;
        for owner in owners {
            let folder = match owner.fate(&self.config.socket_folder) {
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
                left += left_of(lease, self.daemon.delete_lease(lease, true).await);
            }
            // As long as it is there, the next try knows who the things belong to.
            if left == before {
                folder.remove();
            }
        }
        if left == 0 {
            dead_folders(&self.config.socket_folder).into_iter().for_each(DeadFolder::remove);
        }
        Ok(left)
    }

    /// Registers something that is about to be made.
    fn guard(
        self: &Arc<Self>,
        resource: Resource,
        needs: Option<Arc<Guard>>,
        place: Option<Place>,
    ) -> Result<Guard, DockerError> {
        let mut resources = self.resources();
        if self.is_stopped() {
            return Err(DockerError::NotRunning);
        }
        resources.insert(resource.clone(), Existence { removing: false, _needs: needs, _place: place });
        Ok(Guard { engine: Arc::downgrade(self), resource })
    }

    /// Removes something in the background, unless that was begun already.
    fn remove(self: &Arc<Self>, resource: &Resource) {
        match self.resources().get_mut(resource) {
            Some(existence) if !existence.removing => existence.removing = true,
            _ => return,
        }
        let (engine, resource) = (self.clone(), resource.clone());
        self.tokio.spawn(async move {
            let mut pause = RETRY.0;
            while let Err(error) = engine.remove_once(&resource).await {
                tracing::warn!(?resource, %error, "cannot be removed now, trying again");
                time::sleep(pause).await;
                pause = RETRY.1.min(pause * 2);
            }
            // What it needed may be removed next, for which the lock is taken again.
            let gone = engine.resources().remove(&resource);
            drop(gone);
            engine.tell();
            engine.removed.send_replace(());
        });
    }

    pub(crate) fn is_stopped(&self) -> bool {
        *self.stopped.borrow()
    }

    /// Waits until the engine is stopped.
    async fn stopping(&self) {
        // An error would mean that there is no engine any more.
        let _ = self.stopped.subscribe().wait_for(|stopped| *stopped).await;
    }

    async fn wait_until(&self, done: impl Fn() -> bool) {
        let mut removed = self.removed.subscribe();
        while !done() {
            if removed.changed().await.is_err() {
                return;
            }
        }
    }

    fn remove_all(self: &Arc<Self>, which: fn(&Resource) -> bool) {
        let chosen: Vec<_> = self.resources().keys().filter(|resource| which(resource)).cloned().collect();
        for resource in chosen {
            self.remove(&resource);
        }
    }

    async fn remove_once(&self, resource: &Resource) -> Result<(), DockerError> {
        match resource {
            Resource::Lease(lease) => self.daemon.delete_lease(lease, true).await,
            Resource::Container(id) => {
                self.daemon.remove(id).await?;
                let _ = fs::remove_dir_all(self.folder.path().join(id));
                Ok(())
            }
        }
    }

    fn resources(&self) -> MutexGuard<'_, BTreeMap<Resource, Existence>> {
        self.resources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A name that nothing else in containerd has.
    fn name(&self) -> String {
        self.name_of(self.number())
    }

    fn name_of(&self, number: u64) -> String {
        format!("vm-{}-{number}", self.folder.name())
    }

    fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    fn owner(&self) -> String {
        self.folder.owner().to_string()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // It was not stopped to the end.
        if !self.resources().is_empty() {
            self.folder.leave();
        }
    }
}

/// Removes what dead hosts left behind; tries until that is done or the engine stops.
async fn clear_orphans(engine: Arc<Engine>) {
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

/// Name of the part of a container's folder that the container sees.
const SOCKET_FOLDER: &str = "s";
