//! `cargo xtask conformance`: test suites that others wrote.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::cargo::cargo;
use crate::process;

/// Options of `cargo xtask conformance`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    suite: Suite,
}

#[derive(Debug, clap::Subcommand)]
enum Suite {
    /// Ethereum's general state tests (.json, filled format), through vm-evm, for every hard fork that a file names
    Evm {
        /// The folder with the test files
        folder: PathBuf,
        /// Only files whose path contains this
        #[arg(long, default_value = "")]
        filter: String,
    },
}

/// Runs a suite in release; fails when a test does.
pub(crate) fn run(args: &Args) -> Result<()> {
    let Suite::Evm { folder, filter } = &args.suite;
    let folder = std::path::absolute(folder).with_context(|| format!("cannot find {}", folder.display()))?;
    let mut run = cargo("run")?;
    run.args(["--release", "--quiet", "--package=vm-conformance", "--"]).arg(folder).args(["--filter", filter]);
    process::succeed(&mut run)
}
