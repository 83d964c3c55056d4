//! The journal against a model that clones, and what it records of reads.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use proptest::prelude::*;
use vm_core::{
    Height, Journal, KeyRange, MemoryBackend, Space, StateBackend, StateError, StateKey, StateView, WriteSet,
};

#[derive(Debug, Clone)]
enum Step {
    Put(u8, u8),
    Delete(u8),
    Get(u8),
    Scan(u8, u8, usize),
    Mark,
    Revert(prop::sample::Index),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0u8..8, any::<u8>()).prop_map(|(key, value)| Step::Put(key, value)),
        (0u8..8).prop_map(Step::Delete),
        (0u8..8).prop_map(Step::Get),
        (0u8..8, 0u8..9, 0usize..10).prop_map(|(start, end, limit)| Step::Scan(start, end, limit)),
        Just(Step::Mark),
        any::<prop::sample::Index>().prop_map(Step::Revert),
    ];
    prop::collection::vec(step, 0..60)
}

fn key(n: u8) -> StateKey {
    StateKey::new(Space::Contract, b"c", &[n])
}

fn base(entries: &BTreeMap<u8, u8>) -> MemoryBackend {
    let backend = MemoryBackend::new();
    let mut writes = WriteSet::default();
    entries.iter().for_each(|(n, value)| writes.insert(key(*n), Some(vec![*value].into())));
    backend.commit(Height::new(0), Height::new(1), &writes).unwrap();
    backend
}

proptest! {
    #[test]
    fn agrees_with_a_model_that_clones(entries in prop::collection::btree_map(0u8..8, any::<u8>(), 0..6), steps in steps()) {
        let journal = Journal::new(base(&entries).snapshot().unwrap());
        let mut model = entries.clone();
        let mut marks = Vec::new();
        let mut unchecked_reads: Vec<StateKey> = Vec::new();
        let mut written = Vec::new();
        for step in steps {
            match step {
                Step::Put(n, value) => {
                    journal.put(key(n), vec![value].into());
                    model.insert(n, value);
                    written.push(n);
                }
                Step::Delete(n) => {
                    journal.delete(key(n));
                    model.remove(&n);
                    written.push(n);
                }
                Step::Get(n) => {
                    let expected = model.get(&n).map(|value| Bytes::from(vec![*value]));
                    prop_assert_eq!(journal.get(&key(n)).unwrap(), expected);
                    if !written.contains(&n) {
                        unchecked_reads.push(key(n));
                    }
                }
                Step::Scan(start, end, limit) => {
                    let expected: Vec<_> =
                        model.iter().filter(|(n, _)| (start..end).contains(n)).take(limit).map(|(n, v)| (key(*n), Bytes::from(vec![*v]))).collect();
                    let range = KeyRange { start: key(start), end: key(end) };
                    prop_assert_eq!(journal.scan(&range, limit).unwrap(), expected);
                }
                Step::Mark => marks.push((journal.mark(), model.clone())),
                Step::Revert(at) if !marks.is_empty() => {
                    let at = at.index(marks.len());
                    let (mark, before) = marks.swap_remove(at);
                    marks.truncate(at);
                    journal.revert(mark);
                    model = before;
                }
                Step::Revert(_) => {}
            }
        }
        let changes = journal.finish();
        // What the writes make of the base is what the model has.
        let mut result = entries.clone();
        for (written, value) in changes.writes.iter() {
            let n = written.suffix().unwrap()[0];
            match value {
                Some(value) => result.insert(n, value[0]),
                None => result.remove(&n),
            };
        }
        prop_assert_eq!(result, model);
        // Every read of a key that was never written is in the read set, reverted or not.
        for read in unchecked_reads {
            prop_assert!(changes.reads.points().any(|(key, _)| *key == read));
        }
        // And every recorded value is the base's.
        for (read, value) in changes.reads.points() {
            let expected = entries.get(&read.suffix().unwrap()[0]).map(|value| Bytes::from(vec![*value]));
            prop_assert_eq!(value, &expected);
        }
    }
}

#[test]
fn a_scan_records_the_part_that_decided_it() {
    let journal = Journal::new(base(&BTreeMap::from([(1, 1), (3, 3), (5, 5)])).snapshot().unwrap());
    let range = KeyRange { start: key(0), end: key(8) };
    journal.scan(&range, 2).unwrap();
    journal.scan(&range, 9).unwrap();
    let reads = journal.finish().reads;
    assert_eq!(reads.ranges(), [KeyRange { start: key(0), end: key(3).successor() }, range]);
}

/// Notes how many entries are read at once.
struct Noted(Arc<dyn StateView>, Arc<AtomicUsize>);

impl StateView for Noted {
    fn height(&self) -> Height {
        self.0.height()
    }

    fn get(&self, key: &StateKey) -> Result<Option<Bytes>, StateError> {
        self.0.get(key)
    }

    fn scan(&self, range: &KeyRange, limit: usize) -> Result<Vec<(StateKey, Bytes)>, StateError> {
        let found = self.0.scan(range, limit)?;
        self.1.fetch_max(found.len(), Ordering::Relaxed);
        Ok(found)
    }
}

#[test]
fn what_own_deletions_hide_is_not_read_all_at_once() {
    let entries = (0..200).map(|n| (n, n)).collect();
    let most = Arc::new(AtomicUsize::new(0));
    let journal = Journal::new(Arc::new(Noted(base(&entries).snapshot().unwrap(), most.clone())));
    (0..190).for_each(|n| journal.delete(key(n)));
    let range = KeyRange { start: key(0), end: key(255) };
    let found = journal.scan(&range, 4).unwrap();
    assert_eq!(found.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>(), [190, 191, 192, 193].map(key));
    assert_eq!(most.load(Ordering::Relaxed), 4);
}
