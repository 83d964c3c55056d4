//! Folders of test files, and work on all cores.

use std::{
    fs,
    io::{self, Error},
    num::NonZero,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

/// The stack of a worker: engines run what they test on it.
const STACK: usize = 16 << 20;

/// All files below a folder with this extension whose path contains `filter`, sorted. A file is taken as it is.
pub(crate) fn files(folder: &Path, extension: &str, filter: &str) -> io::Result<Vec<PathBuf>> {
    if folder.is_file() {
        return Ok(vec![folder.to_owned()]);
    }
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let unreadable = |error: Error| Error::new(error.kind(), format!("{}: {error}", folder.display()));
        for entry in fs::read_dir(&folder).map_err(unreadable)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension)
                && path.to_string_lossy().contains(filter)
            {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Runs a worker on each core and returns what each returned. A worker gets numbers from 0 that no other gets.
pub(crate) fn spread<R: Send>(worker: impl Fn(&mut dyn FnMut() -> usize) -> R + Sync) -> io::Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let work = || worker(&mut || next.fetch_add(1, Ordering::Relaxed));
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        let start = |_| thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work);
        let workers = (0..cores).map(start).collect::<io::Result<Vec<_>>>()?;
        workers.into_iter().map(|worker| worker.join().map_err(|_| Error::other("a worker panicked"))).collect()
    })
}
