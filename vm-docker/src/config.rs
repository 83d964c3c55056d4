use std::{path::PathBuf, time::Duration};

use crate::DockerError;

/// Longest path of a managed containerd's folder: its sockets lie in it.
const MANAGED_PATH: usize = 80;

/// Most calls that one process takes at a time: each needs an open file of its 256, and most a thread of its 64.
const MOST_CALLS: u32 = 64;

/// How containers are run. The defaults are the strictest settings.
///
/// ```
/// use vm_docker::DockerConfig;
///
/// let config = DockerConfig { memory: 64 << 20, ..DockerConfig::default() };
/// assert!(config.enable_sandbox && !config.allow_network && !config.allow_file_system);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockerConfig {
    /// containerd's socket. Default: `/run/containerd/containerd.sock`.
    pub address: PathBuf,
    /// A folder for a containerd of this host's own, which is started, watched and ended with it; `address` does not count
    /// then. What was imported stays there. Every user must be able to enter it and the folders above it, and its path has
    /// at most 80 bytes. Default: `None`, one that runs already.
    pub managed: Option<PathBuf>,
    /// containerd's name space for everything that is made. Default: `vm`.
    pub namespace: String,
    /// containerd's name of the OCI runtime. Default: `io.containerd.runc.v2`.
    pub runtime: String,
    /// containerd's name of the snapshotter. Default: `overlayfs`.
    pub snapshotter: String,
    /// Folder for the sockets of containers, on the machine where containerd runs. Every user must be able to enter it and
    /// the folders above it. A unix socket's path has at most 107 bytes, so it must be short. Default: `/run/vm-docker`.
    pub socket_folder: PathBuf,
    /// Memory of one container, in bytes; there is no swap. At least 8 MiB. Default: 256 MiB.
    pub memory: u64,
    /// Processor time of one container, in thousandths of a processor. At least 10. Default: 1000, one processor.
    pub cpu_millis: u32,
    /// Processes and threads of one container. At least 1. Default: 64.
    pub pids: u32,
    /// How many containers of each image are kept ready, from when a contract of it is deployed or found when the machine
    /// starts. At most `pool_max`. Default: 1.
    pub pool_min: usize,
    /// How many containers of one image may run at a time. More than one run when calls come at a time, or when a contract
    /// calls another with the same code. At least 1. Default: 8.
    pub pool_max: usize,
    /// How long a container above `pool_min` may be idle until it is removed. Default: 60 s.
    pub pool_idle: Duration,
    /// How many calls may wait for a container of one image; one more is a fault at once. Default: 256.
    pub pool_queue: usize,
    /// How long a call may wait for a container, at most until its deadline, and a start for room. Default: 10 s.
    pub pool_wait: Duration,
    /// How many containers of all images together may exist. Where a call needs one more, an idle one of another image is
    /// removed; where all have calls, it waits for at most `pool_wait`, and an image whose calls never end gives one up after half of that. With `memory` it bounds what containers take. At least 1.
    /// Default: 64.
    pub max_containers: usize,
    /// Bytes that the unpacked layers of all images together may take on disk; what several images have in common counts once.
    /// Where another image does not fit, those without calls are removed first, the one that was used longest ago before the
    /// others; they are unpacked again when they are called. Where those with calls leave too little, it is waited for at most `pool_wait`.
    /// At least 1 MiB. Default: 16 GiB.
    pub images_size: u64,
    /// Longest pause between starts of a code whose containers do not start, or break off before they have had a call, one soon after
    /// the other. After eight the first pause is 0.1 s, and each further one twice as long; one is forgotten in 10 s. Calls that find
    /// no container then are told when to try again. Where containers break off in calls, or after them, the next start is put off
    /// by at most 1 s instead, and calls wait for it. Zero for neither. Default: 30 s.
    pub restart_pause: Duration,
    /// How many calls one process may take at a time, if its contract declares that it can take more than one. They share its
    /// memory and processor time, and with [`Isolation::Call`] there is always one. 1 to 64. Default: 8.
    pub concurrency: u32,
    /// How long a process lives. Default: [`Isolation::Contract`].
    pub isolation: Isolation,
    /// True executes every call twice, the second time in a container that has no other call, as with [`Isolation::Container`], and is
    /// given what the first was. What differs (reads, changes, events, calls, output) is a fault that names the first difference. For
    /// tests and for contracts that are not trusted to be deterministic: a call takes as long as two, and where calls follow each other
    /// quickly the start of a container; and there are `pool_min` to `pool_max` containers of each image for the repetitions, too.
    /// Default: false.
    pub replay_check: bool,
    /// How long a container may take from its creation until it has introduced itself. Default: 20 s.
    pub start_timeout: Duration,
    /// System call filter and user namespace. Default: true. The other restrictions (no capabilities, no new privileges, an
    /// unprivileged user, limits) stay where this is false.
    pub enable_sandbox: bool,
    /// True gives containers the network of the machine. Default: false, no network at all.
    pub allow_network: bool,
    /// True gives containers a `/tmp` in memory, of `tmp_size` bytes; the rest stays read-only. Default: false, nothing can
    /// be written to.
    pub allow_file_system: bool,
    /// Most bytes that the files in a container's `/tmp` have together, and each of them. They count as its memory, too.
    /// At least 4 KiB. Default: 64 MiB.
    pub tmp_size: u64,
    /// First of the 65,536 users of the machine of which each container has two of its own; `None` for no user namespace.
    /// Default: 1,879,048,192, a range that Linux distributions leave unused.
    pub first_host_user: Option<u32>,
}

