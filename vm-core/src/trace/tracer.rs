use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use super::{CallTree, HostOperation, Traced, TracedCall, TracedOperation};
use crate::{Gas, Outcome, TraceLevel};

/// The most that one tree has of calls, operations and instructions.
const MOST_ENTRIES: usize = 250_000;

/// The most that one tree occupies, in bytes.
const MOST_BYTES: usize = 64 << 20;

/// Where the calls of a transaction are told while it runs. Clones are handles to the same one; it stays on its thread.
///
/// The dispatcher opens and closes a call for everything that it enters, and tells what goes through
/// [`Host`](crate::Host). A runtime with calls of its own (the EVM) does the same for these, and tells what its engine keeps.
#[derive(Clone)]
pub struct Tracer(Rc<Recorder>);

struct Recorder {
    level: TraceLevel,
    inner: RefCell<Inner>,
}

#[derive(Default)]
struct Inner {
    /// The calls that run, outermost first, each with whether there was room for it when it began.
    open: Vec<(TracedCall, bool)>,
    tree: CallTree,
    entries: usize,
    bytes: usize,
}

impl Tracer {
    /// One that has been told nothing; none where nothing is to be told.
    pub(crate) fn new(level: TraceLevel) -> Option<Self> {
        (level > TraceLevel::Off).then(|| Self(Rc::new(Recorder { level, inner: RefCell::default() })))
    }

    /// True when instructions are wanted, too.
    #[must_use]
    pub fn wants_steps(&self) -> bool {
        self.0.level >= TraceLevel::Steps
    }

    /// A call begins, inside the newest one that is open. What is known at its end only may be anything.
    pub fn open(&self, call: TracedCall) {
        let mut inner = self.0.inner.borrow_mut();
        let weight = size_of::<TracedCall>().saturating_add(call.input.weight()).saturating_add(call.method.len());
        let kept = inner.takes(weight, false);
        inner.open.push((call, kept));
    }

    /// Adds to what is known of the newest call that is open.
    pub fn amend(&self, amend: impl FnOnce(&mut TracedCall)) {
        if let Some((call, _)) = self.0.inner.borrow_mut().open.last_mut() {
            amend(call);
        }
    }

    /// The newest call that is open has ended.
    pub fn close(&self, outcome: &Outcome) {
        let mut inner = self.0.inner.borrow_mut();
        let Some((mut call, kept)) = inner.open.pop() else { return };
        call.status = outcome.status.clone();
        call.output = (&outcome.output).into();
        call.gas_used = outcome.gas_used;
        inner.bytes = inner.bytes.saturating_add(call.output.weight());
        if !kept {
            inner.tree.omitted = inner.tree.omitted.saturating_add(1);
            return;
        }
        match inner.open.last_mut() {
            Some((outer, _)) => outer.inside.push(Traced::Call(Box::new(call))),
            None => inner.tree.calls.push(call),
        }
    }

    /// Something was done inside the newest call that is open, for so much gas; or was not, for this reason.
    pub fn operation(&self, what: HostOperation, gas: Gas, stopped: Option<String>) {
        let weight = what.weight().saturating_add(stopped.as_ref().map_or(0, String::len));
        self.tell(weight, Traced::Operation(TracedOperation { what, gas, stopped }));
    }

    /// An instruction was executed in the newest call that is open; it is told in a JSON object.
    pub fn step(&self, object: String) {
        self.tell(object.len(), Traced::Step(object));
    }

    fn tell(&self, weight: usize, traced: Traced) {
        let mut inner = self.0.inner.borrow_mut();
        let is_step = matches!(traced, Traced::Step(_));
        if !inner.takes(size_of::<Traced>().saturating_add(weight), is_step) {
            inner.tree.omitted = inner.tree.omitted.saturating_add(1);
        } else if let Some((call, _)) = inner.open.last_mut() {
            call.inside.push(traced);
        }
    }

    /// The tree of what has ended, to a transaction that used so much gas altogether.
    pub(crate) fn finish(&self, gas_used: Gas) -> CallTree {
        let mut tree = std::mem::take(&mut self.0.inner.borrow_mut().tree);
        let inside = tree.calls.iter().map(|call| call.gas_used).fold(Gas::ZERO, Gas::saturating_add);
        tree.gas_before = gas_used.saturating_sub(inside);
        tree
    }
}

impl Inner {
    /// Counts an entry, if there is room for it. Instructions leave half of the room to others.
    fn takes(&mut self, weight: usize, is_step: bool) -> bool {
        let part = if is_step { 2 } else { 1 };
        let fits = self.entries < MOST_ENTRIES / part
            && self.bytes.saturating_add(weight) <= MOST_BYTES / part
            // What lies in a call that is not kept is not, either.
            && self.open.last().is_none_or(|(_, kept)| *kept);
        if fits {
            self.entries = self.entries.saturating_add(1);
            self.bytes = self.bytes.saturating_add(weight);
        }
        fits
    }
}

impl HostOperation {
    /// What it occupies in memory beside itself, roughly.
    fn weight(&self) -> usize {
        match self {
            Self::Get { key, value } => key.weight().saturating_add(value.as_ref().map_or(0, super::Excerpt::weight)),
            Self::Put { key, value } => key.weight().saturating_add(value.weight()),
            Self::Delete { key } => key.weight(),
            Self::Scan { start, end, .. } => start.weight().saturating_add(end.weight()),
            Self::Emit { topics, data } => {
                topics.iter().map(super::Excerpt::weight).fold(data.weight(), usize::saturating_add)
            }
            Self::Log { message } => message.len(),
        }
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.0.inner.borrow().entries;
        f.debug_struct("Tracer").field("level", &self.0.level).field("entries", &entries).finish_non_exhaustive()
    }
}
