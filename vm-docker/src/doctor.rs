//! What containers need of a machine, and what to do where it lacks it.

mod program;

use std::{
    fmt, fs, io,
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::{Path, PathBuf},
};

use tokio::runtime::{Builder, Runtime};

use crate::{DockerConfig, DockerError, containerd::Daemon, managed, sandbox::Swap};

/// Free space below which images may not find room: 1 GiB.
const ROOM: u64 = 1 << 30;

/// The oldest containerd that this is tested with.
const OLDEST: (u32, u32) = (1, 6);

/// Something that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What, in a word or two.
    pub what: &'static str,
    /// How it is.
    pub health: Health,
    /// What was found.
    pub found: String,
    /// What to do; empty where there is nothing to do.
    pub advice: String,
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// As it should be.
    Good,
    /// Containers run, less confined or less bounded than they should be.
    Weak,
    /// Containers do not run.
    Bad,
}

impl Health {
    /// `good`, `weak` or `bad`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Weak => "weak",
            Self::Bad => "bad",
        }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Looks at containerd, runc, control groups, system call filters, user name spaces, folders and disk. Changes nothing, and
/// waits at most some seconds, for containerd.
pub fn examine(config: &DockerConfig) -> Vec<Finding> {
    let asked = ask(config);
    let mut findings = vec![
        settings(config),
        rights(),
        containerd(&asked),
        runc(),
        control_groups(Path::new("/sys/fs/cgroup")),
        swap(Swap::here()),
        filters(config, Path::new("/proc/sys/kernel/seccomp/actions_avail")),
        user_namespaces(config, Path::new("/proc/sys/user/max_user_namespaces")),
        sockets(config),
        memory(config, Path::new("/proc/meminfo")),
        disk(config, asked.ok()),
    ];
    findings.extend(config.managed.as_deref().map(reachable));
    findings
}

fn good(what: &'static str, found: impl Into<String>) -> Finding {
    Finding { what, health: Health::Good, found: found.into(), advice: String::new() }
}

