//! containerd is absent, dies, or hangs.

use std::{
    fs,
    os::unix::net::UnixListener,
    sync::Barrier,
    time::{Duration, Instant},
};

use futures_executor::block_on;
use vm_core::{Code, HostFault, RuntimeKind, RuntimeProvider, VmProvider};
use vm_docker::{DockerConfig, DockerRuntime};

use crate::{
    daemon::Daemon,
    world::{World, config, probe},
};

#[test]
fn without_containerd_the_start_says_where_it_was_expected() {
    let folder = tempfile::tempdir().unwrap();
    let config = DockerConfig {
        address: folder.path().join("none.sock"),
        socket_folder: folder.path().join("s"),
        ..DockerConfig::default()
    };
    let fault = block_on(DockerRuntime::new(config).unwrap().start()).unwrap_err();
    assert!(matches!(fault, HostFault::Unavailable { .. }), "{fault}");
    let text = fault.to_string();
    assert!(text.contains("none.sock") && text.contains("check that it runs"), "{text}");
    assert_eq!(fs::read_dir(folder.path().join("s")).unwrap().count(), 0, "nothing stays behind");
}

#[test]
fn containerd_comes_after_the_host() {
    let Some(mut daemon) = Daemon::start() else { return };
    let config = DockerConfig { socket_folder: daemon.sockets().join("later"), ..config(&daemon, "later") };
    daemon.kill();
    let world = World::start(config.clone(), Duration::from_secs(30));
    let code = || Code::new(RuntimeKind::Docker, probe());
    let error = world.deploy("probe", code()).unwrap_err();
    assert!(matches!(error.fault(), Some(HostFault::Unavailable { .. })), "{error}");
    let problem = || world.vm.status().runtimes.iter().find_map(|(_, status)| status.problem.clone());
    assert!(problem().is_some_and(|problem| problem.contains("it is tried again")), "{:?}", problem());

    daemon.restart();
    let start = Instant::now();
    while let Err(error) = world.deploy("probe", code()) {
        assert!(start.elapsed() < Duration::from_secs(20), "{error}");
        std::thread::park_timeout(Duration::from_millis(50));
    }
    assert_eq!(world.text("echo", "it came"), "it came");
    assert_eq!(problem(), None);
    world.stop();
    assert_eq!(fs::read_dir(&config.socket_folder).unwrap().count(), 0);
}

/// Who comes second finds it running, and takes nothing of it.
#[test]
fn starts_at_the_same_time_are_one() {
    let Some(daemon) = Daemon::shared() else { return };
    let config = DockerConfig { socket_folder: daemon.sockets().join("twice"), ..config(daemon, "twice") };
    let (runtime, together) = (DockerRuntime::new(config.clone()).unwrap(), Barrier::new(6));
    let folders = || {
        together.wait();
        block_on(runtime.start()).unwrap();
        fs::read_dir(&config.socket_folder).unwrap().map(|folder| folder.unwrap().path()).collect::<Vec<_>>()
    };
    let seen: Vec<_> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..6).map(|_| scope.spawn(folders)).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    assert!(seen.iter().all(|folders| folders.len() == 1 && *folders == seen[0]), "{seen:?}");
    block_on(runtime.stop()).unwrap();
}

/// Who never gets one stops at once, and leaves nothing.
#[test]
fn a_host_that_waits_for_containerd_stops_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let config = DockerConfig {
        address: folder.path().join("none.sock"),
        socket_folder: folder.path().join("s"),
        ..DockerConfig::default()
    };
    let runtime = DockerRuntime::new(config).unwrap();
    let start = Instant::now();
    for _ in 0..3 {
        block_on(runtime.start()).unwrap_err();
        std::thread::park_timeout(Duration::from_millis(300));
    }
    block_on(runtime.stop()).unwrap();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(runtime.status().problem.as_deref(), Some("not started"));
    assert_eq!(fs::read_dir(folder.path().join("s")).unwrap().count(), 0);
}

