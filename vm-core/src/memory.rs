use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;

use crate::{Height, KeyRange, StateBackend, StateError, StateKey, StateView, WriteSet};

/// A state in memory, for tests and for hosts that keep their own. Nothing survives the process.
///
/// Every key holds its recent values by height. A snapshot costs one allocation; values that no snapshot can see any more
/// are dropped when their key is written again.
#[derive(Clone, Default)]
pub struct MemoryBackend(Arc<RwLock<Table>>);

#[derive(Default)]
struct Table {
    height: Height,
    /// Ascending by height, never empty. By hash, as most reads are of single keys; nothing depends on the order.
    values: HashMap<StateKey, Vec<(Height, Option<Bytes>)>, foldhash::fast::RandomState>,
    /// The keys of all values, for scans.
    keys: BTreeSet<StateKey>,
    /// How many snapshots there are of each height.
    snapshots: BTreeMap<Height, usize>,
}

impl MemoryBackend {
    /// An empty state at height 0.
    pub fn new() -> Self {
        Self::default()
    }

    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StateBackend for MemoryBackend {
    fn snapshot(&self) -> Result<Arc<dyn StateView>, StateError> {
        let mut table = self.write();
        let height = table.height;
        *table.snapshots.entry(height).or_default() += 1;
        Ok(Arc::new(MemoryView { table: self.clone(), height }))
    }

    fn commit(&self, previous: Height, next: Height, writes: &WriteSet) -> Result<(), StateError> {
        let mut table = self.write();
        if table.height != previous || next <= previous {
            return Err(StateError::HeightMismatch { expected: previous, found: table.height });
        }
        let oldest = table.snapshots.keys().next().copied().unwrap_or(next).min(next);
        for (key, value) in writes.iter() {
            if !table.values.contains_key(key) {
                table.keys.insert(key.clone());
            }
            let values = table.values.entry(key.clone()).or_default();
            // Keep the newest value that the oldest snapshot sees, and all later ones.
            let visible = values.partition_point(|(height, _)| *height <= oldest);
            values.drain(..visible.saturating_sub(1));
            values.push((next, value.clone()));
            if oldest == next {
                values.drain(..values.len() - 1);
                if value.is_none() {
                    table.values.remove(key);
                    table.keys.remove(key);
                }
            }
        }
        table.height = next;
        Ok(())
    }
}

impl fmt::Debug for MemoryBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = self.read();
        f.debug_struct("MemoryBackend").field("height", &table.height).field("keys", &table.values.len()).finish()
    }
}

struct MemoryView {
    table: MemoryBackend,
    height: Height,
}

fn at(values: &[(Height, Option<Bytes>)], height: Height) -> Option<Bytes> {
    values.iter().rev().find(|(written, _)| *written <= height).and_then(|(_, value)| value.clone())
}

impl StateView for MemoryView {
    fn height(&self) -> Height {
        self.height
    }

    fn get(&self, key: &StateKey) -> Result<Option<Bytes>, StateError> {
        Ok(self.table.read().values.get(key).and_then(|values| at(values, self.height)))
    }

    fn scan(&self, range: &KeyRange, limit: usize) -> Result<Vec<(StateKey, Bytes)>, StateError> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let table = self.table.read();
        let keys = table.keys.range(&range.start..&range.end);
        let live = keys.filter_map(|key| Some((key.clone(), at(table.values.get(key)?, self.height)?)));
        Ok(live.take(limit).collect())
    }
}

impl Drop for MemoryView {
    fn drop(&mut self) {
        let mut table = self.table.write();
        if let Some(count) = table.snapshots.get_mut(&self.height) {
            *count -= 1;
            if *count == 0 {
                table.snapshots.remove(&self.height);
            }
        }
    }
}
