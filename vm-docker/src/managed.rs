//! A containerd that belongs to this host alone: own root, state and socket, started, watched and ended with it.

use std::{
    env,
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom},
    os::unix::{ffi::OsStrExt, fs::PermissionsExt, net::UnixStream},
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use containerd_client::Client;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};
use tokio::{
    process::{Child, Command},
    sync::watch,
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::{
    DockerError,
    container::has_ended,
    folder::{file_error, make_folder},
};

/// How long it may take until it accepts connections.
const START: Duration = Duration::from_secs(30);

/// How long it may take to end when it is asked to.
const STOP: Duration = Duration::from_secs(10);

/// How often it is looked whether it accepts connections.
const ROUND: Duration = Duration::from_millis(20);

/// Pauses before it is started again: the first, and the longest.
const RESTART: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// How long it has to run for the pauses to begin anew.
const STEADY: Duration = Duration::from_secs(60);

/// How often it is asked whether it answers, and how long that may take. It is killed when it has not, twice.
const CHECK: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(10));

/// Name of the socket in the folder.
const SOCKET: &str = "containerd.sock";

/// Name of its configuration in the folder.
const CONFIG: &str = "config.toml";

/// Name of the file in the folder that holds the number of its process.
const PROCESS: &str = "pid";

/// Lines of the log that an error shows.
const LOG_LINES: usize = 5;

/// Bytes that these lines are looked for in, at the log's end.
const LOG_TAIL: u64 = 16 << 10;

/// A log of more bytes than this begins anew at the next start: 16 MiB.
const LOG_LIMIT: u64 = 16 << 20;

/// A containerd that runs.
pub(crate) struct Managed {
    folder: PathBuf,
    stop: watch::Sender<bool>,
    watcher: Option<JoinHandle<()>>,
    restarts: Arc<AtomicU64>,
    _lock: File,
}

impl std::fmt::Debug for Managed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Managed").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// The socket of the containerd that lives in a folder.
pub(crate) fn socket(folder: &Path) -> PathBuf {
    folder.join(SOCKET)
}

/// Its socket for shims.
fn ttrpc_socket(folder: &Path) -> PathBuf {
    folder.join(format!("{SOCKET}.ttrpc"))
}

impl Managed {
    /// Starts containerd in a folder, and waits until it accepts connections. What it had there before is there again.
    pub(crate) async fn start(folder: &Path) -> Result<Self, DockerError> {
        make_folder(folder)?;
        let lock = folder.join("lock");
        let file = File::create(&lock).map_err(|source| file_error(&lock, source))?;
        if file.try_lock().is_err() {
            return Err(managed(folder, "another host runs a containerd there; give each host a folder of its own"));
        }
        let config = folder.join(CONFIG);
        fs::write(&config, configuration(folder)).map_err(|source| file_error(&config, source))?;
        end_predecessor(folder).await?;
        let mut child = spawn(folder)?;
        wait_until_ready(folder, &mut child).await?;
        let (stop, stopped) = watch::channel(false);
        let restarts = Arc::new(AtomicU64::new(0));
        let watcher = tokio::spawn(watch_over(folder.to_owned(), child, stopped, restarts.clone()));
        Ok(Self { folder: folder.into(), stop, watcher: Some(watcher), restarts, _lock: file })
    }

    /// How often it has ended and was started again.
    pub(crate) fn restarts(&self) -> u64 {
        self.restarts.load(Ordering::Relaxed)
    }

    /// Ends it, and waits for that.
    pub(crate) async fn stop(mut self) {
        self.stop.send_replace(true);
        if let Some(watcher) = self.watcher.take() {
            // It ends in a bounded time, and has nothing to tell.
            let _ = watcher.await;
        }
    }
}

async fn watch_over(folder: PathBuf, mut child: Child, mut stop: watch::Receiver<bool>, restarts: Arc<AtomicU64>) {
    let mut pause = RESTART.0;
    loop {
        let begun = tokio::time::Instant::now();
        tokio::select! {
            ended = child.wait() => {
                tracing::warn!(?ended, log = %log_tail(&folder), "containerd has ended and is started again");
            }
            () = silent(&folder) => {
                tracing::warn!(log = %log_tail(&folder), "containerd does not answer: it is killed and started again");
                let _ = child.kill().await;
            }
            () = asked(&mut stop) => return end(child).await,
        }
        if begun.elapsed() > STEADY {
            pause = RESTART.0;
        }
        child = loop {
            tokio::select! {
                () = sleep(pause) => {}
                () = asked(&mut stop) => return,
            }
            pause = RESTART.1.min(pause * 2);
            let mut child = match spawn(&folder) {
                Ok(child) => child,
                Err(error) => {
                    tracing::warn!(%error, "containerd does not start");
                    continue;
                }
            };
            restarts.fetch_add(1, Ordering::Relaxed);
            // Before it is ready, that it does not answer says nothing.
            tokio::select! {
                ready = wait_until_ready(&folder, &mut child) => match ready {
                    Ok(()) => break child,
                    Err(error) => {
                        tracing::warn!(%error, "containerd is killed and started again");
                        let _ = child.kill().await;
                    }
                },
                () = asked(&mut stop) => return end(child).await,
            }
        };
    }
}

/// Waits until it has not answered twice, one after the other.
async fn silent(folder: &Path) {
    let mut missed = 0;
    while missed < 2 {
        sleep(CHECK.0).await;
        missed = if answers(folder).await { 0 } else { missed + 1 };
    }
}

async fn answers(folder: &Path) -> bool {
    let asked = async { Client::from_path(socket(folder)).await.ok()?.version().version(()).await.ok() };
    timeout(CHECK.1, asked).await.is_ok_and(|answer| answer.is_some())
}

