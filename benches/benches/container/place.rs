//! A containerd, contracts in it, and calls of them.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures_executor::block_on;
use tempfile::TempDir;
use vm_benches::host;
use vm_core::{
    Address, Call, Code, Contract, Entry, Env, GasSchedule, Interrupt, MemoryBackend, Return, RuntimeKind,
    RuntimeProvider, StateBackend, StateView,
};
use vm_docker::{DockerConfig, DockerRuntime};

/// The namespace in containerd.
pub(crate) const NAMESPACE: &str = "bench";

/// Why nothing can be measured here, if so.
pub(crate) fn missing() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("needs the rights of root".into());
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let absent = |program: &&&str| !env::split_paths(&path).any(|folder| folder.join(program).is_file());
    let absent = ["containerd", "runc", "rustc"].iter().find(absent);
    absent.map(|program| format!("{program} is not in PATH; `cargo xtask setup` installs it"))
}

/// A folder with a containerd in it, which ends with this.
pub(crate) struct Place {
    folder: TempDir,
    /// The container's program for what contracts are compared with.
    pub(crate) plain: Vec<u8>,
    /// Starts containerd and keeps it.
    keeper: DockerRuntime,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("vmb").tempdir_in("/tmp").unwrap();
        // The users of containers must be able to pass through.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
        let plain = plain();
        let managed = Some(folder.path().join("c"));
        let keeper = DockerRuntime::new(DockerConfig { managed, ..config(folder.path()) }).unwrap();
        block_on(keeper.start()).unwrap();
        Self { folder, plain, keeper }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where its runtimes have their sockets.
    pub(crate) fn sockets(&self) -> PathBuf {
        config(self.path()).socket_folder
    }

    pub(crate) fn address(&self) -> PathBuf {
        config(self.path()).address
    }

    /// A runtime with other settings than the defaults.
    pub(crate) fn runtime(&self, change: impl FnOnce(&mut DockerConfig)) -> DockerRuntime {
        let mut config = config(self.path());
        change(&mut config);
        let runtime = DockerRuntime::new(config).unwrap();
        block_on(runtime.start()).unwrap();
        runtime
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        block_on(self.keeper.stop()).unwrap();
    }
}

fn config(folder: &Path) -> DockerConfig {
    DockerConfig {
        address: folder.join("c/containerd.sock"),
        namespace: NAMESPACE.into(),
        socket_folder: folder.join("s"),
        ..DockerConfig::default()
    }
}

/// The program of the containers that contracts are compared with, compiled when it is not there or is old.
fn plain() -> Vec<u8> {
    let executable = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plain");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/container/plain.rs");
    let written = |path: &Path| fs::metadata(path).and_then(|file| file.modified()).ok();
    if written(&executable).is_some_and(|done| Some(done) > written(&source)) {
        return fs::read(executable).unwrap();
    }
    let status = Command::new("rustc")
        .args(["--edition", "2024", "-O", "-C", "target-feature=+crt-static", "-C", "strip=symbols", "-o"])
        .arg(&executable)
        .arg(source)
        .status()
        .unwrap();
    assert!(status.success());
    fs::read(executable).unwrap()
}

/// The contract that is written with vm-sdk and answers bare frames, too, built as contracts are.
pub(crate) fn pair() -> Code {
    const NAME: &str = "vm-bench-pair";
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pair");
    let target = format!("{}-unknown-linux-gnu", env::consts::ARCH);
    let flags = ["-Ctarget-feature=+crt-static", "-Crelocation-model=static", "-Cstrip=symbols"];
    let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["build", "--quiet", "--locked", "--profile=contract", "--features=container"])
        .args(["--package", NAME, "--target", &target, "--target-dir"])
        .arg(&folder)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .status()
        .unwrap();
    assert!(status.success());
    Code::new(RuntimeKind::Docker, fs::read(folder.join(target).join("contract").join(NAME)).unwrap())
}

/// The contract that is written with vm-sdk: `count` reads one value and writes it.
pub(crate) fn probe() -> Code {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contracts/artifacts/probe.elf");
    Code::new(RuntimeKind::Docker, fs::read(path).unwrap())
}

/// Calls of one contract, without a machine around them.
pub(crate) struct Caller {
    contract: Arc<dyn Contract>,
    view: Arc<dyn StateView>,
    env: Env,
    schedule: Arc<GasSchedule>,
    call: Call,
}

impl Caller {
    pub(crate) fn of(runtime: &DockerRuntime, code: &Code, method: &str, input: &[u8]) -> Self {
        Self {
            contract: block_on(runtime.prepare(code)).unwrap(),
            view: MemoryBackend::new().snapshot().unwrap(),
            env: Env {
                name: Some("bench".parse().unwrap()),
                ..host::env(Address::from_name("contract:bench"), Address::from_name("alice"))
            },
            schedule: GasSchedule::v1(),
            call: Call { entry: Entry::Invoke, method: method.into(), input: Bytes::copy_from_slice(input) },
        }
    }

    /// One call of `count`.
    pub(crate) fn counting(runtime: &DockerRuntime) -> Self {
        Self::of(runtime, &probe(), "count", b"\x01\0\0\0k")
    }

    /// One call, which must succeed.
    pub(crate) fn call(&self) -> Return {
        let interrupt = Interrupt::after(Duration::from_secs(60));
        let (view, env) = (self.view.clone(), self.env.clone());
        let (returned, _) = host::call(&*self.contract, view, env, &interrupt, &self.schedule, &self.call).unwrap();
        assert!(returned.status.is_success(), "{returned:?}");
        returned
    }
}

/// What a runtime's status says under a name.
pub(crate) fn detail(runtime: &DockerRuntime, name: &str) -> u64 {
    let details = runtime.status().details;
    details.iter().find(|(found, _)| found == name).unwrap().1.parse().unwrap()
}
