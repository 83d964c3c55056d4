//! Removal of what containers leave behind when whoever ran them was killed: processes, cgroups,
//! sockets of shims, mounts.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::mount::{UnmountFlags, unmount};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::layout::Layout;

/// Where containerd's runc shim keeps runc's own state, one folder a namespace.
const RUNC_ROOT: &str = "/run/containerd/runc";
/// How long a killed process may take to disappear.
const KILLED: Duration = Duration::from_secs(5);

/// Ends all containers and shims of a containerd that has stopped and unmounts what they mounted.
pub(super) fn clear(layout: &Layout, runc: &Path) {
    let bundles = bundles(&layout.state());
    for bundle in &bundles {
        delete_container(bundle, runc);
    }
    let processes = processes();
    for pid in shims_and_descendants(&processes, &layout.socket()) {
        kill(pid);
    }
    for bundle in &bundles {
        if let Some(socket) = shim_socket(&bundle.path) {
            let _gone = fs::remove_file(socket);
        }
    }
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    for mount in mounts_below(&table, layout.dir()) {
        let _gone = unmount(&mount, UnmountFlags::DETACH);
    }
}

/// Waits until a process has ended; false if it has not within `timeout`.
pub(super) fn wait_for_end(process: u32, timeout: Duration) -> bool {
    pidfd(process).is_none_or(|process| has_ended(&process, timeout))
}

fn pidfd(process: u32) -> Option<OwnedFd> {
    pidfd_open(Pid::from_raw(i32::try_from(process).ok()?)?, PidfdFlags::empty()).ok()
}

fn has_ended(process: &OwnedFd, timeout: Duration) -> bool {
    let timeout = Timespec::try_from(timeout).ok();
    poll(&mut [PollFd::new(process, PollFlags::IN)], timeout.as_ref()).is_ok_and(|ready| ready > 0)
}

fn kill(process: u32) {
    if let Some(process) = pidfd(process) {
        let _gone = pidfd_send_signal(&process, Signal::KILL);
        has_ended(&process, KILLED);
    }
}

/// A container as containerd's state folder shows it.
#[derive(Debug, PartialEq, Eq)]
struct Bundle {
    namespace: String,
    id: String,
    path: PathBuf,
}

fn bundles(state: &Path) -> Vec<Bundle> {
    let tasks = state.join("io.containerd.runtime.v2.task");
    let mut bundles = Vec::new();
    for (namespace, path) in entries(&tasks) {
        for (id, path) in entries(&path) {
            bundles.push(Bundle { namespace: namespace.clone(), id, path });
        }
    }
    bundles
}

fn entries(dir: &Path) -> Vec<(String, PathBuf)> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    entries.flatten().map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path())).collect()
}

