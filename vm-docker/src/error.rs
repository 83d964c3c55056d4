use std::{fmt, io, path::PathBuf, time::Duration};

use thiserror::Error;
use vm_container_protocol::{FrameError, PROTOCOL_VERSION};
use vm_core::{HostFault, RuntimeKind};

/// A fault of containers or of what they need. None of them decides the result of a call.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DockerError {
    /// A field of the configuration.
    #[error("docker configuration: {field}: {message}")]
    Config {
        /// Which field.
        field: &'static str,
        /// What it is and what was expected.
        message: String,
    },
    /// containerd does not answer.
    #[error("containerd at {} cannot be reached to {operation}: {message}; check that it runs and that this user may use it", .address.display())]
    Unreachable {
        /// Its socket.
        address: PathBuf,
        /// What it was asked for.
        operation: &'static str,
        /// What went wrong.
        message: String,
    },
    /// The containerd that belongs to this host alone.
    #[error("the host's own containerd in {}: {message}", .folder.display())]
    Managed {
        /// Where it lives.
        folder: PathBuf,
        /// What went wrong, and what it said.
        message: String,
    },
    /// containerd refused.
    #[error("containerd could not {operation}: {message}")]
    Daemon {
        /// What it was asked for.
        operation: &'static str,
        /// The kind of its refusal.
        reason: Refused,
        /// What it answered.
        message: String,
    },
    /// An image that was to be in containerd is not, or not all of it.
    #[error(
        "containerd lacks {digest} of the image {reference}; pull it into the namespace of this host: ctr --namespace NAMESPACE images pull --platform linux/{} {reference}",
        crate::image::ARCHITECTURE
    )]
    NoImage {
        /// The image.
        reference: String,
        /// The missing part.
        digest: String,
    },
    /// A part of an image in containerd is not what its name says.
    #[error(
        "containerd's content {digest} is damaged: its hash is {found}; remove it (ctr content rm) and pull the image again"
    )]
    Damaged {
        /// The part.
        digest: String,
        /// The hash of what was read.
        found: String,
    },
    /// An image in containerd is larger than is read.
    #[error("the image has more than {limit} bytes")]
    ImageTooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// Something took too long.
    #[error("could not {operation} within {} s", .limit.as_secs_f64())]
    TimedOut {
        /// What.
        operation: &'static str,
        /// How long it was waited for.
        limit: Duration,
    },
    /// A file or folder of the host.
    #[error("{}: {source}", .path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// A socket's path would be too long.
    #[error("socket path {} has {} bytes, at most 107 are possible; choose a shorter socket_folder", .path.display(), .path.as_os_str().len())]
    PathTooLong {
        /// The path.
        path: PathBuf,
    },
    /// A container's process ended while it was needed.
    #[error("{0}")]
    Exited(Exit),
    /// A container's process ended before it had introduced itself.
    #[error("its process did not become ready: {exit}; {}", printed_text(.printed))]
    NotReady {
        /// How it ended.
        exit: Exit,
        /// The last lines that it wrote, separated by semicolons.
        printed: String,
    },
    /// A container's process ran, and did not introduce itself in time.
    #[error("its process did not say Hello on all its connections within {} s, `start_timeout`", .limit.as_secs_f64())]
    Silent {
        /// How long it was waited for from the container's creation on.
        limit: Duration,
    },
    /// containerd unpacked a layer to more than it holds.
    #[error("a layer takes {size} bytes on disk, at most {limit} were expected of its content")]
    LayerTooLarge {
        /// What it takes, in bytes.
        size: u64,
        /// What it may take.
        limit: u64,
    },
    /// A container closed its connection and went on running.
    #[error("it closed its connection")]
    HungUp,
    /// A container sent something that is no frame, or the connection failed.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A container sent a frame out of turn.
    #[error("it broke the container protocol: {0}")]
    Protocol(String),
    /// A container speaks another version of the protocol.
    #[error("it speaks version {found} of the container protocol; this host speaks version {PROTOCOL_VERSION}")]
    Version {
        /// The container's version.
        found: u32,
    },
    /// A call was executed twice, in two processes, and they did not do the same.
    #[error(
        "it did not do the same in two processes: operation {operation} was '{first}' in one and '{second}' in the other; what a contract does may depend on its arguments, its environment and its state alone"
    )]
    Differs {
        /// The number of the first operation that differs, from 1. Returning is one.
        operation: usize,
        /// What it was in the first process.
        first: String,
        /// What it was in the second process.
        second: String,
    },
    /// More was said in a call than is kept for its repetition.
    #[error(
        "what it and the host said in one call has more than {limit} bytes, which is more than is kept to repeat it; read and write less in a call, or switch replay_check off"
    )]
    TooLongToRepeat {
        /// The limit, in bytes.
        limit: usize,
    },
    /// As many calls wait for a container as may.
    #[error("{waiting} calls wait for a container of this code already; try again later, or raise pool_queue")]
    QueueFull {
        /// How many.
        waiting: usize,
    },
    /// No container came free in time.
    #[error("all {max} containers of this code were busy until {until}; try again later, or raise pool_max")]
    AllBusy {
        /// How many there may be.
        max: usize,
        /// When the waiting ended.
        until: String,
    },
    /// The calls that one is nested in have all containers that there may be.
    #[error(
        "the calls that this one is nested in have all containers that there may be, {of_image} of one code or {of_all} of all; nest less deep, or raise pool_max or max_containers"
    )]
    TooNested {
        /// Of one image.
        of_image: usize,
        /// Of all images.
        of_all: usize,
    },
    /// Nested calls of several transactions would wait for each other.
    #[error(
        "nested calls of several transactions wait for each other's containers, and this one gives way; try again, or raise pool_max or max_containers"
    )]
    Circle,
    /// As many containers exist as may, and all of them have calls.
    #[error("all {most} containers of this host were busy for {} s; try again later, or raise max_containers", .waited.as_secs_f64())]
    NoRoom {
        /// How many there may be.
        most: usize,
        /// How long it was waited for room.
        waited: Duration,
    },
    /// An image alone takes more of the disk than all of them may.
    #[error(
        "the image takes {size} bytes on disk when it is unpacked, and all images together may take {most}; make it smaller, or raise images_size"
    )]
    ImageLargerThanDisk {
        /// What it takes, in bytes.
        size: u64,
        /// What all images may take.
        most: u64,
    },
    /// The images that have calls leave too little disk for another one.
    #[error(
        "there was no room on disk for the image of {size} bytes within {} s: those that are there have {taken} of {most} bytes, and too many of them have calls; try again later, or raise images_size",
        .waited.as_secs_f64()
    )]
    NoDisk {
        /// What it takes, in bytes, what it has in common with others included.
        size: u64,
        /// What the others have.
        taken: u64,
        /// What all of them may have.
        most: u64,
        /// How long it was waited for room.
        waited: Duration,
    },
    /// Containers of one image broke off one soon after the other.
    #[error(
        "its containers break off before they have had a call, one soon after the other, and it is paused; the last one: {cause}"
    )]
    BackingOff {
        /// The beginning of the image's hash.
        code: String,
        /// How the last one ended.
        cause: String,
        /// When the next one may start.
        left: Duration,
    },
    /// The runtime was stopped, or not started yet.
    #[error("the docker runtime does not run")]
    NotRunning,
}

