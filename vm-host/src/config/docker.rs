//! A provider of type `docker`: where containerd is, how many containers there are, and how long a process lives.

use std::path::PathBuf;
use std::time::Duration;

use super::document::Node;
use super::section::{Mistakes, Section, wrong_type};
use super::{Mistake, value};

/// Its keys, beside `type` and `enabled`.
pub(super) const KEYS: &[&str] = &[
    "type",
    "enabled",
    "address",
    "managed",
    "folder",
    "namespace",
    "socket_folder",
    "first_host_user",
    "pids",
    "start_timeout",
    "max_containers",
    "images_size",
    "restart_pause",
    "pool_min",
    "pool_max",
    "pool_idle",
    "pool_queue",
    "pool_wait",
    "concurrency",
    "isolation",
    "replay_check",
    "tmp_size",
];

/// Where containers run, and how many of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Docker {
    /// The path of containerd's socket.
    pub address: PathBuf,
    /// True starts a containerd of this host's own, and ends it with the host; `address` does not count then.
    pub managed: bool,
    /// Where it lives.
    pub folder: PathBuf,
    /// The namespace in containerd that belongs to this host alone.
    pub namespace: String,
    /// The folder for the sockets of containers.
    pub socket_folder: PathBuf,
    /// The first of the 65,536 users of the machine that containers have.
    pub first_host_user: u32,
    /// Processes and threads of one container.
    pub pids: u32,
    /// How long a container may take until it has introduced itself.
    pub start_timeout: Duration,
    /// Containers of all images together.
    pub max_containers: usize,
    /// Bytes on disk of all unpacked images together.
    pub images_size: u64,
    /// The longest pause between starts of a code whose containers break off.
    pub restart_pause: Duration,
    /// Containers of each image that are kept ready.
    pub pool_min: usize,
    /// Containers of each image at most.
    pub pool_max: usize,
    /// How long a container above `pool_min` stays without a call.
    pub pool_idle: Duration,
    /// Calls that may wait for a container of one image.
    pub pool_queue: usize,
    /// How long a call waits for a container, at most.
    pub pool_wait: Duration,
    /// Calls that one process may take at a time, at most, if its contract declares that it can take several.
    pub concurrency: u32,
    /// What calls have to themselves.
    pub isolation: Isolation,
    /// True executes every call twice, the second time in a process that begins anew, and compares what they do.
    pub replay_check: bool,
    /// Most bytes in the temporary folder of a container that may write.
    pub tmp_size: u64,
}

/// What each call of a container contract has to itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Isolation {
    /// Nothing: a process takes many calls.
    #[default]
    Contract,
    /// A process, where its library offers that, else a container.
    Call,
    /// A container.
    Container,
}

impl Default for Docker {
    fn default() -> Self {
        Self {
            address: "/run/containerd/containerd.sock".into(),
            managed: false,
            folder: "/var/lib/vm-host".into(),
            namespace: "vm-host".into(),
            socket_folder: "/run/vm-docker".into(),
            first_host_user: 0x7000_0000,
            pids: 64,
            start_timeout: Duration::from_secs(20),
            max_containers: 64,
            images_size: 16 << 30,
            restart_pause: Duration::from_secs(30),
            pool_min: 1,
            pool_max: 8,
            pool_idle: Duration::from_secs(60),
            pool_queue: 256,
            pool_wait: Duration::from_secs(10),
            concurrency: 8,
            isolation: Isolation::Contract,
            replay_check: false,
            tmp_size: 64 << 20,
        }
    }
}

