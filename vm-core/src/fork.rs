use std::sync::Arc;

use bytes::Bytes;

use crate::{Height, KeyRange, StateError, StateKey, StateView, WriteSet};

/// A state with changes on top of it that are committed nowhere.
#[derive(Clone)]
pub(crate) struct Fork {
    below: Arc<dyn StateView>,
    /// Shared with copies until one of them changes.
    changes: Arc<WriteSet>,
}

impl Fork {
    pub(crate) fn of(below: Arc<dyn StateView>) -> Self {
        Self { below, changes: Arc::default() }
    }

    /// Adds changes, which win over earlier ones.
    pub(crate) fn apply(&mut self, writes: &WriteSet) {
        Arc::make_mut(&mut self.changes).extend(writes);
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
        let mut changes = self.changes.range(range).peekable();
        let put = |found: &mut Vec<_>, (key, value): (&StateKey, &Option<Bytes>)| {
            found.extend(value.as_ref().map(|value| (key.clone(), value.clone())));
        };
        let (mut found, mut rest) = (Vec::new(), range.clone());
        loop {
            // Deletions hide entries below, so one look may not be enough.
            let wanted = limit.saturating_sub(found.len());
            let below = if wanted == 0 { Vec::new() } else { self.below.scan(&rest, wanted)? };
            let more = below.len() == wanted;
            for (key, value) in below {
                rest.start = key.successor();
                while let Some(change) = changes.next_if(|(changed, _)| **changed < key) {
                    put(&mut found, change);
                }
                match changes.next_if(|(changed, _)| **changed == key) {
                    Some(change) => put(&mut found, change),
                    None => found.push((key, value)),
                }
            }
            if found.len() >= limit || !more {
                break;
            }
        }
        while found.len() < limit
            && let Some(change) = changes.next()
        {
            put(&mut found, change);
        }
        found.truncate(limit);
        Ok(found)
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

    #[test]
    fn a_copy_that_is_gone_costs_nothing() {
        let mut fork = Fork::of(MemoryBackend::new().snapshot().unwrap());
        fork.apply(&WriteSet::default());
        let changes = Arc::as_ptr(&fork.changes);
        drop(fork.clone());
        fork.apply(&WriteSet::default());
        assert_eq!(changes, Arc::as_ptr(&fork.changes), "nothing was copied");
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
