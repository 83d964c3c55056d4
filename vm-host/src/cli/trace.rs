//! What a command tells of the calls inside a transaction, and of the instructions of EVM contracts.

mod file;
mod lines;

use std::io::Write;
use std::path::Path;

use vm_core::{Receipt, TraceLevel};
use vm_host::HostBuilder;

use super::arguments::TraceArgs;
use file::TraceFile;
pub(super) use lines::objects;

/// What is traced, and to where.
pub(super) struct Tracing {
    level: TraceLevel,
    /// For the calls; none where they are shown with the result, or not wanted.
    calls: Option<TraceFile>,
    /// For every EVM instruction, while it is executed.
    instructions: Option<TraceFile>,
}

impl Tracing {
    /// Opens the files, so that one that cannot be written is told before anything is done.
    pub(super) fn begin<'c>(
        builder: HostBuilder<'c>,
        args: Option<&TraceArgs>,
    ) -> anyhow::Result<(HostBuilder<'c>, Self)> {
        let Some(args) = args else {
            return Ok((builder, Self { level: TraceLevel::Off, calls: None, instructions: None }));
        };
        let shown = Path::new("-");
        let calls = args.trace.as_deref().filter(|path| *path != shown).map(TraceFile::open).transpose()?;
        let instructions = args.evm_trace.as_deref().map(TraceFile::open).transpose()?;
        let builder = match &instructions {
            Some(file) => builder.trace(file.lines()),
            None => builder,
        };
        Ok((builder, Self { level: args.level(), calls, instructions }))
    }

    /// How much of its calls a receipt shall tell.
    pub(super) const fn level(&self) -> TraceLevel {
        self.level
    }

    /// Takes a receipt's calls to their file, if they have one; else they are shown with it. A file that cannot be written is told at
    /// the end.
    pub(super) fn keep(&self, receipt: &mut Receipt) {
        let Some(file) = &self.calls else { return };
        let Some(tree) = receipt.trace.take() else { return };
        let mut lines = file.lines();
        // The file keeps its first failure.
        let _ = objects(&tree).try_for_each(|object| writeln!(lines, "{object}"));
    }

    /// Completes the files. What went wrong with them is told and is no failure: the command has done its work.
    pub(super) fn end(self) {
        if let Some(file) = self.calls {
            file.end("nothing was called");
        }
        if let Some(file) = self.instructions {
            file.end("no EVM instruction was executed");
        }
    }
}
