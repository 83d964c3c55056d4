use std::{
    fs, mem,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, mpsc},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::{oneshot, watch},
    task::JoinHandle,
    time,
};
use vm_core::{
    Code, CodeError, Contract, HostFault, Interface, Opaque, PrepareError, ProviderStatus, RuntimeKind,
    RuntimeProvider, TextInterface,
};

use crate::{
    DockerConfig, DockerError, Isolation, UnknownIsolation,
    contract::DockerContract,
    engine::Engine,
    image::{Image, Source},
    managed::{self, Managed},
    pool::{Pool, Role},
    sandbox::Swap,
};

/// How long [`RuntimeProvider::stop`] waits until everything is removed.
const STOP_PATIENCE: Duration = Duration::from_secs(20);

/// The same where it has to be done while the runtime is dropped.
const DROP_PATIENCE: Duration = Duration::from_secs(4);

/// How long that is waited for: until what is left is left to the next start.
const DROP_LIMIT: Duration = Duration::from_secs(5);

/// Threads that talk to containerd. Calls do not run on them.
const THREADS: usize = 2;

/// Pauses between attempts to start where containerd was not there: the first, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// Runs contracts in containers. The crate's documentation says how.
///
/// Where containerd cannot be had when it starts, it tries again every few seconds until it is stopped; calls have
/// [`HostFault::Unavailable`] until then, with the reason.
///
/// Dropping a runtime that was not stopped removes its containers too, and blocks for that up to five seconds.
#[derive(Debug)]
pub struct DockerRuntime {
    config: DockerConfig,
    /// Held while it is started or stopped: one after the other.
    turn: tokio::sync::Mutex<()>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
enum State {
    /// Why the last start did not succeed: what calls are told, since a host with other runtimes goes on without this one.
    Off(Option<HostFault>),
    /// The last start did not succeed, and the next one is tried soon.
    Trying(Trying),
    Running(Running),
}

/// Attempts to start.
#[derive(Debug)]
struct Trying {
    fault: HostFault,
    threads: Threads,
    /// Breaks them off.
    stop: watch::Sender<bool>,
    attempts: JoinHandle<()>,
}

impl DockerRuntime {
    /// A runtime with these settings. Nothing is started yet.
    ///
    /// # Errors
    ///
    /// [`DockerError::Config`] names the field that is wrong.
    pub fn new(config: DockerConfig) -> Result<Self, DockerError> {
        config.check()?;
        Ok(Self { config, turn: tokio::sync::Mutex::default(), state: Arc::new(Mutex::new(State::Off(None))) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn engine(&self) -> Result<(Arc<Engine>, Handle), HostFault> {
        match &*self.state() {
            State::Running(running) => Ok((running.engine.clone(), running.threads.handle()?)),
            State::Trying(Trying { fault, .. }) | State::Off(Some(fault)) => Err(fault.clone()),
            State::Off(None) => Err(DockerError::NotRunning.into()),
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// What was there, which is over; `None` where it runs, and goes on. One look for both: attempts may succeed at any moment.
    fn take_unless_running(&mut self) -> Option<Self> {
        match self {
            Self::Running(_) => None,
            other => Some(mem::replace(other, Self::Off(None))),
        }
    }
}

/// Stops what is in a state, and removes everything.
async fn end(state: State) -> Result<(), HostFault> {
    let mut running = match state {
        State::Running(running) => running,
        State::Trying(Trying { stop, attempts, threads, .. }) => {
            stop.send_replace(true);
            finished(attempts).await?;
            drop(threads);
            return Ok(());
        }
        State::Off(_) => return Ok(()),
    };
    let engine = running.engine.clone();
    let stopping = stop(engine, running.managed.take(), STOP_PATIENCE);
    let left = finished(running.threads.handle()?.spawn(stopping)).await?;
    running.stopped = true;
    if left == 0 {
        return Ok(());
    }
    Err(HostFault::Unavailable {
        runtime: RuntimeKind::Docker,
        message: format!(
            "{left} containers or images could not be removed within {} s; the next start removes them",
            STOP_PATIENCE.as_secs()
        ),
    })
}

/// Starts containerd if it is the host's own, and connects to it. Runs on `tokio`.
async fn begin(mut config: DockerConfig, tokio: Handle) -> Result<(Arc<Engine>, Option<Managed>), DockerError> {
    let managed = match config.managed.clone() {
        Some(folder) => {
            config.address = managed::socket(&folder);
            Some(Managed::start(&folder).await?)
        }
        None => None,
    };
    Ok((Engine::start(config, tokio).await?, managed))
}

/// Tries to start until that succeeds or `stopped` says so.
async fn try_again(state: Weak<Mutex<State>>, config: DockerConfig, tokio: Handle, mut stopped: watch::Receiver<bool>) {
    let mut pause = RETRY.0;
    loop {
        let attempt = async {
            time::sleep(pause).await;
            begin(config.clone(), tokio.clone()).await
        };
        let begun = tokio::select! {
            begun = attempt => begun,
            _ = stopped.wait_for(|stopped| *stopped) => return,
        };
        let (Some(state), next) = (state.upgrade(), RETRY.1.min(pause * 2)) else { return };
        let mut state = lock(&state);
        let State::Trying(trying) = &mut *state else { return };
        match begun {
            Ok((engine, managed)) => {
                tracing::info!("containers can be had now");
                if let State::Trying(trying) = mem::replace(&mut *state, State::Off(None)) {
                    *state = State::Running(Running { engine, managed, threads: trying.threads, stopped: false });
                }
                return;
            }
            Err(error) => {
                tracing::debug!(%error, "containers cannot be had yet");
                (trying.fault, pause) = (error.into(), next);
            }
        }
    }
}

/// Refuses settings that this machine does not allow, whose limits on user namespaces lie at `most`.
fn check_machine(config: &DockerConfig, most: &Path, swap: Swap) -> Result<(), DockerError> {
    if swap == Swap::Uncounted {
        return Err(DockerError::Config {
            field: "memory",
            message: "this machine has swap that no limit of memory includes: boot with swapaccount=1, or switch swap \
                      off"
            .into(),
        });
    }
    let wanted = config.enable_sandbox && config.first_host_user.is_some();
    if wanted && fs::read_to_string(most).is_ok_and(|most| most.trim() == "0") {
        return Err(DockerError::Config {
            field: "enable_sandbox",
            message: "this machine forbids user namespaces: allow them (sysctl user.max_user_namespaces=10000), or \
                      switch the sandbox off knowingly"
                .into(),
        });
    }
    Ok(())
}

#[async_trait]
impl RuntimeProvider for DockerRuntime {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Docker
    }

    async fn start(&self) -> Result<(), HostFault> {
        let _turn = self.turn.lock().await;
        // Who asks for it has it tried now.
        let Some(earlier) = self.state().take_unless_running() else { return Ok(()) };
        end(earlier).await?;
        if let Err(error) = check_machine(&self.config, Path::new("/proc/sys/user/max_user_namespaces"), Swap::here()) {
            let fault = HostFault::from(error);
            *self.state() = State::Off(Some(fault.clone()));
            return Err(fault);
        }
        for setting in self.config.loosened() {
            tracing::warn!("containers are less strictly confined: {setting}");
        }
        let threads = Threads::start()?;
        let handle = threads.handle()?;
        match finished(handle.spawn(begin(self.config.clone(), handle.clone()))).await? {
            Ok((engine, managed)) => {
                *self.state() = State::Running(Running { engine, managed, threads, stopped: false });
                Ok(())
            }
            Err(error) => {
                let comes_perhaps = !matches!(error, DockerError::PathTooLong { .. } | DockerError::Config { .. });
                let fault = HostFault::from(error);
                // Held until the attempts can find themselves there.
                let mut state = self.state();
                *state = State::Off(Some(fault.clone()));
                if comes_perhaps {
                    let (stop, stopped) = watch::channel(false);
                    let attempts = try_again(Arc::downgrade(&self.state), self.config.clone(), handle.clone(), stopped);
                    let attempts = handle.spawn(attempts);
                    *state = State::Trying(Trying { fault: fault.clone(), threads, stop, attempts });
                }
                Err(fault)
            }
        }
    }

    async fn stop(&self) -> Result<(), HostFault> {
        let _turn = self.turn.lock().await;
        let state = mem::replace(&mut *self.state(), State::Off(None));
        end(state).await
    }

    fn verify(&self, code: &Code) -> Result<(), CodeError> {
        isolation(code)?;
        if let Some(text) = &code.abi {
            interface(text)?;
        }
        Source::read(&code.bytes).map(drop)
    }

    async fn prepare(&self, code: &Code) -> Result<Arc<dyn Contract>, PrepareError> {
        let (engine, handle) = self.engine()?;
        let bytes = code.bytes.clone();
        let image = match finished(handle.spawn_blocking(move || Source::read(&bytes))).await?? {
            Source::Here(image) => image,
            Source::There(reference) => {
                let engine = engine.clone();
                finished(handle.spawn(async move { engine.daemon().read_image(&reference).await })).await??
            }
        };
        let isolation = isolation(code)?.max(engine.config().isolation);
        let (sender, pool) = oneshot::channel();
        handle.spawn(async move {
            let pools = pools(&engine, image, isolation).await;
            // Whoever asked may have given up in the meantime: then they are kept for the next one to ask.
            if let Err(Ok(_pools)) = sender.send(pools) {
                time::sleep(engine.config().pool_idle).await;
            }
        });
        let (pool, checker) = pool.await.unwrap_or(Err(DockerError::NotRunning)).map_err(HostFault::from)?;
        // An interface that was deployed with the code counts more than what the process says.
        let interface = interface(code.abi.as_deref().unwrap_or(pool.interface()))?;
        Ok(Arc::new(DockerContract { pool, checker, interface }))
    }

    /// Containers that are kept ready are started with the machine.
    fn is_warmed_up(&self) -> bool {
        self.config.pool_min > 0
    }

    fn status(&self) -> ProviderStatus {
        let off = |problem: String| {
            let mut status = ProviderStatus::healthy("containerd", "unknown");
            status.problem = Some(problem);
            status
        };
        let mut status = match &*self.state() {
            State::Off(None) => off("not started".into()),
            State::Off(Some(fault)) => off(fault.to_string()),
            State::Trying(Trying { fault, .. }) => off(format!("{fault}; it is tried again every few seconds")),
            State::Running(Running { engine, managed, .. }) => {
                let daemon = engine.daemon();
                let mut status = ProviderStatus::healthy("containerd", daemon.version());
                status.problem = daemon.problem();
                let containers = engine.containers().to_string();
                status.details.push(("containers".into(), containers));
                status.details.push(("starts_waiting_for_room".into(), engine.room().waiting().to_string()));
                status.details.push(("images_bytes".into(), engine.disk().taken().to_string()));
                status.details.push(("images_waiting_for_disk".into(), engine.disk().waiting().to_string()));
                status.details.extend(engine.metrics().details());
                if let Some(managed) = managed {
                    status.details.push(("containerd_restarts".into(), managed.restarts().to_string()));
                }
                status
            }
        };
        let config = &self.config;
        status.details.extend([
            ("runtime".into(), config.runtime.clone()),
            ("max_containers".into(), config.max_containers.to_string()),
            ("memory_limit".into(), config.memory.to_string()),
            ("cpu_millis".into(), config.cpu_millis.to_string()),
            ("pids".into(), config.pids.to_string()),
            ("isolation".into(), config.isolation.as_str().into()),
        ]);
        let loosened = config.loosened();
        if !loosened.is_empty() {
            status.details.push(("loosened".into(), loosened.join(", ")));
        }
        status
    }
}

/// The containers that perform the calls of an image, and with `replay_check` those that repeat them.
async fn pools(
    engine: &Arc<Engine>,
    image: Image,
    isolation: Isolation,
) -> Result<(Arc<Pool>, Option<Arc<Pool>>), DockerError> {
    let pool = engine.pools().get(engine, image.clone(), isolation, Role::Perform).await?;
    if !engine.config().replay_check {
        return Ok((pool, None));
    }
    // Each of its containers has one call, whatever its library offers. Processes that one process has begun have much in common:
    // what it drew at random or took from a clock, and where its memory lies.
    let checker = engine.pools().get(engine, image, Isolation::Container, Role::Repeat).await?;
    match checker.interface() == pool.interface() {
        true => Ok((pool, Some(checker))),
        false => Err(DockerError::Protocol("it describes other methods in a second process".into())),
    }
}

/// The only option: how long processes live. The configuration may be stricter.
fn isolation(code: &Code) -> Result<Isolation, CodeError> {
    let mut asked = Isolation::Contract;
    for (option, value) in &code.options {
        if option != "isolation" {
            let message = format!("containers have no option '{option}', only 'isolation'; remove it");
            return Err(CodeError::new("unknown-option", message));
        }
        asked = value.parse().map_err(|error: UnknownIsolation| CodeError::new("bad-option", error.to_string()))?;
    }
    Ok(asked)
}

/// Reads a contract's description of itself; an empty one says nothing.
fn interface(text: &str) -> Result<Box<dyn Interface>, CodeError> {
    if text.trim().is_empty() {
        return Ok(Box::new(Opaque));
    }
    match text.parse::<TextInterface>() {
        Ok(interface) => Ok(Box::new(interface)),
        Err(error) => Err(CodeError::new("bad-interface", error.to_string())),
    }
}

/// Removes everything, and ends the host's own containerd. Returns the number of resources that are left.
async fn stop(engine: Arc<Engine>, managed: Option<Managed>, patience: Duration) -> usize {
    let left = engine.stop(patience).await;
    if let Some(managed) = managed {
        managed.stop().await;
    }
    left
}

/// Waits for what runs on the runtime's own threads.
async fn finished<T>(task: JoinHandle<T>) -> Result<T, HostFault> {
    task.await.map_err(
        |error| {
            if error.is_cancelled() { HostFault::Stopping } else { HostFault::Internal(error.to_string()) }
        },
    )
}

/// A started runtime.
#[derive(Debug)]
struct Running {
    engine: Arc<Engine>,
    managed: Option<Managed>,
    threads: Threads,
    /// True once everything is removed, or was tried to be.
    stopped: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.stopped {
            return;
        }
        let Ok(handle) = self.threads.handle() else { return };
        let (sender, receiver) = mpsc::sync_channel(1);
        let stopping = stop(self.engine.clone(), self.managed.take(), DROP_PATIENCE);
        handle.spawn(async move { sender.send(stopping.await) });
        // Nobody is there to be told about a failure; the next start removes what is left.
        let _ = receiver.recv_timeout(DROP_LIMIT);
    }
}

/// Own threads for talking to containerd. They may be dropped anywhere, other executors included.
#[derive(Debug)]
struct Threads(Option<Runtime>);

impl Threads {
    fn start() -> Result<Self, HostFault> {
        let runtime = Builder::new_multi_thread().worker_threads(THREADS).thread_name("vm-docker").enable_all().build();
        runtime.map(|runtime| Self(Some(runtime))).map_err(|error| HostFault::Unavailable {
            runtime: RuntimeKind::Docker,
            message: format!("its threads cannot be started: {error}"),
        })
    }

    fn handle(&self) -> Result<Handle, DockerError> {
        self.0.as_ref().map(|runtime| runtime.handle().clone()).ok_or(DockerError::NotRunning)
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Attempts may have succeeded since a start has looked: what runs then is not stopped by it.
    #[test]
    fn a_start_takes_nothing_that_runs() {
        let fault = HostFault::Stopping;
        let mut state = State::Off(Some(fault.clone()));
        assert!(matches!(state.take_unless_running(), Some(State::Off(Some(_)))));
        let tokio = Runtime::new().unwrap();
        let (stop, _) = watch::channel(false);
        let attempts = tokio.spawn(async {});
        let mut state = State::Trying(Trying { fault, threads: Threads(None), stop, attempts });
        assert!(matches!(state.take_unless_running(), Some(State::Trying(_))));
        assert!(matches!(state, State::Off(None)));
    }

    #[test]
    fn a_machine_without_user_namespaces_weakens_nobody_in_silence() {
        let folder = tempfile::tempdir().unwrap();
        let most = folder.path().join("max_user_namespaces");
        let config = DockerConfig::default();
        check_machine(&config, &most, Swap::Absent).unwrap();
        fs::write(&most, "0\n").unwrap();
        let error = check_machine(&config, &most, Swap::Absent).unwrap_err().to_string();
        assert!(error.contains("sysctl user.max_user_namespaces"), "{error}");
        check_machine(&DockerConfig { first_host_user: None, ..config.clone() }, &most, Swap::Absent).unwrap();
        check_machine(&DockerConfig { enable_sandbox: false, ..config.clone() }, &most, Swap::Counted).unwrap();
        let error = check_machine(&DockerConfig { enable_sandbox: false, ..config }, &most, Swap::Uncounted);
        assert!(error.unwrap_err().to_string().contains("swapaccount=1"));
    }
}
