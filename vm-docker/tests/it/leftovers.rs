//! Nothing stays behind: not after a stop, not after a drop, not after a crash.

use std::{env, fs, path::Path, process::Command, time::Duration};

use futures_executor::block_on;
use vm_core::{Code, RuntimeKind, RuntimeProvider};
use vm_docker::{DockerConfig, DockerRuntime};

use crate::{
    daemon::Daemon,
    world::{World, config, probe},
};

/// Variables by which a test starts this program again, to crash.
const CRASH: [&str; 2] = ["VM_DOCKER_CRASH_ADDRESS", "VM_DOCKER_CRASH_SOCKETS"];

/// Checks that containerd has nothing in the name space, and that no host has a folder.
fn assert_clean(daemon: &Daemon, namespace: &str, sockets: &Path) {
    assert_eq!(daemon.list(namespace, &["containers", "list", "-q"]), [""; 0]);
    assert_eq!(daemon.list(namespace, &["tasks", "list", "-q"]), [""; 0]);
    assert_eq!(daemon.list(namespace, &["leases", "list", "-q"]), [""; 0]);
    assert_eq!(fs::read_dir(sockets).unwrap().count(), 0);
    assert_eq!(daemon.list(namespace, &["content", "list", "-q"]), [""; 0]);
    assert_eq!(daemon.list(namespace, &["snapshots", "list"]).len(), 1, "the heading");
}

fn own_sockets(daemon: &Daemon, name: &str) -> DockerConfig {
    DockerConfig { socket_folder: daemon.sockets().join(name), ..config(daemon, name) }
}

#[test]
fn a_stop_removes_everything() {
    let Some(daemon) = Daemon::shared() else { return };
    let config = own_sockets(daemon, "stop");
    let world = World::with_probe(config.clone(), Duration::from_secs(1));
    world.fault("spin", "");
    world.call("echo", "");
    world.stop();
    assert_clean(daemon, "stop", &config.socket_folder);
}

#[test]
fn a_drop_removes_everything_and_so_does_dropping_a_contract() {
    let Some(daemon) = Daemon::shared() else { return };
    let config = own_sockets(daemon, "drop");
    let runtime = DockerRuntime::new(config.clone()).unwrap();
    block_on(runtime.start()).unwrap();
    let code = Code::new(RuntimeKind::Docker, probe());
    let contract = block_on(runtime.prepare(&code)).unwrap();
    drop(contract);
    daemon.wait_until_no_container("drop");

    let contract = block_on(runtime.prepare(&code)).unwrap();
    drop(runtime);
    drop(contract);
    assert_clean(daemon, "drop", &config.socket_folder);
}

#[test]
fn a_runtime_that_is_not_started_or_was_stopped_says_so() {
    let Some(daemon) = Daemon::shared() else { return };
    let runtime = DockerRuntime::new(config(daemon, "order")).unwrap();
    let code = Code::new(RuntimeKind::Docker, probe());
    assert!(block_on(runtime.prepare(&code)).is_err());
    block_on(runtime.start()).unwrap();
    block_on(runtime.stop()).unwrap();
    assert!(block_on(runtime.prepare(&code)).is_err());
    assert_eq!(runtime.status().problem.as_deref(), Some("not started"));
    block_on(runtime.start()).unwrap();
    block_on(runtime.prepare(&code)).unwrap();
    block_on(runtime.stop()).unwrap();
}

#[test]
fn orphans_of_a_crashed_host_are_removed_at_the_next_start() {
    let Some(daemon) = Daemon::shared() else { return };
    let config = own_sockets(daemon, "crash");
    let crashed = Command::new(env::current_exe().unwrap())
        .args(["--exact", "leftovers::crashes_when_it_is_told_to", "--nocapture"])
        .env(CRASH[0], daemon.address())
        .env(CRASH[1], daemon.sockets())
        .output()
        .unwrap();
    assert!(!crashed.status.success());
    assert_eq!(daemon.list("crash", &["containers", "list", "-q"]).len(), 1, "the crash left a container");

    // A host that lives keeps its own.
    let living = World::with_probe(config.clone(), Duration::from_secs(30));
    assert_eq!(daemon.list("crash", &["containers", "list", "-q"]).len(), 1);
    let second = World::start(config.clone(), Duration::from_secs(30));
    living.assert_next_call(false);
    second.stop();
    living.stop();
    assert_clean(daemon, "crash", &config.socket_folder);
}

/// The part of the test above that runs in a process of its own.
#[test]
fn crashes_when_it_is_told_to() {
    let [Some(address), Some(sockets)] = CRASH.map(env::var_os) else { return };
    let config = DockerConfig {
        address: address.into(),
        namespace: "crash".into(),
        socket_folder: Path::new(&sockets).join("crash"),
        ..DockerConfig::default()
    };
    let _world = World::with_probe(config, Duration::from_secs(30));
    std::process::abort();
}
