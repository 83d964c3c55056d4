//! A running container.

use std::{os::fd::OwnedFd, sync::Arc, time::Duration};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};
use tokio::{sync::watch, time::sleep};
use vm_container_protocol::Hello;
use vm_core::Interrupt;

use crate::{
    DockerError, Exit, Refused,
    cgroup::ControlGroup,
    engine::{Engine, Guard},
    metrics::Counts,
    output::CallLabel,
};

/// How long a process may take to end by itself whose connection broke: at least, and where its call has time left. Then it is killed.
const LAST_WORDS: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(250));

/// How long the news of its end may take then: at least, and where its call has time left. Both together are less than the host
/// gives a call that is late (`grace`), else the call would cost a worker.
const NEWS: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(2));

/// The exit code of a process that was killed.
const KILLED: u32 = 137;

/// How long it is waited until containerd is asked again that went away.
const RECONNECT: Duration = Duration::from_millis(250);

/// A container whose process has introduced itself. It is killed and removed when this is dropped.
pub(crate) struct Container {
    pub(crate) id: String,
    pub(crate) hello: Hello,
    pub(crate) exit: ExitWatch,
    /// What lines that the process writes belong to.
    pub(crate) label: CallLabel,
    pub(crate) process: Process,
    pub(crate) guard: Guard,
}

impl Container {
    /// Its name in containerd.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        self.process.kill();
        self.guard.release();
    }
}

/// A container's process as the kernel knows it: can be killed while containerd does not answer.
#[derive(Debug, Clone)]
pub(crate) struct Process(Option<Arc<OwnedFd>>);

impl Process {
    /// The process that containerd gives this number, in a control group. Where it cannot be seen, only containerd can kill it: in
    /// another process name space the number is that of a stranger.
    pub(crate) fn open(number: u32, group: &ControlGroup) -> Self {
        let process = i32::try_from(number).ok().and_then(Pid::from_raw);
        let opened = process.and_then(|process| Some((process, pidfd_open(process, PidfdFlags::empty()).ok()?)));
        // Looked at after it was opened: from then on the number is this process's, or nobody's.
        Self(
            opened
                .filter(|(process, _)| group.holds(process.as_raw_nonzero().get()))
                .map(|(_, opened)| Arc::new(opened)),
        )
    }

    /// True if it is seen to run.
    fn runs(&self) -> bool {
        self.0.as_ref().is_some_and(|process| !has_ended(process))
    }

    pub(crate) fn kill(&self) {
        if let Some(process) = &self.0 {
            // It may have ended already.
            let _ = pidfd_send_signal(process, Signal::KILL);
        }
    }

    /// Kills it, and waits at most so long for its end. False for one that cannot be seen.
    pub(crate) fn end(&self, limit: Duration) -> bool {
        self.kill();
        self.0.as_ref().is_some_and(|process| ends_within(process, limit))
    }
}

/// True once a process has ended, with all its threads.
pub(crate) fn has_ended(process: &OwnedFd) -> bool {
    ends_within(process, Duration::ZERO)
}

/// Waits for that at most so long.
pub(crate) fn ends_within(process: &OwnedFd, limit: Duration) -> bool {
    let limit = Timespec::try_from(limit).unwrap_or(Timespec { tv_sec: 0, tv_nsec: 0 });
    // It can be read from then.
    poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&limit)).is_ok_and(|ended| ended > 0)
}

/// Waits for the end of a task, over restarts of containerd, which break off the waiting, however they tell it, and nothing else.
/// `None` if the task is gone without a code, or the host stops.
async fn exit_code(engine: &Engine, id: &str, process: &Process) -> Option<u32> {
    loop {
        match engine.daemon().wait(id).await {
            Ok(code) => return Some(code),
            Err(_) if engine.is_stopped() => return None,
            // What runs has not ended, whatever is known of it.
            Err(DockerError::Daemon { reason: Refused::NotFound, .. }) if !process.runs() => return None,
            Err(_) => {}
        }
        sleep(RECONNECT).await;
    }
}

/// Tells how a container's process ended.
#[derive(Clone)]
pub(crate) struct ExitWatch(watch::Receiver<Option<Option<Exit>>>);

impl ExitWatch {
    /// Begins to wait for the end of a container's task.
    pub(crate) fn begin(engine: Arc<Engine>, id: String, process: Process, counts: Arc<Counts>) -> Self {
        let (sender, receiver) = watch::channel(None);
        tokio::spawn(async move {
            let code = exit_code(&engine, &id, &process).await;
            let killed_one = ControlGroup::of(&id).was_out_of_memory();
            if code.is_some() && killed_one {
                counts.out_of_memory();
            }
            // It may have been a child of it, in another call perhaps: that is no cause of what ends otherwise.
            let out_of_memory = |code| killed_one && code == KILLED;
            let memory = engine.config().memory;
            let exit = code.map(|code| Exit { code, out_of_memory: out_of_memory(code), memory });
            sender.send_replace(Some(exit));
        });
        Self(receiver)
    }

    /// Why a connection broke. What does not end by itself is killed by `kill`. Ends 250 ms after the interrupt at the latest.
    pub(crate) fn cause(&self, engine: &Engine, interrupt: &Interrupt, kill: impl FnOnce()) -> DockerError {
        let within = |(least, most): (Duration, Duration)| {
            let (mut watch, limit) = (self.clone(), interrupt.remaining().clamp(least, most));
            engine.block_on(async move { watch.ended().await }, &Interrupt::after(limit)).flatten()
        };
        if let Some(exit) = within(LAST_WORDS) {
            return DockerError::Exited(exit);
        }
        kill();
        match within(NEWS) {
            // It had ended by itself already, or the kernel was quicker.
            Some(exit) if exit.code != KILLED || exit.out_of_memory => DockerError::Exited(exit),
            _ => DockerError::HungUp,
        }
    }

    /// Waits for the end; `None` if containerd could not tell.
    pub(crate) async fn ended(&mut self) -> Option<Exit> {
        match self.0.wait_for(Option::is_some).await {
            Ok(exit) => exit.flatten(),
            Err(_) => None,
        }
    }
}
