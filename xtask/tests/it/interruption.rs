//! A task that is told to stop takes its children along.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

/// Stands in for cargo: starts a child of its own, says so, and does not end by itself.
const ENDLESS: &str = "#!/bin/sh\nsleep 600 &\necho $!\nwait\n";
/// The same, deaf to polite signals.
const STUBBORN: &str = "#!/bin/sh\ntrap '' TERM INT\nsleep 600 &\necho $!\nwait\nwait\nsleep 600\n";

/// A running `cargo xtask test` and the innermost process below it.
fn start(cargo: &str) -> (Child, Pid, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("cargo");
    std::fs::write(&script, cargo).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut task = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["test", "--no-containers"])
        .env("CARGO", script)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(task.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let innermost = Pid::from_raw(line.trim().parse().unwrap()).unwrap();
    (task, innermost, dir)
}

fn stop(cargo: &str, signal: Signal) -> Option<i32> {
    let (mut task, innermost, _dir) = start(cargo);
    let innermost = pidfd_open(innermost, PidfdFlags::empty()).unwrap();
    kill_process(Pid::from_child(&task), signal).unwrap();
    let code = task.wait().unwrap().code();
    let timeout = Timespec::try_from(Duration::from_secs(10)).unwrap();
    let ended = poll(&mut [PollFd::new(&innermost, PollFlags::IN)], Some(&timeout)).unwrap();
    assert_eq!(ended, 1, "a grandchild outlives the task");
    code
}

#[test]
fn ctrl_c_ends_all_children() {
    assert_eq!(stop(ENDLESS, Signal::INT), Some(130));
}

#[test]
fn a_request_to_terminate_ends_all_children() {
    assert_eq!(stop(ENDLESS, Signal::TERM), Some(143));
}

#[test]
fn children_that_ignore_signals_are_killed() {
    assert_eq!(stop(STUBBORN, Signal::TERM), Some(143));
}

#[test]
fn an_unknown_check_is_refused_with_the_known_ones() {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask")).args(["lint", "spelling"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains("clippy") && message.contains("deny"), "{message}");
}
