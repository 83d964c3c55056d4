//! Values by key, in the order of keys.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{KeyRange, StateKey};

/// How many entries are kept in a list. Most transactions touch fewer keys, for which a tree costs more than it finds.
const FEW: usize = 32;

/// Room that a list starts with.
const FIRST: usize = 8;

/// Keys with a value, or with `None` for its absence. A sorted list while there are few, then a tree: one of both is empty.
#[derive(Clone, Default)]
pub(crate) struct Entries {
    few: Vec<(StateKey, Option<Bytes>)>,
    many: BTreeMap<StateKey, Option<Bytes>>,
}

impl Entries {
    pub(crate) fn get(&self, key: &StateKey) -> Option<&Option<Bytes>> {
        if !self.many.is_empty() {
            return self.many.get(key);
        }
        let at = self.search(key).ok()?;
        self.few.get(at).map(|(_, value)| value)
    }

    /// The value of a key, which is looked up and kept if it is not there; and whether it was.
    pub(crate) fn read<E>(
        &mut self,
        key: &StateKey,
        look_up: impl FnOnce() -> Result<Option<Bytes>, E>,
    ) -> Result<(Option<&Bytes>, bool), E> {
        let (at, known) = match self.search(key) {
            Ok(at) => (at, true),
            Err(at) => (at, self.many.contains_key(key)),
        };
        if !known {
            let value = look_up()?;
            match self.many.is_empty() && self.few.len() < FEW {
                true => self.place(at, key.clone(), value),
                false => drop(self.insert(key.clone(), value)),
            }
        }
        let value = match self.many.is_empty() {
            true => self.few.get(at).map(|(_, value)| value),
            false => self.many.get(key),
        };
        Ok((value.and_then(Option::as_ref), known))
    }

    /// Sets a key, and returns what it replaced.
    pub(crate) fn insert(&mut self, key: StateKey, value: Option<Bytes>) -> Option<Option<Bytes>> {
        if !self.many.is_empty() {
            return self.many.insert(key, value);
        }
        match self.search(&key) {
            Ok(at) => self.few.get_mut(at).map(|(_, old)| std::mem::replace(old, value)),
            Err(_) if self.few.len() == FEW => {
                self.many = std::mem::take(&mut self.few).into_iter().collect();
                self.many.insert(key, value)
            }
            Err(at) => {
                self.place(at, key, value);
                None
            }
        }
    }

    fn place(&mut self, at: usize, key: StateKey, value: Option<Bytes>) {
        if self.few.is_empty() {
            self.few.reserve(FIRST);
        }
        self.few.insert(at, (key, value));
    }

    pub(crate) fn remove(&mut self, key: &StateKey) {
        self.many.remove(key);
        if let Ok(at) = self.search(key) {
            self.few.remove(at);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&StateKey, &Option<Bytes>)> {
        self.few.iter().map(|(key, value)| (key, value)).chain(&self.many)
    }

    pub(crate) fn range(&self, range: &KeyRange) -> impl Iterator<Item = (&StateKey, &Option<Bytes>)> {
        let end = if range.is_empty() { &range.start } else { &range.end };
        let first = self.few.partition_point(|(key, _)| *key < range.start);
        let few = self.few.iter().skip(first).take_while(move |(key, _)| key < end);
        few.map(|(key, value)| (key, value)).chain(self.many.range(&range.start..end))
    }

    pub(crate) fn len(&self) -> usize {
        self.few.len() + self.many.len()
    }

    fn search(&self, key: &StateKey) -> Result<usize, usize> {
        self.few.binary_search_by(|(other, _)| other.cmp(key))
    }
}

impl PartialEq for Entries {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl Eq for Entries {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Step {
        Insert(u8, u8),
        Remove(u8),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let insert = (0..64u8, any::<u8>()).prop_map(|(key, value)| Step::Insert(key, value));
        let step = prop_oneof![3 => insert, 2 => (0..64u8).prop_map(Step::Remove)];
        prop::collection::vec(step, 0..200)
    }

    fn key(number: u8) -> StateKey {
        StateKey::system(&number.to_string())
    }

    proptest! {
        #[test]
        fn few_and_many_are_a_tree(steps in steps(), start in 0..64u8, end in 0..64u8) {
            let (mut entries, mut tree) = (Entries::default(), BTreeMap::new());
            for step in steps {
                match step {
                    Step::Insert(number, value) => {
                        let value = (value % 3 > 0).then(|| Bytes::from(vec![value]));
                        prop_assert_eq!(entries.insert(key(number), value.clone()), tree.insert(key(number), value));
                    }
                    Step::Remove(number) => {
                        entries.remove(&key(number));
                        tree.remove(&key(number));
                    }
                }
                prop_assert_eq!(entries.len(), tree.len());
            }
            prop_assert!(entries.iter().eq(&tree));
            for number in 0..64 {
                prop_assert_eq!(entries.get(&key(number)), tree.get(&key(number)));
                let mut read = entries.clone();
                let (value, known) = read.read(&key(number), || Ok::<_, ()>(Some(Bytes::new()))).unwrap();
                let (value, want) = (value.cloned(), tree.get(&key(number)).cloned());
                prop_assert_eq!(known, want.is_some());
                prop_assert_eq!(&value, &want.unwrap_or(Some(Bytes::new())));
                prop_assert_eq!(read.get(&key(number)), Some(&value));
            }
            let range = KeyRange { start: key(start), end: key(end) };
            prop_assert!(entries.range(&range).eq(tree.iter().filter(|(key, _)| range.contains(key))));
            let mut rebuilt = Entries::default();
            for (key, value) in &tree {
                rebuilt.insert(key.clone(), value.clone());
            }
            prop_assert!(entries == rebuilt, "however it came about");
        }
    }
}
