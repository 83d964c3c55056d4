//! A private containerd.

use std::{
    collections::BTreeSet,
    env,
    ffi::{OsStr, OsString},
    fs,
    io::{self, BufRead, BufReader, Write},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use containerd_client::{Client, services::v1::DeleteContainerRequest, tonic::Request};
use rustix::process::{Pid, Signal, kill_process};

/// Starts containerd, tells its process number, and ends it when standard input is closed: however the tests end. Then
/// it removes the folder, unless it was told to keep it.
const KEEPER: &str = r#"
containerd --config "$1/config.toml" >>"$1/log" 2>&1 &
echo $!
read -r keep
kill $!
wait
[ "$keep" ] || rm -rf --one-file-system "$1"
"#;

/// A containerd with its own root, state and sockets in a temporary folder.
pub(crate) struct Daemon {
    keeper: Child,
    process: Pid,
    folder: PathBuf,
    /// Where it looks for programs.
    path: OsString,
}

impl Daemon {
    /// A daemon that all tests share which do not break it; `None`, with a printed reason, where there cannot be one.
    pub(crate) fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Daemon>> = OnceLock::new();
        SHARED.get_or_init(Self::start).as_ref()
    }

    /// A daemon for one test.
    pub(crate) fn start() -> Option<Self> {
        Self::with_path(env::var_os("PATH").unwrap_or_default())
    }

    /// The same, which looks for programs in the folders of `path`.
    pub(crate) fn with_path(path: OsString) -> Option<Self> {
        if let Some(reason) = missing() {
            println!("skipped: {reason}");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("vmd").tempdir_in("/tmp").unwrap().keep();
        // The users of containers must be able to pass through.
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o711)).unwrap();
        let own = folder.display();
        let config = format!(
            r#"
            version = 2
            root = "{own}/root"
            state = "{own}/state"
            disabled_plugins = ["io.containerd.grpc.v1.cri"]
            [grpc]
              address = "{own}/containerd.sock"
            [ttrpc]
              address = "{own}/containerd.sock.ttrpc"
            "#
        );
        fs::write(folder.join("config.toml"), config).unwrap();
        let (keeper, process) = keep(&folder, &path);
        let daemon = Self { keeper, process, folder, path };
        daemon.wait_until_ready();
        Some(daemon)
    }

    pub(crate) fn address(&self) -> PathBuf {
        self.folder.join("containerd.sock")
    }

    /// Where it keeps images.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.join("root")
    }

    /// Where it keeps what runs.
    pub(crate) fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// The containers of a name space whose tasks it has begun to make since it was first started, as its log tells.
    pub(crate) fn told_of(&self, namespace: &str) -> BTreeSet<String> {
        let log = fs::read_to_string(self.folder.join("log")).unwrap();
        let of_namespace = format!("namespace={namespace} ");
        let lines = log.lines().filter(|line| line.contains(&of_namespace));
        let words = lines.flat_map(|line| line.split([' ', '=', '/', '"', ':']));
        words.filter(|word| word.starts_with("vm-")).map(str::to_owned).collect()
    }

    /// A folder for sockets, short enough.
    pub(crate) fn sockets(&self) -> PathBuf {
        self.folder.join("s")
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(&mut self) {
        self.end(Signal::KILL);
    }

    /// Ends it as an operator does who restarts it.
    pub(crate) fn terminate(&mut self) {
        self.end(Signal::TERM);
    }

    fn end(&mut self, signal: Signal) {
        kill_process(self.process, signal).unwrap();
        self.keeper.stdin.take().unwrap().write_all(b"keep\n").unwrap();
        self.keeper.wait().unwrap();
    }

    /// Starts it again after [`kill`](Self::kill) or [`terminate`](Self::terminate).
    pub(crate) fn restart(&mut self) {
        (self.keeper, self.process) = keep(&self.folder, &self.path);
        self.wait_until_ready();
    }

    /// Has it stop answering, or answer again.
    pub(crate) fn freeze(&self, frozen: bool) {
        let signal = if frozen { Signal::STOP } else { Signal::CONT };
        kill_process(self.process, signal).unwrap();
    }

    /// What one of containerd's own commands lists in a name space, by name.
    pub(crate) fn list(&self, namespace: &str, what: &[&str]) -> Vec<String> {
        let output = Command::new("ctr")
            .arg("--address")
            .arg(self.address())
            .args(["--namespace", namespace])
            .args(what)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    }

    /// Has containerd forget a container, and nothing that belongs to it.
    pub(crate) fn forget_container(&self, namespace: &str, id: &str) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let client = Client::from_path(self.address()).await.unwrap();
            let mut request = Request::new(DeleteContainerRequest { id: id.into() });
            request.metadata_mut().insert("containerd-namespace", namespace.parse().unwrap());
            client.containers().delete(request).await.unwrap();
        });
    }

    /// Waits until containerd has no container in a name space; they are removed in the background.
    pub(crate) fn wait_until_no_container(&self, namespace: &str) {
        let start = Instant::now();
        while !self.list(namespace, &["containers", "list", "-q"]).is_empty() {
            assert!(start.elapsed() < Duration::from_secs(20), "a container stays");
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    fn wait_until_ready(&self) {
        let start = Instant::now();
        while UnixStream::connect(self.address()).is_err() {
            let log = || fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(start.elapsed() < Duration::from_secs(30), "containerd does not start: {}", log());
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

fn keep(folder: &Path, path: &OsStr) -> (Child, Pid) {
    let mut keeper = Command::new("sh")
        .args(["-c", KEEPER, "keeper"])
        .arg(folder)
        .env("PATH", path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let process = Pid::from_raw(line.trim().parse().unwrap()).unwrap();
    (keeper, process)
}

fn missing() -> Option<String> {
    if env::var_os("VM_TEST_NO_CONTAINERS").is_some() {
        return Some("VM_TEST_NO_CONTAINERS is set".into());
    }
    for program in ["containerd", "ctr", "runc"] {
        match Command::new(program).arg("--version").output() {
            Ok(output) => assert!(output.status.success(), "{program} is installed and broken: {output:?}"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Some(format!("{program} is not installed"));
            }
            Err(error) => panic!("{program} is installed and broken: {error}"),
        }
    }
    (!rustix::process::geteuid().is_root()).then(|| "containers need the rights of root".into())
}
