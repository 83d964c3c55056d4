//! The command line: each call opens the data directory, does one thing, and closes it.

mod analyze;
mod arguments;
mod artifact;
mod commands;
mod counters;
mod doctor;
mod dry_run;
mod failure;
mod history;
mod inspect;
mod interrupt;
mod json_arguments;
mod kept;
mod operations;
mod output;
mod policy;
mod progress;
mod proposals;
mod records;
mod trace;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use arguments::Cli;
use failure::{Class, Usage};
use output::Output;

/// Runs the command that the process was called with.
pub(super) fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return not_parsed(&error),
    };
    let output = Output { json: cli.global.json };
    keep_panics_of_workers_out_of_the_way();
    let done = log(&cli.global.log).and_then(|()| interrupt::listen()).and_then(|()| commands::run(cli, output));
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

/// A worker's panic is caught and told as the trap or fault that it is; its words are for the log. Any other panic is a
/// defect and told as always.
fn keep_panics_of_workers_out_of_the_way() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| match std::thread::current().name() {
        Some(name) if name.starts_with("vm-worker") => tracing::info!(target: "vm", %panic, "panic in a worker"),
        _ => default(panic),
    }));
}

/// Help and versions go to standard output; a mistake is told by clap, or as JSON where that was asked for.
fn not_parsed(error: &clap::Error) -> ExitCode {
    if error.use_stderr() && std::env::args_os().any(|argument| argument == "--json") {
        let message = error.render().to_string();
        let message = message.strip_prefix("error: ").unwrap_or(&message).trim_end().to_owned();
        let _ = Output { json: true }.failure(&Usage(message).into());
    } else {
        let _ = error.print();
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Class::Usage as u8))
}

/// Sends the log to standard error.
fn log(filter: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        Usage(format!("--log {filter:?}: {error}; expected a level such as info, or a filter such as vm_core=debug"))
    })?;
    let ansi = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
    // A log that cannot be written is no reason to fail, nor to say so where it cannot be read.
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(ansi);
    log.log_internal_errors(false).init();
    Ok(())
}
