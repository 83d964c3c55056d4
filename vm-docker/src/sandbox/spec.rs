//! The OCI runtime specification of a contract's container.

use std::path::Path;

use serde_json::{Value, json};
use vm_container_protocol::{CONCURRENCY_VARIABLE, ISOLATION_VARIABLE, SOCKET_PATH, SOCKET_VARIABLE};

use super::{Swap, seccomp};
use crate::{DockerConfig, Isolation, image::Program};

/// Unprivileged user and group inside the container.
const USER: u32 = 65_532;

/// Users of the machine that containers' users are mapped to, and how many of them each container has: its root, which owns
/// what is mounted, and the contract's.
const HOST_USERS: u32 = 65_536;
const USERS_OF_CONTAINER: u32 = 2;

/// Most files, sockets and pipes that a process has open.
const OPEN_FILES: u32 = 256;

/// Bytes of a stack, the first thread's and by default those of others: Linux's own default, whatever containerd was started with. How
/// deep a program gets does not depend on the machine.
const STACK: u64 = 8 << 20;

/// Where memory gets short, contracts are killed before the host and containerd, whose own score they would inherit.
const OOM_SCORE: i32 = 500;

/// Period of the processor quota, in microseconds.
const CPU_PERIOD: u64 = 100_000;

/// What a container weighs where processors are short, when another group of the machine weighs 1024 by default: contracts give
/// way to the host.
const CPU_SHARES: u64 = 128;

/// Paths that tell about the host.
const MASKED: &[&str] = &[
    "/proc/acpi",
    "/proc/asound",
    "/proc/cmdline",
    "/proc/diskstats",
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

/// The users of the machine that a container's are. Each container has its own, so that what the kernel grants a user (watches,
/// pipes, messages) is not shared with its neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Users {
    /// The first; `None` without a user namespace.
    first: Option<u32>,
}

impl Users {
    /// Those of a container; containers with numbers that follow each other have different ones.
    pub(crate) fn of(config: &DockerConfig, number: u64) -> Self {
        let places = u64::from(HOST_USERS / USERS_OF_CONTAINER);
        let offset = u32::try_from(number % places).unwrap_or(0).saturating_mul(USERS_OF_CONTAINER);
        let first = config.first_host_user.filter(|_| config.enable_sandbox);
        Self { first: first.map(|first| first.saturating_add(offset)) }
    }

    /// The one that the contract's process is: the owner of its socket.
    pub(crate) fn contract(self) -> u32 {
        self.first.map_or(USER, |first| first.saturating_add(1))
    }

    /// What its user namespace maps; `null` if it has none.
    fn mappings(self) -> Value {
        self.first.map_or(Value::Null, |first| {
            json!([
                { "containerID": 0, "hostID": first, "size": 1 },
                { "containerID": USER, "hostID": self.contract(), "size": 1 },
            ])
        })
    }
}

/// What is in a container.
pub(crate) struct Inside<'a> {
    pub(crate) program: &'a Program,
    pub(crate) isolation: Isolation,
    /// How many calls the process may take at a time.
    pub(crate) concurrency: u32,
    pub(crate) users: Users,
    /// The folder of the host that is seen at the place that the protocol names.
    pub(crate) sockets: &'a Path,
}

/// The specification of a container that belongs to the control group `cgroup`.
pub(crate) fn spec(config: &DockerConfig, inside: &Inside<'_>, cgroup: &str) -> Value {
    let Inside { program, isolation, concurrency, users, sockets } = inside;
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
                { "type": "RLIMIT_STACK", "hard": STACK, "soft": STACK },
            ],
        },
        "linux": linux(config, *users, cgroup),
    })
}

/// Name spaces, filter and limits. What is `null` is not asked for.
fn linux(config: &DockerConfig, users: Users, cgroup: &str) -> Value {
    let mappings = users.mappings();
    let seccomp = config.enable_sandbox.then(|| seccomp::filter(config.allow_file_system, config.allow_network));

    let mut namespaces = vec!["pid", "ipc", "uts", "mount", "cgroup"];
    namespaces.extend((!config.allow_network).then_some("network"));
    namespaces.extend(users.first.is_some().then_some("user"));
    let namespaces: Value = namespaces.into_iter().map(|namespace| json!({ "type": namespace })).collect();

    let memory = match Swap::here() {
        Swap::Absent => json!({ "limit": config.memory }),
        Swap::Counted | Swap::Uncounted => json!({ "limit": config.memory, "swap": config.memory }),
    };
    json!({
        "cgroupsPath": cgroup,
        "namespaces": namespaces,
        "uidMappings": mappings,
        "gidMappings": mappings,
        "seccomp": seccomp,
        "maskedPaths": MASKED,
        "readonlyPaths": READ_ONLY,
        "resources": {
            "devices": [{ "allow": false, "access": "rwm" }],
            "memory": memory,
            "cpu": {
                "quota": u64::from(config.cpu_millis) * CPU_PERIOD / 1000, "period": CPU_PERIOD, "shares": CPU_SHARES,
            },
            "pids": { "limit": config.pids },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_share_no_user_and_all_are_in_the_range() {
        let config = DockerConfig::default();
        let first = config.first_host_user.unwrap();
        let users: Vec<_> = (32_760..32_780).map(|number| Users::of(&config, number)).collect();
        for (at, one) in users.iter().enumerate() {
            assert!((first + 1..first + HOST_USERS).contains(&one.contract()));
            assert!(users.iter().skip(at + 1).all(|other| other.contract() != one.contract()));
        }
        let bare = DockerConfig { enable_sandbox: false, ..config };
        assert_eq!((Users::of(&bare, 7).contract(), Users::of(&bare, 7).mappings()), (USER, Value::Null));
    }
}
