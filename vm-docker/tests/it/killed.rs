//! The host or containerd is killed at any moment of what both do together.

use std::{
    env, fs,
    path::PathBuf,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use futures_executor::block_on;
use rustix::process::{Signal, getpid, kill_process};
use vm_core::{Code, HostFault, RuntimeKind, RuntimeProvider, VmError};
use vm_docker::{DockerConfig, DockerRuntime};

use crate::{
    daemon::Daemon,
    leftovers::{assert_clean, clean_up, large, own_sockets},
    world::{World, config, probe},
};

const LIMIT: Duration = Duration::from_secs(30);

/// How soon containers can be had when containerd is there again.
const SOON: Duration = Duration::from_secs(10);

/// Variables by which a test starts this program again, to be killed: containerd's address, the folder for sockets, the name space, what
/// it is doing then, and for how many milliseconds.
const KILLED: [&str; 5] =
    ["VM_KILLED_ADDRESS", "VM_KILLED_SOCKETS", "VM_KILLED_NAME", "VM_KILLED_DOING", "VM_KILLED_AFTER"];

/// Kills this process after some milliseconds.
fn end_after(milliseconds: u64) {
    thread::spawn(move || {
        thread::park_timeout(Duration::from_millis(milliseconds));
        kill_process(getpid(), Signal::KILL).unwrap();
    });
}

/// The part of the test below that runs in a process of its own.
#[test]
fn is_killed_when_it_is_told_to() {
    let [Some(address), Some(sockets), Some(name), Some(doing), Some(after)] = KILLED.map(env::var_os) else { return };
    let config = DockerConfig {
        address: address.into(),
        socket_folder: sockets.into(),
        namespace: name.into_string().unwrap(),
        ..DockerConfig::default()
    };
    let after = after.to_str().unwrap().parse().unwrap();
    let world = World::start(config, LIMIT);
    let deploy = |code| world.deploy("probe", code).map(drop);
    match doing.to_str().unwrap() {
        "import" => {
            let code = large();
            end_after(after);
            let _ = deploy(code);
        }
        "start" => {
            deploy(Code::new(RuntimeKind::Docker, probe())).unwrap();
            world.fault("exit", "");
            end_after(after);
            world.call("echo", "");
        }
        "call" => {
            deploy(Code::new(RuntimeKind::Docker, probe())).unwrap();
            world.deploy_native("killer", move |_| {
                end_after(after);
                thread::park_timeout(LIMIT);
                Vec::new()
            });
            world.call("forward", "killer");
        }
        other => panic!("{other}?"),
    }
    // It was done before.
    thread::park_timeout(LIMIT);
}

/// The probe in a file, for programs that would compile it first.
fn probe_file(daemon: &Daemon) -> PathBuf {
    let path = daemon.root().with_file_name("probe");
    if !path.exists() {
        fs::write(&path, probe()).unwrap();
    }
    path
}

/// So many moments of something that takes so long, from its begin to a little after its end, in milliseconds.
fn moments(took: Duration, number: u32) -> impl Iterator<Item = u64> {
    let step = took * 11 / 10 / number;
    (0..number).map(move |n| u64::try_from((step * n).as_millis()).unwrap())
}

/// How long it takes to import an image, and to start a container of it.
fn import_takes(config: &DockerConfig, code: &Code) -> Duration {
    let runtime = DockerRuntime::new(config.clone()).unwrap();
    block_on(runtime.start()).unwrap();
    let begun = Instant::now();
    block_on(runtime.prepare(code)).unwrap();
    let took = begun.elapsed();
    block_on(runtime.stop()).unwrap();
    took
}

/// How long it takes to start a container.
fn start_takes(world: &World) -> Duration {
    world.fault("exit", "");
    let begun = Instant::now();
    world.assert_next_call(true);
    begun.elapsed()
}

fn host_is_killed(daemon: &Daemon, doing: &str, moments: impl IntoIterator<Item = u64>) {
    let probe = probe_file(daemon);
    for after in moments {
        let name = format!("killed-{doing}");
        let config = own_sockets(daemon, &name);
        let values = [config.address.as_os_str(), config.socket_folder.as_os_str(), name.as_ref(), doing.as_ref()];
        let killed = Command::new(env::current_exe().unwrap())
            .args(["--exact", "killed::is_killed_when_it_is_told_to", "--nocapture"])
            .envs(KILLED.into_iter().zip(values))
            .env(KILLED[4], after.to_string())
            .env("VM_TEST_PROBE", &probe)
            .output()
            .unwrap();
        assert_eq!(killed.status.code(), None, "after {after} ms: {}", String::from_utf8_lossy(&killed.stdout));
        println!("{doing}: killed after {after} ms");
        clean_up(daemon, &config);
    }
}

#[test]
fn of_a_host_that_is_killed_in_an_import_nothing_is_left() {
    let Some(daemon) = Daemon::shared() else { return };
    let took = import_takes(&own_sockets(daemon, "import"), &large());
    host_is_killed(daemon, "import", moments(took, 12));
}

#[test]
fn of_a_host_that_is_killed_in_a_start_nothing_is_left() {
    let Some(daemon) = Daemon::shared() else { return };
    let took = start_takes(&World::with_probe(own_sockets(daemon, "start"), LIMIT));
    host_is_killed(daemon, "start", moments(took, 16));
}

#[test]
fn of_a_host_that_is_killed_in_a_call_nothing_is_left() {
    let Some(daemon) = Daemon::shared() else { return };
    host_is_killed(daemon, "call", [0, 20]);
}

/// containerd is killed at that moment of something, and then it is there again.
fn killed_in<T: Send>(daemon: &mut Daemon, after: u64, work: impl FnOnce() -> T + Send) -> T {
    let done = thread::scope(|scope| {
        let work = scope.spawn(work);
        thread::park_timeout(Duration::from_millis(after));
        daemon.kill();
        let killed = Instant::now();
        let done = work.join().unwrap();
        assert!(killed.elapsed() < Duration::from_secs(25), "no hang: {:?} after {after} ms", killed.elapsed());
        done
    });
    daemon.restart();
    done
}

#[test]
fn containerd_is_killed_in_an_import() {
    let Some(mut daemon) = Daemon::start() else { return };
    let (config, code) = (own_sockets(&daemon, "import-killed"), large());
    for after in moments(import_takes(&config, &code), 8) {
        let runtime = DockerRuntime::new(config.clone()).unwrap();
        block_on(runtime.start()).unwrap();
        let prepared = killed_in(&mut daemon, after, || block_on(runtime.prepare(&code)).map(drop));
        println!("import: containerd was killed after {after} ms: {prepared:?}");
        // The host needs no restart.
        block_on(runtime.prepare(&Code::new(RuntimeKind::Docker, probe()))).unwrap();
        block_on(runtime.stop()).unwrap();
        assert_clean(&daemon, "import-killed", &config.socket_folder);
    }
}

/// That containers cannot be had is what a call is told, and that it is no fault of its contract.
fn assert_unavailable(error: &VmError) {
    assert!(matches!(error.fault(), Some(HostFault::Unavailable { .. })), "{error}");
}

/// Also between the making of a container and its start.
#[test]
fn containerd_is_killed_in_a_start() {
    let Some(mut daemon) = Daemon::start() else { return };
    let config = DockerConfig { restart_pause: Duration::ZERO, ..own_sockets(&daemon, "start-killed") };
    let world = World::with_probe(config.clone(), LIMIT);
    for after in moments(start_takes(&world), 16) {
        world.fault("exit", "");
        let called =
            killed_in(&mut daemon, after, || world.try_call("probe", "echo", "").map(|receipt| receipt.status));
        println!("start: containerd was killed after {after} ms: {called:?}");
        if let Err(error) = called {
            assert_unavailable(&error);
        }
        // It may be some moments until containerd has all that it needs again: nobody else is blamed for that.
        let start = Instant::now();
        while let Err(error) = world.try_call("probe", "echo", "") {
            println!("then: {error}");
            assert_unavailable(&error);
            assert!(start.elapsed() < SOON, "after {after} ms: {error}");
            thread::park_timeout(Duration::from_millis(20));
        }
        while daemon.list("start-killed", &["containers", "list", "-q"]).len() != 1 {
            assert!(start.elapsed() < LIMIT, "after {after} ms: more than the one that runs");
            thread::park_timeout(Duration::from_millis(20));
        }
    }
    world.stop();
    assert_clean(&daemon, "start-killed", &config.socket_folder);
}

/// Whatever containerd was doing for it.
#[test]
fn of_a_start_that_takes_too_long_nothing_is_left() {
    let Some(daemon) = Daemon::shared() else { return };
    let config = own_sockets(daemon, "late-start");
    let took = start_takes(&World::with_probe(config.clone(), LIMIT));
    for limit in moments(took, 16) {
        let start_timeout = Duration::from_millis(limit + 1);
        let config = DockerConfig { start_timeout, restart_pause: Duration::ZERO, ..config.clone() };
        let runtime = DockerRuntime::new(config.clone()).unwrap();
        block_on(runtime.start()).unwrap();
        let prepared = block_on(runtime.prepare(&Code::new(RuntimeKind::Docker, probe()))).map(drop);
        println!("start: {start_timeout:?} at most: {prepared:?}");
        daemon.wait_until_no_container("late-start");
        block_on(runtime.stop()).unwrap();
        assert_clean(daemon, "late-start", &config.socket_folder);
    }
}

/// An operator restarts it: containers go on, and are watched as before.
#[test]
fn an_ordinary_restart_of_containerd_costs_no_container() {
    let Some(mut daemon) = Daemon::start() else { return };
    let world = World::with_probe(config(&daemon, "restarted"), LIMIT);
    world.call("count", "");
    for _ in 0..2 {
        daemon.terminate();
        assert_eq!(world.text("echo", "while it is gone"), "while it is gone");
        daemon.restart();
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(700) {
            world.assert_next_call(false);
        }
    }
    assert_eq!(world.detail("started"), "1");
    let fault = world.fault("exit", "").to_string();
    assert!(fault.contains("exited with code 7"), "{fault}");
    world.assert_next_call(true);
}
