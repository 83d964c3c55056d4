//! What a contract's process cannot do.

use std::{fs, time::Duration};

use vm_core::{HostFault, VmProvider};
use vm_docker::DockerConfig;

use crate::{
    daemon::Daemon,
    world::{World, config},
};

const LIMIT: Duration = Duration::from_secs(60);

fn world(name: &str) -> Option<World> {
    Daemon::shared().map(|daemon| World::with_probe(config(daemon, name), LIMIT))
}

/// A line of /proc/self/status, without its name.
fn line<'a>(status: &'a str, name: &str) -> Vec<&'a str> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.split_whitespace().collect()
}

#[test]
fn no_capability_no_new_privileges_a_filter_and_an_unprivileged_user() {
    let Some(world) = world("privileges") else { return };
    let status = world.text("who", "");
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
        assert_eq!(line(&status, set), ["0000000000000000"], "{set}");
    }
    assert_eq!(line(&status, "NoNewPrivs:"), ["1"]);
    assert_eq!(line(&status, "Seccomp:"), ["2"]);
    assert_eq!(line(&status, "Uid:"), ["65532"; 4]);
    assert_eq!(line(&status, "Gid:"), ["65532"; 4]);
    assert!(line(&status, "Groups:").is_empty());
    assert_eq!(line(&status, "NSpid:"), ["1"], "it sees no process but its own");
}

#[cfg(target_arch = "x86_64")]
#[test]
fn system_calls_that_are_not_listed_are_refused() {
    let Some(world) = world("calls") else { return };
    assert_eq!(world.text("system_calls", ""), "unshare=-1 personality=-1 inotify_init1=-1 msgget=-1");
}

#[test]
fn the_limits_are_set() {
    let Some(daemon) = Daemon::shared() else { return };
    let _world = World::with_probe(DockerConfig { cpu_millis: 250, ..config(daemon, "limits") }, LIMIT);
    let id = daemon.list("limits", &["containers", "list", "-q"]).remove(0);
    // The two versions of control groups name and write them differently.
    let read = |old: &str, new: &str| {
        let path = |file: &str| format!("/sys/fs/cgroup/{}", file.replace("ID", &id));
        let text = fs::read_to_string(path(old)).or_else(|_| fs::read_to_string(path(new)));
        text.ok().map(|text| text.trim().to_owned())
    };
    let quota = read("cpu/ID/cpu.cfs_quota_us", "ID/cpu.max").unwrap();
    assert!(["25000", "25000 100000"].contains(&&*quota), "{quota}");
    assert_eq!(read("memory/ID/memory.limit_in_bytes", "ID/memory.max").as_deref(), Some("67108864"));
    // Kernels may be built without accounting of swap.
    if let Some(swap) = read("memory/ID/memory.memsw.limit_in_bytes", "ID/memory.swap.max") {
        assert!(["67108864", "0"].contains(&&*swap), "{swap}");
    }
    assert_eq!(read("pids/ID/pids.max", "ID/pids.max").as_deref(), Some("16"));
}

#[test]
fn nothing_can_be_written_to() {
    let Some(world) = world("files") else { return };
    const READ_ONLY: i32 = 30;
    assert_eq!(
        world.text("files", ""),
        format!(
            "/file={READ_ONLY} /tmp/file={READ_ONLY} /run/vm/file={READ_ONLY} /dev/file={READ_ONLY} \
             /proc/self/oom_score_adj=0 /proc/sys/kernel/hostname={READ_ONLY}"
        )
    );
}

#[test]
fn there_is_no_network() {
    let Some(world) = world("network") else { return };
    assert_eq!(world.text("network", ""), "tcp=1 udp=1 unix=1");
    assert_eq!(world.text("reconnect", ""), "2", "one connection is all it gets: the socket is gone");
}

#[test]
fn the_number_of_processes_is_limited() {
    let Some(world) = world("pids") else { return };
    let threads: u32 = world.text("threads", "").parse().unwrap();
    assert!((8..16).contains(&threads), "{threads} of 16");
    // The threads go on, so there is no room for a process.
    assert_eq!(world.text("forks", ""), "0");
}

#[test]
fn a_fork_bomb_meets_the_limit() {
    let Some(world) = world("forks") else { return };
    let children: u32 = world.text("forks", "").parse().unwrap();
    assert!((8..16).contains(&children), "{children} of 16");
    assert_eq!(world.text("echo", "still here"), "still here");
}

#[test]
fn a_memory_hog_is_killed_with_the_cause() {
    let Some(world) = world("memory") else { return };
    let fault = world.fault("hog", "");
    assert!(matches!(fault, HostFault::Process { .. }), "{fault}");
    let text = fault.to_string();
    assert!(text.contains("memory limit of 67108864 bytes (exit code 137)"), "{text}");
    world.assert_next_call(true);
}

#[test]
fn each_switch_loosens_what_it_names_and_is_shown() {
    let Some(daemon) = Daemon::shared() else { return };
    let world = World::with_probe(
        DockerConfig { allow_network: true, allow_file_system: true, ..config(daemon, "loose") },
        LIMIT,
    );
    // Nobody listens on port 1 of this machine.
    assert_eq!(world.text("network", ""), "tcp=111 udp=0 unix=30");
    let files = world.text("files", "");
    assert!(files.contains("/tmp/file=0") && files.contains("/run/vm/file=30"), "{files}");
    let status = world.vm.status();
    let details = &status.runtimes.iter().find(|(kind, _)| kind.as_str() == "docker").unwrap().1.details;
    let loosened = details.iter().find(|(name, _)| name == "loosened").map(|(_, settings)| settings.as_str());
    assert!(
        loosened.is_some_and(|settings| settings.contains("network") && settings.contains("file_system")),
        "{details:?}"
    );
}

#[test]
fn without_the_sandbox_the_rest_stays() {
    let Some(daemon) = Daemon::shared() else { return };
    let world = World::with_probe(DockerConfig { enable_sandbox: false, ..config(daemon, "bare") }, LIMIT);
    let status = world.text("who", "");
    assert_eq!(line(&status, "Seccomp:"), ["0"]);
    #[cfg(target_arch = "x86_64")]
    assert!(world.text("system_calls", "").contains("personality=0"));
    assert_eq!(line(&status, "CapBnd:"), ["0000000000000000"]);
    assert_eq!(line(&status, "NoNewPrivs:"), ["1"]);
    assert_eq!(line(&status, "Uid:"), ["65532"; 4]);
    assert!(world.text("files", "").contains("/tmp/file=30"));
}
