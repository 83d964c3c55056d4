//! The files that calls and instructions are traced to.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::cli::failure::unusable;

/// A file for one of them. One that was not there before goes again when nothing was written to it.
pub(super) struct TraceFile {
    path: PathBuf,
    lines: Lines,
}

impl TraceFile {
    /// That it can be written is tried at once; what is in it stays until there is something to trace.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let (open, fresh) = match OpenOptions::new().write(true).create_new(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                (OpenOptions::new().write(true).open(path), false)
            }
            created => (created, true),
        };
        let open = open.map_err(|error| unusable("write", path, &error))?;
        let state = State { to: BufWriter::new(open), fresh, begun: false, failed: None };
        Ok(Self { path: path.to_owned(), lines: Lines(Arc::new(Mutex::new(state))) })
    }

    /// Where its lines are written.
    pub(super) fn lines(&self) -> Lines {
        self.lines.clone()
    }

    /// Completes the file. What went wrong with it is told, and `nothing` where nothing was written.
    pub(super) fn end(self, nothing: &str) {
        let mut state = self.lines.state();
        let path = self.path.display();
        let remark = match state.failed.take().map_or_else(|| state.to.flush(), Err) {
            Err(error) => format!("warning: the trace is not complete, cannot write {path}: {error}"),
            Ok(()) if !state.begun => format!("note: {nothing}; {path} is as it was"),
            Ok(()) => return,
        };
        // A remark that nobody can read is no reason to fail.
        let _ = writeln!(anstream::stderr(), "{remark}");
    }
}

impl Drop for TraceFile {
    fn drop(&mut self) {
        let state = self.lines.state();
        if state.fresh && !state.begun {
            // An empty file that cannot be removed harms nobody.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// A file that keeps its first failure, since the machine goes on without the trace.
#[derive(Clone)]
pub(super) struct Lines(Arc<Mutex<State>>);

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
