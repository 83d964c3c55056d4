//! The in-memory store against a model of all its past states.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;
use vm_core::{Height, KeyRange, MemoryBackend, Space, StateBackend, StateError, StateKey, WriteSet};

fn key(n: u8) -> StateKey {
    StateKey::new(Space::Contract, b"c", &[n])
}

proptest! {
    #[test]
    fn snapshots_stay_what_they_were(
        commits in prop::collection::vec((prop::collection::vec((0u8..6, prop::option::of(any::<u8>())), 0..5), any::<bool>(), any::<bool>()), 0..12),
    ) {
        let backend = MemoryBackend::new();
        let mut model: BTreeMap<u8, u8> = BTreeMap::new();
        let mut snapshots = Vec::new();
        for (number, (writes, keep, forget)) in commits.into_iter().enumerate() {
            let mut set = WriteSet::default();
            for (n, value) in writes {
                set.insert(key(n), value.map(|value| vec![value].into()));
                match value {
                    Some(value) => model.insert(n, value),
                    None => model.remove(&n),
                };
            }
            let height = Height::new(number as u64);
            backend.commit(height, height.next(), &set).unwrap();
            if forget && !snapshots.is_empty() {
                snapshots.remove(0);
            }
            if keep {
                snapshots.push((backend.snapshot().unwrap(), model.clone()));
            }
            for (view, model) in &snapshots {
                let all: Vec<_> = view.scan(&KeyRange::space(Space::Contract), 100).unwrap();
                let expected: Vec<_> = model.iter().map(|(n, value)| (key(*n), Bytes::from(vec![*value]))).collect();
                prop_assert_eq!(all, expected);
                for n in 0..6 {
                    prop_assert_eq!(view.get(&key(n)).unwrap().map(|value| value[0]), model.get(&n).copied());
                }
            }
        }
    }
}

#[test]
fn a_commit_on_another_height_is_refused_and_does_nothing() {
    let backend = MemoryBackend::new();
    let mut writes = WriteSet::default();
    writes.insert(key(1), Some(Bytes::new()));
    let error = backend.commit(Height::new(1), Height::new(2), &writes).unwrap_err();
    assert!(matches!(error, StateError::HeightMismatch { .. }));
    assert_eq!(error.to_string(), "commit on height 1 refused: the state is at height 0");
    assert_eq!(backend.snapshot().unwrap().get(&key(1)).unwrap(), None);
}
