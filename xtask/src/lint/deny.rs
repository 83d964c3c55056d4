//! Dependency policy by cargo-deny, installed on first use in a pinned version.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::cargo::cargo;
use crate::terminal::Step;
use crate::{process, workspace};

/// The version that the rules in `deny.toml` were written for.
const VERSION: &str = "0.20.2";

/// Checks licences, banned crates and sources.
pub(super) fn run() -> Result<()> {
    let tool = tool()?;
    process::succeed(
        Command::new(tool)
            .current_dir(workspace::root())
            .args(["--log-level", "warn", "check", "--show-stats"])
            .args(["licenses", "bans", "sources"]),
    )
    .context("the rules stand in deny.toml")
}

fn tool() -> Result<PathBuf> {
    let tools = workspace::target().join("tools");
    let installed = tools.join("bin/cargo-deny");
    let right = |program: &PathBuf| {
        process::output(Command::new(program).arg("--version"))
            .is_ok_and(|text| text.split_whitespace().nth(1) == Some(VERSION))
    };
    if let Some(found) = [installed.clone(), PathBuf::from("cargo-deny")].into_iter().find(right) {
        return Ok(found);
    }
    let step = Step::new(format!("installing cargo-deny {VERSION} (once; takes some minutes)"));
    // It runs for seconds: quick to build matters more than quick to run.
    process::succeed(
        cargo("install")?.args(["cargo-deny", "--locked", "--version", VERSION, "--root"]).arg(&tools).envs([
            ("CARGO_PROFILE_RELEASE_LTO", "off"),
            ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
            ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1"),
        ]),
    )
    .context("cargo-deny is needed for this check")?;
    step.done();
    Ok(installed)
}
