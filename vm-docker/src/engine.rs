//! What a started runtime consists of: containerd, the host's folder, and everything that has to be removed.

mod images;
mod orphans;

pub(crate) use images::Imported;

use std::{
    collections::BTreeMap,
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
    sync::{OwnedRwLockReadGuard, RwLock, oneshot, watch},
    time,
};
use vm_core::Interrupt;

use crate::{
    DockerConfig, DockerError, Isolation,
    cgroup::ControlGroup,
    connection::Connection,
    container::{Container, ExitWatch, Process},
    containerd::{Daemon, NewContainer},
    disk::{Claim, Disk},
    door::{Door, SOCKET_NAME},
    folder::{HostFolder, Scope},
    metrics::{Counts, Metrics},
    output::{CallLabel, Following, Output},
    pool::{Chains, Pools},
    room::{Place, Rank, Room},
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
    starts: Arc<RwLock<()>>,
    resources: Mutex<BTreeMap<Resource, Existence>>,
    /// Changes whenever a resource is gone, and when an image that another one waits for may have no call any more.
    freed: watch::Sender<()>,
    pools: Pools,
    room: Room,
    disk: Disk,
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
    /// True for a container that was given up for the sake of another one, and has calls perhaps.
    leaving: bool,
    /// What runs in it, once that is known.
    process: Option<Process>,
    /// True once containerd is asked for nothing more of it but its removal.
    made: bool,
    /// What must not be removed before.
    _needs: Option<Arc<Guard>>,
    /// What it occupies until it is removed.
    place: Option<Place>,
    /// The same of the disk.
    claim: Option<Claim>,
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

/// A container whose process runs and has not introduced itself yet.
struct Begun {
    id: String,
    door: Door,
    /// How many connections it may make.
    most: u32,
    process: Process,
    guard: Guard,
    exit: ExitWatch,
    label: CallLabel,
    following: Following,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("daemon", &self.daemon).field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Engine {
    /// Connects to containerd and removes what dead hosts left behind. Runs on `tokio`.
    pub(crate) async fn start(config: DockerConfig, tokio: Handle) -> Result<Arc<Self>, DockerError> {
        let folder = HostFolder::create(&config.socket_folder, &Scope::of(&config))?;
        let longest = folder.path().join(u64::MAX.to_string()).join(SOCKET_FOLDER).join(SOCKET_NAME);
        if longest.as_os_str().len() > SOCKET_PATH_LIMIT {
            return Err(DockerError::PathTooLong { path: longest });
        }
        let daemon = Daemon::connect(&config).await?;
        let engine = Self {
            room: Room::new(config.max_containers),
            disk: Disk::new(config.images_size),
            making_room: Mutex::default(),
            chains: Chains::new(config.pool_max, config.max_containers),
            config,
            daemon,
            tokio,
            folder,
            next: AtomicU64::new(0),
            stopped: watch::Sender::new(false),
            starts: Arc::default(),
            resources: Mutex::default(),
            freed: watch::Sender::new(()),
            pools: Pools::default(),
            metrics: Metrics::new(),
        };
        let engine = Arc::new(engine);
        // What cannot be removed now keeps nobody from starting.
        let (cleared, first) = oneshot::channel();
        engine.tokio.spawn(orphans::clear(engine.clone(), cleared));
        let _ = time::timeout(ORPHAN_PATIENCE, first).await;
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

    pub(crate) fn disk(&self) -> &Disk {
        &self.disk
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

    /// Room for one more container of a pool. Where there is none, idle ones are taken from those that used theirs longest ago; where
    /// all have calls, it is waited for at most `pool_wait`, and `waits` is called before.
    pub(crate) async fn place(
        self: &Arc<Self>,
        pool: u64,
        rank: Rank,
        waits: impl FnOnce(),
    ) -> Result<Place, DockerError> {
        let wanted = || {
            waits();
            self.make_room();
        };
        match self.room.take() {
            Some(place) => Ok(place),
            None => self.room.wait(pool, rank, self.config.pool_wait, wanted).await,
        }
    }

    /// Tells how many containers there are.
    pub(crate) fn tell(&self) {
        self.metrics.containers(self.containers(), self.room.waiting());
        self.metrics.images(self.disk.taken());
    }

    /// Removes as many idle containers as starts wait for room.
    pub(crate) fn make_room(&self) {
        if self.room.waiting() == 0 {
            return;
        }
        let _alone = self.making_room.lock().unwrap_or_else(PoisonError::into_inner);
        while self.room.waiting() > self.leaving() && self.pools.evict() {}
    }

    /// True if a container is to be given up whose call has ended, of an image with so many that take calls: for a start that no
    /// container of its own image can serve. Who has several gives one at once; who has one, when that start has waited for half of
    /// its time. The container counts as given up then.
    pub(crate) fn gives_up(&self, id: &str, serving: usize) -> bool {
        if self.room.waiting() == 0 {
            return false;
        }
        let patience = if serving > 1 { Duration::ZERO } else { self.config.pool_wait / 2 };
        let _alone = self.making_room.lock().unwrap_or_else(PoisonError::into_inner);
        if self.room.pressing(patience) <= self.leaving() {
            return false;
        }
        let existence = |existence: &mut Existence| existence.leaving = true;
        self.resources().get_mut(&Resource::Container(id.into())).map(existence).is_some()
    }

    /// How many containers are being removed, or will be when their calls have ended.
    fn leaving(&self) -> usize {
        let leaving = |existence: &&Existence| (existence.removing || existence.leaving) && existence.place.is_some();
        self.resources().values().filter(leaving).count()
    }

    /// Removes everything, and waits for that at most `patience`. Returns the number of resources that are left; what runs in them is
    /// killed.
    pub(crate) async fn stop(self: &Arc<Self>, patience: Duration) -> usize {
        self.stopped.send_replace(true);
        let _ = time::timeout(patience, async {
            let is_container = |resource: &Resource| matches!(resource, Resource::Container(_));
            // Starts that containerd does not go on with keep nothing that is there.
            self.remove_all(|resource, existence| is_container(resource) && existence.made);
            let _none = self.starts.write().await;
            // An image goes with its last container, or after all of them.
            self.remove_all(|resource, _| is_container(resource));
            self.wait_until(|| self.containers() == 0).await;
            self.remove_all(|_, _| true);
            self.wait_until(|| self.resources().is_empty()).await;
        })
        .await;
        let left = mem::take(&mut *self.resources());
        left.values().filter_map(|existence| existence.process.as_ref()).for_each(Process::kill);
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

    /// Starts a container and waits until it has introduced itself on all its connections.
    pub(crate) async fn launch(
        self: &Arc<Self>,
        image: &Imported,
        isolation: Isolation,
        counts: &Arc<Counts>,
        place: Place,
    ) -> Result<(Container, Vec<Connection>), DockerError> {
        // What is made while everything is removed would stay: a stop waits for starts that have begun.
        let held = Arc::new(self.starts.clone().read_owned().await);
        let begun = time::Instant::now();
        let until = begun + self.config.start_timeout;
        let launched = self.launch_until(until, held.clone(), image, isolation, counts, place).await;
        counts.start(launched.is_ok(), begun.elapsed());
        launched
    }

    async fn launch_until(
        self: &Arc<Self>,
        deadline: time::Instant,
        held: Arc<OwnedRwLockReadGuard<()>>,
        image: &Imported,
        isolation: Isolation,
        counts: &Arc<Counts>,
        place: Place,
    ) -> Result<(Container, Vec<Connection>), DockerError> {
        let limit = self.config.start_timeout;
        let late = DockerError::TimedOut { operation: "start a container", limit };
        // Broken off in the middle, containerd may make what is removed already: it is removed when it is there.
        let (engine, image, counts) = (self.clone(), image.clone(), counts.clone());
        let begun = self.tokio.spawn(async move {
            let begun = engine.begin(&image, isolation, &counts, place).await;
            drop(held);
            begun
        });
        let begun = match time::timeout_at(deadline, begun).await {
            Ok(begun) => begun.unwrap_or(Err(DockerError::NotRunning))?,
            Err(_) => return Err(late),
        };
        // From here on it is the process that takes its time.
        let Begun { id, door, most, process, guard, mut exit, label, following } = begun;
        let (hello, connections) = tokio::select! {
            admitted = time::timeout_at(deadline, door.admit(&id, most, limit)) => {
                admitted.unwrap_or(Err(DockerError::Silent { limit }))?
            }
            ended = exit.ended() => {
                let Some(exit) = ended else { return Err(DockerError::HungUp) };
                return Err(DockerError::NotReady { exit, printed: following.last_words().await });
            }
            () = self.stopping() => return Err(DockerError::NotRunning),
        };
        Ok((Container { id, hello, exit, label, process, guard }, connections))
    }

    /// Makes a container and starts its process.
    async fn begin(
        self: &Arc<Self>,
        image: &Imported,
        isolation: Isolation,
        counts: &Arc<Counts>,
        place: Place,
    ) -> Result<Begun, DockerError> {
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
        let new = NewContainer {
            id: &id,
            owner: &self.owner(),
            lease: &image.lease,
            snapshot: &image.snapshot,
            runtime: &self.config.runtime,
            spec: &spec,
            stdout: &output.stdout,
            stderr: &output.stderr,
        };
        let pid = self.daemon.create(&new, || self.goes_on()).await?;
        let process = Process::open(pid, &ControlGroup::of(&id));
        if let Some(existence) = self.resources().get_mut(&guard.resource) {
            existence.process = Some(process.clone());
        }
        self.goes_on()?;
        self.daemon.start(&id).await?;
        if let Some(existence) = self.resources().get_mut(&guard.resource) {
            existence.made = true;
        }
        let exit = ExitWatch::begin(self.clone(), id.clone(), process.clone(), counts.clone());
        let label = CallLabel::default();
        let following = output.follow(&id, &label, &exit);
        Ok(Begun { id, door, most, process, guard, exit, label, following })
    }

    /// Registers something that is about to be made.
    fn guard(
        self: &Arc<Self>,
        resource: Resource,
        needs: Option<Arc<Guard>>,
        place: Option<Place>,
    ) -> Result<Guard, DockerError> {
        let mut resources = self.resources();
        self.goes_on()?;
        let existence = Existence {
            removing: false,
            leaving: false,
            process: None,
            made: false,
            _needs: needs,
            place,
            claim: None,
        };
        resources.insert(resource.clone(), existence);
        Ok(Guard { engine: Arc::downgrade(self), resource })
    }

    /// Removes something in the background, unless that was begun already. What runs in it ends now, whatever containerd does.
    fn remove(self: &Arc<Self>, resource: &Resource) {
        match self.resources().get_mut(resource) {
            Some(existence) if !existence.removing => {
                existence.removing = true;
                existence.process.iter().for_each(Process::kill);
            }
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
            engine.freed.send_replace(());
        });
    }

    /// An error once the engine is stopped.
    fn goes_on(&self) -> Result<(), DockerError> {
        if self.is_stopped() { Err(DockerError::NotRunning) } else { Ok(()) }
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
        let mut freed = self.freed.subscribe();
        while !done() {
            if freed.changed().await.is_err() {
                return;
            }
        }
    }

    fn remove_all(self: &Arc<Self>, which: impl Fn(&Resource, &Existence) -> bool) {
        let resources = self.resources();
        let chosen = resources.iter().filter(|(resource, existence)| which(resource, existence));
        let chosen: Vec<_> = chosen.map(|(resource, _)| resource.clone()).collect();
        drop(resources);
        for resource in chosen {
            self.remove(&resource);
        }
    }

    async fn remove_once(&self, resource: &Resource) -> Result<(), DockerError> {
        match resource {
            Resource::Lease(lease) => self.daemon.delete_lease(lease).await,
            Resource::Container(id) => {
                let knew = self.daemon.remove(id).await?;
                self.remove_rest(id, knew).await?;
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

/// Name of the part of a container's folder that the container sees.
const SOCKET_FOLDER: &str = "s";
