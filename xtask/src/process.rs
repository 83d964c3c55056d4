//! Child processes that do not outlive this one.
//!
//! Every child leads a process group of its own. Ctrl-C, SIGTERM and SIGHUP are passed on to all groups; what has not
//! ended after a grace period is killed. The main thread then unwinds normally, so that guards clean up.

use std::collections::BTreeSet;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// How long children may take to end after a signal.
const GRACE: Duration = Duration::from_secs(5);

#[derive(Debug)]
struct Children {
    groups: BTreeSet<u32>,
    signal: Option<u8>,
}

static CHILDREN: Mutex<Children> = Mutex::new(Children { groups: BTreeSet::new(), signal: None });
static CHANGED: Condvar = Condvar::new();

/// Starts to pass signals on to children.
pub(crate) fn watch_signals() -> std::io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            pass_on(signal);
        }
    })?;
    Ok(())
}

/// The signal that asked this process to stop, if any.
pub(crate) fn interrupted() -> Option<u8> {
    children().signal
}

/// Runs a command to its end. Its standard input is empty.
pub(crate) fn run(command: &mut Command) -> Result<ExitStatus> {
    let mut child = spawn(command)?;
    let status = child.wait();
    forget(&child);
    status.with_context(|| format!("cannot wait for {}", describe(command)))
}

/// Runs a command and fails unless it succeeds.
pub(crate) fn succeed(command: &mut Command) -> Result<()> {
    let status = run(command)?;
    ensure!(status.success(), "{} failed ({status})", describe(command));
    Ok(())
}

/// Runs a command quietly and returns its standard output if it succeeds.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let child = spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped()))?;
    let group = child.id();
    let output = child.wait_with_output();
    forget_group(group);
    let output = output.with_context(|| format!("cannot wait for {}", describe(command)))?;
    ensure!(
        output.status.success(),
        "{} failed ({}): {}",
        describe(command),
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Sends a signal to the group that a child leads. A group that is gone already is no error.
pub(crate) fn signal_group(leader: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(leader).ok().and_then(Pid::from_raw) {
        let _gone = kill_process_group(pid, signal);
    }
}

/// The program and its first arguments, for messages.
pub(crate) fn describe(command: &Command) -> String {
    let mut text = program_name(command);
    for arg in command.get_args().take(6) {
        text.push(' ');
        text.push_str(&arg.to_string_lossy());
    }
    if command.get_args().len() > 6 {
        text.push_str(" ...");
    }
    text
}

fn program_name(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned()
}

fn spawn(command: &mut Command) -> Result<Child> {
    // Under the lock: no child can start after the signal was passed on.
    let mut children = children();
    if children.signal.is_some() {
        bail!("interrupted");
    }
    let child = command
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {}", program_name(command)))?;
    children.groups.insert(child.id());
    Ok(child)
}

fn forget(child: &Child) {
    forget_group(child.id());
}

fn forget_group(group: u32) {
    let mut children = children();
    if children.signal.is_some() {
        signal_group(group, Signal::KILL); // what the leader left behind
    }
    children.groups.remove(&group);
    CHANGED.notify_all();
}

fn pass_on(signal: i32) {
    let mut children = children();
    let first = children.signal.is_none();
    children.signal.get_or_insert(u8::try_from(signal).unwrap_or(u8::MAX));
    let passed = if first { Signal::from_named_raw(signal).unwrap_or(Signal::TERM) } else { Signal::KILL };
    for group in &children.groups {
        signal_group(*group, passed);
    }
    let (children, waited) = CHANGED
        .wait_timeout_while(children, GRACE, |children| !children.groups.is_empty())
        .unwrap_or_else(PoisonError::into_inner);
    if waited.timed_out() {
        for group in &children.groups {
            signal_group(*group, Signal::KILL);
        }
    }
}

fn children() -> MutexGuard<'static, Children> {
    CHILDREN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_returned_and_failure_names_the_command() {
        assert_eq!(output(Command::new("echo").arg("hello")).unwrap(), "hello\n");
        let error = output(Command::new("sh").args(["-c", "echo broken >&2; exit 3"])).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("sh -c") && text.contains("broken") && text.contains('3'), "{text}");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = succeed(&mut Command::new("/nowhere/no-such-tool")).unwrap_err();
        assert_eq!(error.to_string(), "cannot start no-such-tool");
    }
}