/// Why containerd refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// What is meant does not exist.
    NotFound,
    /// What was to be made exists.
    Exists,
    /// The message says it.
    Other,
}

/// How a container's process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// Its exit code; 128 and the signal's number if a signal ended it.
    pub code: u32,
    /// True if the kernel killed it because of the memory limit.
    pub out_of_memory: bool,
    /// The memory limit, in bytes.
    pub memory: u64,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.out_of_memory {
            return write!(
                f,
                "it was killed at its memory limit of {} bytes (exit code {}); raise the limit, `memory`, if it needs more",
                self.memory, self.code
            );
        }
        match self.code {
            129..=192 => write!(f, "it was ended by signal {} (exit code {})", self.code - 128, self.code),
            code => write!(f, "it exited with code {code}"),
        }
    }
}

/// What containerd, and the runtime below it, say of what an image is. All else that they refuse is the machine's trouble: a full
/// disk, a missing program, no control groups.
const OF_IMAGES: [&str; 7] = [
    "unable to start container process: exec",
    "container init: exec",
    "exec format error",
    "chdir to cwd",
    "archive/tar:",
    "gzip: invalid",
    "wrong diff id",
];

/// True if a refusal is about the image that was to run: the same on every machine.
fn is_of_image(message: &str) -> bool {
    OF_IMAGES.iter().any(|said| message.contains(said))
}

