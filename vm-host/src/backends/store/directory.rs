//! The files of a data directory: `LOCK`, and the database in `store/`.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::HEIGHT;
use super::error::{from_io, opening};
use crate::StoreError;

/// The layout of keyspaces and keys that this version writes.
const FORMAT: u32 = 1;
const FORMAT_KEY: &[u8] = b"format";

pub(super) struct Opened {
    pub(super) database: Database,
    pub(super) state: Keyspace,
    pub(super) meta: Keyspace,
}

/// Opens the database in `directory`, which the caller has locked, or makes an empty one.
pub(super) fn open(directory: &Path) -> Result<Opened, StoreError> {
    let store = directory.join("store");
    let failed = |source| from_io(directory, "opening", source);
    if !store.try_exists().map_err(failed)? {
        create(directory, &store)?;
    }
    let opened = keyspaces(&store).map_err(|error| opening(directory, "opening", &error))?;
    check(directory, &opened.meta)?;
    Ok(opened)
}

/// Makes the database under another name and renames it when it is complete, so that a half-made one is never opened.
fn create(directory: &Path, store: &Path) -> Result<(), StoreError> {
    let failed = |source| from_io(directory, "creating", source);
    let engine = |error: fjall::Error| opening(directory, "creating", &error);
    let unfinished = directory.join("store.unfinished");
    match fs::remove_dir_all(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    {
        let Opened { database, meta, .. } = keyspaces(&unfinished).map_err(engine)?;
        let mut batch = database.batch();
        batch.insert(&meta, FORMAT_KEY, FORMAT.to_be_bytes());
        batch.insert(&meta, HEIGHT, 0u64.to_be_bytes());
        batch.commit().map_err(engine)?;
        database.persist(PersistMode::SyncAll).map_err(engine)?;
    }
    fs::rename(&unfinished, store).map_err(failed)?;
    File::open(directory).and_then(|folder| folder.sync_all()).map_err(failed)
}

fn keyspaces(path: &Path) -> Result<Opened, fjall::Error> {
    let database = Database::builder(path).open()?;
    let state = database.keyspace("state", KeyspaceCreateOptions::default)?;
    let meta = database.keyspace("meta", KeyspaceCreateOptions::default)?;
    Ok(Opened { database, state, meta })
}

fn check(directory: &Path, meta: &Keyspace) -> Result<(), StoreError> {
    let format = meta.get(FORMAT_KEY).map_err(|error| opening(directory, "opening", &error))?;
    let found = match format.as_deref().map(<[u8; 4]>::try_from) {
        Some(Ok(bytes)) if u32::from_be_bytes(bytes) == FORMAT => return Ok(()),
        Some(Ok(bytes)) => u32::from_be_bytes(bytes).to_string(),
        _ => "unknown".to_owned(),
    };
    Err(StoreError::Format { path: directory.to_owned(), found, expected: FORMAT })
}
