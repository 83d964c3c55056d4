//! What a contract's process cannot do.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        process::CommandExt,
    },
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use vm_core::{Code, HostFault, RuntimeKind, VmProvider};
use vm_docker::DockerConfig;

use crate::{
    daemon::Daemon,
    images,
    world::{World, config, probe},
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

#[test]
fn containers_share_no_user() {
    let Some(daemon) = Daemon::shared() else { return };
    let world = World::with_probe(DockerConfig { pool_min: 2, ..config(daemon, "users") }, LIMIT);
    world.wait_for("started", "2");
    let tasks = daemon.list("users", &["tasks", "list"]);
    let processes = tasks.iter().skip(1).filter_map(|line| line.split_whitespace().nth(1));
    let user = |process: &str| {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        line(&status, "Uid:")[0].parse::<u32>().unwrap()
    };
    let users: Vec<_> = processes.map(user).collect();
    assert!(users.len() == 2 && users[0] != users[1], "{users:?}");
    assert!(users.iter().all(|user| (0x7000_0000..0x7001_0000).contains(user)), "{users:?}");
}

#[cfg(target_arch = "x86_64")]
#[test]
fn system_calls_that_are_not_listed_are_refused() {
    let Some(world) = world("calls") else { return };
    let refused = world.text("system_calls", "");
    assert!(refused.split(' ').all(|call| call.ends_with("=-1")), "{refused}");
    assert_eq!(refused.split(' ').count(), 25);
    let sockets = world.text("sockets", "");
    assert_eq!(sockets, "inet=-1 inet6=-1 netlink=-1 packet=-1 alg=-1 vsock=-1");
}

#[cfg(target_arch = "x86_64")]
#[test]
fn no_process_begins_in_a_name_space_of_its_own() {
    let Some(world) = world("clones") else { return };
    let cloned = world.text("clones", "");
    let (refused, unknown) = cloned.rsplit_once(' ').unwrap();
    assert!(refused.split(' ').all(|call| call.ends_with("=-1")), "EPERM: {refused}");
    assert_eq!((refused.split(' ').count(), unknown), (8, "clone3=-38"), "ENOSYS, so that libraries take clone");
}

#[test]
fn a_program_of_the_image_gives_nobody_the_rights_of_its_owner() {
    let Some(daemon) = Daemon::shared() else { return };
    let mut layer = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    let program = probe();
    header.set_size(program.len() as u64);
    header.set_mode(0o4755);
    header.set_uid(0);
    layer.append_data(&mut header, "opt/program", &*program).unwrap();
    let image = images::layered(&[layer.into_inner().unwrap()], &["/opt/program"], &[]);
    let world = World::start(config(daemon, "setuid"), LIMIT);
    world.deploy("probe", Code::new(RuntimeKind::Docker, image)).unwrap();
    assert_eq!(world.text("set_user", ""), "true 65532\t65532\t65532\t65532");
}

#[test]
fn every_name_space_is_its_own() {
    let Some(world) = world("namespaces") else { return };
    let theirs = world.text("namespaces", "");
    for (kind, theirs) in ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"].into_iter().zip(theirs.split(' ')) {
        let ours = fs::read_link(format!("/proc/self/ns/{kind}")).unwrap();
        assert!(theirs.starts_with(kind) && ours.as_os_str() != theirs, "{kind}: {theirs}");
    }
}

#[test]
fn what_tells_about_the_machine_cannot_be_read() {
    let Some(world) = world("secrets") else { return };
    // Its own environment is all.
    assert_eq!(world.text("secrets", ""), "/proc/1/environ");
    // Links to places that are closed, or its own, are there, too.
    assert_eq!(
        world.text("devices", "").trim_start_matches("core "),
        "fd full null ptmx random stderr stdin stdout tty urandom zero"
    );
}

#[test]
fn open_files_are_limited() {
    let Some(world) = world("nofile") else { return };
    let files: u32 = world.text("open_files", "").parse().unwrap();
    assert!((200..256).contains(&files), "{files}");
}