/// How long the process of a contract lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord)]
pub enum Isolation {
    /// A process takes one call after the other, as long as the container is kept. What it remembers is up to its author. **Contracts with
    /// the same image share it, and its memory**: who can take it over by an input can answer for all of them.
    #[default]
    Contract,
    /// Every call has a process of its own, which begins anew and ends with the call. Containers whose library offers
    /// that (vm-sdk, and the Python SDK) are kept, of others each call gets a new one. **That a library which offers it keeps its word is
    /// trusted**: nothing but it keeps the calls in such a container apart.
    Call,
    /// Every call has a container of its own, whatever its library offers: nothing of a call is left for the next one but the state.
    Container,
}

impl Isolation {
    /// `contract`, `call` or `container`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Contract => "contract",
            Self::Call => "call",
            Self::Container => "container",
        }
    }
}

impl std::str::FromStr for Isolation {
    type Err = UnknownIsolation;

    fn from_str(text: &str) -> Result<Self, UnknownIsolation> {
        let known =
            [Self::Contract, Self::Call, Self::Container].into_iter().find(|isolation| isolation.as_str() == text);
        known.ok_or_else(|| UnknownIsolation(text.into()))
    }
}

/// A name of no [`Isolation`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown isolation '{0}'; expected contract, call or container")]
pub struct UnknownIsolation(String);

impl Default for DockerConfig {
    fn default() -> Self {
        Self {
            address: "/run/containerd/containerd.sock".into(),
            managed: None,
            namespace: "vm".into(),
            runtime: "io.containerd.runc.v2".into(),
            snapshotter: "overlayfs".into(),
            socket_folder: "/run/vm-docker".into(),
            memory: 256 << 20,
            cpu_millis: 1000,
            pids: 64,
            pool_min: 1,
            pool_max: 8,
            pool_idle: Duration::from_secs(60),
            pool_queue: 256,
            pool_wait: Duration::from_secs(10),
            max_containers: 64,
            images_size: 16 << 30,
            restart_pause: Duration::from_secs(30),
            concurrency: 8,
            isolation: Isolation::Contract,
            replay_check: false,
            start_timeout: Duration::from_secs(20),
            enable_sandbox: true,
            allow_network: false,
            allow_file_system: false,
            tmp_size: 64 << 20,
            first_host_user: Some(0x7000_0000),
        }
    }
}

