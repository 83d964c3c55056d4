//! `cargo xtask demo`: the token on all four runtimes, compared.

use anyhow::Result;

use crate::cargo::cargo;
use crate::containerd::{self, Containerd};
use crate::terminal::Step;
use crate::{process, workspace};

/// Options of `cargo xtask demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Leave out the container runtime
    #[arg(long)]
    no_containers: bool,
}

/// Builds in release, then runs the demo, which fails when the runtimes disagree.
pub(crate) fn run(args: &Args) -> Result<()> {
    let containerd = containerd::start(args.no_containers)?;
    let step = Step::new("building vm-host in release (the first time takes some minutes)");
    process::succeed(cargo("build")?.args([
        "--release",
        "--package=vm-host",
        "--features=docker",
        "--bins",
        "--example=demo",
    ]))?;
    step.done();
    let mut demo = std::process::Command::new(workspace::target().join("release/examples/demo"));
    demo.current_dir(workspace::root());
    match &containerd {
        Containerd::Running(daemon) => demo.arg("--containerd").arg(daemon.address()),
        Containerd::Absent { why } => demo.args(["--without-containers", why]),
    };
    process::succeed(&mut demo)
}