#[test]
fn the_temporary_folder_is_limited_and_no_more_can_be_written_to() {
    let Some(daemon) = Daemon::shared() else { return };
    let config = DockerConfig { allow_file_system: true, tmp_size: 1 << 20, ..config(daemon, "tmp") };
    let world = World::with_probe(config, LIMIT);
    let files = world.text("files", "");
    assert!(files.contains("/file=30 /tmp/file=0") && files.contains("/contract=30"), "{files}");
    let written: u64 = world.text("fill", "").parse().unwrap();
    assert!((900_000..=1 << 20).contains(&written), "{written}");
    assert_eq!(world.text("far", ""), "Some(27)", "EFBIG");
}

#[test]
fn the_sockets_of_the_machine_are_out_of_reach() {
    use std::os::linux::net::SocketAddrExt;
    let Some(daemon) = Daemon::shared() else { return };
    let name = format!("vm-docker-test-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let _listener = std::os::unix::net::UnixListener::bind_addr(&address).unwrap();
    const REFUSED: &str = "111";
    let world = World::with_probe(config(daemon, "abstract"), LIMIT);
    assert_eq!(world.text("interfaces", ""), "lo");
    assert_eq!(world.text("abstract", &name), REFUSED);
    drop(world);
    // With the network of the machine come its abstract sockets: that is what the warning is for.
    let world = World::with_probe(DockerConfig { allow_network: true, ..config(daemon, "concrete") }, LIMIT);
    assert_eq!(world.text("abstract", &name), "0");
}

#[test]
fn strangers_cannot_pose_as_the_contract() {
    let Some(daemon) = Daemon::shared() else { return };
    let sockets = daemon.sockets().join("strangers");
    let config = DockerConfig {
        socket_folder: sockets.clone(),
        start_timeout: Duration::from_secs(5),
        ..config(daemon, "strangers")
    };
    let world = World::start(config, LIMIT);
    let folder = tempfile::Builder::new().tempdir_in("/tmp").unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = folder.path().join("probe");
    fs::write(&program, probe()).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();

    let stranger = std::thread::spawn(move || {
        let inside =
            |path: &Path| fs::read_dir(path).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
        let find = || {
            let folders = inside(&sockets).flat_map(|host| inside(&host).collect::<Vec<_>>());
            folders.map(|folder| folder.join("s/contract.sock")).find(|path| path.exists())
        };
        let start = Instant::now();
        let socket = loop {
            if let Some(socket) = find() {
                break socket;
            }
            assert!(start.elapsed() < LIMIT, "no socket");
            std::thread::park_timeout(Duration::from_millis(5));
        };
        // Root may enter, and so may the container's own user, but neither is in the container.
        let own = fs::metadata(&socket).unwrap().uid();
        assert!((0x7000_0000..0x7001_0000).contains(&own), "{own}");
        [0, own].map(|user| {
            let status = Command::new(&program).arg("connect").arg(&socket).uid(user).gid(user).status().unwrap();
            status.code()
        })
    });
    // The program of the container waits for ever instead of connecting.
    let code = images::archive(&probe(), &["/opt/program", "wait"], &[]);
    let error = world.deploy("probe", Code::new(RuntimeKind::Docker, code)).unwrap_err();
    assert_eq!(stranger.join().unwrap(), [Some(0); 2], "both are turned away");
    assert!(error.to_string().contains("within 5 s"), "{error}");
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
    // Version 2 has weights, of which 5 is what 128 shares are.
    let shares = read("cpu/ID/cpu.shares", "ID/cpu.weight");
    assert!(matches!(shares.as_deref(), Some("128" | "5")), "{shares:?}");
    assert_eq!(read("pids/ID/pids.max", "ID/pids.max").as_deref(), Some("16"));

    let tasks = daemon.list("limits", &["tasks", "list"]);
    let process = tasks.iter().skip(1).find_map(|line| line.split_whitespace().nth(1)).unwrap();
    let limits = fs::read_to_string(format!("/proc/{process}/limits")).unwrap();
    for (name, limit) in [("core file size", 0), ("file size", 0), ("open files", 256), ("stack size", 8 << 20)] {
        let limit: u64 = limit;
        assert_eq!(line(&limits, &format!("Max {name} "))[..2], [limit.to_string(), limit.to_string()], "{name}");
    }
}

/// What it uses is compared with the periods of 100 ms that the kernel has given it time in, not with a clock.
#[test]
fn who_computes_has_the_part_of_a_processor_that_it_may_have() {
    let Some(daemon) = Daemon::shared() else { return };
    // So little that it would have more on a machine that has much else to do, too.
    let world = World::with_probe(DockerConfig { cpu_millis: 20, ..config(daemon, "quota") }, LIMIT);
    world.call("compute", "2000");
    let id = daemon.list("quota", &["containers", "list", "-q"]).remove(0);
    let read = |path: String| fs::read_to_string(format!("/sys/fs/cgroup/{path}"));
    let stat = read(format!("cpu/{id}/cpu.stat")).or_else(|_| read(format!("{id}/cpu.stat"))).unwrap();
    let number = |name: &str| line(&stat, name)[0].parse::<u64>().unwrap();
    let used = u64::try_from(used(&id).unwrap().as_micros()).unwrap();
    let (periods, throttled) = (number("nr_periods "), number("nr_throttled "));
    assert!(throttled > 0, "{stat}");
    // 2 ms in each, and what may have been used too much, which later periods lack.
    assert!(used <= periods * 2_000 + 50_000, "{used} us in {periods} periods");
}

/// The processor time that a container has used, while there is one of this name.
fn used(id: &str) -> Option<Duration> {
    let read = |path: String| fs::read_to_string(format!("/sys/fs/cgroup/{path}")).ok();
    match read(format!("cpuacct/{id}/cpuacct.usage")) {
        Some(nanoseconds) => Some(Duration::from_nanos(nanoseconds.trim().parse().unwrap())),
        None => Some(Duration::from_micros(line(&read(format!("{id}/cpu.stat"))?, "usage_usec ")[0].parse().unwrap())),
    }
}

#[test]
fn who_computes_between_calls_is_replaced() {
    let Some(daemon) = Daemon::shared() else { return };
    let world = World::with_probe(config(daemon, "between"), LIMIT);
    // What calls compute is theirs: looked at twice while it runs, and once after it.
    world.call("compute", "2500");
    std::thread::park_timeout(Duration::from_millis(1200));
    assert_eq!((world.detail("broken"), world.detail("started")), ("0".into(), "1".into()));
    let id = daemon.list("between", &["containers", "list", "-q"]).remove(0);
    let before = used(&id).unwrap();
    world.call("leave_spinning", "");
    // However long that takes on a machine that has much else to do, it is replaced before it has used much.
    let start = Instant::now();
    while world.detail("broken") == "0" {
        let used = used(&id).map_or(Duration::ZERO, |used| used.saturating_sub(before));
        let always = start.elapsed() / 50;
        assert!(used < Duration::from_secs(4) + always, "it has used {used:?} in {:?}", start.elapsed());
        assert!(start.elapsed() < Duration::from_secs(300), "it has used {used:?} only");
        std::thread::park_timeout(Duration::from_millis(10));
    }
    world.wait_for("started", "2");
    world.assert_next_call(true);
}

#[test]
fn contracts_are_killed_before_the_host_where_memory_gets_short() {
    let Some(world) = world("score") else { return };
    assert_eq!(world.text("oom_score", "").trim(), "500");
}

#[cfg(target_arch = "x86_64")]
#[test]
fn processes_may_fork_in_every_way_that_libraries_do() {
    let Some(world) = world("fork") else { return };
    assert_eq!(world.call("fork", ""), [1]);
}

#[test]
fn nothing_can_be_written_to() {
    let Some(world) = world("files") else { return };
    const READ_ONLY: i32 = 30;
    assert_eq!(
        world.text("files", ""),
        format!(
            "/file={READ_ONLY} /tmp/file={READ_ONLY} /run/vm/file={READ_ONLY} /dev/file={READ_ONLY} \
             /contract={READ_ONLY} /proc/self/oom_score_adj=0 /proc/sys/kernel/hostname={READ_ONLY}"
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

/// The kernel counts over the life of a container. What ends its process later has a cause of its own.
#[test]
fn a_child_that_is_killed_for_its_memory_is_not_the_cause_of_a_later_end() {
    let Some(world) = world("child") else { return };
    assert_eq!(world.text("child_hog", ""), "Some(9)");
    assert_eq!(world.text("echo", "goes on"), "goes on");
    let fault = world.fault("exit", "").to_string();
    assert!(fault.contains("exited with code 7") && !fault.contains("memory"), "{fault}");
    world.wait_for("oom_kills", "1");
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
