//! Nothing stays behind: not after a stop, not after a drop, not after a crash.

use std::{
    collections::BTreeSet,
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use futures_executor::block_on;
use rustix::process::{Pid, Signal, getpid, kill_process};
use sha2::{Digest as _, Sha256};
use vm_core::{Code, RuntimeKind, RuntimeProvider};
use vm_docker::{DockerConfig, DockerRuntime};

use crate::{
    daemon::Daemon,
    images,
    world::{World, config, probe},
};

/// Variables by which a test starts this program again, to crash.
const CRASH: [&str; 3] = ["VM_DOCKER_CRASH_ADDRESS", "VM_DOCKER_CRASH_SOCKETS", "VM_DOCKER_CRASH_NAME"];

/// What containerd has in the name space, folders that hosts have, and what is left of containers outside of containerd.
fn left(daemon: &Daemon, namespace: &str, sockets: &Path) -> Vec<String> {
    let mut left = Vec::new();
    for what in ["containers", "tasks", "leases", "content"] {
        let listed = daemon.list(namespace, &[what, "list", "-q"]);
        left.extend(listed.iter().map(|name| format!("{what}: {name}")));
    }
    let snapshots = daemon.list(namespace, &["snapshots", "list"]);
    left.extend(snapshots.iter().skip(1).map(|line| format!("snapshots: {line}")));
    left.extend(fs::read_dir(sockets).unwrap().map(|folder| format!("{:?}", folder.unwrap().path())));
    left.extend(left_outside(daemon, namespace));
    left
}

/// The shims of a name space and their sockets, and the control groups of its containers and what runc has of them.
fn left_outside(daemon: &Daemon, namespace: &str) -> Vec<String> {
    let address = daemon.address();
    let of_daemon = format!("-address {} ", address.display());
    let containers = daemon.told_of(namespace);
    let sockets = containers.iter().map(|id| {
        let name = Sha256::digest(format!("{}/{namespace}/{id}", address.display()));
        Path::new("/run/containerd/s").join(hex::encode(name))
    });
    let of_shims = || {
        let shims =
            processes(namespace).into_iter().filter(|(_, line)| line.contains(&of_daemon)).map(|(_, line)| line);
        let sockets = sockets.clone().filter(|socket| socket.exists()).map(|socket| format!("{socket:?}"));
        shims.chain(sockets).collect::<Vec<_>>()
    };
    // A shim ends after the answer to what has ended it.
    let start = Instant::now();
    while !of_shims().is_empty() && start.elapsed() < Duration::from_secs(5) {
        std::thread::park_timeout(Duration::from_millis(20));
    }
    let of_runc = containers.iter().map(|id| Path::new("/run/containerd/runc").join(namespace).join(id));
    let others = of_runc.filter(|path| path.exists()).chain(control_groups_of(&containers));
    of_shims().into_iter().chain(others.map(|path| format!("{path:?}"))).collect()
}

/// The control groups of some containers, in any hierarchy.
fn control_groups_of(containers: &BTreeSet<String>) -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let hierarchies = fs::read_dir(root).unwrap().filter_map(|entry| Some(entry.ok()?.path()));
    let places = hierarchies.chain([root.to_owned()]).flat_map(|place| containers.iter().map(move |id| place.join(id)));
    places.filter(|path| path.exists()).collect()
}

/// Checks that containerd has nothing in the name space, that no host has a folder, and that nothing is left of what ran.
pub(crate) fn assert_clean(daemon: &Daemon, namespace: &str, sockets: &Path) {
    assert_eq!(left(daemon, namespace, sockets), [""; 0]);
}

/// Has hosts start, each until it has nothing more to remove of dead ones or for some seconds, until nothing is left of those.
pub(crate) fn clean_up(daemon: &Daemon, config: &DockerConfig) {
    let start = Instant::now();
    loop {
        let host = World::start(config.clone(), Duration::from_secs(30));
        let begun = Instant::now();
        // The folders of dead hosts are the last that goes.
        while fs::read_dir(&config.socket_folder).unwrap().count() > 1 && begun.elapsed() < Duration::from_secs(10) {
            std::thread::park_timeout(Duration::from_millis(20));
        }
        host.stop();
        let left = left(daemon, &config.namespace, &config.socket_folder);
        if left.is_empty() {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "{left:?} stay");
    }
}

pub(crate) fn own_sockets(daemon: &Daemon, name: &str) -> DockerConfig {
    DockerConfig { socket_folder: daemon.sockets().join(name), ..config(daemon, name) }
}

#[test]
fn a_stop_removes_everything() {
    let Some(daemon) = Daemon::shared() else { return };
    let config = own_sockets(daemon, "stop");
    // Time enough for a start on a machine that has much else to do.
    let world = World::with_probe(config.clone(), Duration::from_secs(8));
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
    crash_beside(daemon, name, name)
}

