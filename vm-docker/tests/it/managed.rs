//! A containerd that belongs to the host.

use std::{
    ffi::OsStr,
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use vm_core::{Code, HostFault, RuntimeKind};
use vm_docker::{DockerConfig, Health, examine};

use crate::{
    daemon::Daemon,
    images::archive,
    world::{World, config, probe},
};

const LIMIT: Duration = Duration::from_secs(30);

/// The process of the containerd that lives in a folder, found by its command line.
fn process(folder: &Path) -> Option<Pid> {
    let config = folder.join("config.toml").display().to_string();
    fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok()).find_map(
        |id| {
            let line = fs::read_to_string(format!("/proc/{id}/cmdline")).ok()?;
            (line.starts_with("containerd") && line.contains(&config)).then(|| Pid::from_raw(id)).flatten()
        },
    )
}

#[test]
fn a_managed_containerd_starts_is_restarted_and_ends_with_its_host() {
    // Whether there can be one is known by the shared one.
    let Some(daemon) = Daemon::shared() else { return };
    let folder = tempfile::Builder::new().prefix("vmm").tempdir_in("/tmp").unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
    let own = folder.path().join("c");
    let config =
        DockerConfig { managed: Some(own.clone()), address: "/nonexistent".into(), ..config(daemon, "managed") };
    let world = World::with_probe(config.clone(), LIMIT);
    assert_eq!(world.text("echo", "own"), "own");
    assert!(taken_by_images(&config) > 0, "the doctor asks it");
    let second = vm_docker::DockerRuntime::new(config.clone()).unwrap();
    let fault = futures_executor::block_on(vm_core::RuntimeProvider::start(&second)).unwrap_err().to_string();
    assert!(fault.contains("another host runs a containerd there"), "{fault}");
    // It would go on trying.
    drop(second);

    // It is killed: calls go on, and soon containers can be had again.
    kill_process(process(&own).unwrap(), Signal::KILL).unwrap();
    assert_eq!(world.text("echo", "goes on"), "goes on");
    world.wait_for("containerd_restarts", "1");
    let start = Instant::now();
    loop {
        // What runs is killed by the call, so that the next one needs a new container.
        let fault = world.fault("exit", "");
        match world.try_call("probe", "calls", "") {
            Ok(receipt) => break assert_eq!(receipt.output[..], [1]),
            Err(error) => assert!(matches!(error.fault(), Some(HostFault::Unavailable { .. })), "{error}; {fault}"),
        }
        assert!(start.elapsed() < LIMIT, "containers stay away");
    }
    world.stop();
    assert!(process(&own).is_none(), "containerd stays");
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(&own.display().to_string()), "mounts stay");
}

#[test]
fn a_managed_containerd_that_hangs_is_replaced() {
    let Some(daemon) = Daemon::shared() else { return };
    let folder = tempfile::Builder::new().prefix("vmm").tempdir_in("/tmp").unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
    let own = folder.path().join("c");
    let world = World::with_probe(DockerConfig { managed: Some(own.clone()), ..config(daemon, "hung") }, LIMIT);
    kill_process(process(&own).unwrap(), Signal::STOP).unwrap();
    let start = Instant::now();
    while world.detail("containerd_restarts") == "0" {
        assert_eq!(world.text("echo", "goes on"), "goes on");
        assert!(start.elapsed() < Duration::from_secs(60), "it hangs, and nobody minds");
        std::thread::park_timeout(Duration::from_millis(100));
    }
    // Another container can be had, as soon as the next containerd is ready.
    let start = Instant::now();
    loop {
        let _fault = world.fault("exit", "");
        match world.try_call("probe", "calls", "") {
            Ok(receipt) => break assert_eq!(receipt.output[..], [1]),
            Err(error) => assert!(start.elapsed() < LIMIT, "containers stay away: {error}"),
        }
    }
}

/// Variables by which the test below starts this program again, to crash: the folder for all that it makes.
const CRASH: &str = "VM_DOCKER_MANAGED_CRASH";

