//! The embedded store, with commits at which the host ends.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use vm_core::{Height, StateBackend, StateError, StateView, WriteSet};
use vm_host::backends::FjallBackend;

use super::step::Crash;

/// A store whose next commit can be its last.
pub(super) struct Crashing {
    store: FjallBackend,
    directory: PathBuf,
    crash: Arc<Mutex<Plan>>,
}

/// What is to become of the next commit, and what became of it.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) next: Option<Crash>,
    /// The bytes that the commit wrote to the journal: from where, up to where.
    pub(super) written: Option<(u64, u64)>,
}

impl Crashing {
    pub(super) fn open(directory: &Path, crash: Arc<Mutex<Plan>>) -> io::Result<Self> {
        let store = FjallBackend::open(directory).map_err(io::Error::other)?;
        Ok(Self { store, directory: directory.to_owned(), crash })
    }
}

impl StateBackend for Crashing {
    fn snapshot(&self) -> Result<Arc<dyn StateView>, StateError> {
        self.store.snapshot()
    }

    fn commit(&self, previous: Height, next: Height, writes: &WriteSet) -> Result<(), StateError> {
        let mut plan = self.crash.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = || StateError::Storage { action: "committing", message: "the host has ended".into() };
        let unread =
            |error: io::Error| StateError::Storage { action: "reading the journal", message: error.to_string() };
        match plan.next.take() {
            None | Some(Crash::None | Crash::Restart) => self.store.commit(previous, next, writes),
            Some(Crash::Before) => Err(ended()),
            Some(Crash::After) => self.store.commit(previous, next, writes).and_then(|()| Err(ended())),
            Some(Crash::Within(_)) => {
                let from = end(&journal(&self.directory).map_err(unread)?).map_err(unread)?;
                self.store.commit(previous, next, writes)?;
                let to = end(&journal(&self.directory).map_err(unread)?).map_err(unread)?;
                plan.written = Some((from, to));
                Err(ended())
            }
        }
    }
}

/// Takes the bytes of the last commit back from so many thousandths on, as if they had never reached the disk.
pub(super) fn tear(directory: &Path, (from, to): (u64, u64), thousandths: u16) -> io::Result<()> {
    let length = to.saturating_sub(from);
    let kept = from + length * u64::from(thousandths) / 1_000;
    let mut file = OpenOptions::new().write(true).open(journal(directory)?)?;
    file.seek(SeekFrom::Start(kept))?;
    let zeros = vec![0; usize::try_from(to.saturating_sub(kept)).unwrap_or(0)];
    file.write_all(&zeros)
}

/// The engine's journal: a file that is made long before it is filled.
fn journal(directory: &Path) -> io::Result<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![directory.join("store")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            match path.extension() {
                _ if path.is_dir() => folders.push(path),
                Some(extension) if extension == "jnl" => found.push(path),
                _ => {}
            }
        }
    }
    match (found.pop(), found.is_empty()) {
        (Some(journal), true) => Ok(journal),
        _ => Err(io::Error::other("the store has not exactly one journal")),
    }
}

/// The end of what is written into a file of zeros.
fn end(file: &Path) -> io::Result<u64> {
    const CHUNK: usize = 1 << 20;
    let mut file = File::open(file)?;
    let (mut at, mut last) = (0, 0);
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = file.read(&mut chunk)?;
        match chunk.iter().take(read).rposition(|byte| *byte != 0) {
            Some(position) => last = at + position as u64 + 1,
            None => return Ok(last),
        }
        at += read as u64;
    }
}
