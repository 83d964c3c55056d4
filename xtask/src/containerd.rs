//! A private containerd: own root, state, socket and configuration, gone without trace afterwards.
//!
//! The system's containerd, if there is one, is never touched.

mod layout;
mod leftovers;

use std::fs::{self, File, TryLockError};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use self::layout::Layout;
use crate::process;
use crate::setup::{self, Containers, Need};
use crate::terminal::{self, Step};

/// How long containerd may take to accept connections.
const START: Duration = Duration::from_secs(60);
/// How long containerd may take to end after it was asked to.
const STOP: Duration = Duration::from_secs(10);

/// A running containerd, stopped when dropped.
#[derive(Debug)]
pub(crate) struct Daemon {
    child: Child,
    layout: Layout,
    runc: PathBuf,
    _lock: File,
}

/// Whether contracts can run in containers now.
#[derive(Debug)]
pub(crate) enum Containerd {
    /// They can.
    Running(Daemon),
    /// They cannot.
    Absent {
        /// Why, and what to do about it.
        why: String,
    },
}

/// Starts a private containerd if this machine can run containers; says why not otherwise.
pub(crate) fn start(containers: Containers, need: Need) -> Result<Containerd> {
    let why = match containers {
        Containers::Ready { containerd, runc } => match Daemon::start(&containerd, &runc) {
            Ok(daemon) => return Ok(Containerd::Running(daemon)),
            Err(error) => {
                let why = format!("{error:#}");
                need.weigh(error, "containerd is installed and does not start")?;
                return Ok(Containerd::Absent { why });
            }
        },
        Containers::Absent { why } => why,
    };
    terminal::warn(&format!("carrying on without containers: {why}"));
    Ok(Containerd::Absent { why })
}

impl Daemon {
    fn start(containerd: &Path, runc: &Path) -> Result<Self> {
        remove_stale(runc);
        let step = Step::new("starting a private containerd");
        let (layout, lock) = Layout::create()?;
        fs::write(layout.config(), layout.configuration())?;
        let log = File::create(layout.log())?;
        let mut command = dies_with_us(containerd);
        command
            .arg("--config")
            .arg(layout.config())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Where its shim finds runc.
            .env("PATH", setup::path()?)
            .process_group(0);
        let child = command.spawn().context("cannot start containerd")?;
        // From here on the guard cleans up, whatever happens.
        let mut daemon = Self { child, layout, runc: runc.to_owned(), _lock: lock };
        daemon.wait_until_ready()?;
        step.done();
        Ok(daemon)
    }

    /// The socket that containerd listens on.
    pub(crate) fn address(&self) -> PathBuf {
        self.layout.socket()
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let started = Instant::now();
        while UnixStream::connect(self.layout.socket()).is_err() {
            if process::interrupted().is_some() {
                bail!("interrupted");
            }
            if leftovers::wait_for_end(self.child.id(), Duration::from_millis(50)) {
                bail!("containerd ended at once; it said:\n{}", self.layout.log_tail());
            }
            if started.elapsed() > START {
                bail!("containerd does not answer after {} s; it said:\n{}", START.as_secs(), self.layout.log_tail());
            }
        }
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        process::signal_group(self.child.id(), Signal::TERM);
        if !leftovers::wait_for_end(self.child.id(), STOP) {
            process::signal_group(self.child.id(), Signal::KILL);
        }
        let _status = self.child.wait();
        remove(&self.layout, &self.runc);
    }
}

/// What earlier runs left behind because they were killed.
fn remove_stale(runc: &Path) {
    for layout in Layout::existing() {
        let free = match File::open(layout.lock()).map(|lock| (lock.try_lock(), lock)) {
            Ok((Err(TryLockError::WouldBlock), _)) => false, // another run is using it
            Ok(_) | Err(_) => true,
        };
        if free {
            remove(&layout, runc);
        }
    }
}

fn remove(layout: &Layout, runc: &Path) {
    leftovers::clear(layout, runc);
    if let Err(error) = layout.remove() {
        terminal::warn(&format!("cannot remove {}: {error}", layout.dir().display()));
    }
}

/// containerd, ended by the kernel should this process be killed.
fn dies_with_us(containerd: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", "--"]).arg(containerd);
    let usable = Command::new("setpriv").arg("--version").stdout(Stdio::null()).status();
    if usable.is_ok_and(|status| status.success()) { command } else { Command::new(containerd) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup;

    #[test]
    fn a_private_daemon_answers_and_leaves_nothing() {
        let Some((containerd, runc)) = setup::find_both().filter(|_| is_root()) else {
            eprintln!("skipped: needs root, containerd and runc");
            return;
        };
        let daemon = Daemon::start(&containerd, &runc).unwrap();
        let (process, dir) = (daemon.child.id(), daemon.layout.dir().to_owned());
        assert!(daemon.address().starts_with(&dir));
        UnixStream::connect(daemon.address()).unwrap();
        drop(daemon);
        assert!(leftovers::wait_for_end(process, Duration::ZERO), "containerd still runs");
        assert!(!dir.exists(), "{} is left", dir.display());
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(dir.to_str().unwrap()), "mounts are left");
    }

    #[test]
    fn a_daemon_that_cannot_run_is_reported_with_what_it_said() {
        let error = Daemon::start(Path::new("/bin/false"), Path::new("/bin/false")).unwrap_err();
        assert!(error.to_string().contains("containerd ended at once"), "{error:#}");
    }

    #[test]
    fn what_is_installed_and_does_not_start_is_an_error_where_it_is_needed() {
        let broken = || Containers::Ready { containerd: "/bin/false".into(), runc: "/bin/false".into() };
        let error = start(broken(), Need::Required).unwrap_err();
        let told = format!("{error:#}");
        assert!(told.contains("--no-containers") && told.contains("containerd ended at once"), "{told}");
        assert!(matches!(start(broken(), Need::Wished).unwrap(), Containerd::Absent { .. }));
        let absent = Containers::Absent { why: "there is none".into() };
        assert!(matches!(start(absent, Need::Required).unwrap(), Containerd::Absent { why } if why == "there is none"));
    }

    fn is_root() -> bool {
        rustix::process::geteuid().is_root()
    }
}