/// The part of the test below that runs in a process of its own.
#[test]
fn crashes_with_a_containerd_of_its_own_when_it_is_told_to() {
    let Some(folder) = std::env::var_os(CRASH) else { return };
    let _world = World::with_probe(config_in(Path::new(&folder)), LIMIT);
    kill_process(rustix::process::getpid(), Signal::KILL).unwrap();
}

fn config_in(folder: &Path) -> DockerConfig {
    DockerConfig {
        managed: Some(folder.join("c")),
        socket_folder: folder.join("s"),
        memory: 64 << 20,
        ..DockerConfig::default()
    }
}

/// The kernel ends its containerd; where nobody can tell it to, and that one hangs, too, the next host does.
#[test]
fn a_managed_containerd_outlives_no_crash_of_its_host() {
    let Some(_) = Daemon::shared() else { return };
    let folder = tempfile::Builder::new().prefix("vmm").tempdir_in("/tmp").unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
    let (file, programs) = (folder.path().join("probe"), folder.path().join("programs"));
    fs::write(&file, probe()).unwrap();
    // All that it needs, without setpriv.
    fs::create_dir(&programs).unwrap();
    let path = std::env::var_os("PATH").unwrap();
    let find = |name| std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.exists());
    for name in ["containerd", "containerd-shim-runc-v2", "runc"] {
        std::os::unix::fs::symlink(find(name).unwrap(), programs.join(name)).unwrap();
    }
    let crash = |path: &OsStr| {
        let crashed = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "managed::crashes_with_a_containerd_of_its_own_when_it_is_told_to", "--nocapture"])
            .env(CRASH, folder.path())
            .env("VM_TEST_PROBE", &file)
            .env("PATH", path)
            .output()
            .unwrap();
        assert_eq!(crashed.status.code(), None, "{}", String::from_utf8_lossy(&crashed.stderr));
    };
    let own = folder.path().join("c");
    if find("setpriv").is_some() {
        crash(&path);
        let start = Instant::now();
        while let Some(process) = process(&own) {
            assert!(start.elapsed() < Duration::from_secs(20), "{process:?} goes on");
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }

    crash(programs.as_os_str());
    let first = process(&own).expect("it goes on");
    kill_process(first, Signal::STOP).unwrap();
    let start = Instant::now();
    let world = World::with_probe(config_in(folder.path()), LIMIT);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert_ne!(process(&own), Some(first));
    // Those of the hosts that were killed go, and their folders.
    world.wait_for("containers", "1");
    let start = Instant::now();
    while fs::read_dir(folder.path().join("s")).unwrap().count() > 1 {
        assert!(start.elapsed() < LIMIT, "more than the folder of the host that lives");
        std::thread::park_timeout(Duration::from_millis(20));
    }
    world.stop();
}

/// One that has much to load is not taken for one that hangs.
#[test]
fn a_managed_containerd_that_takes_long_to_start_is_not_killed_for_it() {
    const SLOW: &str = "VM_DOCKER_SLOW_CONTAINERD";
    let Some(folder) = std::env::var_os(SLOW) else {
        let Some(_) = Daemon::shared() else { return };
        let folder = tempfile::Builder::new().prefix("vms").tempdir_in("/tmp").unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
        let (path, slow) = (std::env::var("PATH").unwrap(), folder.path().join("containerd"));
        // From its second start on it takes eight seconds.
        let script = format!(
            "#!/bin/sh\nPATH='{path}'\nif [ -e \"$0.started\" ]; then sleep 8; fi\ntouch \"$0.started\"\nexec containerd \"$@\"\n"
        );
        fs::write(&slow, script).unwrap();
        fs::set_permissions(&slow, fs::Permissions::from_mode(0o755)).unwrap();
        // In a process of its own, since the path is everybody's.
        let done = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "managed::a_managed_containerd_that_takes_long_to_start_is_not_killed_for_it"])
            .env(SLOW, folder.path())
            .env("PATH", format!("{}:{path}", folder.path().display()))
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
        return;
    };
    let own = Path::new(&folder).join("c");
    let config = DockerConfig {
        managed: Some(own.clone()),
        socket_folder: Path::new(&folder).join("s"),
        ..DockerConfig::default()
    };
    let world = World::with_probe(config, LIMIT);
    kill_process(process(&own).unwrap(), Signal::KILL).unwrap();
    world.wait_for("containerd_restarts", "1");
    let start = Instant::now();
    loop {
        let _fault = world.fault("exit", "");
        match world.try_call("probe", "calls", "") {
            Ok(receipt) => break assert_eq!(receipt.output[..], [1]),
            Err(error) => assert!(start.elapsed() < LIMIT, "containers stay away: {error}"),
        }
        std::thread::park_timeout(Duration::from_millis(100));
    }
    assert!(start.elapsed() > Duration::from_secs(5), "it was slow: {:?}", start.elapsed());
    assert_eq!(world.detail("containerd_restarts"), "1");
}

