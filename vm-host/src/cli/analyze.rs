//! What code is and does, without running it.

use std::process::ExitCode;

use serde_json::{Value, json};
use vm_host::Config;

use super::arguments::CodeArgs;
use super::artifact;
use super::failure::Class;
use super::output::Output;

/// Analyses a file by the rules of the configuration.
pub(super) fn analyze(config: &Config, output: Output, args: &CodeArgs) -> anyhow::Result<ExitCode> {
    let code = artifact::load(config, args, None)?;
    let analysis = vm_host::code::analyze(config, &code)?;
    let told: Value = serde_json::from_str(&analysis.json)?;
    output.print(
        || json!({ "ok": analysis.accepted, "runtime": code.runtime, "analysis": told }),
        |out| write!(out, "{}", analysis.text),
    )?;
    Ok(if analysis.accepted { ExitCode::SUCCESS } else { ExitCode::from(Class::Refused as u8) })
}
