use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;

use crate::{Event, KeyRange, ReadSet, StateError, StateKey, StateView, WriteSet};

/// The journal of one transaction: an undo log with marks over a read-through view of the state.
///
/// Clones are handles to the same journal, so that a runtime that keeps state of its own during a transaction (an
/// [`Overlay`](crate::Overlay)) reads and writes the same one as the dispatcher. It stays on its thread.
///
/// * A write is seen by later reads; [`revert`](Self::revert) takes back all writes and events since a mark.
/// * The first read of a key from the view is recorded, and stays recorded when the frame that read it is reverted:
///   its outcome depended on it. A read of an own write depends on nothing below and is not recorded.
///
/// ```
/// use vm_core::{Journal, MemoryBackend, StateBackend, StateKey};
/// let journal = Journal::new(MemoryBackend::new().snapshot()?);
/// let (a, b) = (StateKey::system("a"), StateKey::system("b"));
/// journal.put(a.clone(), b"1".to_vec().into());
/// let mark = journal.mark();
/// journal.put(a.clone(), b"2".to_vec().into());
/// assert_eq!(journal.get(&b)?, None);
/// journal.revert(mark);
/// assert_eq!(journal.get(&a)?.as_deref(), Some(&b"1"[..]));
/// assert_eq!(journal.read_count(), 1, "the read of b stays");
/// # Ok::<(), vm_core::StateError>(())
/// ```
#[derive(Clone)]
pub struct Journal(Rc<RefCell<Inner>>);

/// A point to which a journal can be reverted. Marks nest: reverting to one invalidates all later ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    undo: usize,
    events: usize,
}

struct Inner {
    view: Arc<dyn StateView>,
    writes: WriteSet,
    undo: Vec<(StateKey, Option<Option<Bytes>>)>,
    reads: ReadSet,
    events: Vec<Event>,
    /// Bytes of keys, values and events that went through, reverted ones included.
    size: usize,
}

/// All that a transaction did, as [`Journal::finish`] hands it out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// What it read.
    pub reads: ReadSet,
    /// What it wrote.
    pub writes: WriteSet,
    /// The events that were not reverted, in the order in which they were emitted.
    pub events: Vec<Event>,
}

impl Journal {
    /// An empty journal over a view.
    pub fn new(view: Arc<dyn StateView>) -> Self {
        let (writes, reads) = (WriteSet::default(), ReadSet::default());
        Self(Rc::new(RefCell::new(Inner { view, writes, undo: Vec::new(), reads, events: Vec::new(), size: 0 })))
    }

    /// The value of a key as this transaction sees it.
    ///
    /// # Errors
    /// When the state below fails.
    pub fn get(&self, key: &StateKey) -> Result<Option<Bytes>, StateError> {
        self.read(key, |value| value.cloned())
    }

    /// As [`get`](Self::get), but hands out a reference: for those who decode a value and do not keep it.
    ///
    /// # Errors
    /// When the state below fails.
    ///
    /// # Panics
    /// When the look uses the journal.
    pub fn read<T>(&self, key: &StateKey, look: impl FnOnce(Option<&Bytes>) -> T) -> Result<T, StateError> {
        let mut inner = self.0.borrow_mut();
        let Inner { view, writes, reads, size, .. } = &mut *inner;
        if let Some(value) = writes.get(key) {
            return Ok(look(value.as_ref()));
        }
        let (value, known) = reads.points.read(key, || view.get(key))?;
        if !known {
            *size = size.saturating_add(entry_size(key, value));
        }
        Ok(look(value))
    }

    /// As [`get`](Self::get), but not recorded: only for values that cannot change, such as code under its hash.
    ///
    /// # Errors
    /// When the state below fails.
    pub fn get_immutable(&self, key: &StateKey) -> Result<Option<Bytes>, StateError> {
        let inner = self.0.borrow();
        match inner.writes.get(key) {
            Some(value) => Ok(value.clone()),
            None => inner.view.get(key),
        }
    }

    /// Sets a key.
    pub fn put(&self, key: StateKey, value: Bytes) {
        self.0.borrow_mut().write(key, Some(value));
    }

    /// Deletes a key.
    pub fn delete(&self, key: StateKey) {
        self.0.borrow_mut().write(key, None);
    }

