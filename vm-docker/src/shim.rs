//! Shims: the processes that keep tasks for containerd. One that containerd has lost nobody ends: it drops those whose making was broken
//! off, as when its client was killed.

use std::{
    ffi::OsStr,
    fs,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use sha2::{Digest as _, Sha256};

use crate::{
    DockerConfig, DockerError,
    container::{ends_within, has_ended},
    folder::Scope,
};

/// Where shims of all containerds have their sockets.
const SOCKETS: &str = "/run/containerd/s";

/// Where they have runc note what it has made, for each name space and task.
const RUNC: &str = "/run/containerd/runc";

/// How long a shim, or a process below it, may take to end that was killed.
const PATIENCE: Duration = Duration::from_secs(5);

/// The shim of one task.
#[derive(Debug)]
pub(crate) struct Shim {
    process: OwnedFd,
    number: Pid,
    id: String,
    socket: PathBuf,
    of_runc: PathBuf,
}

impl Shim {
    /// Those of a host's containerd, name space and runtime.
    pub(crate) fn all(config: &DockerConfig) -> Vec<Self> {
        let (scope, program) = (Scope::of(config), program(&config.runtime));
        processes().filter_map(|number| Self::open(number, &scope, &program)).collect()
    }

    fn open(number: Pid, scope: &Scope, program: &str) -> Option<Self> {
        // Most processes are something else, which is quicker to see.
        let line = || fs::read(of(number, "cmdline")).ok();
        Line::read(&line()?)?;
        let process = pidfd_open(number, PidfdFlags::empty()).ok()?;
        // Looked at after it was opened: from then on the number is this process's, or nobody's.
        let line = line()?;
        let Line { program: runs, namespace, id, address } = Line::read(&line)?;
        let ours = runs == program && *scope == Scope::new(Path::new(address), namespace);
        let socket = Path::new(SOCKETS).join(socket_name(address, namespace, id));
        let of_runc = Path::new(RUNC).join(namespace).join(id);
        ours.then(|| Self { process, number, id: id.into(), socket, of_runc })
    }

    /// The name of its task.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Ends it with all that runs below it, and removes its socket and what runc has noted. Its task has the name that a host gave it:
    /// that is part of a path.
    pub(crate) fn end(&self) -> Result<(), DockerError> {
        // It may have ended meanwhile. Stopped it begins nothing more, and what loses its parent below it becomes its child.
        let _ = pidfd_send_signal(&self.process, Signal::STOP);
        loop {
            let children = self.children();
            if children.is_empty() {
                break;
            }
            children.iter().try_for_each(end)?;
        }
        end(&self.process)?;
        let _ = fs::remove_file(&self.socket);
        let _ = fs::remove_dir_all(&self.of_runc);
        Ok(())
    }

    /// What it has begun and has not ended.
    fn children(&self) -> Vec<OwnedFd> {
        let is_child = |number: &Pid| parent(*number) == Some(self.number);
        let open = |number: Pid| {
            let process = pidfd_open(number, PidfdFlags::empty()).ok()?;
            // The number may have been given to another one.
            (is_child(&number) && !has_ended(&process)).then_some(process)
        };
        processes().filter(is_child).filter_map(open).collect()
    }
}

/// Kills a process and waits for its end.
fn end(process: &OwnedFd) -> Result<(), DockerError> {
    // It may have ended already.
    let _ = pidfd_send_signal(process, Signal::KILL);
    match ends_within(process, PATIENCE) {
        true => Ok(()),
        false => Err(DockerError::TimedOut { operation: "end a shim", limit: PATIENCE }),
    }
}

fn of(process: Pid, file: &str) -> PathBuf {
    Path::new("/proc").join(process.as_raw_nonzero().to_string()).join(file)
}

fn processes() -> impl Iterator<Item = Pid> {
    let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw);
    fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(number)
}

/// The parent of a process. One that has ended keeps it until it is waited for.
fn parent(process: Pid) -> Option<Pid> {
    let stat = fs::read_to_string(of(process, "stat")).ok()?;
    // The name before it is in brackets, and may have some itself.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok().and_then(Pid::from_raw)
}