/// The same with another folder for its sockets.
fn crash_beside(daemon: &Daemon, name: &str, sockets: &str) -> DockerConfig {
    let crashed = Command::new(env::current_exe().unwrap())
        .args(["--exact", "leftovers::crashes_when_it_is_told_to", "--nocapture"])
        .env(CRASH[0], daemon.address())
        .env(CRASH[1], daemon.sockets().join(sockets))
        .env(CRASH[2], name)
        .output()
        .unwrap();
    assert!(!crashed.status.success());
    assert_eq!(daemon.list(name, &["containers", "list", "-q"]).len(), 1, "the crash left a container");
    DockerConfig { socket_folder: daemon.sockets().join(sockets), ..config(daemon, name) }
}

/// The folder of a dead host tells whose orphans are in its name space: a start in another one leaves it there.
#[test]
fn orphans_in_one_name_space_survive_no_start_in_another() {
    let Some(daemon) = Daemon::shared() else { return };
    let config = crash_beside(daemon, "crash-a", "crash-ab");
    let other = DockerConfig { namespace: "crash-b".into(), ..config.clone() };
    World::start(other, Duration::from_secs(30)).stop();
    assert_eq!(daemon.list("crash-a", &["containers", "list", "-q"]).len(), 1, "it is none of its business");
    clean_up(daemon, &config);
}

/// What containerd was doing for a host when that was killed may come after the first look of the next one.
#[test]
fn what_comes_late_of_a_dead_host_is_removed_too() {
    let Some(daemon) = Daemon::shared() else { return };
    let config = crash(daemon, "late");
    let dead = fs::read_dir(&config.socket_folder).unwrap().next().unwrap().unwrap().path();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let label = format!("vm-docker.owner={} {}", boot.trim(), dead.display());
    // Its first look is over when it has started.
    let world = World::start(config.clone(), Duration::from_secs(30));
    daemon.list("late", &["leases", "create", "--id", "late", &label]);
    assert!(dead.exists(), "it tells whose that is");
    let start = Instant::now();
    while dead.exists() {
        assert!(start.elapsed() < Duration::from_secs(30), "the folder stays");
        std::thread::park_timeout(Duration::from_millis(20));
    }
    assert_eq!(daemon.list("late", &["leases", "list", "-q"]), [""; 0]);
    world.stop();
    assert_clean(daemon, "late", &config.socket_folder);
}

/// A command of some milliseconds does not wait for a second look: the next one has it.
#[test]
fn hosts_that_live_shortly_remove_all_together() {
    let Some(daemon) = Daemon::shared() else { return };
    let config = crash(daemon, "short");
    let dead = fs::read_dir(&config.socket_folder).unwrap().next().unwrap().unwrap().path();
    let short = || World::start(config.clone(), Duration::from_secs(30)).stop();
    short();
    // Some time later.
    if let Ok(note) = fs::File::options().append(true).open(dead.join("looked")) {
        note.set_modified(note.metadata().unwrap().modified().unwrap() - Duration::from_secs(60)).unwrap();
    }
    short();
    assert_clean(daemon, "short", &config.socket_folder);
}

/// As when containerd makes it after its container was given up.
#[test]
fn a_task_without_a_container_is_removed_at_the_next_start() {
    let Some(daemon) = Daemon::shared() else { return };
    let config = crash(daemon, "task");
    let id = daemon.list("task", &["containers", "list", "-q"]).remove(0);
    daemon.forget_container("task", &id);
    assert_eq!(daemon.list("task", &["tasks", "list", "-q"]), [id], "it runs on");
    clean_up(daemon, &config);
}

/// It was given a container to be removed with, and the host that gave it that could not remove it.
#[test]
fn a_task_that_one_host_could_not_remove_is_removed_by_the_next() {
    let programs = tempfile::tempdir().unwrap();
    let (runc, stubborn) = (programs.path().join("runc"), programs.path().join("stubborn"));
    let path = env::var("PATH").unwrap();
    let script = format!(
        "#!/bin/sh\nPATH='{path}'\ncase \" $* \" in *' kill '* | *' delete '*) [ -e '{}' ] && exit 1; esac\nexec runc \"$@\"\n",
        stubborn.display()
    );
    fs::write(&runc, script).unwrap();
    fs::set_permissions(&runc, fs::Permissions::from_mode(0o755)).unwrap();
    let Some(daemon) = Daemon::with_path(format!("{}:{path}", programs.path().display()).into()) else { return };
    let config = own_sockets(&daemon, "task-stays");
    let start = || {
        let runtime = DockerRuntime::new(config.clone()).unwrap();
        block_on(runtime.start()).unwrap();
        runtime
    };
    let list = || daemon.list("task-stays", &["containers", "list", "-q"]);
    let first = start();
    let contract = block_on(first.prepare(&Code::new(RuntimeKind::Docker, probe()))).unwrap();
    let id = list().remove(0);
    fs::write(&stubborn, "").unwrap();
    daemon.forget_container("task-stays", &id);
    daemon.freeze(true);
    drop(first);
    daemon.freeze(false);
    let second = start();
    assert_eq!(list(), [id], "the task has a container again");
    drop(second);
    fs::remove_file(&stubborn).unwrap();
    clean_up(&daemon, &config);
    drop(contract);
}