    /// Up to `limit` entries of a range as this transaction sees them, in the order of keys. The part of the range that
    /// decided the answer is recorded.
    ///
    /// # Errors
    /// When the state below fails.
    pub fn scan(&self, range: &KeyRange, limit: usize) -> Result<Vec<(StateKey, Bytes)>, StateError> {
        if limit == 0 || range.is_empty() {
            return Ok(Vec::new());
        }
        let mut inner = self.0.borrow_mut();
        let inner = &mut *inner;
        let mut below = Below { view: &*inner.view, rest: range.clone(), piece: limit, read: Vec::new().into_iter() };
        let mut merged = Vec::new();
        let mut own = inner.writes.range(range).peekable();
        while merged.len() < limit {
            let own_first = match (own.peek(), below.first()?) {
                (None, None) => break,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (Some((own_key, _)), Some(key)) => {
                    if *own_key == key {
                        below.take();
                        continue;
                    }
                    *own_key < key
                }
            };
            if own_first {
                if let Some((key, Some(value))) = own.next() {
                    merged.push((key.clone(), value.clone()));
                }
            } else {
                merged.extend(below.take());
            }
        }
        let end = match merged.last() {
            Some((last, _)) if merged.len() == limit => last.successor(),
            _ => range.end.clone(),
        };
        drop(own);
        let seen = KeyRange { start: range.start.clone(), end };
        if inner.reads.ranges.last() != Some(&seen) {
            inner.reads.ranges.push(seen);
        }
        Ok(merged)
    }

    /// Appends an event.
    pub fn emit(&self, event: Event) {
        let mut inner = self.0.borrow_mut();
        let topics = event.topics.iter().map(|topic| topic.len()).fold(0, usize::saturating_add);
        inner.size = inner.size.saturating_add(topics).saturating_add(event.data.len()).saturating_add(ENTRY);
        inner.events.push(event);
    }

    /// The present point, for [`revert`](Self::revert).
    pub fn mark(&self) -> Mark {
        let inner = self.0.borrow();
        Mark { undo: inner.undo.len(), events: inner.events.len() }
    }

    /// Takes back all writes and events since the mark. Reads stay in the read set.
    pub fn revert(&self, mark: Mark) {
        let mut inner = self.0.borrow_mut();
        let inner = &mut *inner;
        inner.events.truncate(mark.events);
        while inner.undo.len() > mark.undo {
            if let Some((key, old)) = inner.undo.pop() {
                inner.writes.restore(key, old);
            }
        }
    }

    /// The number of recorded points and ranges.
    pub fn read_count(&self) -> usize {
        self.0.borrow().reads.len()
    }

    /// The bytes of keys, values and events that went through this journal, also what was reverted or overwritten, and some
    /// for each entry.
    pub fn size(&self) -> usize {
        self.0.borrow().size
    }

    /// The view below.
    pub fn view(&self) -> Arc<dyn StateView> {
        self.0.borrow().view.clone()
    }

    /// Takes everything out and leaves the journal empty.
    pub fn finish(&self) -> Changes {
        let mut inner = self.0.borrow_mut();
        inner.undo.clear();
        Changes {
            reads: std::mem::take(&mut inner.reads),
            writes: std::mem::take(&mut inner.writes),
            events: std::mem::take(&mut inner.events),
        }
    }
}

/// What an entry occupies beside its bytes, roughly.
const ENTRY: usize = 128;

fn entry_size(key: &StateKey, value: Option<&Bytes>) -> usize {
    key.as_bytes().len().saturating_add(value.map_or(0, Bytes::len)).saturating_add(ENTRY)
}

impl Inner {
    fn write(&mut self, key: StateKey, value: Option<Bytes>) {
        self.size = self.size.saturating_add(entry_size(&key, value.as_ref()));
        let old = self.writes.replace(&key, value);
        self.undo.push((key, old));
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.0.borrow();
        f.debug_struct("Journal")
            .field("height", &inner.view.height())
            .field("reads", &inner.reads.len())
            .field("writes", &inner.writes.len())
            .field("events", &inner.events.len())
            .finish()
    }
}

/// The entries of a range below own writes. They are read piece by piece: as many as are wanted may be hidden by own deletions,
/// and each may be long.
struct Below<'v> {
    view: &'v dyn StateView,
    /// What is not read yet.
    rest: KeyRange,
    piece: usize,
    read: std::vec::IntoIter<(StateKey, Bytes)>,
}

impl Below<'_> {
    /// The key of the first entry.
    fn first(&mut self) -> Result<Option<&StateKey>, StateError> {
        if self.read.as_slice().is_empty() && !self.rest.is_empty() {
            let read = self.view.scan(&self.rest, self.piece)?;
            self.rest.start = match read.last() {
                Some((last, _)) if read.len() >= self.piece => last.successor(),
                _ => self.rest.end.clone(),
            };
            self.read = read.into_iter();
        }
        Ok(self.read.as_slice().first().map(|(key, _)| key))
    }

    fn take(&mut self) -> Option<(StateKey, Bytes)> {
        self.read.next()
    }
}
