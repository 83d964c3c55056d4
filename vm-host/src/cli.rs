//! The command line: each call opens the data directory, does one thing, and closes it.

mod arguments;
mod artifact;
mod commands;
mod failure;
mod inspect;
mod output;
mod progress;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use arguments::Cli;
use failure::Usage;
use output::Output;

/// Runs the command that the process was called with.
pub(super) fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = Output { json: cli.global.json };
    let done = log(&cli.global.log).and_then(|()| commands::run(cli, output));
    match done {
        Ok(code) => code,
        Err(error) => {
            let code = failure::class(&error) as u8;
            // Nobody is left to be told when even this cannot be printed.
            let _ = output.failure(&error);
            ExitCode::from(code)
        }
    }
}

/// Sends the log to standard error.
fn log(filter: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        Usage(format!("--log {filter:?}: {error}; expected a level such as info, or a filter such as vm_core=debug"))
    })?;
    let ansi = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(ansi).init();
    Ok(())
}
