//! State on disk, in an embedded log-structured database.

mod directory;
mod error;
mod lock;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use fjall::{Database, Keyspace, PersistMode, Readable, Snapshot};
use vm_core::{Height, KeyRange, StateBackend, StateError, StateKey, StateView, WriteSet};

use directory::Opened;
use error::{corrupt, storage};
use lock::DirectoryLock;

use crate::StoreError;

/// The longest key that the engine takes, in bytes.
const MAX_KEY: usize = 65_535;
/// Where the height stands, in the keyspace beside the state.
const HEIGHT: &[u8] = b"height";

/// A [`StateBackend`] on `fjall`: every commit is one atomic batch that is synced to disk before it is acknowledged.
///
/// One process at a time can open a data directory. What a commit acknowledged survives the end of the process at any
/// moment, and a loss of power as far as the disk honours `fdatasync`. When a commit fails because the disk does, the
/// backend refuses all later commits: the state on disk is then known again only after it was opened anew, at the
/// height before or right after the failed commit.
///
/// ```
/// use vm_core::{Height, StateBackend, StateKey, WriteSet};
/// use vm_host::backends::FjallBackend;
///
/// let directory = tempfile::tempdir()?;
/// let state = FjallBackend::open(directory.path())?;
/// let mut writes = WriteSet::default();
/// writes.insert(StateKey::system("answer"), Some(b"42".to_vec().into()));
/// state.commit(Height::new(0), Height::new(1), &writes)?;
/// drop(state);
///
/// let state = FjallBackend::open(directory.path())?;
/// assert_eq!(state.height()?, Height::new(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FjallBackend {
    path: Arc<Path>,
    database: Database,
    state: Keyspace,
    meta: Keyspace,
    /// Held through every commit. The text tells why no commit is possible any more.
    commits: Mutex<Option<String>>,
    /// Released after the engine: fields are dropped in this order.
    lock: Arc<DirectoryLock>,
}

impl FjallBackend {
    /// Opens the data directory at `path`, or makes one.
    ///
    /// # Errors
    /// The directory is in use, not writable, on a full disk, of another format, or damaged.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = std::path::absolute(path.as_ref()).unwrap_or_else(|_| path.as_ref().to_owned());
        let lock = DirectoryLock::acquire(&path)?;
        let Opened { database, state, meta } = directory::open(&path)?;
        Ok(Self { path: path.into(), database, state, meta, commits: Mutex::new(None), lock: Arc::new(lock) })
    }

    /// The height of the last commit.
    ///
    /// # Errors
    /// When the storage engine fails.
    pub fn height(&self) -> Result<Height, StateError> {
        height(&self.database.snapshot(), &self.meta)
    }

    /// The data directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The bytes that the state takes on disk.
    ///
    /// # Errors
    /// When the storage engine fails.
    pub fn disk_space(&self) -> Result<u64, StateError> {
        self.database.disk_space().map_err(|error| storage("measuring the data directory", &self.path, &error))
    }
}

impl StateBackend for FjallBackend {
    fn snapshot(&self) -> Result<Arc<dyn StateView>, StateError> {
        let snapshot = self.database.snapshot();
        let height = height(&snapshot, &self.meta)?;
        Ok(Arc::new(View {
            snapshot,
            height,
            state: self.state.clone(),
            path: self.path.clone(),
            _lock: self.lock.clone(),
        }))
    }

    fn commit(&self, previous: Height, next: Height, writes: &WriteSet) -> Result<(), StateError> {
        // A panic in the engine leaves its own mark; the guard protects the order of commits only.
        let mut broken = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(message) = &*broken {
            return Err(StateError::Storage { action: "committing", message: message.clone() });
        }
        let found = self.height()?;
        if found != previous || next <= previous {
            return Err(StateError::HeightMismatch { expected: previous, found });
        }
        if let Some((key, _)) = writes.iter().find(|(key, _)| !(1..=MAX_KEY).contains(&key.as_bytes().len())) {
            let message = format!("a key has {} bytes; expected 1 to {MAX_KEY}", key.as_bytes().len());
            return Err(StateError::Storage { action: "committing", message });
        }
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        for (key, value) in writes.iter() {
            match value {
                Some(value) => batch.insert(&self.state, key.as_bytes(), value.clone()),
                None => batch.remove(&self.state, key.as_bytes()),
            }
        }
        batch.insert(&self.meta, HEIGHT, next.get().to_be_bytes());
        batch.commit().map_err(|error| {
            let failed = storage("committing", &self.path, &error);
            tracing::error!(path = %self.path.display(), height = %next, error = %failed, "commit failed");
            *broken = Some(format!(
                "an earlier commit failed, and no other is accepted until {} is opened anew ({failed})",
                self.path.display()
            ));
            failed
        })
    }
}

impl fmt::Debug for FjallBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FjallBackend").field("path", &self.path).finish_non_exhaustive()
    }
}

struct View {
    snapshot: Snapshot,
    height: Height,
    state: Keyspace,
    path: Arc<Path>,
    /// A snapshot keeps the engine open, so it keeps the directory too.
    _lock: Arc<DirectoryLock>,
}

impl StateView for View {
    fn height(&self) -> Height {
        self.height
    }

    fn get(&self, key: &StateKey) -> Result<Option<Bytes>, StateError> {
        let value = self.snapshot.get(&self.state, key.as_bytes());
        value.map(|found| found.map(Bytes::from)).map_err(|error| storage("reading", &self.path, &error))
    }

    fn scan(&self, range: &KeyRange, limit: usize) -> Result<Vec<(StateKey, Bytes)>, StateError> {
        // The engine takes no empty range.
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let entries = self.snapshot.range(&self.state, range.start.as_bytes()..range.end.as_bytes());
        entries
            .take(limit)
            .map(|entry| {
                let (key, value) = entry.into_inner()?;
                Ok((StateKey::from_bytes(key.into()), value.into()))
            })
            .collect::<Result<_, fjall::Error>>()
            .map_err(|error| storage("scanning", &self.path, &error))
    }
}

fn height(snapshot: &Snapshot, meta: &Keyspace) -> Result<Height, StateError> {
    let stored = snapshot
        .get(meta, HEIGHT)
        .map_err(|error| storage("reading the height", meta.path(), &error))?
        .ok_or_else(|| corrupt("height", "it is missing"))?;
    let bytes = stored.as_ref().try_into().map_err(|_| corrupt("height", "it is not 8 bytes long"))?;
    Ok(Height::new(u64::from_be_bytes(bytes)))
}
