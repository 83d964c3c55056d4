//! Values by key, in the order of keys.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{KeyRange, StateKey};

/// How many entries are kept in a list. Most transactions touch fewer keys, for which a tree costs more than it finds.
const FEW: usize = 32;

/// Room that a list starts with.
const FIRST: usize = 8;

/// Keys with a value, or with `None` for its absence.
#[derive(Clone)]
pub(crate) enum Entries {
    /// In the order of keys.
    Few(Vec<(StateKey, Option<Bytes>)>),
    Many(BTreeMap<StateKey, Option<Bytes>>),
}

impl Default for Entries {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Entries {
    pub(crate) fn get(&self, key: &StateKey) -> Option<&Option<Bytes>> {
        match self {
            Self::Few(few) => few.get(search(few, key).ok()?).map(|(_, value)| value),
            Self::Many(many) => many.get(key),
        }
    }

    /// The value of a key, which is looked up and kept if it is not there; and whether it was.
    pub(crate) fn read<E>(
        &mut self,
        key: &StateKey,
        look_up: impl FnOnce() -> Result<Option<Bytes>, E>,
    ) -> Result<(Option<&Bytes>, bool), E> {
        let (at, known) = match self {
            Self::Few(few) => match search(few, key) {
                Ok(at) => (at, true),
                Err(at) => (at, false),
            },
            Self::Many(many) => (0, many.contains_key(key)),
        };
        if !known {
            let value = look_up()?;
            match self {
                Self::Few(few) if few.len() < FEW => place(few, at, key.clone(), value),
                _ => drop(self.insert(key, value)),
            }
        }
        let value = match self {
            Self::Few(few) => few.get(at).map(|(_, value)| value),
            Self::Many(many) => many.get(key),
        };
        Ok((value.and_then(Option::as_ref), known))
    }

    /// Sets a key, and returns what it replaced.
    pub(crate) fn insert(&mut self, key: &StateKey, value: Option<Bytes>) -> Option<Option<Bytes>> {
        match self {
            Self::Few(few) => match search(few, key) {
                Ok(at) => few.get_mut(at).map(|(_, old)| std::mem::replace(old, value)),
                Err(_) if few.len() == FEW => {
                    let all = std::mem::take(few).into_iter().chain([(key.clone(), value)]);
                    *self = Self::Many(all.collect());
                    None
                }
                Err(at) => {
                    place(few, at, key.clone(), value);
                    None
                }
            },
            Self::Many(many) => many.insert(key.clone(), value),
        }
    }

    pub(crate) fn remove(&mut self, key: &StateKey) {
        match self {
            Self::Few(few) => {
                if let Ok(at) = search(few, key) {
                    few.remove(at);
                }
            }
            Self::Many(many) => drop(many.remove(key)),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&StateKey, &Option<Bytes>)> {
        let (few, many) = match self {
            Self::Few(few) => (&few[..], None),
            Self::Many(many) => (&[][..], Some(many)),
        };
        few.iter().map(|(key, value)| (key, value)).chain(many.into_iter().flatten())
    }

    pub(crate) fn range(&self, range: &KeyRange) -> impl Iterator<Item = (&StateKey, &Option<Bytes>)> {
        let end = if range.is_empty() { &range.start } else { &range.end };
        let (few, many) = match self {
            Self::Few(few) => (&few[..], None),
            Self::Many(many) => (&[][..], Some(many.range(&range.start..end))),
        };
        let first = few.partition_point(|(key, _)| *key < range.start);
        let few = few.iter().skip(first).take_while(move |(key, _)| key < end);
        few.map(|(key, value)| (key, value)).chain(many.into_iter().flatten())
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Few(few) => few.len(),
            Self::Many(many) => many.len(),
        }
    }
}

fn search(few: &[(StateKey, Option<Bytes>)], key: &StateKey) -> Result<usize, usize> {
    few.binary_search_by(|(other, _)| other.cmp(key))
}

fn place(few: &mut Vec<(StateKey, Option<Bytes>)>, at: usize, key: StateKey, value: Option<Bytes>) {
    if few.is_empty() {
        few.reserve(FIRST);
    }
    few.insert(at, (key, value));
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
                        prop_assert_eq!(entries.insert(&key(number), value.clone()), tree.insert(key(number), value));
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
                rebuilt.insert(key, value.clone());
            }
            prop_assert!(entries == rebuilt, "however it came about");
        }
    }
}
