//! The files of a cache. Several processes may use one directory: a file appears under its name when it is whole, and one that
//! is removed while another process reads it stays readable to that process.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::entry::{Unusable, decode, encode};
use super::{Key, permission};

/// The extension of entries.
const ENTRY: &str = "code";
/// The extension of entries that are being written.
const UNFINISHED: &str = "unfinished";
/// How much older than a new entry an unfinished one is when its process has died: a day, in nanoseconds.
const ABANDONED: i128 = 24 * 60 * 60 * 1_000_000_000;

#[derive(Debug)]
pub(super) struct Directory {
    root: PathBuf,
    limit: u64,
    /// One thread at a time makes room.
    sweep: Mutex<()>,
}

impl Directory {
    pub(super) fn open(root: &Path, limit: u64) -> io::Result<Self> {
        permission::make(root)?;
        let found = fs::metadata(root)?;
        if !found.is_dir() {
            return Err(ErrorKind::NotADirectory.into());
        }
        permission::check(&found)?;
        Ok(Self { root: root.to_owned(), limit, sweep: Mutex::new(()) })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Where the entry of a key is.
    pub(super) fn path(&self, key: &Key) -> PathBuf {
        self.root.join(format!("{}.{ENTRY}", hex::encode(key.0)))
    }

    /// The code of a key.
    pub(super) fn read(&self, key: &Key) -> Result<Vec<u8>, Unusable> {
        let unreadable = |error: io::Error| match error.kind() {
            ErrorKind::NotFound => Unusable::Absent,
            _ => Unusable::Unreadable(error),
        };
        let mut file = permission::open(&self.path(key)).map_err(unreadable)?;
        let found = file.metadata().map_err(unreadable)?;
        if !found.is_file() {
            return Err(Unusable::Foreign("it is no file"));
        }
        permission::check(&found).map_err(unreadable)?;
        if found.len() > self.limit {
            return Err(Unusable::Foreign("it is longer than the cache may be"));
        }
        let mut content = Vec::new();
        file.read_to_end(&mut content).map_err(unreadable)?;
        let code = decode(key, &content)?;
        // Only the order of removals depends on it.
        let _ = permission::touch(&file);
        let code = content.len() - code.len();
        content.drain(..code);
        Ok(content)
    }

    /// Keeps the code of a key, and removes others if it is too much.
    pub(super) fn write(&self, key: &Key, code: &[u8]) -> io::Result<()> {
        let content = encode(key, code);
        if content.len() as u64 > self.limit {
            return Ok(());
        }
        self.put(key, &content)?;
        self.make_room()
    }

    /// Under a random name first: process ids and counters are the same in two containers that share the directory.
    fn put(&self, key: &Key, content: &[u8]) -> io::Result<()> {
        let (prefix, suffix) = (format!("{}.", hex::encode(key.0)), format!(".{UNFINISHED}"));
        let mut file = tempfile::Builder::new().prefix(&prefix).suffix(&suffix).tempfile_in(&self.root)?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        // What is not renamed is removed, now or as abandoned later.
        file.persist(self.path(key))?;
        File::open(&self.root)?.sync_all()
    }

    /// Removes what was used least recently until the limit holds, and what processes that died were writing. What cannot be
    /// removed keeps nothing else from it.
    fn make_room(&self) -> io::Result<()> {
        let Ok(_sweep) = self.sweep.try_lock() else { return Ok(()) };
        let (mut entries, mut unfinished) = (Vec::new(), Vec::new());
        for file in fs::read_dir(&self.root)? {
            let path = file?.path();
            let list = match path.extension().and_then(|extension| extension.to_str()) {
                Some(ENTRY) => &mut entries,
                Some(UNFINISHED) => &mut unfinished,
                _ => continue,
            };
            // Another process may have removed it meanwhile; what is no file is not of this cache.
            if let Some(found) = fs::symlink_metadata(&path).ok().filter(fs::Metadata::is_file) {
                list.push((permission::used(&found), found.len(), path));
            }
        }
        entries.sort();
        let newest = entries.last().map_or(0, |(used, ..)| *used);
        let mut outcome = Ok(());
        for (_, _, path) in unfinished.iter().filter(|(used, ..)| newest - used > ABANDONED) {
            outcome = outcome.and(remove(path));
        }
        let mut total: u64 = entries.iter().map(|(_, length, _)| length).sum();
        for (_, length, path) in &entries {
            if total <= self.limit {
                break;
            }
            match remove(path) {
                Ok(()) => total -= length,
                failed => outcome = outcome.and(failed),
            }
        }
        outcome
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
