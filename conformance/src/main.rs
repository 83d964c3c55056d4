//! `cargo xtask conformance` runs this.

use std::{
    fmt::Display,
    hash::{BuildHasher, Hasher},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use vm_conformance::{evm, fuzz, lifecycle, wasm};

/// Runs test suites that others wrote
#[derive(Debug, Parser)]
enum Suite {
    /// Ethereum's general state tests, through vm-evm
    Evm {
        /// The folder with the test files (.json, filled format), or one of them
        folder: PathBuf,
        /// Only files whose path contains this
        #[arg(long, default_value = "")]
        filter: String,
    },
    /// WebAssembly's official test suite, through vm-wasm's gate and engines
    Wasm {
        /// A folder with scripts (.wast), or one of them, instead of the suite that comes with this program
        folder: Option<PathBuf>,
        /// Only scripts whose path contains this
        #[arg(long, default_value = "")]
        filter: String,
    },
    /// Random modules, through vm-wasm on all engines
    Fuzz {
        /// How long
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// The seed of the first case; with `--seconds 0` it is the only one
        #[arg(long)]
        seed: Option<u64>,
        /// The folder for modules that engines do not agree on
        #[arg(long, default_value = ".")]
        out: PathBuf,
    },
    /// Random lives of contracts, with crashes, against a model
    Lifecycle {
        /// How long
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// How many lives, however long that takes
        #[arg(long, conflicts_with = "seconds", value_parser = clap::value_parser!(u64).range(1..))]
        lives: Option<u64>,
        /// The seed of the first life; with `--seconds 0` it is the only one
        #[arg(long)]
        seed: Option<u64>,
    },
}

fn main() -> Result<ExitCode> {
    match Suite::parse() {
        Suite::Evm { folder, filter } => {
            let files = evm::files(&folder, &filter).context("cannot list the test files")?;
            ensure!(!files.is_empty(), "there is no {}", sought(".json file", Some(&folder), &filter));
            eprintln!("{} files", files.len());
            let report = evm::run(&files)?;
            let total = report.total();
            if total.passed + total.failed == 0 {
                // Why each file was skipped.
                print!("{report}");
            }
            ensure!(
                total.passed + total.failed > 0,
                "nothing was run: no file below {} is a state test",
                folder.display()
            );
            Ok(finish(&report, total.failed))
        }
        Suite::Wasm { folder, filter } => {
            let scripts = match &folder {
                Some(folder) => wasm::files(folder, &filter).context("cannot read the scripts")?,
                None => wasm::standard(&filter),
            };
            ensure!(!scripts.is_empty(), "there is no {}", sought("script (.wast)", folder.as_deref(), &filter));
            eprintln!("{} scripts", scripts.len());
            let mut report = wasm::run(&scripts)?;
            if folder.is_none() && filter.is_empty() {
                report.add(wasm::prices());
            }
            let total = report.total();
            ensure!(
                total.passed + total.failed > 0,
                "nothing was run: no {} has anything to run",
                sought("script (.wast)", folder.as_deref(), &filter)
            );
            Ok(finish(&report, total.failed))
        }
        Suite::Fuzz { seconds, seed, out } => {
            ensure!(out.is_dir(), "there is no folder {} for modules that engines do not agree on", out.display());
            let seed = seed.unwrap_or_else(any_seed);
            eprintln!("seed {seed}");
            let progress = |cases| eprintln!("{cases} cases");
            let report = fuzz::run(seed, 1, Duration::from_secs(seconds), &progress)?;
            // What cannot be saved can be made again by its seed, which the report tells.
            let code = finish(&report, report.differences.len());
            for difference in &report.differences {
                let file = out.join(format!("fuzz-{}.wasm", difference.seed));
                std::fs::write(&file, &difference.code).with_context(|| format!("cannot write {}", file.display()))?;
            }
            Ok(code)
        }
        Suite::Lifecycle { seconds, lives, seed } => {
            let seed = seed.unwrap_or_else(any_seed);
            eprintln!("seed {seed}");
            let progress = |lives| eprintln!("{lives} lives");
            let (least, time) = lives.map_or((1, Duration::from_secs(seconds)), |lives| (lives, Duration::ZERO));
            let report = lifecycle::run(seed, least, time, &progress)?;
            Ok(finish(&report, report.failures.len()))
        }
    }
}

#[allow(clippy::disallowed_types, reason = "a seed that differs in every process is what is wanted; it is printed")]
fn any_seed() -> u64 {
    std::hash::RandomState::new().build_hasher().finish()
}

/// What was looked for, and where.
fn sought(what: &str, folder: Option<&Path>, filter: &str) -> String {
    let below = folder.map_or_else(|| "in the official suite".into(), |folder| format!("below {}", folder.display()));
    if filter.is_empty() { format!("{what} {below}") } else { format!("{what} {below} whose path contains '{filter}'") }
}

fn finish(report: &impl Display, failed: usize) -> ExitCode {
    print!("{report}");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