fn bad(what: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Finding {
    Finding { what, health: Health::Bad, found: found.into(), advice: advice.into() }
}

fn weak(what: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Finding {
    Finding { what, health: Health::Weak, found: found.into(), advice: advice.into() }
}

fn settings(config: &DockerConfig) -> Finding {
    let loosened = config.loosened();
    match (config.check(), loosened.is_empty()) {
        (Err(error), _) => bad("settings", error.to_string(), "correct the field"),
        (Ok(()), true) => good("settings", "strict"),
        (Ok(()), false) => weak("settings", loosened.join("; "), "take back what contracts can do without"),
    }
}

fn rights() -> Finding {
    match rustix::process::geteuid().is_root() {
        true => good("rights", "root"),
        false => {
            bad("rights", "an ordinary user", "run the host as root: it makes sockets that belong to containers' users")
        }
    }
}

/// Why a program tells no version, and what to do.
fn untold(program: &'static str, error: &io::Error) -> (String, String) {
    match error.kind() {
        io::ErrorKind::NotFound => ("not installed".to_owned(), format!("install the package {program}")),
        _ => (error.to_string(), format!("install the package {program} anew")),
    }
}

/// What containerd tells of itself.
struct Told {
    version: String,
    /// Where it unpacks images.
    root: Option<PathBuf>,
    /// What those have there that hosts have unpacked, in bytes.
    unpacked: u64,
}

/// Asks it; the program alone if it is to be started by the host.
fn ask(config: &DockerConfig) -> Result<Told, (String, String)> {
    if let Some(folder) = &config.managed {
        let line = program::version("containerd").map_err(|error| untold("containerd", &error))?;
        let version = line.split_whitespace().nth(2).unwrap_or_default().to_owned();
        // It may run. What an earlier run has left there is removed when it starts.
        let address = managed::socket(folder);
        let unpacked = UnixStream::connect(&address).ok().and_then(|_| {
            let config = DockerConfig { address, ..config.clone() };
            runtime().ok()?.block_on(async { Daemon::reach(&config).await?.unpacked().await }).ok()
        });
        return Ok(Told { version, root: Some(folder.clone()), unpacked: unpacked.unwrap_or(0) });
    }
    let runtime = runtime().map_err(|error| (error.to_string(), "free memory or threads".to_owned()))?;
    let told = runtime.block_on(async {
        let daemon = Daemon::reach(config).await?;
        let (root, unpacked) = (daemon.root().await, daemon.unpacked().await?);
        Ok(Told { version: daemon.version().to_owned(), root, unpacked })
    });
    let advice = "start containerd, give the path of its socket in `address`, or set `managed`";
    told.map_err(|error: DockerError| (error.to_string(), advice.to_owned()))
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

fn containerd(asked: &Result<Told, (String, String)>) -> Finding {
    const WHAT: &str = "containerd";
    let version = match asked {
        Ok(told) => told.version.clone(),
        Err((found, advice)) => return bad(WHAT, found.clone(), advice.clone()),
    };
    let mut numbers = version.trim_start_matches('v').split('.').map(|number| number.parse::<u32>().unwrap_or(0));
    match (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) {
        numbers if numbers >= OLDEST => good(WHAT, version),
        _ => weak(WHAT, version, format!("use {}.{} or later, which this is tested with", OLDEST.0, OLDEST.1)),
    }
}

fn runc() -> Finding {
    let text = match program::version("runc").map_err(|error| untold("runc", &error)) {
        Ok(text) => text,
        Err((found, advice)) => return bad("runc", found, advice),
    };
    let version = text.lines().next().unwrap_or_default().trim_start_matches("runc version ").to_owned();
    match text.contains("libseccomp") {
        true => good("runc", version),
        false => bad("runc", format!("{version}, without libseccomp"), "use a runc that was built with seccomp"),
    }
}

fn control_groups(root: &Path) -> Finding {
    const WHAT: &str = "control groups";
    const NEEDED: [&str; 3] = ["memory", "cpu", "pids"];
    // Version 2 lists its controllers in a file, version 1 has a folder for each.
    let listed = fs::read_to_string(root.join("cgroup.controllers")).ok();
    let version = match &listed {
        Some(_) => "version 2",
        None if root.join("unified").is_dir() => "version 1, hybrid",
        None => "version 1",
    };
    let has = |name: &&str| match &listed {
        Some(listed) => listed.split_whitespace().any(|found| found == *name),
        None => root.join(name).is_dir(),
    };
    let missing: Vec<_> = NEEDED.into_iter().filter(|name| !has(name)).collect();
    if !missing.is_empty() {
        return bad(WHAT, format!("{version}, without {}", missing.join(", ")), "enable these controllers at boot");
    }
    // The true root of version 2 has no type, and its controllers can be handed down at any time. Any other group hands down
    // what was handed down before processes were in it.
    let path = |file: &str| fs::read_to_string(root.join(file)).unwrap_or_default();
    let handed_down = path("cgroup.subtree_control");
    let kept: Vec<_> =
        NEEDED.into_iter().filter(|name| !handed_down.split_whitespace().any(|found| found == *name)).collect();
    let stuck = root.join("cgroup.type").exists() && !path("cgroup.procs").trim().is_empty() && !kept.is_empty();
    if listed.is_some() && stuck {
        let advice = format!(
            "move the processes of {} into a group below it, and write '+{}' into its cgroup.subtree_control",
            root.display(),
            kept.join(" +")
        );
        return bad(WHAT, format!("{version}, where {} cannot be handed down to containers", kept.join(", ")), advice);
    }
    good(WHAT, version)
}

/// Whether the limit of memory includes swap.
fn swap(swap: Swap) -> Finding {
    match swap {
        Swap::Counted => good("swap", "counted"),
        Swap::Absent => good("swap", "not counted, and there is none"),
        Swap::Uncounted => bad("swap", "not counted, and there is some", "boot with swapaccount=1, or switch swap off"),
    }
}

fn filters(config: &DockerConfig, path: &Path) -> Finding {
    const WHAT: &str = "system call filters";
    match fs::read_to_string(path) {
        Ok(actions) if actions.contains("errno") => good(WHAT, "available"),
        _ if !config.enable_sandbox => {
            weak(WHAT, "missing, and switched off", "use a kernel with CONFIG_SECCOMP_FILTER")
        }
        _ => bad(WHAT, "missing", "use a kernel with CONFIG_SECCOMP_FILTER"),
    }
}

fn user_namespaces(config: &DockerConfig, path: &Path) -> Finding {
    const WHAT: &str = "user name spaces";
    let most = fs::read_to_string(path).ok().and_then(|most| most.trim().parse::<u64>().ok()).unwrap_or(0);
    match (most, config.first_host_user) {
        (1.., Some(first)) => good(WHAT, format!("users from {first} on")),
        (1.., None) => weak(WHAT, "available, not used", "set first_host_user"),
        (0, first) => {
            let advice = "sysctl user.max_user_namespaces=10000, in /etc/sysctl.d to keep it";
            let needed = config.enable_sandbox && first.is_some();
            if needed { bad(WHAT, "forbidden", advice) } else { weak(WHAT, "forbidden, and switched off", advice) }
        }
    }
}

fn sockets(config: &DockerConfig) -> Finding {
    const WHAT: &str = "socket folder";
    let folder = &config.socket_folder;
    let longest = folder.as_os_str().len().saturating_add(56);
    if longest > 107 {
        let found = format!("{}: sockets in it would have paths of {longest} bytes", folder.display());
        return bad(WHAT, found, "choose a shorter one: 107 are possible");
    }
    open_to_all(WHAT, folder)
}

/// Whether containers, whose users have no rights, reach their root file systems in the folder of the host's own containerd.
fn reachable(folder: &Path) -> Finding {
    open_to_all("managed folder", folder)
}

fn open_to_all(what: &'static str, folder: &Path) -> Finding {
    let closed = folder
        .ancestors()
        .find(|above| fs::metadata(above).is_ok_and(|data| !data.is_dir() || data.permissions().mode() & 1 == 0));
    match closed {
        None => good(what, folder.display().to_string()),
        Some(closed) => bad(
            what,
            format!("{} cannot be entered by everyone", closed.display()),
            format!("chmod o+x {}, or choose another one", closed.display()),
        ),
    }
}

/// Whether as many containers as there may be fit into the machine. A quarter is the host's.
fn memory(config: &DockerConfig, path: &Path) -> Finding {
    const WHAT: &str = "memory";
    let told = fs::read_to_string(path).unwrap_or_default();
    let total =
        told.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB")?.trim().parse().ok());
    let Some(total) = total.map(|total: u64| total.saturating_mul(1024)) else {
        return weak(WHAT, format!("{} does not tell it", path.display()), "look at it yourself");
    };
    let most = u64::try_from(config.max_containers).unwrap_or(u64::MAX);
    let needed = config.memory.saturating_mul(most);
    let found =
        format!("{most} containers of {} MiB may take {} MiB of {}", config.memory >> 20, needed >> 20, total >> 20);
    let room = total / 4 * 3;
    match (needed <= room, room / config.memory.max(1)) {
        (true, _) => good(WHAT, found),
        (false, 0) => weak(WHAT, found, format!("lower the memory of a container to {} MiB or less", room >> 20)),
        (false, fit) => weak(WHAT, found, format!("set max_containers to {fit} or less, or lower the memory of each")),
    }
}

fn disk(config: &DockerConfig, told: Option<Told>) -> Finding {
    let (root, unpacked) = told.map_or((None, 0), |told| (told.root, told.unpacked));
    let root = root.unwrap_or_else(|| PathBuf::from("/var/lib/containerd"));
    let there = root.ancestors().find(|above| above.exists()).unwrap_or(Path::new("/"));
    let Ok(space) = rustix::fs::statvfs(there) else {
        return weak("disk", format!("{} cannot be asked for its space", there.display()), "look at it yourself");
    };
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    room_on_disk(config.images_size, free, unpacked, there)
}

/// Whether all images fit that there may be, of which some are there already.
fn room_on_disk(images_size: u64, free: u64, unpacked: u64, at: &Path) -> Finding {
    let found = format!("{} MiB free at {}, {} MiB taken by images", free >> 20, at.display(), unpacked >> 20);
    if free < ROOM {
        return weak("disk", found, "make room: images are unpacked there");
    }
    let room = free.saturating_add(unpacked);
    match images_size <= room {
        true => good("disk", found),
        false => weak(
            "disk",
            found,
            format!(
                "images may take {} MiB: set images_size to {} MiB or less, or make room",
                images_size >> 20,
                room >> 20
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_groups_of_all_kinds_are_told_apart() {
        let root = tempfile::tempdir().unwrap();
        let found = || control_groups(root.path());
        assert_eq!(found().health, Health::Bad);
        for name in ["memory", "cpu", "pids"] {
            fs::create_dir(root.path().join(name)).unwrap();
        }
        assert_eq!(found(), good("control groups", "version 1"));
        fs::create_dir(root.path().join("unified")).unwrap();
        assert_eq!(found(), good("control groups", "version 1, hybrid"));
        fs::write(root.path().join("cgroup.controllers"), "cpuset cpu io memory\n").unwrap();
        assert_eq!(found().found, "version 2, without pids");
        fs::write(root.path().join("cgroup.controllers"), "cpuset cpu io memory pids\n").unwrap();
        assert_eq!(found(), good("control groups", "version 2"));
        // As in a container, whose root is a group of another tree.
        fs::write(root.path().join("cgroup.type"), "domain\n").unwrap();
        fs::write(root.path().join("cgroup.procs"), "1\n").unwrap();
        fs::write(root.path().join("cgroup.subtree_control"), "memory\n").unwrap();
        assert!(found().health == Health::Bad && found().advice.contains("'+cpu +pids'"), "{:?}", found());
        fs::write(root.path().join("cgroup.subtree_control"), "cpu memory pids\n").unwrap();
        assert_eq!(found(), good("control groups", "version 2"));
    }

    /// The kernel's own files. Where version 1 has the controllers, the tree has none to give, and that is what is told.
    #[test]
    fn the_second_version_of_this_kernel_is_told_as_it_is() {
        let Some(tree) = crate::cgroup::tests::mounted() else { return };
        let listed = fs::read_to_string(tree.path().join("cgroup.controllers")).unwrap();
        let missing: Vec<_> = ["memory", "cpu", "pids"]
            .into_iter()
            .filter(|name| !listed.split_whitespace().any(|l| l == *name))
            .collect();
        let found = control_groups(tree.path());
        assert!(found.found.starts_with("version 2"), "{found:?}");
        match missing.is_empty() {
            true => assert!(!found.found.contains("without"), "{found:?}"),
            false => assert_eq!(found.found, format!("version 2, without {}", missing.join(", "))),
        }
    }

    #[test]
    fn what_is_missing_has_advice() {
        let absent = Path::new("/nonexistent");
        let config = DockerConfig::default();
        assert_eq!(filters(&config, absent).health, Health::Bad);
        assert_eq!(user_namespaces(&config, absent).health, Health::Bad);
        let open = DockerConfig { enable_sandbox: false, ..config.clone() };
        assert_eq!(user_namespaces(&open, absent).health, Health::Weak);
        let deep = DockerConfig { socket_folder: "/deep".repeat(20).into(), ..config.clone() };
        assert_eq!(sockets(&deep).health, Health::Bad);
        let nowhere = DockerConfig { address: "/nonexistent.sock".into(), ..config };
        let found = containerd(&ask(&nowhere));
        assert!(found.health == Health::Bad && found.found.contains("/nonexistent.sock") && !found.advice.is_empty());
    }

    #[test]
    fn what_containers_and_images_may_take_is_compared_with_the_machine() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("meminfo");
        fs::write(&path, "MemFree:         1000 kB\nMemTotal:        8388608 kB\n").unwrap();
        let found = |max_containers, each| {
            memory(&DockerConfig { max_containers, memory: each, ..DockerConfig::default() }, &path)
        };
        assert_eq!(found(24, 256 << 20).health, Health::Good);
        let many = found(25, 256 << 20);
        assert_eq!((many.health, &*many.found), (Health::Weak, "25 containers of 256 MiB may take 6400 MiB of 8192"));
        assert!(many.advice.contains("max_containers to 24 or less"), "{}", many.advice);
        assert!(found(1, 7 << 30).advice.contains("of a container to 6144 MiB or less"));
        assert_eq!(memory(&DockerConfig::default(), Path::new("/nonexistent")).health, Health::Weak);

        let (gib, at) = (1 << 30, Path::new("/data"));
        let full = room_on_disk(16 * gib, 10 * gib, 6 * gib, at);
        assert_eq!((full.health, &*full.found), (Health::Good, "10240 MiB free at /data, 6144 MiB taken by images"));
        let large = room_on_disk(16 * gib, 10 * gib, 5 * gib, at);
        assert_eq!(large.health, Health::Weak);
        assert!(large.advice.contains("16384 MiB: set images_size to 15360 MiB or less"), "{}", large.advice);
        assert_eq!(room_on_disk(gib, gib - 1, 6 * gib, at).health, Health::Weak, "there is hardly any left");
        let large = DockerConfig { images_size: u64::MAX, ..DockerConfig::default() };
        let found = disk(&large, None);
        assert!(found.health == Health::Weak && !found.advice.is_empty(), "{found:?}");
    }

    #[test]
    fn a_folder_that_is_closed_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let config = DockerConfig { socket_folder: folder.path().join("s"), ..DockerConfig::default() };
        assert!(sockets(&config).advice.contains(&format!("chmod o+x {}", folder.path().display())));
        let config = DockerConfig { managed: Some(folder.path().join("c")), ..DockerConfig::default() };
        let findings = examine(&config);
        let managed = findings.iter().find(|finding| finding.what == "managed folder").unwrap();
        assert!(managed.health == Health::Bad, "{managed:?}");
        assert!(managed.advice.contains(&format!("chmod o+x {}", folder.path().display())), "{managed:?}");
    }
}
