use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::{Height, KeyRange, StateError, StateKey, StateView, WriteSet};

/// A state with changes on top of it that are committed nowhere.
#[derive(Clone)]
pub(crate) struct Fork {
    below: Arc<dyn StateView>,
    changes: WriteSet,
}

impl Fork {
    pub(crate) fn of(below: Arc<dyn StateView>) -> Self {
        Self { below, changes: WriteSet::default() }
    }

    /// Adds changes, which win over earlier ones.
    pub(crate) fn apply(&mut self, writes: &WriteSet) {
        self.changes.extend(writes);
    }
}

impl StateView for Fork {
    fn height(&self) -> Height {
        self.below.height()
    }

    fn get(&self, key: &StateKey) -> Result<Option<Bytes>, StateError> {
        match self.changes.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.below.get(key),
        }
    }

    fn scan(&self, range: &KeyRange, limit: usize) -> Result<Vec<(StateKey, Bytes)>, StateError> {
        // Changes can hide at most as many entries below as there are changes.
        let hidden = self.changes.range(range).count();
        let below = self.below.scan(range, limit.saturating_add(hidden))?;
        let mut merged: BTreeMap<_, _> = below.into_iter().collect();
        for (key, value) in self.changes.range(range) {
            match value {
                Some(value) => drop(merged.insert(key.clone(), value.clone())),
                None => drop(merged.remove(key)),
            }
        }
        Ok(merged.into_iter().take(limit).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MemoryBackend, StateBackend};
    use proptest::prelude::*;

    fn key(n: u8) -> StateKey {
        StateKey::system(&format!("{n:03}"))
    }

    fn writes() -> impl Strategy<Value = WriteSet> {
        prop::collection::vec((0..20u8, prop::option::of(any::<u8>())), 0..20).prop_map(|entries| {
            let mut writes = WriteSet::default();
            for (n, value) in entries {
                writes.insert(key(n), value.map(|value| vec![value].into()));
            }
            writes
        })
    }

    proptest! {
        #[test]
        fn a_fork_shows_what_the_state_would_if_it_were_committed(
            below in writes(), above in writes(), start in 0..20u8, end in 0..20u8, limit in 0..25usize
        ) {
            let state = MemoryBackend::new();
            state.commit(Height::new(0), Height::new(1), &below).unwrap();
            let mut fork = Fork::of(state.snapshot().unwrap());
            fork.apply(&above);
            state.commit(Height::new(1), Height::new(2), &above).unwrap();
            let committed = state.snapshot().unwrap();
            let range = KeyRange { start: key(start), end: key(end.max(start)) };
            prop_assert_eq!(fork.scan(&range, limit).unwrap(), committed.scan(&range, limit).unwrap());
            for n in 0..20 {
                prop_assert_eq!(fork.get(&key(n)).unwrap(), committed.get(&key(n)).unwrap());
            }
        }
    }
}