/// Has containerd lose all tasks of a name space while it does not run. What they are goes on.
fn lose_tasks(daemon: &mut Daemon, namespace: &str) {
    daemon.kill();
    let folder = daemon.state().join("io.containerd.runtime.v2.task").join(namespace);
    for bundle in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
        assert!(Command::new("umount").arg("-l").arg(bundle.join("rootfs")).status().unwrap().success());
        fs::remove_dir_all(bundle).unwrap();
    }
    daemon.restart();
    assert_eq!(daemon.list(namespace, &["tasks", "list", "-q"]), [""; 0]);
    assert_eq!(processes(namespace).len(), 1, "it runs on");
}

/// As containerd loses that of a task whose making was broken off.
#[test]
fn a_shim_that_containerd_has_lost_is_ended_at_the_next_start() {
    let Some(mut daemon) = Daemon::start() else { return };
    let config = crash(&daemon, "lost");
    let id = daemon.list("lost", &["containers", "list", "-q"]);
    let beside = crash(&daemon, "lost-beside");
    lose_tasks(&mut daemon, "lost");
    daemon.forget_container("lost", &id[0]);
    clean_up(&daemon, &config);
    // It belongs to another dead host, of another name space.
    assert_eq!(processes("lost-beside").len(), 1);
    clean_up(&daemon, &beside);
}

#[test]
fn a_host_ends_what_containerd_has_lost_of_its_own() {
    let Some(mut daemon) = Daemon::start() else { return };
    let config = own_sockets(&daemon, "lost-own");
    let runtime = DockerRuntime::new(config.clone()).unwrap();
    block_on(runtime.start()).unwrap();
    let contract = block_on(runtime.prepare(&Code::new(RuntimeKind::Docker, probe()))).unwrap();
    lose_tasks(&mut daemon, "lost-own");
    drop(contract);
    block_on(runtime.stop()).unwrap();
    assert_clean(&daemon, "lost-own", &config.socket_folder);
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
    clean_up(daemon, &config);
}

/// The specifications of all containers in the name space, whosever they are, are more than one message may hold.
#[test]
fn orphans_among_containers_with_long_specifications_are_removed() {
    let Some(daemon) = Daemon::shared() else { return };
    let config = crash(daemon, "long");
    let text = format!("LONG={}", "x".repeat(3 << 20));
    let specification = serde_json::json!({ "ociVersion": "1.0.2", "process": { "cwd": "/", "env": [text] } });
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(&file, specification.to_string()).unwrap();
    for id in ["stranger-1", "stranger-2"] {
        daemon.list("long", &["containers", "create", "--config", file.path().to_str().unwrap(), id]);
    }
    World::start(config, Duration::from_secs(30)).stop();
    assert_eq!(daemon.list("long", &["containers", "list", "-q"]), ["stranger-1", "stranger-2"]);
    assert_eq!(daemon.list("long", &["tasks", "list", "-q"]), [""; 0]);
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
        socket_folder: sockets.into(),
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
    clean_up(&daemon, &config);
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

/// A start that containerd does not go on with keeps nothing that is there.
#[test]
fn a_stop_ends_what_runs_while_a_start_hangs() {
    let Some(daemon) = Daemon::start() else { return };
    let config = DockerConfig { pool_min: 2, ..own_sockets(&daemon, "hung-start") };
    let runtime = DockerRuntime::new(config.clone()).unwrap();
    block_on(runtime.start()).unwrap();
    let contract = block_on(runtime.prepare(&Code::new(RuntimeKind::Docker, probe()))).unwrap();
    // The second container has just been begun.
    daemon.freeze(true);
    let host = fs::read_dir(&config.socket_folder).unwrap().next().unwrap().unwrap().file_name();
    let ids = [format!("vm-{}-", host.to_str().unwrap())];
    let start = Instant::now();
    while runtime.status().details.iter().any(|(name, number)| name == "containers" && number != "2") {
        assert!(start.elapsed() < Duration::from_secs(5), "no second start begins");
        std::thread::park_timeout(Duration::from_millis(1));
    }
    let runs = || contents(&ids).iter().any(|command| command == "/contract\0");
    assert!(runs());
    std::thread::scope(|scope| {
        let stopped = scope.spawn(|| block_on(runtime.stop()));
        let start = Instant::now();
        while runs() && start.elapsed() < Duration::from_secs(5) {
            std::thread::park_timeout(Duration::from_millis(10));
        }
        let runs_on = runs();
        daemon.freeze(false);
        // Whether all of it goes now is up to when containerd goes on.
        let _ = stopped.join().unwrap();
        assert!(!runs_on);
    });
    drop(contract);
    clean_up(&daemon, &config);
}

/// Code that takes containerd a while to import.
pub(crate) fn large() -> Code {
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

/// The shims of a name space: their numbers and command lines.
pub(crate) fn processes(namespace: &str) -> Vec<(Pid, String)> {
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let path = entry.ok()?.path();
        let number = path.file_name()?.to_str()?.parse().ok().and_then(Pid::from_raw)?;
        Some((number, fs::read_to_string(path.join("cmdline")).ok()?.replace('\0', " ")))
    });
    let of_namespace = format!("-namespace {namespace} ");
    processes.filter(|(_, line)| line.contains("containerd-shim") && line.contains(&of_namespace)).collect()
}
