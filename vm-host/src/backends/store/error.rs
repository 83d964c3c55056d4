//! What the engine's failures mean to a user.

use std::error::Error;
use std::io;
use std::path::Path;

use vm_core::StateError;

use crate::StoreError;

/// A failure of the engine while a data directory is opened.
pub(super) fn opening(path: &Path, action: &'static str, error: &fjall::Error) -> StoreError {
    match io_cause(error) {
        Some(io) => from_io(path, action, copy(io)),
        None => StoreError::Engine { path: path.to_owned(), action, message: describe(error) },
    }
}

/// Sorts an operating system's error by what a user can do about it.
pub(super) fn from_io(path: &Path, action: &'static str, source: io::Error) -> StoreError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full { path, source },
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => StoreError::NotWritable { path, source },
        _ => StoreError::Engine { path, action, message: source.to_string() },
    }
}

/// A failure of the engine while a state is open.
pub(super) fn storage(action: &'static str, path: &Path, error: &fjall::Error) -> StateError {
    let message = match io_cause(error) {
        Some(io) => from_io(path, action, copy(io)).to_string(),
        None => format!("{} ({})", describe(error), path.display()),
    };
    StateError::Storage { action, message }
}

/// A record of this crate's own that cannot be right.
pub(super) fn corrupt(what: &str, message: &str) -> StateError {
    StateError::Damaged { what: what.to_owned(), message: message.to_owned() }
}

/// The operating system's error at the bottom of an engine's error.
fn io_cause(error: &fjall::Error) -> Option<&io::Error> {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(current) = cause {
        if let Some(io) = current.downcast_ref::<io::Error>() {
            return Some(io);
        }
        cause = current.source();
    }
    None
}

/// `io::Error` cannot be cloned; kind and text are what is told of it.
fn copy(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

fn describe(error: &fjall::Error) -> String {
    match error {
        fjall::Error::Locked => "another process has it open".to_owned(),
        fjall::Error::Poisoned => "an earlier write failed; open the state anew".to_owned(),
        other => other.to_string(),
    }
}
