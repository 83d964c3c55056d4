//! Nothing stays behind: not after a stop, not after a drop, not after a crash.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use futures_executor::block_on;
use rustix::process::{Pid, Signal, getpid, kill_process};
use vm_core::{Code, RuntimeKind, RuntimeProvider};
use vm_docker::{DockerConfig, DockerRuntime};

use crate::{
    daemon::Daemon,
    images,
    world::{World, config, probe},
};

/// Variables by which a test starts this program again, to crash.
const CRASH: [&str; 3] = ["VM_DOCKER_CRASH_ADDRESS", "VM_DOCKER_CRASH_SOCKETS", "VM_DOCKER_CRASH_NAME"];

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

/// Has a host with the probe crash, in a process of its own. Returns its settings.
fn crash(daemon: &Daemon, name: &str) -> DockerConfig {
    let crashed = Command::new(env::current_exe().unwrap())
        .args(["--exact", "leftovers::crashes_when_it_is_told_to", "--nocapture"])
        .env(CRASH[0], daemon.address())
        .env(CRASH[1], daemon.sockets())
        .env(CRASH[2], name)
        .output()
        .unwrap();
    assert!(!crashed.status.success());
    assert_eq!(daemon.list(name, &["containers", "list", "-q"]).len(), 1, "the crash left a container");
    own_sockets(daemon, name)
}

#[test]
fn orphans_of_a_crashed_host_are_removed_at_the_next_start() {
    let Some(daemon) = Daemon::shared() else { return };
    let config = crash(daemon, "crash");

    // A host that lives keeps its own.
    let living = World::with_probe(config.clone(), Duration::from_secs(30));
    assert_eq!(daemon.list("crash", &["containers", "list", "-q"]).len(), 1);
    let second = World::start(config.clone(), Duration::from_secs(30));
    living.assert_next_call(false);
    second.stop();
    living.stop();
    assert_clean(daemon, "crash", &config.socket_folder);
}

/// What stands in a label is a text of somebody else: a folder that it names is not removed.
#[test]
fn labels_that_name_other_folders_are_left_alone() {
    let Some(daemon) = Daemon::shared() else { return };
    let config = own_sockets(daemon, "label");
    let victim = tempfile::tempdir().unwrap();
    let strange = config.socket_folder.join("data");
    fs::create_dir_all(&strange).unwrap();
    for folder in [victim.path(), &strange] {
        fs::write(folder.join("lock"), "somebody's").unwrap();
    }
    World::start(config.clone(), Duration::from_secs(5)).stop();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    for (number, owner) in [victim.path(), &strange, &config.socket_folder, Path::new("/")].iter().enumerate() {
        for (kind, prefix) in [("plain", String::new()), ("as-a-host", format!("{} ", boot.trim()))] {
            let label = format!("vm-docker.owner={prefix}{}", owner.display());
            daemon.list("label", &["leases", "create", "--id", &format!("{kind}-{number}"), &label]);
        }
    }
    World::start(config, Duration::from_secs(5)).stop();
    assert!(victim.path().join("lock").exists() && strange.join("lock").exists());
    assert_eq!(daemon.list("label", &["leases", "list", "-q"]).len(), 8);
}

#[test]
fn an_orphan_that_cannot_be_removed_now_keeps_no_host_from_starting() {
    let Some(daemon) = Daemon::shared() else { return };
    let config = crash(daemon, "stubborn");
    let shims = || processes("stubborn").into_iter().map(|(process, _)| process);
    shims().for_each(|shim| kill_process(shim, Signal::STOP).unwrap());
    let start = Instant::now();
    let world = World::start(config.clone(), Duration::from_secs(30));
    let elapsed = start.elapsed();
    let listed = daemon.list("stubborn", &["containers", "list", "-q"]).len();
    shims().for_each(|shim| kill_process(shim, Signal::CONT).unwrap());
    assert!(elapsed < Duration::from_secs(10), "{elapsed:?}");
    assert_eq!(listed, 1);
    daemon.wait_until_no_container("stubborn");
    world.stop();
}

/// The part of the tests above that runs in a process of its own.
#[test]
fn crashes_when_it_is_told_to() {
    let [Some(address), Some(sockets), Some(name)] = CRASH.map(env::var_os) else { return };
    let config = DockerConfig {
        address: address.into(),
        socket_folder: Path::new(&sockets).join(&name),
        namespace: name.into_string().unwrap(),
        ..DockerConfig::default()
    };
    let _world = World::with_probe(config, Duration::from_secs(30));
    kill_process(getpid(), Signal::KILL).unwrap();
}