/// Reads the keys.
pub(super) fn read(section: Section<'_>, mistakes: &mut Mistakes) -> Docker {
    let default = Docker::default();
    let docker = Docker {
        address: section.get("address", mistakes, value::text).map_or(default.address, PathBuf::from),
        managed: section.get("managed", mistakes, value::switch).unwrap_or(default.managed),
        folder: section.get("folder", mistakes, value::text).map_or(default.folder, PathBuf::from),
        namespace: section.get("namespace", mistakes, namespace).map_or(default.namespace, str::to_owned),
        socket_folder: section.get("socket_folder", mistakes, absolute).unwrap_or(default.socket_folder),
        first_host_user: section.get("first_host_user", mistakes, user).unwrap_or(default.first_host_user),
        pids: section.get("pids", mistakes, processes).unwrap_or(default.pids),
        start_timeout: section.get("start_timeout", mistakes, value::duration).unwrap_or(default.start_timeout),
        max_containers: section.get("max_containers", mistakes, value::positive).map_or(default.max_containers, count),
        images_size: section
            .get("images_size", mistakes, |node, key| value::bytes(node, key, 1 << 20))
            .unwrap_or(default.images_size),
        restart_pause: section.get("restart_pause", mistakes, value::duration).unwrap_or(default.restart_pause),
        pool_min: section.get("pool_min", mistakes, value::whole).map_or(default.pool_min, count),
        pool_max: section.get("pool_max", mistakes, value::positive).map_or(default.pool_max, count),
        pool_idle: section.get("pool_idle", mistakes, value::duration).unwrap_or(default.pool_idle),
        pool_queue: section.get("pool_queue", mistakes, value::whole).map_or(default.pool_queue, count),
        pool_wait: section.get("pool_wait", mistakes, value::duration).unwrap_or(default.pool_wait),
        concurrency: section.get("concurrency", mistakes, concurrency).unwrap_or(default.concurrency),
        isolation: section.get("isolation", mistakes, isolation).unwrap_or(default.isolation),
        replay_check: section.get("replay_check", mistakes, value::switch).unwrap_or(default.replay_check),
        tmp_size: section
            .get("tmp_size", mistakes, |node, key| value::bytes(node, key, 4096))
            .unwrap_or(default.tmp_size),
    };
    if docker.pool_min > docker.pool_max {
        mistakes
            .0
            .push(Mistake::at(section.at, "`pool_min` above `pool_max`").expected("at most as many as there may be"));
    }
    docker
}

fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn absolute(node: &Node, key: &str) -> Result<PathBuf, Mistake> {
    let path = PathBuf::from(value::text(node, key)?);
    if path.is_absolute() {
        Ok(path)
    } else {
        Err(wrong_type(node, key, "an absolute path, which is the same for all"))
    }
}

/// The first of 65,536 users that Linux has.
fn user(node: &Node, key: &str) -> Result<u32, Mistake> {
    let most = i32::MAX as u32 - 65_536;
    let number = u32::try_from(value::positive(node, key)?).ok().filter(|number| *number <= most);
    number.ok_or_else(|| wrong_type(node, key, &format!("a user's number from 1 to {most}")))
}

fn processes(node: &Node, key: &str) -> Result<u32, Mistake> {
    let number = u32::try_from(value::positive(node, key)?).ok();
    number.ok_or_else(|| wrong_type(node, key, "at most 4294967295 processes and threads"))
}

/// What vm-docker allows.
fn concurrency(node: &Node, key: &str) -> Result<u32, Mistake> {
    let number = value::positive(node, key)?;
    let number = u32::try_from(number).ok().filter(|number| *number <= 64);
    number.ok_or_else(|| wrong_type(node, key, "1 to 64 calls"))
}

fn isolation(node: &Node, key: &str) -> Result<Isolation, Mistake> {
    let choices = [("contract", Isolation::Contract), ("call", Isolation::Call), ("container", Isolation::Container)];
    value::choice(node, key, &choices).copied()
}

/// A name that containerd takes for a namespace.
fn namespace<'d>(node: &'d Node, key: &str) -> Result<&'d str, Mistake> {
    let text = value::text(node, key)?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let edges = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    if text.len() <= 76 && text.chars().all(allowed) && edges(text.chars().next()) && edges(text.chars().next_back()) {
        Ok(text)
    } else {
        Err(wrong_type(
            node,
            key,
            "up to 76 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit",
        ))
    }
}
