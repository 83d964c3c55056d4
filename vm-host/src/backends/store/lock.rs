//! One process per data directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::error::from_io;
use crate::StoreError;

const LOCK: &str = "LOCK";

/// Holds the directory until it is dropped or the process ends, however it ends: the operating system releases the lock.
#[derive(Debug)]
pub(super) struct DirectoryLock {
    file: File,
}

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        // Closing alone would not do: a process that is being spawned may hold a copy of the descriptor for a moment.
        if let Err(error) = self.file.unlock() {
            tracing::debug!(%error, "cannot unlock the data directory; the end of the process does it");
        }
    }
}

impl DirectoryLock {
    /// Makes the directory if need be and locks it, or tells who has.
    pub(super) fn acquire(directory: &Path) -> Result<Self, StoreError> {
        let failed = |source| from_io(directory, "locking", source);
        if directory.exists() && !directory.is_dir() {
            return Err(StoreError::NotDirectory { path: directory.to_owned() });
        }
        std::fs::create_dir_all(directory).map_err(failed)?;
        if let Some(found) = foreign(directory).map_err(failed)? {
            return Err(StoreError::Foreign { path: directory.to_owned(), found });
        }
        let path = directory.join(LOCK);
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let known = file.read_to_string(&mut holder).is_ok() && !holder.trim().is_empty();
                let holder = if known { holder.trim().to_owned() } else { "another process".to_owned() };
                return Err(StoreError::Locked { path: directory.to_owned(), holder });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        // Who holds the lock is a courtesy: a full disk must not keep a state from being read.
        let noted =
            file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0))).and_then(|_| write!(file, "{}", myself()));
        if let Err(error) = noted {
            tracing::debug!(directory = %directory.display(), %error, "cannot note who holds the data directory");
        }
        Ok(Self { file })
    }
}

/// A file in a directory without a state that no state leaves there while it is made: the directory is for something else.
fn foreign(directory: &Path) -> std::io::Result<Option<String>> {
    const OWN: [&str; 6] = [LOCK, "code", "store.unfinished", "metrics.json", "metrics.unfinished", "lost+found"];
    if directory.join("store").exists() {
        return Ok(None);
    }
    let names = std::fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.file_name()));
    let mut names = names.collect::<Result<Vec<_>, _>>()?;
    // Another process may have made the state meanwhile.
    names.retain(|name| name != "store" && !OWN.iter().any(|own| name == own));
    names.sort();
    Ok(names.first().map(|name| name.to_string_lossy().into_owned()))
}

fn myself() -> String {
    let id = std::process::id();
    let program = std::env::current_exe().ok();
    match program.as_deref().and_then(Path::file_name) {
        Some(name) => format!("process {id} ({})", name.to_string_lossy()),
        None => format!("process {id}"),
    }
}