#[test]
fn without_containerd_in_the_path_it_says_so() {
    // In processes of their own, since the path is everybody's: where there is nothing, and where there is setpriv alone.
    const TOLD: &str = "VM_DOCKER_NO_PATH";
    if std::env::var_os(TOLD).is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = std::env::var_os("PATH").unwrap();
        let setpriv = std::env::split_paths(&path).map(|folder| folder.join("setpriv")).find(|path| path.exists());
        if let Some(setpriv) = setpriv {
            std::os::unix::fs::symlink(setpriv, folder.path().join("setpriv")).unwrap();
        }
        for path in [Path::new("/nonexistent"), folder.path()] {
            let done = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "managed::without_containerd_in_the_path_it_says_so"])
                .env(TOLD, "1")
                .env("PATH", path)
                .output()
                .unwrap();
            assert!(done.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&done.stdout));
        }
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let config = DockerConfig {
        managed: Some(folder.path().join("c")),
        socket_folder: folder.path().join("s"),
        ..DockerConfig::default()
    };
    let runtime = vm_docker::DockerRuntime::new(config).unwrap();
    let fault = futures_executor::block_on(vm_core::RuntimeProvider::start(&runtime)).unwrap_err().to_string();
    assert!(fault.contains("containerd is not installed; install the package"), "{fault}");
}

/// The mebibytes that the doctor finds images to have on disk.
fn taken_by_images(config: &DockerConfig) -> u64 {
    let disk = examine(config).into_iter().find(|finding| finding.what == "disk").unwrap();
    let (found, _) = disk.found.split_once(" MiB taken by images").unwrap();
    found.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_machine_that_runs_containers_is_found_to_be_good() {
    let Some(daemon) = Daemon::shared() else { return };
    let findings = examine(&config(daemon, "doctor"));
    assert!(findings.iter().all(|finding| finding.health < Health::Bad), "{findings:#?}");
    let containerd = findings.iter().find(|finding| finding.what == "containerd").unwrap();
    assert_eq!(containerd.health, Health::Good, "{containerd:?}");

    let disk = findings.iter().find(|finding| finding.what == "disk").unwrap();
    assert!(disk.found.contains(&daemon.root().display().to_string()), "{disk:?}");
    assert_eq!(taken_by_images(&config(daemon, "doctor")), 0);
    // What is unpacked is no longer free, and is room for images all the same.
    let world = World::start(config(daemon, "doctor"), LIMIT);
    let large = archive(&[probe(), vec![7; 8 << 20]].concat(), &["/opt/program"], &[]);
    world.deploy("large", Code::new(RuntimeKind::Docker, large)).unwrap();
    assert!((8..16).contains(&taken_by_images(&config(daemon, "doctor"))), "{:?}", examine(&config(daemon, "doctor")));

    let nowhere = DockerConfig { address: "/nonexistent.sock".into(), ..config(daemon, "doctor") };
    let containerd = examine(&nowhere).into_iter().find(|finding| finding.what == "containerd").unwrap();
    assert!(containerd.health == Health::Bad && containerd.advice.contains("start containerd"), "{containerd:?}");
}
