//! The file that instructions are traced to.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vm_host::HostBuilder;

use super::failure::unusable;

/// A trace that goes on until [`Tracing::end`]; or none. A file that was not there before goes again when nothing is in it.
pub(super) struct Tracing(Option<(PathBuf, Lines)>);

/// Lets the builder's machine trace to `file`. That it can be written is tried at once; what is in it stays until there is
/// something to trace.
pub(super) fn begin<'c>(builder: HostBuilder<'c>, file: Option<&Path>) -> anyhow::Result<(HostBuilder<'c>, Tracing)> {
    let Some(path) = file else { return Ok((builder, Tracing(None))) };
    let (open, fresh) = match OpenOptions::new().write(true).create_new(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            (OpenOptions::new().write(true).open(path), false)
        }
        created => (created, true),
    };
    let open = open.map_err(|error| unusable("write", path, &error))?;
    let lines = Lines(Arc::new(Mutex::new(State { to: BufWriter::new(open), fresh, begun: false, failed: None })));
    Ok((builder.trace(lines.clone()), Tracing(Some((path.to_owned(), lines)))))
}

impl Tracing {
    /// Completes the file. What went wrong with it is told and is no failure: the command has done its work.
    pub(super) fn end(self) {
        let Some((path, lines)) = &self.0 else { return };
        let mut state = lines.state();
        let path = path.display();
        let remark = match state.failed.take().map_or_else(|| state.to.flush(), Err) {
            Err(error) => format!("warning: the trace is not complete, cannot write {path}: {error}"),
            Ok(()) if !state.begun => format!("note: no EVM instruction was executed; {path} is as it was"),
            Ok(()) => return,
        };
        // A remark that nobody can read is no reason to fail.
        let _ = writeln!(anstream::stderr(), "{remark}");
    }
}

impl Drop for Tracing {
    fn drop(&mut self) {
        let Some((path, lines)) = &self.0 else { return };
        let state = lines.state();
        if state.fresh && !state.begun {
            // An empty file that cannot be removed harms nobody.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// A file that keeps its first failure, since the machine goes on without the trace.
#[derive(Clone)]
struct Lines(Arc<Mutex<State>>);

struct State {
    to: BufWriter<File>,
    /// True when the file was not there before.
    fresh: bool,
    begun: bool,
    failed: Option<io::Error>,
}

impl State {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !std::mem::replace(&mut self.begun, true) && self.to.get_ref().metadata()?.is_file() {
            self.to.get_ref().set_len(0)?;
        }
        self.to.write(bytes)
    }
}

impl Lines {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.state();
        state.write(bytes).map_err(|error| {
            let kind = error.kind();
            state.failed = Some(error);
            kind.into()
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut state = self.state();
        state.to.flush().map_err(|error| {
            let kind = error.kind();
            state.failed.get_or_insert(error);
            kind.into()
        })
    }
}
