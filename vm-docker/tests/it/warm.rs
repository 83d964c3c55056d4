//! Containers of contracts that a host finds when it starts, and preparing that has an end.

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_executor::block_on;
use vm_core::{
    Code, ContractName, DeployRequest, HostFault, InvokeRequest, Limits, MemoryBackend, Receipt, RuntimeKind, Vm,
    VmBuilder, VmError, VmProvider,
};
use vm_docker::{DockerConfig, DockerRuntime};

use crate::{
    daemon::Daemon,
    world::{config, probe},
};

/// A state in which the probe is deployed, by a host that has ended.
fn deployed(config: &DockerConfig) -> Arc<MemoryBackend> {
    let state = Arc::new(MemoryBackend::new());
    let vm = host(config, &state, |builder| builder);
    let code = Code::new(RuntimeKind::Docker, probe());
    block_on(vm.deploy(DeployRequest::new(name(), "1".parse().unwrap(), code))).unwrap();
    block_on(vm.stop()).unwrap();
    state
}

fn host(config: &DockerConfig, state: &Arc<MemoryBackend>, change: fn(VmBuilder) -> VmBuilder) -> Vm {
    let runtime = DockerRuntime::new(config.clone()).unwrap();
    let vm = change(Vm::builder().runtime(runtime).backend(state.clone())).build().unwrap();
    block_on(vm.start()).unwrap();
    vm
}

fn name() -> ContractName {
    "probe".parse().unwrap()
}

fn calls(vm: &Vm) -> Result<Receipt, VmError> {
    vm.query_sync(InvokeRequest::new(name(), "calls").input(""))
}

fn detail(vm: &Vm, name: &str) -> String {
    let status = vm.status();
    status.runtimes[0].1.details.iter().find(|(found, _)| found == name).unwrap().1.clone()
}

fn wait_for(vm: &Vm, detail: &str, value: &str) {
    let start = Instant::now();
    loop {
        let found = self::detail(vm, detail);
        if found == value {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{detail} is {found}, not {value}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

#[test]
fn a_host_that_starts_has_containers_before_the_first_call() {
    let Some(daemon) = Daemon::shared() else { return };
    let config = DockerConfig { pool_min: 2, ..config(daemon, "restart") };
    let state = deployed(&config);
    let vm = host(&config, &state, |builder| builder);
    wait_for(&vm, "containers", "2");
    assert_eq!(calls(&vm).unwrap().output[..], [1], "its first call");
    block_on(vm.stop()).unwrap();

    let vm = host(&config, &state, |builder| builder.warm(false));
    assert!(daemon.list("restart", &["containers", "list", "-q"]).is_empty(), "who does not want it has none");
    block_on(vm.stop()).unwrap();
}

#[test]
fn what_does_not_start_ahead_is_tried_again_by_the_first_call() {
    let Some(daemon) = Daemon::shared() else { return };
    let config = config(daemon, "restart-failing");
    let state = deployed(&config);
    let config = DockerConfig { start_timeout: Duration::from_millis(1), ..config };
    let vm = host(&config, &state, |builder| builder);
    wait_for(&vm, "failed_starts", "1");
    // The first call may come before that start's failure is told, and is told the same. The second tries again, or both do.
    for _ in 0..2 {
        let error = calls(&vm).unwrap_err().to_string();
        assert!(error.contains("could not start a container within"), "{error}");
    }
    let failed = detail(&vm, "failed_starts");
    assert!(["2", "3"].contains(&&*failed), "{failed}");
    block_on(vm.stop()).unwrap();
}

/// At every moment of a start: of the containers that are made ahead, and of one that replaces another.
#[test]
fn a_stop_in_the_middle_of_a_start_leaves_nothing() {
    let Some(daemon) = Daemon::shared() else { return };
    let base = config(daemon, "stop-early");
    let config = DockerConfig { socket_folder: daemon.sockets().join("stop-early"), pool_min: 2, ..base };
    let state = deployed(&config);
    for round in 0..20 {
        let vm = host(&config, &state, |builder| builder);
        if round % 2 == 0 {
            calls(&vm).unwrap();
            vm.query_sync(InvokeRequest::new(name(), "exit").input("")).unwrap_err();
        }
        std::thread::park_timeout(Duration::from_millis(round * 6));
        block_on(vm.stop()).unwrap();
        for list in [&["containers", "list", "-q"], &["tasks", "list", "-q"], &["leases", "list", "-q"]] {
            assert_eq!(daemon.list("stop-early", list), [""; 0], "round {round}");
        }
        assert_eq!(daemon.list("stop-early", &["snapshots", "list"]).len(), 1, "the heading, round {round}");
        assert_eq!(fs::read_dir(&config.socket_folder).unwrap().count(), 0);
    }
}

/// The contract is not prepared, and its container cannot be started: however many wait for it, each ends at its deadline.
#[test]
fn preparing_ends_at_the_deadline_of_the_call() {
    let Some(daemon) = Daemon::start() else { return };
    let config = config(&daemon, "frozen-start");
    let state = deployed(&config);
    let limited = |builder: VmBuilder| {
        let limits = Limits { execution_timeout: Duration::from_secs(1), ..Limits::default() };
        builder.limits(limits).warm(false)
    };
    let vm = host(&config, &state, limited);
    daemon.freeze(true);
    let start = Instant::now();
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..4).map(|_| scope.spawn(|| calls(&vm))).collect();
        for caller in callers {
            let error = caller.join().unwrap().unwrap_err();
            assert!(matches!(error.fault(), Some(HostFault::Deadline(_))), "{error}");
        }
    });
    assert!(start.elapsed() < Duration::from_secs(3), "no hang: {:?}", start.elapsed());
    daemon.freeze(false);
    // What was begun for those who gave up is there for the next, at the latest when containerd has been asked again.
    let start = Instant::now();
    while calls(&vm).is_err() {
        assert!(start.elapsed() < Duration::from_secs(20));
    }
    block_on(vm.stop()).unwrap();
}
