//! The seam to storage: ordered reads at a height, and an atomic commit that is fenced by the height.

use std::fmt;
use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;

use crate::entries::Entries;
use crate::{KeyRange, StateKey};

/// The number of commits that a state has seen.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    BorshSerialize,
    BorshDeserialize,
    serde::Serialize,
)]
#[serde(transparent)]
pub struct Height(u64);

impl Height {
    /// A height.
    pub const fn new(height: u64) -> Self {
        Self(height)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The height after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Why storage could not answer.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// Another commit came first; the caller's view of the height is out of date.
    #[error("commit on height {expected} refused: the state is at height {found}")]
    HeightMismatch {
        /// The height that the commit wanted to build on.
        expected: Height,
        /// The height that the state has.
        found: Height,
    },
    /// The storage engine failed; the text is its own.
    #[error("storage failed while {action}: {message}")]
    Storage {
        /// What was being done.
        action: &'static str,
        /// The engine's message.
        message: String,
    },
    /// A stored record cannot be decoded.
    #[error("stored {what} is damaged: {message}")]
    Damaged {
        /// Which record.
        what: String,
        /// Why.
        message: String,
    },
}

/// Reads of the state as it was at one height; later commits do not show.
///
/// ```
/// use vm_core::{Height, MemoryBackend, Space, StateBackend, StateKey, WriteSet};
/// let state = MemoryBackend::new();
/// let key = StateKey::system("answer");
/// let before = state.snapshot()?;
/// let mut writes = WriteSet::default();
/// writes.insert(key.clone(), Some(b"42".to_vec().into()));
/// state.commit(Height::new(0), Height::new(1), &writes)?;
/// assert_eq!(before.get(&key)?, None);
/// assert_eq!(state.snapshot()?.get(&key)?.as_deref(), Some(&b"42"[..]));
/// # Ok::<(), vm_core::StateError>(())
/// ```
pub trait StateView: Send + Sync {
    /// The height whose state this is.
    fn height(&self) -> Height;

    /// The value of a key.
    ///
    /// # Errors
    /// When the storage engine fails.
    fn get(&self, key: &StateKey) -> Result<Option<Bytes>, StateError>;

    /// Up to `limit` entries of a range in ascending order of keys.
    ///
    /// # Errors
    /// When the storage engine fails.
    fn scan(&self, range: &KeyRange, limit: usize) -> Result<Vec<(StateKey, Bytes)>, StateError>;
}

/// A store: snapshots, and atomic commits.
pub trait StateBackend: Send + Sync {
    /// The state as of the last commit.
    ///
    /// # Errors
    /// When the storage engine fails.
    fn snapshot(&self) -> Result<Arc<dyn StateView>, StateError>;

    /// Applies all writes and moves the height from `previous` to `next`, or does nothing. What it acknowledges is as
    /// durable as this backend promises.
    ///
    /// # Errors
    /// [`StateError::HeightMismatch`] when the state is not at `previous`; others when the storage engine fails.
    fn commit(&self, previous: Height, next: Height, writes: &WriteSet) -> Result<(), StateError>;
}

/// New values by key, in the order of keys; `None` deletes.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct WriteSet(Entries);

impl WriteSet {
    /// Sets or (with `None`) deletes a key.
    pub fn insert(&mut self, key: StateKey, value: Option<Bytes>) {
        self.0.insert(&key, value);
    }

    /// The new value of a key, if it is written.
    pub fn get(&self, key: &StateKey) -> Option<&Option<Bytes>> {
        self.0.get(key)
    }

    /// All writes in the order of keys.
    pub fn iter(&self) -> impl Iterator<Item = (&StateKey, &Option<Bytes>)> {
        self.0.iter()
    }

    /// The writes inside a range.
    pub fn range(&self, range: &KeyRange) -> impl Iterator<Item = (&StateKey, &Option<Bytes>)> {
        self.0.range(range)
    }

    /// Adds all writes of `later`, which win.
    pub fn extend(&mut self, later: &Self) {
        for (key, value) in later.iter() {
            self.0.insert(key, value.clone());
        }
    }

    /// The number of keys.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True when nothing is written.
    pub fn is_empty(&self) -> bool {
        self.0.len() == 0
    }

    /// Puts back what [`insert`](Self::insert) replaced.
    pub(crate) fn restore(&mut self, key: StateKey, old: Option<Option<Bytes>>) {
        match old {
            Some(value) => drop(self.0.insert(&key, value)),
            None => self.0.remove(&key),
        }
    }

    pub(crate) fn replace(&mut self, key: &StateKey, value: Option<Bytes>) -> Option<Option<Bytes>> {
        self.0.insert(key, value)
    }
}

/// What a transaction looked at in the state below it, whether or not the reading frame was reverted.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ReadSet {
    pub(crate) points: Entries,
    pub(crate) ranges: Vec<KeyRange>,
}

impl ReadSet {
    /// Single keys with the value that was seen, in the order of keys.
    pub fn points(&self) -> impl Iterator<Item = (&StateKey, &Option<Bytes>)> {
        self.points.iter()
    }

    /// Ranges, in the order in which they were read. A scan that stopped early covers what it saw.
    pub fn ranges(&self) -> &[KeyRange] {
        &self.ranges
    }

    /// The number of points and ranges.
    pub fn len(&self) -> usize {
        self.points.len() + self.ranges.len()
    }

    /// True when nothing was read.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A value for people: whole code images would bury everything else.
struct Shortened<'a>(&'a Option<Bytes>);

impl fmt::Debug for Shortened<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 64;
        match self.0 {
            None => f.write_str("none"),
            Some(value) => match value.get(..SHOWN) {
                Some(head) if value.len() > SHOWN => write!(f, "\"{}\"... {} bytes", head.escape_ascii(), value.len()),
                _ => write!(f, "\"{}\"", value.escape_ascii()),
            },
        }
    }
}

impl fmt::Debug for WriteSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|(key, value)| (key, Shortened(value)))).finish()
    }
}

impl fmt::Debug for ReadSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let points = self.points.iter().map(|(key, value)| (key, Shortened(value)));
        f.debug_map().entries(points).finish()?;
        f.debug_list().entries(&self.ranges).finish()
    }
}
