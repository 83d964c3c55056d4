//! Development tasks. `cargo xtask --help` lists them; continuous integration runs `lint` and `test`.

mod cargo;
mod conformance;
mod containerd;
mod contracts;
mod demo;
mod embedder;
mod lint;
mod openzeppelin;
mod process;
mod python;
mod setup;
mod terminal;
mod test;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Sets up, shows, tests and checks this workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Installs what the container runtime needs, or says how, and lists what was found
    Setup(setup::Args),
    /// Prints the path of the protobuf compiler that builds with containers need
    Protoc,
    /// Runs one token contract on all four runtimes and compares what they did
    Demo(demo::Args),
    /// Runs all tests, with a private containerd for those that need containers
    Test(test::Args),
    /// Builds the sample contracts that are not up to date, in all their forms
    Contracts(contracts::Args),
    /// Builds an image of a contract in Python, out of Debian's packages and sdk/python
    Python(python::Args),
    /// Runs test suites that others wrote
    Conformance(conformance::Args),
    /// Runs random tests
    Fuzz(conformance::FuzzArgs),
    /// Checks formatting, lints, documentation, dependencies, feature combinations and house rules
    Lint(lint::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = process::watch_signals().map_err(anyhow::Error::from).and_then(|()| match cli.task {
        Task::Setup(args) => setup::run(&args),
        Task::Protoc => setup::print_protoc(),
        Task::Demo(args) => demo::run(&args),
        Task::Test(args) => test::run(&args),
        Task::Contracts(args) => contracts::run(&args),
        Task::Python(args) => python::run(&args),
        Task::Conformance(args) => conformance::run(&args),
        Task::Fuzz(args) => conformance::fuzz(&args),
        Task::Lint(args) => lint::run(&args),
    });
    // A child that a signal ended reports its own failure first; the signal is the reason.
    if let Some(signal) = process::interrupted() {
        eprintln!("interrupted");
        return ExitCode::from(128u8.saturating_add(signal));
    }
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{} {error:#}", terminal::red("error:"));
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