/// Kills the container's processes and removes its cgroup.
fn delete_container(bundle: &Bundle, runc: &Path) {
    let _gone = Command::new(runc)
        .arg("--root")
        .arg(Path::new(RUNC_ROOT).join(&bundle.namespace))
        .args(["delete", "--force", &bundle.id])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

/// The shim writes the address of its socket beside the container's configuration.
fn shim_socket(bundle: &Path) -> Option<PathBuf> {
    let address = fs::read_to_string(bundle.join("address")).ok()?;
    address.trim().strip_prefix("unix://").map(PathBuf::from)
}

#[derive(Debug)]
struct Process {
    parent: u32,
    args: Vec<String>,
}

fn processes() -> BTreeMap<u32, Process> {
    entries(Path::new("/proc"))
        .into_iter()
        .filter_map(|(name, path)| {
            let stat = fs::read_to_string(path.join("stat")).ok()?;
            let args = fs::read(path.join("cmdline")).ok()?;
            let args = args.split(|byte| *byte == 0).map(|arg| String::from_utf8_lossy(arg).into_owned());
            Some((name.parse().ok()?, Process { parent: parent(&stat)?, args: args.collect() }))
        })
        .collect()
}

/// The parent's id in proc(5)'s `stat`: the second field after the name, which ends at the last `)`.
fn parent(stat: &str) -> Option<u32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Descendants before the shims, so that nothing is re-started or re-parented unseen.
fn shims_and_descendants(processes: &BTreeMap<u32, Process>, socket: &Path) -> Vec<u32> {
    // The shim is told the address of the gRPC or of the ttrpc socket, which adds a suffix.
    let socket = socket.to_string_lossy().into_owned();
    let is_shim = |process: &Process| {
        process.args.first().is_some_and(|program| program.contains("containerd-shim"))
            && process.args.iter().any(|arg| arg.starts_with(&socket))
    };
    let shims: BTreeSet<u32> = processes.iter().filter(|(_, process)| is_shim(process)).map(|(pid, _)| *pid).collect();
    let descends = |pid: u32| {
        let mut ancestor = processes.get(&pid).map(|process| process.parent);
        // A chain of parents is shorter than the list of processes, unless ids were re-used meanwhile.
        for _ in 0..processes.len() {
            match ancestor {
                Some(pid) if shims.contains(&pid) => return true,
                Some(pid) => ancestor = processes.get(&pid).map(|process| process.parent),
                None => return false,
            }
        }
        false
    };
    let descendants = processes.keys().copied().filter(|pid| !shims.contains(pid) && descends(*pid));
    descendants.chain(shims.iter().copied()).collect()
}

/// Mount points below a folder, innermost first.
fn mounts_below(mountinfo: &str, dir: &Path) -> Vec<PathBuf> {
    let mut mounts: Vec<PathBuf> = mountinfo
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(|field| PathBuf::from(unescape(field)))
        .filter(|path| path.starts_with(dir))
        .collect();
    mounts.reverse(); // the kernel lists them in the order in which they were mounted
    mounts
}

/// proc(5) writes blanks, tabs, newlines and backslashes in paths as three octal digits.
fn unescape(field: &str) -> String {
    ["\\040", "\\011", "\\012", "\\134"]
        .iter()
        .zip([" ", "\t", "\n", "\\"])
        .fold(field.to_owned(), |text, (escape, plain)| text.replace(escape, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_follows_a_name_with_brackets_and_blanks() {
        assert_eq!(parent("12 (a (b) c) S 7 12 12 0"), Some(7));
        assert_eq!(parent("nonsense"), None);
    }

    #[test]
    fn only_this_daemons_shims_and_their_descendants_are_chosen() {
        let process =
            |parent, args: &[&str]| Process { parent, args: args.iter().map(|arg| (*arg).to_owned()).collect() };
        let shim = "/usr/bin/containerd-shim-runc-v2";
        let processes = BTreeMap::from([
            (1, process(0, &["init"])),
            (10, process(1, &[shim, "-namespace", "vm", "-address", "/ours.sock"])),
            (11, process(10, &["contract"])),
            (12, process(11, &["child"])),
            (20, process(1, &[shim, "-namespace", "vm", "-address", "/theirs.sock"])),
            (21, process(20, &["contract"])),
            (30, process(1, &["grep", "/ours.sock"])),
        ]);
        let chosen = shims_and_descendants(&processes, Path::new("/ours.sock"));
        assert_eq!(chosen, [11, 12, 10]);
    }

    #[test]
    fn mounts_are_unmounted_innermost_first() {
        let table = "1 0 0:1 / / rw - ext4 /dev/sda rw\n\
                     2 1 0:2 / /a\\040b/state/rootfs rw - overlay overlay rw\n\
                     3 2 0:3 / /a\\040b/state/rootfs/proc rw - proc proc rw\n\
                     4 1 0:4 / /a rw - tmpfs tmpfs rw\n";
        assert_eq!(
            mounts_below(table, Path::new("/a b")),
            [PathBuf::from("/a b/state/rootfs/proc"), PathBuf::from("/a b/state/rootfs")]
        );
    }

    #[test]
    fn containers_are_found_by_namespace_and_name() {
        let state = tempfile::tempdir().unwrap();
        let bundle = state.path().join("io.containerd.runtime.v2.task/vm/token");
        fs::create_dir_all(&bundle).unwrap();
        fs::write(bundle.join("address"), "unix:///run/containerd/s/abc").unwrap();
        let found = bundles(state.path());
        let expected = Bundle { namespace: "vm".into(), id: "token".into(), path: bundle.clone() };
        assert_eq!(found, [expected]);
        assert_eq!(shim_socket(&bundle), Some(PathBuf::from("/run/containerd/s/abc")));
    }
}
