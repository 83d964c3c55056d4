//! The file that instructions are traced to.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vm_host::HostBuilder;

use super::failure::unusable;

/// A trace that goes on until [`Tracing::end`]; or none.
pub(super) struct Tracing(Option<(PathBuf, Lines)>);

/// Lets the builder's machine trace to `file`, which is created or replaced.
pub(super) fn begin<'c>(builder: HostBuilder<'c>, file: Option<&Path>) -> anyhow::Result<(HostBuilder<'c>, Tracing)> {
    let Some(path) = file else { return Ok((builder, Tracing(None))) };
    let open = File::create(path).map_err(|error| unusable("write", path, &error))?;
    let lines = Lines(Arc::new(Mutex::new(State { to: BufWriter::new(open), failed: None })));
    Ok((builder.trace(lines.clone()), Tracing(Some((path.to_owned(), lines)))))
}

impl Tracing {
    /// Completes the file; tells if it could not be written.
    pub(super) fn end(self) -> anyhow::Result<()> {
        let Some((path, lines)) = self.0 else { return Ok(()) };
        let mut state = lines.state();
        match state.failed.take().map_or_else(|| state.to.flush(), Err) {
            Ok(()) => Ok(()),
            Err(error) => Err(unusable("write", &path, &error)),
        }
    }
}

/// A file that keeps its first failure, since the machine goes on without the trace.
#[derive(Clone)]
struct Lines(Arc<Mutex<State>>);

struct State {
    to: BufWriter<File>,
    failed: Option<io::Error>,
}

impl Lines {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.state();
        state.to.write(bytes).map_err(|error| {
            let kind = error.kind();
            state.failed = Some(error);
            kind.into()
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.state().to.flush()
    }
}