#[test]
fn a_socket_folder_that_is_too_deep_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = DockerConfig { socket_folder: folder.path().join("deep".repeat(20)), ..DockerConfig::default() };
    let fault = block_on(DockerRuntime::new(config).unwrap().start()).unwrap_err().to_string();
    assert!(fault.contains("shorter socket_folder"), "{fault}");
}

#[test]
fn containerd_is_killed_in_the_middle_of_a_call() {
    let Some(daemon) = Daemon::start() else { return };
    let daemon = std::sync::Arc::new(std::sync::Mutex::new(daemon));
    let world = World::with_probe(config(&daemon.lock().unwrap(), "killed"), Duration::from_secs(5));
    let killer = daemon.clone();
    world.deploy_native("killer", move |_| {
        killer.lock().unwrap().kill();
        b"gone".to_vec()
    });

    // The call itself needs no containerd any more.
    assert_eq!(world.text("forward", "killer"), "gone");
    assert_eq!(world.text("echo", "running containers serve on"), "running containers serve on");

    // A process that has to be killed is killed without it, and a new one cannot be had.
    let start = Instant::now();
    let fault = world.fault("spin", "");
    assert!(matches!(fault, HostFault::Deadline(_)), "{fault}");
    let fault = world.fault("echo", "");
    assert!(matches!(fault, HostFault::Unavailable { .. }), "{fault}");
    assert!(fault.to_string().contains("cannot be reached"), "{fault}");
    assert!(start.elapsed() < Duration::from_secs(15), "no hang: {:?}", start.elapsed());

    daemon.lock().unwrap().restart();
    world.assert_next_call(true);
    world.stop();
    let daemon = daemon.lock().unwrap();
    assert!(daemon.list("killed", &["containers", "list", "-q"]).is_empty());
}

#[test]
fn containerd_hangs() {
    let Some(daemon) = Daemon::start() else { return };
    let world = World::with_probe(config(&daemon, "frozen"), Duration::from_secs(3));
    daemon.freeze(true);
    assert_eq!(world.text("echo", "calls go on"), "calls go on");
    let fault = world.fault("exit", "");
    assert!(matches!(fault, HostFault::Process { .. }), "{fault}");
    let start = Instant::now();
    let fault = world.fault("echo", "");
    assert!(matches!(fault, HostFault::Deadline(_)), "{fault}");
    assert!(start.elapsed() < Duration::from_secs(6), "no hang: {:?}", start.elapsed());
    daemon.freeze(false);
    world.assert_next_call(true);
}

#[test]
fn a_containerd_that_never_answers_keeps_no_start_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let address = folder.path().join("silent.sock");
    // Connections are accepted by the kernel, and read by nobody.
    let _silent = UnixListener::bind(&address).unwrap();
    let config = DockerConfig { address, socket_folder: folder.path().join("s"), ..DockerConfig::default() };
    let start = Instant::now();
    let fault = block_on(DockerRuntime::new(config).unwrap().start()).unwrap_err();
    assert!(matches!(fault, HostFault::Unavailable { .. }), "{fault}");
    assert!(start.elapsed() < Duration::from_secs(15), "no hang: {:?}", start.elapsed());
}

/// The waiting for the end of its tasks breaks off with containerd, and goes on with the next one.
#[test]
fn after_a_restart_of_containerd_output_and_ends_are_told_as_before() {
    let Some(mut daemon) = Daemon::start() else { return };
    let world = World::with_probe(config(&daemon, "again"), Duration::from_secs(10));
    daemon.kill();
    daemon.restart();
    // More than a pipe holds, on both streams: somebody still reads them.
    let text = "x".repeat(300_000);
    // For longer than it takes to read the last words of a process that is taken for dead.
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(500) {
        world.call("print", &text);
    }
    assert!(world.fault("exit", "").to_string().contains("exited with code 7"));
    world.assert_next_call(true);
    daemon.kill();
    daemon.restart();
    let fault = world.fault("hog", "").to_string();
    assert!(fault.contains("memory limit"), "{fault}");
    assert_eq!(world.detail("oom_kills"), "1");
}
