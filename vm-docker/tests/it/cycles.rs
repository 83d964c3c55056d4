//! Of containers that are made and killed again and again nothing is left.

use std::{
    collections::BTreeSet,
    env, fs,
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use vm_core::HostFault;
use vm_docker::DockerConfig;

use crate::{
    daemon::Daemon,
    leftovers::{assert_clean, own_sockets},
    world::{World, probe},
};

const LIMIT: Duration = Duration::from_secs(60);

/// What one container takes at most, on a machine that has much else to do.
const A_CYCLE: Duration = Duration::from_secs(3);

/// How many containers there are at a time.
const AT_A_TIME: usize = 4;

const NAME: &str = "cycles";

/// Variables by which the test starts this program again, alone in a process whose open files and threads it can look at: containerd's
/// address, and the folder for sockets.
const CYCLES: [&str; 2] = ["VM_CYCLES_ADDRESS", "VM_CYCLES_SOCKETS"];

/// How many containers are made and killed: 200, which takes half a minute, or as many as are asked for by
/// `VM_TEST_CYCLES=1000 cargo xtask test -p vm-docker -- cycles_of --nocapture`.
fn cycles() -> u32 {
    env::var("VM_TEST_CYCLES").map_or(200, |cycles| cycles.parse().unwrap())
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

/// Has so many containers made and killed: every other one ends by itself, the others are killed with a frame half sent.
fn run(world: &World, cycles: u32) {
    let next = AtomicU32::new(0);
    let calls = || {
        loop {
            let fault = match next.fetch_add(1, Ordering::Relaxed) {
                cycle if cycle >= cycles => return,
                cycle if cycle % 2 == 0 => world.fault("exit", ""),
                _ => world.fault("oversized", ""),
            };
            assert!(matches!(fault, HostFault::Process { .. }), "{fault}");
        }
    };
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(calls);
        }
    });
    // As many as there were before.
    world.assert_next_call(true);
}

/// The part of the test below that runs in a process of its own.
#[test]
fn makes_and_kills_when_it_is_told_to() {
    let [Some(address), Some(sockets)] = CYCLES.map(env::var_os) else { return };
    let config = DockerConfig {
        address: address.into(),
        namespace: NAME.into(),
        socket_folder: sockets.into(),
        restart_pause: Duration::ZERO,
        pool_max: AT_A_TIME,
        memory: 64 << 20,
        pids: 16,
        ..DockerConfig::default()
    };
    let world = World::with_probe(config, LIMIT);
    let (cycles, begun) = (cycles(), Instant::now());
    run(&world, cycles / 10);
    let early = own_resources();
    run(&world, cycles - cycles / 10);
    let (late, took) = (own_resources(), begun.elapsed());
    println!(
        "{cycles} cycles in {:.1} s; open files, threads, KiB: {early:?} after a tenth, {late:?} in the end",
        took.as_secs_f64()
    );
    let started: u32 = world.detail("started").parse().unwrap();
    assert!(started > cycles, "{started}");
    // What one container needs, more or less, of those that happen to be there.
    let slack = AT_A_TIME * 10;
    assert!(late[0] <= early[0] + slack && late[1] <= early[1] + slack, "open files or threads are left");
    assert!(late[2] <= early[2] + 16 * 1024, "memory grows");
    world.stop();
}

/// What containers of the name space have had outside of containerd.
#[derive(Default)]
struct Seen {
    containers: BTreeSet<String>,
    /// The sockets of their shims.
    sockets: BTreeSet<PathBuf>,
}

impl Seen {
    fn look(&mut self, daemon: &Daemon) {
        let folder = daemon.state().join("io.containerd.runtime.v2.task").join(NAME);
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            // A dot before it marks those that are being removed.
            self.containers.insert(entry.file_name().into_string().unwrap().trim_start_matches('.').to_owned());
            let address = fs::read_to_string(entry.path().join("address")).unwrap_or_default();
            self.sockets.extend(address.trim().strip_prefix("unix://").map(PathBuf::from));
        }
    }
}

#[test]
fn cycles_of_making_and_killing_leave_nothing() {
    let Some(daemon) = Daemon::shared() else { return };
    let config = own_sockets(daemon, NAME);
    let file = daemon.root().with_file_name("cycles-probe");
    fs::write(&file, probe()).unwrap();
    // Into files: a pipe that nobody reads would stop it.
    let told = ["cycles-out", "cycles-err"].map(|name| daemon.root().with_file_name(name));
    let [out, err] = told.each_ref().map(|path| fs::File::create(path).unwrap());
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "cycles::makes_and_kills_when_it_is_told_to", "--nocapture"])
        .envs(CYCLES.into_iter().zip([config.address.as_os_str(), config.socket_folder.as_os_str()]))
        .env("VM_TEST_PROBE", file)
        .stdout(out)
        .stderr(err)
        .spawn()
        .unwrap();
    let (mut seen, begun) = (Seen::default(), Instant::now());
    let done = loop {
        if let Some(done) = child.try_wait().unwrap() {
            break done;
        }
        if begun.elapsed() > LIMIT * 2 + A_CYCLE * cycles() {
            child.kill().unwrap();
            break child.wait().unwrap();
        }
        seen.look(daemon);
        thread::park_timeout(Duration::from_millis(20));
    };
    let told = told.map(|path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()).concat();
    println!("{told}");
    assert!(done.success(), "{done} after {:?}: {told}", begun.elapsed());
    let expected = usize::try_from(cycles()).unwrap() / 2;
    assert!(seen.containers.len() > expected && !seen.sockets.is_empty(), "{} were seen", seen.containers.len());

    assert_clean(daemon, NAME, &config.socket_folder);
    assert_eq!(mounts(), [""; 0]);
    let told = daemon.told_of(NAME);
    assert!(seen.containers.is_subset(&told), "{:?} were looked for", seen.containers.difference(&told));
    let sockets: Vec<_> = seen.sockets.iter().filter(|socket| socket.exists()).collect();
    assert!(sockets.is_empty(), "{sockets:?}");
}

/// What is mounted for the containers of the name space.
fn mounts() -> Vec<String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let path = format!("/io.containerd.runtime.v2.task/{NAME}/");
    mounts.lines().filter(|line| line.contains(&path)).map(str::to_owned).collect()
}