impl DockerConfig {
    /// Checks every field.
    pub(crate) fn check(&self) -> Result<(), DockerError> {
        let wrong = |field, message: String| Err(DockerError::Config { field, message });
        let name = |text: &str| {
            !text.is_empty()
                && text.len() <= 76
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        if !self.address.is_absolute() {
            return wrong("address", format!("'{}' is no absolute path", self.address.display()));
        }
        if let Some(folder) = &self.managed
            && (!folder.is_absolute() || folder.as_os_str().len() > MANAGED_PATH)
        {
            return wrong(
                "managed",
                format!("'{}': an absolute path of at most {MANAGED_PATH} bytes is expected", folder.display()),
            );
        }
        if !self.socket_folder.is_absolute() {
            let path = self.socket_folder.display();
            return wrong("socket_folder", format!("'{path}' is no absolute path"));
        }
        for (field, text) in
            [("namespace", &self.namespace), ("runtime", &self.runtime), ("snapshotter", &self.snapshotter)]
        {
            if !name(text) {
                let expected = "1 to 76 letters, digits, '.', '_' or '-' are expected";
                return wrong(field, format!("'{text}' is no name: {expected}"));
            }
        }
        if self.memory < 8 << 20 || i64::try_from(self.memory).is_err() {
            return wrong("memory", format!("{} bytes; at least 8 MiB are expected", self.memory));
        }
        if self.tmp_size < 4096 || i64::try_from(self.tmp_size).is_err() {
            return wrong("tmp_size", format!("{} bytes; at least 4 KiB are expected", self.tmp_size));
        }
        if self.cpu_millis < 10 {
            return wrong("cpu_millis", format!("{}; at least 10 are expected", self.cpu_millis));
        }
        if self.pids == 0 {
            return wrong("pids", "0; at least 1 is expected".into());
        }
        if self.pool_max == 0 {
            return wrong("pool_max", "0; at least 1 is expected".into());
        }
        if self.max_containers == 0 {
            return wrong("max_containers", "0; at least 1 is expected".into());
        }
        if self.images_size < 1 << 20 {
            return wrong("images_size", format!("{} bytes; at least 1 MiB are expected", self.images_size));
        }
        if self.pool_min > self.pool_max {
            let (min, max) = (self.pool_min, self.pool_max);
            return wrong("pool_min", format!("{min}; at most pool_max is expected, which is {max}"));
        }
        if !(1..=MOST_CALLS).contains(&self.concurrency) {
            return wrong("concurrency", format!("{}; 1 to {MOST_CALLS} are expected", self.concurrency));
        }
        for (field, time) in
            [("start_timeout", self.start_timeout), ("pool_idle", self.pool_idle), ("pool_wait", self.pool_wait)]
        {
            if time.is_zero() {
                return wrong(field, "0; a time is expected".into());
            }
        }
        if self.first_host_user.is_some_and(|first| first == 0 || first > i32::MAX as u32 - 65_536) {
            return wrong("first_host_user", "expected between 1 and 2,147,418,111".into());
        }
        Ok(())
    }

    /// How many calls a process may take at a time.
    pub(crate) fn concurrency_of(&self, isolation: Isolation) -> u32 {
        match isolation {
            Isolation::Contract => self.concurrency,
            Isolation::Call | Isolation::Container => 1,
        }
    }

    /// What is less strict than the default, for warnings.
    pub(crate) fn loosened(&self) -> Vec<&'static str> {
        let mut list = Vec::new();
        if !self.enable_sandbox {
            list.push("enable_sandbox = false: no system call filter, no user namespace");
        } else if self.first_host_user.is_none() {
            list.push("first_host_user is unset: no user namespace");
        }
        if self.allow_network {
            list.push("allow_network = true: contracts use the network of this machine");
        }
        if self.allow_file_system {
            list.push("allow_file_system = true: contracts write files, into memory");
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_accepted_and_strict() {
        DockerConfig::default().check().unwrap();
        assert!(DockerConfig::default().loosened().is_empty());
    }

    #[test]
    fn each_wrong_field_is_named() {
        let base = DockerConfig::default;
        for (field, config) in [
            ("address", DockerConfig { address: "containerd.sock".into(), ..base() }),
            ("managed", DockerConfig { managed: Some("containerd".into()), ..base() }),
            ("namespace", DockerConfig { namespace: "a b".into(), ..base() }),
            ("runtime", DockerConfig { runtime: String::new(), ..base() }),
            ("snapshotter", DockerConfig { snapshotter: "a/b".into(), ..base() }),
            ("socket_folder", DockerConfig { socket_folder: "sockets".into(), ..base() }),
            ("memory", DockerConfig { memory: 1, ..base() }),
            ("tmp_size", DockerConfig { tmp_size: 0, ..base() }),
            ("cpu_millis", DockerConfig { cpu_millis: 9, ..base() }),
            ("pids", DockerConfig { pids: 0, ..base() }),
            ("pool_max", DockerConfig { pool_max: 0, pool_min: 0, ..base() }),
            ("max_containers", DockerConfig { max_containers: 0, ..base() }),
            ("images_size", DockerConfig { images_size: 1, ..base() }),
            ("pool_min", DockerConfig { pool_min: 9, ..base() }),
            ("concurrency", DockerConfig { concurrency: 0, ..base() }),
            ("concurrency", DockerConfig { concurrency: 65, ..base() }),
            ("pool_idle", DockerConfig { pool_idle: Duration::ZERO, ..base() }),
            ("pool_wait", DockerConfig { pool_wait: Duration::ZERO, ..base() }),
            ("start_timeout", DockerConfig { start_timeout: Duration::ZERO, ..base() }),
            ("first_host_user", DockerConfig { first_host_user: Some(0), ..base() }),
        ] {
            let error = config.check().unwrap_err();
            assert!(matches!(&error, DockerError::Config { field: found, .. } if *found == field), "{field}: {error}");
        }
    }

    #[test]
    fn each_loosened_switch_is_listed() {
        let all = DockerConfig {
            enable_sandbox: false,
            allow_network: true,
            allow_file_system: true,
            ..DockerConfig::default()
        };
        assert_eq!(all.loosened().len(), 3);
    }
}