#[test]
fn what_a_host_could_not_remove_is_removed_by_the_next_one_in_the_same_process() {
    let Some(daemon) = Daemon::start() else { return };
    let config = own_sockets(&daemon, "hung");
    let runtime = DockerRuntime::new(config.clone()).unwrap();
    block_on(runtime.start()).unwrap();
    let contract = block_on(runtime.prepare(&Code::new(RuntimeKind::Docker, probe()))).unwrap();
    daemon.freeze(true);
    drop(runtime);
    daemon.freeze(false);
    let next = DockerRuntime::new(config.clone()).unwrap();
    block_on(next.start()).unwrap();
    daemon.wait_until_no_container("hung");
    block_on(next.stop()).unwrap();
    assert_clean(&daemon, "hung", &config.socket_folder);
    drop(contract);
}

/// What runs in the containers of a name space, by their names.
fn contents(ids: &[String]) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let path = entry.ok()?.path();
        let of_container = fs::read_to_string(path.join("cgroup")).ok()?;
        let command = fs::read_to_string(path.join("cmdline")).ok().filter(|line| !line.is_empty())?;
        ids.iter().any(|id| of_container.contains(id)).then_some(command)
    });
    processes.collect()
}

/// containerd does not answer, so nothing can be removed: but it does not run on.
#[test]
fn what_a_stop_cannot_remove_is_killed() {
    let Some(daemon) = Daemon::start() else { return };
    let config = own_sockets(&daemon, "frozen-stop");
    let runtime = DockerRuntime::new(config.clone()).unwrap();
    block_on(runtime.start()).unwrap();
    let contract = block_on(runtime.prepare(&Code::new(RuntimeKind::Docker, probe()))).unwrap();
    let ids = daemon.list("frozen-stop", &["containers", "list", "-q"]);
    assert_eq!(contents(&ids), ["/contract\0"], "in {ids:?}");
    daemon.freeze(true);
    // The shim could reap it, but not kill it.
    for (shim, _) in processes("frozen-stop") {
        kill_process(shim, Signal::STOP).unwrap();
    }
    drop(runtime);
    let start = Instant::now();
    while !contents(&ids).is_empty() && start.elapsed() < Duration::from_secs(5) {
        std::thread::park_timeout(Duration::from_millis(10));
    }
    let left = contents(&ids);
    for (shim, _) in processes("frozen-stop") {
        kill_process(shim, Signal::CONT).unwrap();
    }
    daemon.freeze(false);
    assert_eq!(left, [""; 0], "it runs on");
    let next = DockerRuntime::new(config).unwrap();
    block_on(next.start()).unwrap();
    daemon.wait_until_no_container("frozen-stop");
    block_on(next.stop()).unwrap();
    drop(contract);
}

/// Code that takes containerd a while to import.
fn large() -> Code {
    let layer = images::tar(&[("opt/program", &probe()), ("opt/much", &vec![7; 48 << 20])]);
    Code::new(RuntimeKind::Docker, images::layered(&[layer], &["/opt/program"], &[]))
}

