use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

use crate::core::Core;
use crate::metrics::{Metrics, add};
use crate::{Changes, Height, KeyRange, ReadSet, StateBackend, StateError, StateKey, WriteSet};

/// Orders transactions that were executed side by side, and commits them in groups.
///
/// A transaction whose reads were all made at a height since which nothing of them changed has the result that it would
/// have at its place in the order, so it is committed; any other must be executed again. Whoever brings a transaction
/// while nobody commits becomes the leader and commits everything that waits, so that one durable write serves many.
pub(crate) struct Committer {
    backend: Arc<dyn StateBackend>,
    core: Arc<Core>,
    waiting: Mutex<Vec<Pending>>,
    leader: Mutex<Recent>,
}

/// A transaction that wants to be committed.
pub(crate) struct Pending {
    /// The height that it was executed on.
    pub(crate) base: Height,
    pub(crate) changes: Changes,
    /// Told the result on the leader's thread.
    pub(crate) done: Done,
}

pub(crate) type Done = Box<dyn FnOnce(Committed, Changes) + Send>;

/// What became of a transaction.
pub(crate) enum Committed {
    /// It is part of the state from this height on, as durable as the backend promises.
    At(Height),
    /// Something that it read has changed: execute it again.
    Conflict,
    /// The state could not be written; nothing of it was.
    Failed(StateError),
}

/// Which keys were written at which height.
struct Recent {
    height: Height,
    /// Writes up to this height are not known any more.
    floor: Height,
    written: BTreeMap<StateKey, Height>,
}

/// How many keys are remembered before the memory is cleared; transactions from before are then executed again.
const REMEMBERED: usize = 1 << 16;

impl Recent {
    fn conflicts(&self, base: Height, reads: &ReadSet) -> bool {
        let changed = |height: &Height| *height > base;
        let in_range = |range: &KeyRange| {
            !range.is_empty()
                && self.written.range(range.start.clone()..range.end.clone()).any(|(_, height)| changed(height))
        };
        base < self.floor
            || reads.points().any(|(key, _)| self.written.get(key).is_some_and(changed))
            || reads.ranges().iter().any(in_range)
    }

    fn record(&mut self, writes: &WriteSet, height: Height) {
        if self.written.len() + writes.len() > REMEMBERED {
            self.written.clear();
            self.floor = height;
        }
        self.written.extend(writes.iter().map(|(key, _)| (key.clone(), height)));
    }
}

impl Committer {
    pub(crate) fn new(backend: Arc<dyn StateBackend>, core: Arc<Core>) -> Result<Self, StateError> {
        let height = backend.snapshot()?.height();
        let recent = Recent { height, floor: height, written: BTreeMap::new() };
        Ok(Self { backend, core, waiting: Mutex::default(), leader: Mutex::new(recent) })
    }

    /// Hands a transaction in. Its `done` is called now or by the present leader.
    pub(crate) fn submit(&self, pending: Pending) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(pending);
        // Whoever finds the leader busy leaves: the leader looks again after it has stepped down.
        while !self.is_idle() {
            let mut recent = match self.leader.try_lock() {
                Ok(recent) => recent,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return,
            };
            let batch = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
            let answers = self.commit(&mut recent, batch);
            drop(recent);
            for (pending, committed) in answers {
                (pending.done)(committed, pending.changes);
            }
        }
    }

    /// Commits writes that depend on nothing.
    pub(crate) fn write(&self, writes: WriteSet) -> Result<(), StateError> {
        let mut recent = self.leader.lock().unwrap_or_else(PoisonError::into_inner);
        let next = recent.height.next();
        self.backend.commit(recent.height, next, &writes)?;
        recent.height = next;
        recent.record(&writes, next);
        Ok(())
    }

    fn is_idle(&self) -> bool {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    fn commit(&self, recent: &mut Recent, batch: Vec<Pending>) -> Vec<(Pending, Committed)> {
        let (previous, next) = (recent.height, recent.height.next());
        let mut writes = WriteSet::default();
        let mut answers = Vec::with_capacity(batch.len());
        let mut accepted = 0;
        for pending in batch {
            // Inside the batch the earlier ones come first: nobody may have read what they write.
            if recent.conflicts(pending.base, &pending.changes.reads) || touches(&pending.changes.reads, &writes) {
                answers.push((pending, Committed::Conflict));
                continue;
            }
            writes.extend(&pending.changes.writes);
            answers.push((pending, Committed::At(next)));
            accepted += 1;
        }
        let metrics: &Metrics = &self.core.metrics;
        add(&metrics.conflicts, answers.len() as u64 - accepted);
        if accepted == 0 {
            return answers;
        }
        if let Err(error) = self.backend.commit(previous, next, &writes) {
            tracing::error!(target: "vm::commit", %error, "commit failed; its transactions were not carried out");
            let failed = |(pending, _)| (pending, Committed::Failed(error.clone()));
            return answers.into_iter().map(failed).collect();
        }
        recent.height = next;
        recent.record(&writes, next);
        add(&metrics.commits, 1);
        add(&metrics.committed, accepted);
        answers
    }
}

fn touches(reads: &ReadSet, writes: &WriteSet) -> bool {
    !writes.is_empty()
        && (reads.points().any(|(key, _)| writes.get(key).is_some())
            || reads.ranges().iter().any(|range| writes.range(range).next().is_some()))
}
