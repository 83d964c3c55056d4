//! `cargo xtask demo`: the token on all four runtimes, compared.

use std::process::Command;

use anyhow::Result;

use crate::cargo::cargo;
use crate::containerd::{self, Containerd};
use crate::setup::{self, Need};
use crate::terminal::Step;
use crate::{process, workspace};

/// Options of `cargo xtask demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Leave out the container runtime
    #[arg(long)]
    no_containers: bool,
}

/// Builds in release, then runs the demo.
pub(crate) fn run(args: &Args) -> Result<()> {
    let containers = setup::containers(args.no_containers, Need::Wished)?;
    let step = Step::new("building in release (takes some minutes the first time)");
    process::succeed(cargo("build")?.args(["--release", "--package=vm-host", "--features=docker", "--example=demo"]))?;
    step.done();
    compare("release", &containerd::start(containers, Need::Wished)?)
}

/// Runs the built demo, which fails when the runtimes disagree.
pub(crate) fn compare(profile: &str, containerd: &Containerd) -> Result<()> {
    let step = Step::new("one token on every runtime");
    let mut demo = Command::new(workspace::target().join(profile).join("examples/demo"));
    demo.current_dir(workspace::root()).arg("--data-dir").arg(workspace::target().join("demo"));
    match containerd {
        Containerd::Running(daemon) => demo.arg("--containerd").arg(daemon.address()),
        Containerd::Absent { why } => demo.args(["--without-containers", why]),
    };
    process::succeed(&mut demo)?;
    step.done();
    Ok(())
}
