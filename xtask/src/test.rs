//! `cargo xtask test`: all tests, on all default features plus docker and every WASM engine, those of vm-wasm also with wasmi's portable
//! dispatch, and the demo as the last of them.

use std::ffi::OsString;

use anyhow::Result;

use crate::cargo::cargo;
use crate::containerd::{self, Containerd};
use crate::setup::{self, Need};
use crate::{demo, openzeppelin, process, python, terminal, workspace};

/// Options of `cargo xtask test`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Start no containerd; tests that need one say that they are skipped. Without this, one that does not start is a failure
    #[arg(long)]
    no_containers: bool,

    /// Passed on to `cargo test`, e.g. `-- --nocapture`. With `-p CRATE` only that crate is tested,
    /// with its default features
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    rest: Vec<OsString>,
}

/// What the workspace is tested with, beside the default features: containers, and every WASM engine. vm-host lacks one
/// engine, so that both what it says then and what it does otherwise are tested. The suites of vm-conformance have all of them.
const FEATURES: &str =
    "vm-host/docker,vm-host/wasmtime,vm-conformance/docker,vm-conformance/wasmtime,vm-conformance/wasmer";

/// The WASM runtime with its other dispatch, which shares nothing with the workspace's build but what it depends on: no other feature
/// changes how an engine executes.
const PORTABLE: [&str; 4] = ["--package=vm-wasm", "--features=portable", "--test=it", "--no-fail-fast"];

/// Runs the tests.
pub(crate) fn run(args: &Args) -> Result<()> {
    // What is there and broken, or cannot be installed where that is our business, is a failure: only who has no containers, or
    // wants none, has the tests with them skipped.
    let containerd = containerd::start(setup::containers(args.no_containers, Need::Required)?, Need::Required)?;
    openzeppelin::provide()?;
    tell_of_chainmaker();
    let probe = match &containerd {
        Containerd::Running(_) => python::provide()?,
        Containerd::Absent { .. } => None,
    };
    let mut test = cargo("test")?;
    test.arg("--no-fail-fast");
    if !names_a_package(&args.rest) {
        test.args(["--workspace", "--features", FEATURES]);
    }
    test.args(&args.rest);
    match &containerd {
        Containerd::Running(daemon) => test.env("VM_TEST_CONTAINERD", daemon.address()),
        Containerd::Absent { .. } => test.env("VM_TEST_NO_CONTAINERS", "1"),
    };
    if let Some(probe) = probe {
        test.env("VM_TEST_PYTHON_IMAGE", probe);
    }
    process::succeed(&mut test)?;
    if args.rest.is_empty() {
        process::succeed(cargo("test")?.args(PORTABLE))?;
        python::test()?;
    }
    // `cargo test` builds the examples too. With arguments of their own, people want just what they ask for.
    if args.rest.is_empty() { demo::compare("debug", &containerd) } else { Ok(()) }
}

/// ChainMaker's published contracts are not part of this repository: says so where nobody has them.
fn tell_of_chainmaker() {
    let named = std::env::var_os("VM_TEST_CHAINMAKER_WASM").is_some();
    if !named && !workspace::root().join("../shared/chainmaker-go").is_dir() {
        terminal::warn(
            "tests with ChainMaker's published contracts will be skipped: VM_TEST_CHAINMAKER_WASM names no checkout of chainmaker-go",
        );
    }
}

fn names_a_package(args: &[OsString]) -> bool {
    args.iter()
        .filter_map(|arg| arg.to_str())
        .take_while(|arg| *arg != "--")
        .any(|arg| arg.starts_with("-p") || arg.starts_with("--package"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_package_replaces_the_workspace() {
        let args = |args: &[&str]| args.iter().map(OsString::from).collect::<Vec<_>>();
        assert!(names_a_package(&args(&["-p", "vm-core"])));
        assert!(names_a_package(&args(&["--package=vm-core"])));
        assert!(!names_a_package(&args(&["--", "-p"])));
        assert!(!names_a_package(&args(&["some_test"])));
    }
}
