//! The command, run as a process of its own for every step, as a user runs it.

mod access;
mod analysis;
mod calls;
mod contracts;
#[cfg(feature = "docker")]
mod doctor;
mod dry_run;
mod interrupts;
mod lifecycle;
mod proposals;
mod reference;
mod refusals;
mod shape;
mod solidity;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

/// A working directory with the data directory `vm-data` in it.
struct Desk(TempDir);

/// What a command gave.
#[derive(Debug)]
struct Done {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file and gives its path.
    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    /// The command with these words, split at blanks.
    fn command(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vm-host"));
        command.current_dir(self.path()).args(words.split_whitespace());
        for variable in ["VM_HOST_CONFIG", "VM_HOST_DATA_DIR", "VM_HOST_FROM", "RUST_LOG"] {
            command.env_remove(variable);
        }
        command
    }

    /// Runs a command.
    fn run(&self, words: &str) -> Done {
        Done::of(&mut self.command(words))
    }

    /// Runs a command that has to succeed, and gives what it printed.
    #[track_caller]
    fn ok(&self, words: &str) -> String {
        let done = self.run(words);
        assert_eq!(done.code, 0, "vm-host {words}\n{}{}", done.stdout, done.stderr);
        done.stdout
    }

    /// Runs a command with `--json`, and gives its exit code and the object it printed.
    #[track_caller]
    fn json(&self, words: &str) -> (i32, Value) {
        let done = self.run(&format!("{words} --json"));
        let object = serde_json::from_str(&done.stdout);
        let object = object.unwrap_or_else(|error| panic!("vm-host {words}: {error}\n{}{}", done.stdout, done.stderr));
        (done.code, object)
    }

    /// Runs a command that has to fail with `code`, and gives the words for people.
    #[track_caller]
    fn fails(&self, code: i32, words: &str) -> String {
        let done = self.run(words);
        assert_eq!(done.code, code, "vm-host {words}\n{}{}", done.stdout, done.stderr);
        format!("{}{}", done.stdout, done.stderr)
    }
}

impl Done {
    fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        Self {
            code: output.status.code().expect("the command ends by itself"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// The path of a built contract.
fn artifact(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../contracts/artifacts").join(name)
}
