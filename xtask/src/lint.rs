//! `cargo xtask lint`: everything that is checked without running the code.

mod deny;
mod features;
mod house;
mod invariants;
mod links;
mod schedule;

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;

use crate::cargo::cargo;
use crate::terminal::{self, Step};
use crate::{process, workspace};

/// Options of `cargo xtask lint`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Checks to run; all of them when none is named
    #[arg(value_enum)]
    checks: Vec<Check>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Check {
    /// House rules: length of files, reasons of `allow`, no marks of unfinished work
    House,
    /// Links and anchors in the documentation
    Links,
    /// Every invariant names tests that exist
    Invariants,
    /// Published gas schedules are unchanged
    Schedule,
    /// Formatting
    Fmt,
    /// Clippy on all targets, warnings denied
    Clippy,
    /// Documentation builds without warnings
    Docs,
    /// Each crate builds with each of its features
    Features,
    /// Licences, banned crates and sources of dependencies
    Deny,
}

impl Check {
    fn run(self) -> Result<()> {
        match self {
            Self::House => report(&check_files(&["rs", "sol", "proto", "md"], house::violations)?),
            Self::Links => report(&check_files(&["md"], links::violations)?),
            Self::Invariants => report(&invariants::violations()?),
            Self::Schedule => report(&schedule::violations(workspace::root())?),
            Self::Fmt => fmt(),
            Self::Clippy => clippy(),
            Self::Docs => docs(),
            Self::Features => features::run(),
            Self::Deny => deny::run(),
        }
    }

    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// Runs the checks; later ones run even when earlier ones fail.
pub(crate) fn run(args: &Args) -> Result<()> {
    let checks = if args.checks.is_empty() { Check::value_variants() } else { &args.checks };
    let mut failed = Vec::new();
    for check in checks {
        let step = Step::new(format!("lint: {}", check.name()));
        match check.run() {
            Ok(()) => step.done(),
            Err(error) if process::interrupted().is_some() => return Err(error),
            Err(error) => {
                eprintln!("{} {error:#}", terminal::red("  ✗"));
                failed.push(check.name());
            }
        }
    }
    ensure!(
        failed.is_empty(),
        "{} of {} checks failed: {}; again: cargo xtask lint {}",
        failed.len(),
        checks.len(),
        failed.join(", "),
        failed.join(" ")
    );
    eprintln!("all {} checks passed", checks.len());
    Ok(())
}

fn fmt() -> Result<()> {
    component("fmt", "rustfmt")?;
    process::succeed(cargo("fmt")?.args(["--all", "--check"])).context("repair with: cargo fmt --all")
}

fn clippy() -> Result<()> {
    component("clippy", "clippy")?;
    process::succeed(
        cargo("clippy")?
            .args(["--workspace", "--all-targets", "--features", "vm-host/docker"])
            .args(["--", "-D", "warnings"]),
    )
}

fn docs() -> Result<()> {
    process::succeed(
        cargo("doc")?
            .args(["--workspace", "--no-deps", "--features", "vm-host/docker,vm-core/conformance"])
            .env("RUSTDOCFLAGS", "-D warnings"),
    )
}

/// Says how to get a component that the toolchain lacks.
fn component(subcommand: &str, component: &str) -> Result<()> {
    let present = process::output(Command::new("cargo").args([subcommand, "--version"]));
    ensure!(present.is_ok(), "the toolchain lacks {component}; install it with: rustup component add {component}");
    Ok(())
}

/// Something that a check does not accept.
#[derive(Debug, PartialEq, Eq)]
struct Violation {
    /// Line in the file, from 1; 0 if it concerns the whole file.
    line: usize,
    what: String,
}

impl Violation {
    fn new(line: usize, what: impl Into<String>) -> Self {
        Self { line, what: what.into() }
    }
}

/// Applies a check to all files with one of these extensions; violations are rendered as `file:line: what`.
fn check_files(extensions: &[&str], check: impl Fn(&Path, &str) -> Vec<Violation>) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for file in workspace::files()? {
        let extension = file.extension().and_then(|extension| extension.to_str());
        if !extension.is_some_and(|extension| extensions.contains(&extension)) {
            continue;
        }
        let text = fs::read_to_string(workspace::root().join(&file))
            .with_context(|| format!("cannot read {}", file.display()))?;
        found.extend(check(&file, &text).into_iter().map(|violation| match violation.line {
            0 => format!("{}: {}", file.display(), violation.what),
            line => format!("{}:{line}: {}", file.display(), violation.what),
        }));
    }
    Ok(found)
}

fn report(violations: &[String]) -> Result<()> {
    for violation in violations {
        eprintln!("{violation}");
    }
    match violations.len() {
        0 => Ok(()),
        1 => bail!("1 violation"),
        count => bail!("{count} violations"),
    }
}