/// containerd's name for the program of a runtime, which is its path or as `io.containerd.runc.v2`.
fn program(runtime: &str) -> String {
    if let (true, Some(name)) = (runtime.starts_with('/'), Path::new(runtime).file_name()) {
        return name.to_string_lossy().into_owned();
    }
    let mut parts = runtime.rsplit('.');
    let (version, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    format!("containerd-shim-{name}-{version}")
}

/// Where containerd has the shim of a task listen.
fn socket_name(address: &str, namespace: &str, id: &str) -> String {
    hex::encode(Sha256::digest(format!("{address}/{namespace}/{id}")))
}

/// What containerd starts a shim with that stays. Those that only begin or remove something are given more.
#[derive(Debug, PartialEq, Eq)]
struct Line<'a> {
    program: &'a str,
    namespace: &'a str,
    id: &'a str,
    address: &'a str,
}

impl<'a> Line<'a> {
    fn read(line: &'a [u8]) -> Option<Self> {
        let mut parts = line.strip_suffix(&[0])?.split(|byte| *byte == 0).map(OsStr::from_bytes);
        let program = Path::new(parts.next()?).file_name()?.to_str()?;
        let [mut namespace, mut id, mut address] = [None; 3];
        while let Some(option) = parts.next() {
            let value = match option.to_str()? {
                "-namespace" => &mut namespace,
                "-id" => &mut id,
                "-address" => &mut address,
                "-debug" => continue,
                _ => return None,
            };
            *value = Some(parts.next()?.to_str()?);
        }
        Some(Self { program, namespace: namespace?, id: id?, address: address? })
    }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::process::CommandExt, process::Command};

    use super::*;

    #[test]
    fn a_shim_that_stays_is_told_from_all_else() {
        let read = |line: &str| {
            Line::read(line.replace(' ', "\0").as_bytes()).map(|line| (line.program == "s", line.id == "i"))
        };
        let line = "/usr/bin/s -namespace n -id i -address /a ";
        assert_eq!(
            Line::read(line.replace(' ', "\0").as_bytes()).unwrap(),
            Line { program: "s", namespace: "n", id: "i", address: "/a" }
        );
        assert_eq!(read("s -debug -namespace n -address /a -id i "), Some((true, true)));
        for other in [
            "",
            " ",
            "s -namespace n -id i ",
            "s -namespace n -id i -address ",
            "s -namespace n -id i -address /a delete ",
            "s -namespace n -address /a -publish-binary /b -id i start ",
            "sh -c s -namespace n -id i -address /a ",
        ] {
            assert_eq!(read(other), None, "{other}");
        }
    }

    #[test]
    fn the_program_and_the_socket_are_containerds() {
        assert_eq!(program("io.containerd.runc.v2"), "containerd-shim-runc-v2");
        assert_eq!(program("/opt/bin/containerd-shim-mine-v1"), "containerd-shim-mine-v1");
        // As containerd 1.6.20 had it.
        let name = socket_name("/tmp/vmdmXgdB8/containerd.sock", "killed-start", "vm-7ba6de90c167-2");
        assert_eq!(name, "6a9581a73043e0f36cbd789dbdb704da70213648d86663891d7bd1fece526078");
    }

    #[test]
    fn what_is_no_shim_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let config = DockerConfig { address: folder.path().join("c.sock"), ..DockerConfig::default() };
        let mut other = Command::new("sh")
            .arg0("containerd-shim-runc-v2")
            .args(["-c", "while :; do sleep 1; done", "-namespace", &config.namespace, "-id", "i", "-address"])
            .arg(&config.address)
            .spawn()
            .unwrap();
        let shims = Shim::all(&config);
        other.kill().unwrap();
        other.wait().unwrap();
        assert!(shims.is_empty(), "{shims:?}");
    }

    #[test]
    fn a_shim_is_ended_with_what_runs_below_it() {
        let folder = tempfile::tempdir().unwrap();
        let [socket, of_runc] = ["socket", "runc"].map(|name| folder.path().join(name));
        fs::write(&socket, "").unwrap();
        fs::create_dir(&of_runc).unwrap();
        let mut child = Command::new("sh").args(["-c", "sleep 1000 & sleep 1000 & wait"]).spawn().unwrap();
        let number = i32::try_from(child.id()).ok().and_then(Pid::from_raw).unwrap();
        let process = pidfd_open(number, PidfdFlags::empty()).unwrap();
        let shim = Shim { process, number, id: "i".into(), socket, of_runc };
        let children = loop {
            let children = shim.children();
            if children.len() == 2 {
                break children;
            }
            std::thread::yield_now();
        };
        shim.end().unwrap();
        assert!(children.iter().all(has_ended));
        assert!(!shim.socket.exists() && !shim.of_runc.exists());
        assert!(!child.wait().unwrap().success());
        shim.end().unwrap();
    }
}
