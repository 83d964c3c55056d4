//! Signals: the command ends at once, with its own exit code, and leaves nothing behind.
#![allow(clippy::disallowed_methods, reason = "how soon a command ends is what is tested")]

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::contracts::Token;
use super::{Desk, artifact};

/// Less than the deadline of the calls that are interrupted.
const PROMPT: Duration = Duration::from_secs(15);

fn signal(process: u32, name: &str) {
    // The shell's own command: the program kill is missing on small systems.
    let sent = Command::new("sh").args(["-c", &format!("kill -s {name} {process}")]).status().unwrap();
    assert!(sent.success(), "{name}");
}

#[test]
fn a_signal_ends_a_call_that_does_not() {
    if !cfg!(target_os = "linux") {
        eprintln!("skipped: signals are sent with kill, and the trace is read from /dev/stderr");
        return;
    }
    let desk = Desk::new();
    // JUMPDEST, and a jump to it, deployed by the code before.
    desk.file("loop.bin", "635b600056600052 6004601cf3".replace(' ', ""));
    desk.ok("deploy loop loop.bin");
    for name in ["INT", "TERM"] {
        let mut command = desk.command("invoke loop --input-hex 0x --json --evm-trace /dev/stderr");
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut trace = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        trace.read_line(&mut line).unwrap();
        assert!(line.contains("JUMPDEST"), "{line}");
        // The contract runs; its trace goes on to be read.
        let rest =
            std::thread::spawn(move || trace.lines().map_while(Result::ok).filter(|l| !l.starts_with('{')).count());
        let sent = Instant::now();
        signal(child.id(), name);
        let mut told = String::new();
        child.stdout.take().unwrap().read_to_string(&mut told).unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(130), "{name}: {told}");
        assert!(sent.elapsed() < PROMPT, "{name}: {:?}", sent.elapsed());
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        assert_eq!(told["error"]["code"], "interrupted", "{told}");
        rest.join().unwrap();
    }
    assert_eq!(desk.ok("list").lines().count(), 2);
}

#[test]
fn a_signal_leaves_no_container() {
    let Some(Token { config: Some(config), .. }) = Token::docker() else { return };
    let setting = |key: &str| {
        let line = config.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.trim_matches([' ', '=', '"']).to_owned()
    };
    // A namespace of its own: other tests have containers too.
    let namespace = format!("{}-signal", setting("namespace"));
    let config = config.replace(&setting("namespace"), &namespace);
    let address = setting("address");
    let containers = || {
        let output = Command::new("ctr").args(["-a", &address, "-n", &namespace, "containers", "ls", "-q"]).output();
        output.ok().filter(|output| output.status.success()).map(|output| String::from_utf8(output.stdout).unwrap())
    };
    if containers().is_none() {
        eprintln!("skipped: needs containerd's command ctr");
        return;
    }
    let desk = Desk::new();
    desk.file("vm.toml", config);
    desk.ok(&format!("deploy probe {} --input-hex 00000000", artifact("probe.elf").display()));
    assert_eq!(containers().as_deref(), Some(""));
    let mut child = desk.command("invoke probe spin").stderr(Stdio::piped()).spawn().unwrap();
    while containers().as_deref() == Some("") {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
    }
    let sent = Instant::now();
    signal(child.id(), "TERM");
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{told}");
    assert!(told.contains("✗ interrupted") && sent.elapsed() < PROMPT, "{:?}: {told}", sent.elapsed());
    assert_eq!(containers().as_deref(), Some(""));
}
