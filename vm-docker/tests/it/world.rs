//! A Vm with containers, and the probe in it.

use std::{
    env, fs,
    process::Command,
    sync::{Arc, Barrier, Mutex, OnceLock},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_executor::block_on;
use vm_core::{
    Call, Code, CodeError, Contract, ContractName, DeployRequest, Host, HostFault, Interface, InvokeRequest, Limits,
    Opaque, PrepareError, ProviderStatus, Receipt, Return, RuntimeKind, RuntimeProvider, Status, Vm, VmError,
    VmProvider,
};
use vm_docker::{DockerConfig, DockerRuntime};

use crate::daemon::Daemon;

/// The probe's executable, compiled once.
pub(crate) fn probe() -> Vec<u8> {
    static PROBE: OnceLock<Vec<u8>> = OnceLock::new();
    let compile = || {
        if let Some(compiled) = env::var_os("VM_TEST_PROBE") {
            return fs::read(compiled).unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        let executable = folder.path().join("probe");
        let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let status = Command::new(rustc)
            .args(["--edition", "2024", "-O", "-C", "target-feature=+crt-static", "-C", "strip=symbols", "-o"])
            .arg(&executable)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/probe.rs"))
            .status()
            .unwrap();
        assert!(status.success());
        fs::read(executable).unwrap()
    };
    PROBE.get_or_init(compile).clone()
}

/// Settings for the name space `name` of a daemon.
pub(crate) fn config(daemon: &Daemon, name: &str) -> DockerConfig {
    DockerConfig {
        address: daemon.address(),
        namespace: name.into(),
        socket_folder: daemon.sockets(),
        memory: 64 << 20,
        pids: 16,
        ..DockerConfig::default()
    }
}

/// A running Vm. It is stopped, and its containers are removed, when this is dropped.
pub(crate) struct World {
    pub(crate) vm: Vm,
    pub(crate) native: Arc<Native>,
}

impl World {
    /// A Vm whose transactions take at most `limit`.
    pub(crate) fn start(config: DockerConfig, limit: Duration) -> Self {
        let grace = Duration::from_secs(10);
        Self::with_limits(config, Limits { execution_timeout: limit, grace, ..Limits::default() })
    }

    pub(crate) fn with_limits(config: DockerConfig, limits: Limits) -> Self {
        let native = Arc::new(Native::default());
        let vm = Vm::builder()
            .runtime(DockerRuntime::new(config).unwrap())
            .shared_runtime(native.clone())
            .limits(limits)
            .build()
            .unwrap();
        block_on(vm.start()).unwrap();
        Self { vm, native }
    }

    /// The same with the probe deployed under the name `probe`.
    pub(crate) fn with_probe(config: DockerConfig, limit: Duration) -> Self {
        let world = Self::start(config, limit);
        world.deploy("probe", Code::new(RuntimeKind::Docker, probe())).unwrap();
        world
    }

    pub(crate) fn deploy(&self, name: &str, code: Code) -> Result<Receipt, VmError> {
        block_on(self.vm.deploy(DeployRequest::new(name.parse().unwrap(), "1".parse().unwrap(), code)))
    }

    /// Has a host function called whenever a contract calls `name`; its result is the contract's output.
    pub(crate) fn deploy_native(&self, name: &str, function: impl FnMut(&Call) -> Vec<u8> + Send + 'static) {
        let function = Mutex::new(function);
        self.deploy_meeting(name, move |call| (*function.lock().unwrap())(call));
    }

    /// The same, for a function that several calls are in at a time.
    pub(crate) fn deploy_meeting(&self, name: &str, function: impl Fn(&Call) -> Vec<u8> + Send + Sync + 'static) {
        *self.native.0.lock().unwrap() = Some(Arc::new(function));
        self.deploy(name, Code::new(RuntimeKind::Native, name)).unwrap();
    }

    pub(crate) fn try_call(&self, name: &str, method: &str, input: impl Into<Bytes>) -> Result<Receipt, VmError> {
        let target: ContractName = name.parse().unwrap();
        block_on(self.vm.invoke(InvokeRequest::new(target, method).input(input)))
    }

    /// Calls the probe, whatever comes out.
    pub(crate) fn receipt(&self, method: &str, input: &str) -> Receipt {
        self.try_call("probe", method, input.to_owned()).unwrap()
    }

    /// Calls the probe, which must succeed.
    pub(crate) fn call(&self, method: &str, input: &str) -> Vec<u8> {
        let receipt = self.receipt(method, input);
        assert_eq!(receipt.status, Status::Success, "{method}: {:?}", receipt.output);
        receipt.output.to_vec()
    }

    /// Calls the probe, which must succeed with a text.
    pub(crate) fn text(&self, method: &str, input: &str) -> String {
        String::from_utf8(self.call(method, input)).unwrap()
    }

    /// Calls the probe, which must end in a fault of the host.
    pub(crate) fn fault(&self, method: &str, input: &str) -> HostFault {
        let error = self.try_call("probe", method, input.to_owned()).unwrap_err();
        error.fault().unwrap_or_else(|| panic!("{method}: {error}")).clone()
    }

    /// The outcome of the same call of the probe by many threads at once.
    pub(crate) fn burst(&self, callers: usize, method: &str, input: &str) -> Vec<Result<Receipt, VmError>> {
        let target: ContractName = "probe".parse().unwrap();
        let barrier = Barrier::new(callers);
        std::thread::scope(|scope| {
            let call = || {
                barrier.wait();
                self.vm.query_sync(InvokeRequest::new(target.clone(), method).input(input.to_owned()))
            };
            let threads: Vec<_> = (0..callers).map(|_| scope.spawn(call)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    }

    /// What the runtime's status says under a name.
    pub(crate) fn detail(&self, name: &str) -> String {
        let status = self.vm.status();
        let (_, docker) = status.runtimes.iter().find(|(kind, _)| kind.as_str() == "docker").unwrap();
        let found = docker.details.iter().find(|(found, _)| found == name);
        found.unwrap_or_else(|| panic!("no {name} in {:?}", docker.details)).1.clone()
    }

    /// Waits until the runtime's status says so.
    pub(crate) fn wait_for(&self, name: &str, value: &str) {
        let start = Instant::now();
        while self.detail(name) != value {
            assert!(start.elapsed() < Duration::from_secs(60), "{name} is {}, not {value}", self.detail(name));
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }

    /// Checks that the probe still works, on a process that has taken no call before or on an old one.
    pub(crate) fn assert_next_call(&self, fresh: bool) {
        let calls = self.call("calls", "")[0];
        assert_eq!(calls == 1, fresh, "this process has taken {calls} calls");
    }

    pub(crate) fn stop(&self) {
        block_on(self.vm.stop()).unwrap();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let stopped = block_on(self.vm.stop());
        if !std::thread::panicking() {
            stopped.unwrap();
        }
    }
}

type Function = Arc<dyn Fn(&Call) -> Vec<u8> + Send + Sync>;

/// A runtime with one contract: a function of the test.
#[derive(Clone, Default)]
pub(crate) struct Native(Arc<Mutex<Option<Function>>>);

#[async_trait]
impl RuntimeProvider for Native {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Native
    }

    fn verify(&self, _: &Code) -> Result<(), CodeError> {
        Ok(())
    }

    async fn prepare(&self, _: &Code) -> Result<Arc<dyn Contract>, PrepareError> {
        Ok(Arc::new(self.clone()))
    }

    fn status(&self) -> ProviderStatus {
        ProviderStatus::healthy("test", "1")
    }
}

impl Contract for Native {
    fn call(&self, _: &mut dyn Host, call: &Call) -> Result<Return, HostFault> {
        if &*call.method == "init" {
            return Ok(Return::success(Bytes::new()));
        }
        let function = self.0.lock().unwrap().clone();
        Ok(Return::success(function.expect("a function is set")(call)))
    }

    fn interface(&self) -> &dyn Interface {
        &Opaque
    }
}
