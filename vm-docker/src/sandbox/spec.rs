//! The OCI runtime specification of a contract's container.

use std::path::Path;

use serde_json::{Value, json};
use vm_container_protocol::{CONCURRENCY_VARIABLE, ISOLATION_VARIABLE, SOCKET_PATH, SOCKET_VARIABLE};

use super::seccomp;
use crate::{DockerConfig, Isolation, image::Program};

/// Unprivileged user and group inside the container.
const USER: u32 = 65_532;

/// Number of users that a user namespace maps.
const MAPPED_USERS: u32 = 65_536;

/// Most files, sockets and pipes that a process has open.
const OPEN_FILES: u32 = 256;

/// Where memory gets short, contracts are killed before the host and containerd, whose own score they would inherit.
const OOM_SCORE: i32 = 500;

/// Period of the processor quota, in microseconds.
const CPU_PERIOD: u64 = 100_000;

/// Paths that tell about the host.
const MASKED: &[&str] = &[
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    // runc makes these devices whatever it is told.
    "/dev/full",
    "/dev/tty",
];

/// Paths under /proc that change the host.
const READ_ONLY: &[&str] = &["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// The user of the machine that a container's process is: the owner of its socket.
pub(crate) fn host_user(config: &DockerConfig) -> u32 {
    match config.first_host_user {
        Some(first) if config.enable_sandbox => first.saturating_add(USER),
        _ => USER,
    }
}

/// What is in a container.
pub(crate) struct Inside<'a> {
    pub(crate) program: &'a Program,
    pub(crate) isolation: Isolation,
    /// How many calls the process may take at a time.
    pub(crate) concurrency: u32,
    /// The folder of the host that is seen at the place that the protocol names.
    pub(crate) sockets: &'a Path,
}

/// The specification of a container that belongs to the control group `cgroup`.
pub(crate) fn spec(config: &DockerConfig, inside: &Inside<'_>, cgroup: &str) -> Value {
    let Inside { program, isolation, concurrency, sockets } = inside;
    let socket_target = Path::new(SOCKET_PATH).parent();

    let mut env = program.env.clone();
    env.push(format!("{SOCKET_VARIABLE}={SOCKET_PATH}"));
    env.push(format!("{ISOLATION_VARIABLE}={}", isolation.as_str()));
    env.push(format!("{CONCURRENCY_VARIABLE}={concurrency}"));

    let mut mounts = vec![
        json!({
            "destination": "/proc", "type": "proc", "source": "proc",
            "options": ["nosuid", "noexec", "nodev"],
        }),
        // Without it runc makes device nodes in the root file system.
        json!({
            "destination": "/dev", "type": "tmpfs", "source": "tmpfs",
            "options": ["nosuid", "noexec", "strictatime", "mode=755", "size=64k", "ro"],
        }),
        json!({
            "destination": socket_target, "type": "bind", "source": sockets,
            "options": ["bind", "ro", "nosuid", "nodev", "noexec"],
        }),
    ];
    if config.allow_file_system {
        let size = format!("size={}", config.tmp_size);
        mounts.push(json!({
            "destination": "/tmp", "type": "tmpfs", "source": "tmpfs",
            "options": ["nosuid", "nodev", "noexec", "mode=1777", size, "nr_inodes=4096"],
        }));
    }

    let longest_file = if config.allow_file_system { config.tmp_size } else { 0 };

    json!({
        "ociVersion": "1.0.2",
        "hostname": "contract",
        "root": { "path": "rootfs", "readonly": true },
        "mounts": mounts,
        "process": {
            "user": { "uid": USER, "gid": USER },
            "args": program.args,
            "env": env,
            "cwd": program.folder,
            "noNewPrivileges": true,
            "oomScoreAdj": OOM_SCORE,
            "capabilities": {
                "bounding": [], "effective": [], "inheritable": [], "permitted": [], "ambient": [],
            },
            "rlimits": [
                { "type": "RLIMIT_CORE", "hard": 0, "soft": 0 },
                { "type": "RLIMIT_FSIZE", "hard": longest_file, "soft": longest_file },
                { "type": "RLIMIT_NOFILE", "hard": OPEN_FILES, "soft": OPEN_FILES },
            ],
        },
        "linux": linux(config, cgroup),
    })
}

/// Name spaces, filter and limits. What is `null` is not asked for.
fn linux(config: &DockerConfig, cgroup: &str) -> Value {
    let users = config.first_host_user.filter(|_| config.enable_sandbox);
    let users = users.map(|first| json!([{ "containerID": 0, "hostID": first, "size": MAPPED_USERS }]));
    let seccomp = config.enable_sandbox.then(|| seccomp::filter(config.allow_file_system, config.allow_network));

    let mut namespaces = vec!["pid", "ipc", "uts", "mount", "cgroup"];
    namespaces.extend((!config.allow_network).then_some("network"));
    namespaces.extend(users.is_some().then_some("user"));
    let namespaces: Value = namespaces.into_iter().map(|namespace| json!({ "type": namespace })).collect();

    json!({
        "cgroupsPath": cgroup,
        "namespaces": namespaces,
        "uidMappings": users,
        "gidMappings": users,
        "seccomp": seccomp,
        "maskedPaths": MASKED,
        "readonlyPaths": READ_ONLY,
        "resources": {
            "devices": [{ "allow": false, "access": "rwm" }],
            "memory": { "limit": config.memory, "swap": config.memory },
            "cpu": { "quota": u64::from(config.cpu_millis) * CPU_PERIOD / 1000, "period": CPU_PERIOD },
            "pids": { "limit": config.pids },
        },
    })
}