impl DockerError {
    /// True if it is the doing of what was to run: of an image, or of a process.
    pub(crate) fn is_of_code(&self) -> bool {
        match self {
            Self::Daemon { message, .. } => is_of_image(message),
            Self::Exited(_)
            | Self::NotReady { .. }
            | Self::Silent { .. }
            | Self::LayerTooLarge { .. }
            | Self::HungUp
            | Self::Frame(_)
            | Self::Protocol(_)
            | Self::Differs { .. }
            | Self::TooLongToRepeat { .. }
            | Self::Version { .. } => true,
            _ => false,
        }
    }
}

impl From<DockerError> for HostFault {
    fn from(error: DockerError) -> Self {
        let (runtime, message) = (RuntimeKind::Docker, error.to_string());
        match error {
            DockerError::NotRunning => Self::Stopping,
            DockerError::BackingOff { code, left, .. } => {
                Self::Quota { who: format!("code {code}"), limit: message, retry_after: Some(left) }
            }
            error if error.is_of_code() => Self::Process { runtime, message },
            _ => Self::Unavailable { runtime, message },
        }
    }
}

fn printed_text(printed: &str) -> String {
    if printed.is_empty() { "it printed nothing".into() } else { format!("it printed: {printed}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the programs say is theirs: containerd 1.6, runc 1.1.
    #[test]
    fn trouble_of_the_machine_is_not_blamed_on_code() {
        let refused = |operation, message: &str| {
            HostFault::from(DockerError::Daemon { operation, reason: Refused::Other, message: message.into() })
        };
        for (operation, message) in [
            (
                "unpack a layer",
                "failed to extract layer sha256:ab: mount callback failed: write /x: no space left on device",
            ),
            (
                "make a task",
                "failed to create shim task: OCI runtime create failed: unable to retrieve OCI runtime error (open /run/log.json: no such file or directory): exec: \"runc\": executable file not found in $PATH: unknown",
            ),
            (
                "make a task",
                "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: unable to apply cgroup configuration: mkdir /sys/fs/cgroup/x: no space left on device: unknown",
            ),
            ("make a container", "database is closed"),
            ("start a task", "cannot start a stopped process: unknown"),
        ] {
            assert!(matches!(refused(operation, message), HostFault::Unavailable { .. }), "{message}");
        }
        for (operation, message) in [
            (
                "make a task",
                "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: \"/nothing\": stat /nothing: no such file or directory: unknown",
            ),
            (
                "make a task",
                "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: chdir to cwd (\"/a\") set in config.json failed: permission denied: unknown",
            ),
            ("unpack a layer", "failed to extract layer sha256:ab: archive/tar: invalid tar header: unknown"),
        ] {
            assert!(matches!(refused(operation, message), HostFault::Process { .. }), "{message}");
        }
    }

    #[test]
    fn an_exit_says_why() {
        let exit = |code, out_of_memory| Exit { code, out_of_memory, memory: 1024 }.to_string();
        assert_eq!(exit(7, false), "it exited with code 7");
        assert_eq!(exit(139, false), "it was ended by signal 11 (exit code 139)");
        assert!(exit(137, true).contains("memory limit of 1024 bytes"));
    }
}