/// Waits until the host stops, or is gone.
async fn asked(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Asks it to end; kills it when it does not.
async fn end(mut child: Child) {
    if let Some(process) = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)) {
        let _ = kill_process(process, Signal::TERM);
    }
    if timeout(STOP, child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
}

/// Kills the containerd of a host that was killed, where that one lives on: it has the folder to itself until it has ended, and would
/// be taken for this host's.
async fn end_predecessor(folder: &Path) -> Result<(), DockerError> {
    let Ok(number) = fs::read_to_string(folder.join(PROCESS)).unwrap_or_default().trim().parse::<i32>() else {
        return Ok(());
    };
    let Some(process) = Pid::from_raw(number).and_then(|process| pidfd_open(process, PidfdFlags::empty()).ok()) else {
        return Ok(());
    };
    // Looked at after it was opened: from then on the number is this process's, or nobody's.
    let config = folder.join(CONFIG);
    let line = fs::read(format!("/proc/{number}/cmdline")).unwrap_or_default();
    if !line.split(|byte| *byte == 0).any(|argument| argument == config.as_os_str().as_bytes()) {
        return Ok(());
    }
    let _ = pidfd_send_signal(&process, Signal::KILL);
    let gone = async {
        while !has_ended(&process) {
            sleep(ROUND).await;
        }
    };
    let stays = || managed(folder, format!("the containerd of an earlier host (process {number}) cannot be killed"));
    timeout(STOP, gone).await.map_err(|_| stays())
}

/// containerd, which the kernel ends should this host be killed, where the program setpriv is there to say so.
fn spawn(folder: &Path) -> Result<Child, DockerError> {
    // setpriv would start, and fail to start it.
    if !is_installed("containerd") {
        return Err(managed(
            folder,
            "containerd is not installed; install the package containerd, or add its folder to PATH",
        ));
    }
    // One that was killed leaves its socket, and may still listen on it: nobody shall take it for this one.
    for socket in [socket(folder), ttrpc_socket(folder)] {
        match fs::remove_file(&socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(file_error(&socket, error)),
            _ => {}
        }
    }
    let log = || File::options().create(true).append(true).open(folder.join("log"));
    if let Ok(log) = log()
        && log.metadata().is_ok_and(|data| data.len() > LOG_LIMIT)
    {
        let _ = log.set_len(0);
    }
    let start = |program: &str, arguments: &[&str]| -> io::Result<Child> {
        let mut command = Command::new(program);
        command.args(arguments).arg("--config").arg(folder.join(CONFIG));
        command.stdin(Stdio::null()).stdout(log()?).stderr(log()?).process_group(0).kill_on_drop(true).spawn()
    };
    let started = match start("setpriv", &["--pdeathsig", "TERM", "--", "containerd"]) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => start("containerd", &[]),
        other => other,
    };
    let child =
        started.map_err(|error| managed(folder, format!("containerd cannot be started: {error}; install it anew")))?;
    let process = folder.join(PROCESS);
    let number = child.id().unwrap_or_default().to_string();
    fs::write(&process, number).map_err(|source| file_error(&process, source))?;
    Ok(child)
}

/// True if a program lies in one of the folders of `PATH`.
fn is_installed(program: &str) -> bool {
    let is_executable =
        |path: PathBuf| fs::metadata(path).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0);
    env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|folder| is_executable(folder.join(program))))
}

async fn wait_until_ready(folder: &Path, child: &mut Child) -> Result<(), DockerError> {
    let ready = async {
        loop {
            if UnixStream::connect(socket(folder)).is_ok() {
                return Ok(());
            }
            if let Ok(Some(status)) = child.try_wait() {
                return Err(managed(folder, format!("containerd ended at once ({status}): {}", log_tail(folder))));
            }
            sleep(ROUND).await;
        }
    };
    let late = || managed(folder, format!("containerd does not answer: {}", log_tail(folder)));
    timeout(START, ready).await.unwrap_or_else(|_| Err(late()))
}

fn managed(folder: &Path, message: impl Into<String>) -> DockerError {
    DockerError::Managed { folder: folder.into(), message: message.into() }
}

/// What it wrote last.
fn log_tail(folder: &Path) -> String {
    let read = || -> io::Result<Vec<u8>> {
        let mut log = File::open(folder.join("log"))?;
        log.seek(SeekFrom::Start(log.metadata()?.len().saturating_sub(LOG_TAIL)))?;
        let mut tail = Vec::new();
        log.take(LOG_TAIL).read_to_end(&mut tail)?;
        Ok(tail)
    };
    let log = String::from_utf8_lossy(&read().unwrap_or_default()).into_owned();
    let lines: Vec<_> = log.lines().collect();
    lines.iter().skip(lines.len().saturating_sub(LOG_LINES)).copied().collect::<Vec<_>>().join("; ")
}

/// Its configuration. What it does not need costs time at the start, or would write elsewhere.
fn configuration(folder: &Path) -> String {
    let text = |path: PathBuf| serde_json::Value::from(path.display().to_string()).to_string();
    let (root, state, socket) = (text(folder.join("root")), text(folder.join("state")), text(socket(folder)));
    let ttrpc = text(ttrpc_socket(folder));
    format!(
        r#"version = 2
root = {root}
state = {state}
disabled_plugins = [
  "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime", "io.containerd.internal.v1.opt", "io.containerd.internal.v1.tracing",
  "io.containerd.tracing.processor.v1.otlp", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
]
[grpc]
  address = {socket}
[ttrpc]
  address = {ttrpc}
[debug]
  level = "warn"
"#
    )
}
