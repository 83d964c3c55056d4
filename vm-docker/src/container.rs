//! A running container.

use std::{fs, os::fd::OwnedFd, sync::Arc, time::Duration};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::{sync::watch, time::timeout};
use vm_container_protocol::Hello;
use vm_core::Interrupt;

use crate::{
    DockerError, Exit,
    connection::Connection,
    engine::{Engine, Guard},
};

/// How long after a connection broke the process may take to end.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A container whose process has introduced itself. It is killed and removed when this is dropped.
pub(crate) struct Container {
    pub(crate) connection: Connection,
    pub(crate) hello: Hello,
    pub(crate) exit: ExitWatch,
    pub(crate) process: Process,
    pub(crate) guard: Guard,
}

impl Container {
    /// Why the connection broke.
    pub(crate) fn cause(&self, engine: &Arc<Engine>) -> DockerError {
        let mut exit = self.exit.clone();
        let cause = async move { timeout(LAST_WORDS, exit.ended()).await.ok().flatten() };
        // The process may need longer to end than its call had.
        match engine.block_on(cause, &Interrupt::after(LAST_WORDS * 2)) {
            Some(Some(exit)) => DockerError::Exited(exit),
            _ => DockerError::HungUp,
        }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        self.process.kill();
        self.guard.release();
    }
}

/// A container's process as the kernel knows it: can be killed while containerd does not answer.
pub(crate) struct Process(Option<OwnedFd>);

impl Process {
    /// The process with this number. Where it cannot be seen (another process name space), only containerd can kill it.
    pub(crate) fn open(number: u32) -> Self {
        let pid = i32::try_from(number).ok().and_then(Pid::from_raw);
        Self(pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()))
    }

    pub(crate) fn kill(&self) {
        if let Some(process) = &self.0 {
            // It may have ended already.
            let _ = pidfd_send_signal(process, Signal::KILL);
        }
    }
}

/// Tells how a container's process ended.
#[derive(Clone)]
pub(crate) struct ExitWatch(watch::Receiver<Option<Option<Exit>>>);

impl ExitWatch {
    /// Begins to wait for the end of a container's task.
    pub(crate) fn begin(engine: Arc<Engine>, id: String) -> Self {
        let (sender, receiver) = watch::channel(None);
        tokio::spawn(async move {
            let exit = engine.daemon().wait(&id).await.ok().map(|code| Exit {
                code,
                out_of_memory: was_out_of_memory(&id),
                memory: engine.config().memory,
            });
            sender.send_replace(Some(exit));
        });
        Self(receiver)
    }

    /// Waits for the end; `None` if containerd could not tell.
    pub(crate) async fn ended(&mut self) -> Option<Exit> {
        match self.0.wait_for(Option::is_some).await {
            Ok(exit) => exit.flatten(),
            Err(_) => None,
        }
    }
}

/// The control group of a container, inside the root of each hierarchy.
pub(crate) fn control_group(id: &str) -> String {
    format!("/{id}")
}

/// Looks whether the kernel killed a process of the container for its memory, in either version of control groups.
fn was_out_of_memory(id: &str) -> bool {
    ["/sys/fs/cgroup/memory/ID/memory.oom_control", "/sys/fs/cgroup/ID/memory.events"]
        .iter()
        .filter_map(|path| fs::read_to_string(path.replace("ID", id)).ok())
        .any(|text| text.lines().filter_map(|line| line.strip_prefix("oom_kill ")).any(|count| count.trim() != "0"))
}
