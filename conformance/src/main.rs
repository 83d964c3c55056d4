//! `cargo xtask conformance evm DIR` runs this.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result, ensure};
use clap::Parser;

/// Runs Ethereum's general state tests through vm-evm
#[derive(Debug, Parser)]
struct Args {
    /// The folder with the test files (.json, filled format)
    folder: PathBuf,
    /// Only files whose path contains this
    #[arg(long, default_value = "")]
    filter: String,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let files = vm_conformance::files(&args.folder, &args.filter).context("cannot list the test files")?;
    ensure!(!files.is_empty(), "there is no .json file below {} that fits the filter", args.folder.display());
    eprintln!("{} files", files.len());
    let report = vm_conformance::run(&files)?;
    print!("{report}");
    let total = report.total();
    ensure!(
        total.passed + total.failed > 0,
        "nothing was run: no file below {} is a state test",
        args.folder.display()
    );
    Ok(if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
