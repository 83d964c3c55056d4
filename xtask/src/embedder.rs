//! `cargo xtask conformance embedder`: vm-wasm in a program that is not built as this workspace is.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use crate::cargo::cargo;
use crate::workspace;

/// The program, from the root of the workspace.
const PROGRAM: &str = "conformance/embedder";

/// Builds and runs the program in cargo's own release profile, with these settings of it. With cargo's own alone contracts must
/// run; with others the runtime may refuse, but nothing may crash.
pub(crate) fn command(settings: &[String]) -> Result<Command> {
    let program = workspace::root().join(PROGRAM);
    fs::copy(workspace::root().join("Cargo.lock"), program.join("Cargo.lock"))
        .context("cannot give the program the lockfile of the workspace")?;
    let mut run = cargo("run")?;
    run.args(["--release", "--quiet", "--manifest-path"]).arg(program.join("Cargo.toml"));
    run.arg("--target-dir").arg(workspace::target().join("embedder"));
    for setting in settings {
        run.args(["--config", &format!("profile.release.{}", toml(setting))]);
    }
    if settings.is_empty() {
        run.args(["--", "must-run"]);
    }
    Ok(run)
}

/// A setting as cargo reads it: words are strings.
fn toml(setting: &str) -> String {
    match setting.split_once('=') {
        Some((key, value)) if value.parse::<i64>().is_err() && !["true", "false"].contains(&value) => {
            format!("{key}=\"{value}\"")
        }
        _ => setting.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_strings() {
        assert_eq!(toml("lto=off"), "lto=\"off\"");
        assert_eq!(toml("debug-assertions=true"), "debug-assertions=true");
        assert_eq!(toml("opt-level=2"), "opt-level=2");
    }
}