/// Waits until containerd takes in the layer of an import.
fn wait_for_import(daemon: &Daemon) {
    let (folder, start) = (daemon.root().join("io.containerd.content.v1.content/ingest"), Instant::now());
    while fs::read_dir(&folder).map_or(0, Iterator::count) == 0 {
        assert!(start.elapsed() < Duration::from_secs(20), "no import begins");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

#[test]
fn a_stop_waits_for_no_import() {
    let Some(daemon) = Daemon::start() else { return };
    let config = own_sockets(&daemon, "import-stop");
    let runtime = DockerRuntime::new(config.clone()).unwrap();
    block_on(runtime.start()).unwrap();
    let code = large();
    std::thread::scope(|scope| {
        let prepared = scope.spawn(|| block_on(runtime.prepare(&code)).map(drop));
        wait_for_import(&daemon);
        daemon.freeze(true);
        assert!(!prepared.is_finished());
        let stopped = scope.spawn(|| block_on(runtime.stop()));
        // The layer could be waited for for two minutes.
        let start = Instant::now();
        while !prepared.is_finished() && start.elapsed() < Duration::from_secs(5) {
            std::thread::park_timeout(Duration::from_millis(10));
        }
        let waits = !prepared.is_finished();
        daemon.freeze(false);
        stopped.join().unwrap().unwrap();
        assert!(prepared.join().unwrap().is_err());
        assert!(!waits, "the import goes on");
    });
    assert_clean(&daemon, "import-stop", &config.socket_folder);
}

/// Both the unpacking and what would have let go of it fail: it is tried again.
#[test]
fn of_an_import_that_containerd_did_not_survive_nothing_is_left_while_the_host_runs() {
    let Some(mut daemon) = Daemon::start() else { return };
    let config = own_sockets(&daemon, "import-killed");
    let runtime = DockerRuntime::new(config.clone()).unwrap();
    block_on(runtime.start()).unwrap();
    let code = large();
    std::thread::scope(|scope| {
        let prepared = scope.spawn(|| block_on(runtime.prepare(&code)).map(drop));
        wait_for_import(&daemon);
        daemon.kill();
        assert!(prepared.join().unwrap().is_err());
    });
    daemon.restart();
    let start = Instant::now();
    loop {
        let left = daemon.list("import-killed", &["leases", "list", "-q"]);
        if left.is_empty() {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "{left:?} stay");
        std::thread::park_timeout(Duration::from_millis(50));
    }
    block_on(runtime.prepare(&Code::new(RuntimeKind::Docker, probe()))).unwrap();
    block_on(runtime.stop()).unwrap();
    assert_clean(&daemon, "import-killed", &config.socket_folder);
}

/// How often containers are made and killed: `VM_TEST_CYCLES=1000 cargo xtask test -p vm-docker -- cycles_of --nocapture` for a
/// thousand. Asked for that way the test is alone in its process, and looks at what this process has, too.
fn cycles() -> (u32, bool) {
    env::var("VM_TEST_CYCLES").map_or((20, false), |cycles| (cycles.parse().unwrap(), true))
}

/// Open files, threads, and resident memory in KiB of this process.
fn own_resources() -> [usize; 3] {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    };
    [fs::read_dir("/proc/self/fd").unwrap().count(), field("Threads:"), field("VmRSS:")]
}

#[test]
fn cycles_of_making_and_killing_leave_nothing() {
    let Some(daemon) = Daemon::shared() else { return };
    let config = DockerConfig { restart_pause: Duration::ZERO, ..own_sockets(daemon, "cycles") };
    let world = World::with_probe(config.clone(), Duration::from_secs(30));
    let mut made = BTreeSet::new();
    let (cycles, alone) = cycles();
    let (begun, mut early) = (Instant::now(), [0; 3]);
    for cycle in 0..cycles {
        if cycle == cycles / 10 {
            early = own_resources();
        }
        // One ends by itself, the next one is killed with a frame half sent.
        world.fault(if cycle % 2 == 0 { "exit" } else { "oversized" }, "");
        world.assert_next_call(true);
        made.extend(daemon.list("cycles", &["containers", "list", "-q"]));
    }
    assert!(!control_groups_of(&made).is_empty(), "the one that runs has them");
    let started: u32 = world.detail("started").parse().unwrap();
    assert!(started > cycles);
    let (took, late) = (begun.elapsed(), own_resources());
    println!(
        "{cycles} cycles in {:.1} s; open files, threads, KiB: {early:?} after a tenth, {late:?} in the end",
        took.as_secs_f64()
    );
    if alone {
        assert!(late[0] <= early[0] + 8 && late[1] <= early[1] + 4, "open files or threads are left");
        assert!(late[2] <= early[2] + 16 * 1024, "memory grows");
    }
    world.stop();
    assert_clean(daemon, "cycles", &config.socket_folder);
    assert_eq!(mounts_of("cycles"), [""; 0]);
    assert_eq!(control_groups_of(&made), [""; 0].map(PathBuf::from));
    // A shim ends after the answer to what has ended it.
    let start = Instant::now();
    while !shims_of("cycles").is_empty() {
        assert!(start.elapsed() < Duration::from_secs(20), "shims stay: {:?}", shims_of("cycles"));
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// What is mounted for the containers of a name space.
fn mounts_of(namespace: &str) -> Vec<String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let path = format!("/io.containerd.runtime.v2.task/{namespace}/");
    mounts.lines().filter(|line| line.contains(&path)).map(str::to_owned).collect()
}

/// The command lines of the shims of a name space.
fn shims_of(namespace: &str) -> Vec<String> {
    processes(namespace).into_iter().map(|(_, line)| line).collect()
}

/// The shims of a name space: their numbers and command lines.
fn processes(namespace: &str) -> Vec<(Pid, String)> {
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let path = entry.ok()?.path();
        let number = path.file_name()?.to_str()?.parse().ok().and_then(Pid::from_raw)?;
        Some((number, fs::read_to_string(path.join("cmdline")).ok()?.replace('\0', " ")))
    });
    let of_namespace = format!("-namespace {namespace} ");
    processes.filter(|(_, line)| line.contains("containerd-shim") && line.contains(&of_namespace)).collect()
}

/// The control groups of some containers, in any hierarchy.
fn control_groups_of(containers: &BTreeSet<String>) -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let hierarchies = fs::read_dir(root).unwrap().filter_map(|entry| Some(entry.ok()?.path()));
    let places = hierarchies.chain([root.to_owned()]).flat_map(|place| containers.iter().map(move |id| place.join(id)));
    places.filter(|path| path.exists()).collect()
}
