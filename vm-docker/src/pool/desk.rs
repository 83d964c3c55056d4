//! Who has a connection of a container, who waits for one, and when another container starts. Knows neither clocks nor containers.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    time::{Duration, Instant},
};

use vm_core::HostFault;

use crate::room::Rank;

/// What is given out: one of a container's connections.
pub(super) trait Worker {
    /// Tells its container apart from all others.
    fn id(&self) -> &str;

    /// How many its container has.
    fn siblings(&self) -> usize;

    /// True if its container is given up: it takes no more calls.
    fn is_retired(&self) -> bool;
}

/// The numbers of containers of one code, and of calls that wait for one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) min: usize,
    pub(super) max: usize,
    pub(super) queue: usize,
}

/// What another container is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Calls wait.
    Calls(Rank),
    /// The least number is to be kept ready.
    Least,
}

/// Hands workers to calls, in the order in which these came; those that are nested in other calls come before the others.
pub(super) struct Desk<W> {
    bounds: Bounds,
    /// The one that was used last is the next to be used, so that the others may grow old.
    idle: Vec<(W, Instant)>,
    waiting: VecDeque<Waiting<W>>,
    /// Containers that exist.
    live: usize,
    /// Those of them that take no more calls, and have some still.
    retired: usize,
    /// True while one starts. There is never more than one: calls are much shorter than starts, so whether yet another one is
    /// needed shows when this one is there.
    starting: bool,
    /// Starts that failed since one succeeded.
    failures: u32,
    next: u64,
    /// When one was used last.
    used: Instant,
}

/// A call that waits.
struct Waiting<W> {
    ticket: u64,
    nested: bool,
    answer: SyncSender<Result<W, HostFault>>,
}

/// A place in the queue.
pub(super) struct Ticket<W> {
    pub(super) number: u64,
    /// Yields once: a worker, or why there is none.
    pub(super) answer: Receiver<Result<W, HostFault>>,
    /// True when no container exists that could come free: one has to start before anything can happen.
    pub(super) cold: bool,
}

/// The queue is as long as it may be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

impl<W: Worker> Desk<W> {
    /// A desk with the workers of one container, idle since `now`.
    pub(super) fn new(bounds: Bounds, first: Vec<W>, now: Instant) -> Self {
        let idle = first.into_iter().map(|worker| (worker, now)).collect();
        Self {
            bounds,
            idle,
            waiting: VecDeque::new(),
            live: 1,
            retired: 0,
            starting: false,
            failures: 0,
            next: 0,
            used: now,
        }
    }

    /// An idle worker.
    pub(super) fn take(&mut self) -> Option<W> {
        // Nobody is overtaken: as long as one is idle, nobody waits.
        self.idle.pop().map(|(worker, _)| worker)
    }

    /// Takes a place in the queue: behind all, or behind those that are `nested`, who keep others waiting until they go on. These
    /// there is always a place for.
    pub(super) fn wait(&mut self, nested: bool) -> Result<Ticket<W>, Full> {
        if !nested && self.waiting.len() >= self.bounds.queue {
            return Err(Full);
        }
        let (sender, answer) = sync_channel(1);
        let number = self.next;
        self.next += 1;
        let all = self.waiting.len();
        let behind = if nested { self.waiting.iter().take_while(|waiting| waiting.nested).count() } else { all };
        self.waiting.insert(behind, Waiting { ticket: number, nested, answer: sender });
        Ok(Ticket { number, answer, cold: self.serving() == 0 })
    }

    /// Gives up a place in the queue. False if it was called already: then the answer is there.
    pub(super) fn leave(&mut self, number: u64) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|waiting| waiting.ticket != number);
        self.waiting.len() < before
    }

    /// Takes back a worker: it goes to the first who waits for one, or is idle since `now`. One that is retired is given back.
    #[must_use = "to drop a worker may need the desk"]
    pub(super) fn put(&mut self, mut worker: W, now: Instant) -> Option<W> {
        self.used = now;
        if worker.is_retired() {
            return Some(worker);
        }
        while let Some(waiting) = self.waiting.pop_front() {
            match waiting.answer.try_send(Ok(worker)) {
                Ok(()) => return None,
                // It has gone without leaving.
                Err(TrySendError::Full(Ok(back)) | TrySendError::Disconnected(Ok(back))) => worker = back,
                Err(_) => return None,
            }
        }
        self.idle.push((worker, now));
        None
    }

    /// A container is retired: takes its idle workers out.
    pub(super) fn retire(&mut self, container: &str) -> Vec<W> {
        self.retired += 1;
        self.take_out(|worker| worker.id() == container)
    }

    /// A container is gone, which was retired.
    pub(super) fn lost(&mut self) {
        self.live = self.live.saturating_sub(1);
        self.retired = self.retired.saturating_sub(1);
    }

    /// What a container has to start for now; it counts as starting from then on.
    pub(super) fn begin(&mut self) -> Option<Need> {
        let need = self.need().filter(|_| !self.starting && self.live < self.bounds.max)?;
        self.starting = true;
        Some(need)
    }

    /// What another container is needed for.
    pub(super) fn need(&self) -> Option<Need> {
        match self.waiting.is_empty() {
            false => Some(Need::Calls(self.rank())),
            true if self.serving() < self.bounds.min => Some(Need::Least),
            true => None,
        }
    }

    /// How much those who wait need another container.
    fn rank(&self) -> Rank {
        match self.waiting.front() {
            Some(first) if first.nested => Rank::Nested,
            _ if self.serving() == 0 => Rank::Cold,
            _ => Rank::More,
        }
    }

    /// The container that was to start is not made.
    pub(super) fn abandoned(&mut self) {
        self.starting = false;
    }

    /// The container that started is there, with these workers. Those that are retired already are given back.
    #[must_use = "to drop a worker may need the desk"]
    pub(super) fn started(&mut self, workers: Vec<W>, now: Instant) -> Vec<W> {
        self.starting = false;
        self.failures = 0;
        self.live += 1;
        workers.into_iter().filter_map(|worker| self.put(worker, now)).collect()
    }

    /// The container that started will not be there. Who waits is told, unless there are workers to wait for.
    pub(super) fn failed(&mut self, fault: &HostFault) {
        self.starting = false;
        self.failures = self.failures.saturating_add(1);
        self.refuse(fault);
    }

    /// No container may start now. Who waits is told, unless there are workers to wait for.
    pub(super) fn refuse(&mut self, fault: &HostFault) {
        if self.serving() == 0 && !self.starting {
            for waiting in self.waiting.drain(..) {
                // Who is gone needs no answer.
                let _ = waiting.answer.try_send(Err(fault.clone()));
            }
        }
    }

    /// Takes the workers of containers out that have been idle for longer than `limit`, down to the least number that is kept.
    pub(super) fn expire(&mut self, limit: Duration, now: Instant) -> Vec<W> {
        let spare = self.serving().saturating_sub(self.bounds.min);
        // For each container, how many of its workers were idle for so long.
        let mut old: BTreeMap<&str, usize> = BTreeMap::new();
        for (worker, since) in &self.idle {
            if now.saturating_duration_since(*since) > limit {
                *old.entry(worker.id()).or_default() += 1;
            }
        }
        // Those that were used longest ago come first.
        let mut chosen: Vec<String> = Vec::new();
        for (worker, _) in &self.idle {
            let id = worker.id();
            let all = old.get(id).is_some_and(|old| *old == worker.siblings());
            if all && chosen.len() < spare && !chosen.iter().any(|chosen| chosen == id) {
                chosen.push(id.to_owned());
            }
        }
        self.take_out(|worker| chosen.iter().any(|chosen| chosen == worker.id()))
    }

    /// Since when the container has been idle that was used longest ago.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.idle_since().values().min().copied()
    }

    /// Takes the workers of that container out.
    pub(super) fn take_oldest(&mut self) -> Vec<W> {
        let idle = self.idle_since();
        let Some(id) = idle.iter().min_by_key(|(_, since)| **since).map(|(id, _)| (*id).to_owned()) else {
            return Vec::new();
        };
        self.take_out(|worker| worker.id() == id)
    }

    /// When one was used last, where none has a call, none starts and nobody waits.
    pub(super) fn unused_since(&self) -> Option<Instant> {
        let unused = self.idle_since().len() == self.live && self.waiting.is_empty() && !self.starting;
        unused.then_some(self.used)
    }

    /// Takes all workers out that are idle.
    pub(super) fn take_all(&mut self) -> Vec<W> {
        self.take_out(|_| true)
    }

    /// The containers all of whose workers are idle, and since when the last of these is.
    fn idle_since(&self) -> BTreeMap<&str, Instant> {
        let mut idle: BTreeMap<&str, (usize, Instant)> = BTreeMap::new();
        for (worker, since) in &self.idle {
            let (missing, last) = idle.entry(worker.id()).or_insert_with(|| (worker.siblings(), *since));
            (*missing, *last) = (missing.saturating_sub(1), (*last).max(*since));
        }
        idle.into_iter().filter(|(_, (missing, _))| *missing == 0).map(|(id, (_, since))| (id, since)).collect()
    }

    /// How many containers exist, and how many of them take calls.
    pub(super) fn numbers(&self) -> (usize, usize) {
        (self.live, self.serving())
    }

    /// How many calls wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// How many containers take calls.
    pub(super) fn serving(&self) -> usize {
        self.live.saturating_sub(self.retired)
    }

    /// How many starts have failed one after the other.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// How many containers have no call, exist, and how many calls wait.
    pub(super) fn counts(&self) -> (usize, usize, usize) {
        (self.idle_since().len(), self.live, self.waiting.len())
    }

    fn take_out(&mut self, chosen: impl Fn(&W) -> bool) -> Vec<W> {
        self.idle.extract_if(.., |(worker, _)| chosen(worker)).map(|(worker, _)| worker).collect()
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "times are compared, nothing waits for them")]
mod tests {
    use std::{cell::Cell, collections::BTreeSet, rc::Rc};

    use proptest::prelude::*;

    use super::*;

    /// A connection: its container, how many that has, and whether it is retired.
    #[derive(Debug, Clone)]
    struct Line(String, usize, Rc<Cell<bool>>);

    impl Worker for Line {
        fn id(&self) -> &str {
            &self.0
        }

        fn siblings(&self) -> usize {
            self.1
        }

        fn is_retired(&self) -> bool {
            self.2.get()
        }
    }

    /// The connections of a container.
    fn lines(name: &str, count: usize) -> Vec<Line> {
        vec![Line(name.into(), count, Rc::default()); count]
    }

    fn line(name: &str) -> Line {
        lines(name, 1).remove(0)
    }

    fn desk(min: usize, max: usize) -> Desk<Line> {
        Desk::new(Bounds { min, max, queue: 3 }, lines("a", 1), Instant::now())
    }

    fn got(ticket: &Ticket<Line>) -> Option<String> {
        ticket.answer.try_recv().ok().map(|worker| worker.unwrap().0)
    }

    fn ids(workers: &[Line]) -> Vec<&str> {
        workers.iter().map(Worker::id).collect()
    }

    #[test]
    fn workers_go_to_who_came_first() {
        let mut desk = desk(0, 2);
        let now = Instant::now();
        let worker = desk.take().unwrap();
        let tickets = [(); 3].map(|()| desk.wait(false).unwrap());
        assert_eq!(desk.wait(false).err(), Some(Full));
        assert!(desk.leave(tickets[0].number) && !desk.leave(tickets[0].number));
        assert!(desk.put(worker, now).is_none());
        assert_eq!(got(&tickets[1]).as_deref(), Some("a"));
        assert_eq!(got(&tickets[2]), None);
        assert!(desk.take().is_none(), "nobody overtakes");
        assert!(desk.started(lines("b", 1), now).is_empty());
        assert_eq!(got(&tickets[2]).as_deref(), Some("b"));
        assert!(desk.put(line("a"), now).is_none());
        assert_eq!(desk.counts(), (1, 2, 0));
    }

    #[test]
    fn one_starts_at_a_time_and_never_more_than_the_maximum() {
        let mut desk = desk(0, 2);
        assert_eq!(desk.begin(), None, "nobody waits");
        desk.take().unwrap();
        let _tickets = [(); 3].map(|()| desk.wait(false).unwrap());
        assert_eq!((desk.begin(), desk.begin()), (Some(Need::Calls(Rank::More)), None));
        assert!(desk.started(lines("b", 1), Instant::now()).is_empty());
        assert_eq!(desk.begin(), None, "two exist");
        desk.lost();
        assert!(desk.begin().is_some());
    }

    #[test]
    fn the_minimum_is_kept_and_what_is_old_above_it_goes() {
        let (now, limit) = (Instant::now(), Duration::from_secs(1));
        let mut desk = desk(2, 4);
        assert_eq!(desk.begin(), Some(Need::Least), "one is missing");
        assert!(desk.started(lines("b", 1), now).is_empty());
        assert_eq!(desk.begin(), None);
        desk.live = 3;
        assert!(desk.put(line("c"), now + limit).is_none());
        let later = now + Duration::from_millis(1500);
        assert_eq!(ids(&desk.expire(limit, later)), ["a"], "b is old too, but two are kept");
        desk.lost();
        assert!(desk.expire(limit, later + limit).is_empty());
    }

    #[test]
    fn a_container_is_old_when_all_its_connections_are() {
        let (now, limit) = (Instant::now(), Duration::from_secs(1));
        let (early, later) = (now + limit, now + limit * 2 + limit / 2);
        let mut desk = Desk::new(Bounds { min: 0, max: 2, queue: 3 }, lines("a", 2), now);
        let worker = desk.take().unwrap();
        assert_eq!(desk.counts(), (0, 1, 0), "it has a call");
        assert!(desk.expire(limit, later).is_empty(), "one is used");
        assert!(desk.put(worker, later).is_none());
        assert_eq!(desk.counts(), (1, 1, 0));
        assert!(desk.expire(limit, early).is_empty(), "one was just used");
        assert_eq!(ids(&desk.expire(limit, later + limit * 2)), ["a", "a"]);
    }

    #[test]
    fn who_is_nested_comes_before_who_is_not() {
        let mut desk = desk(0, 1);
        let worker = desk.take().unwrap();
        let tickets = [false, true, true].map(|nested| desk.wait(nested).unwrap());
        assert_eq!((desk.need(), desk.wait(false).err()), (Some(Need::Calls(Rank::Nested)), Some(Full)));
        assert!(desk.wait(true).is_ok(), "others wait for who is nested: it is not turned away");
        assert!(desk.put(worker, Instant::now()).is_none());
        assert_eq!(got(&tickets[1]).as_deref(), Some("a"));
        for (at, other) in [(2, 0), (0, 1)] {
            assert!(desk.put(line("a"), Instant::now()).is_none());
            assert_eq!((got(&tickets[at]).as_deref(), got(&tickets[other])), (Some("a"), None));
        }
    }

    /// What is given up and has calls still is a place less, and no container that a call could get.
    #[test]
    fn who_has_given_its_last_container_up_has_none() {
        let now = Instant::now();
        let mut desk = Desk::new(Bounds { min: 1, max: 2, queue: 3 }, lines("a", 2), now);
        let _busy = desk.take().unwrap();
        assert_eq!((desk.retire("a").len(), desk.numbers()), (1, (1, 0)));
        assert_eq!(desk.need(), Some(Need::Least));
        assert!(desk.wait(false).unwrap().cold);
        assert_eq!(desk.begin(), Some(Need::Calls(Rank::Cold)));
        assert!(desk.started(lines("b", 2), now).is_empty());
        assert_eq!(desk.numbers(), (2, 1));
        assert!(desk.expire(Duration::ZERO, now + Duration::from_secs(1)).is_empty(), "one is kept");
        desk.lost();
        assert_eq!(desk.numbers(), (1, 1));
    }

    #[test]
    fn what_was_used_longest_ago_gives_its_place_when_all_of_it_is_idle() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let mut desk = Desk::new(Bounds { min: 1, max: 3, queue: 3 }, lines("a", 2), now);
        desk.live = 2;
        let worker = desk.take().unwrap();
        assert!(desk.put(line("b"), now + second).is_none());
        assert_eq!((desk.oldest(), ids(&desk.take_oldest())), (Some(now + second), vec!["b"]), "a has a call");
        assert!(desk.put(worker, now + second * 2).is_none());
        assert_eq!((desk.oldest(), ids(&desk.take_oldest())), (Some(now + second * 2), vec!["a", "a"]));
        assert!(desk.oldest().is_none() && desk.take_oldest().is_empty());
    }

    #[test]
    fn an_image_is_unused_when_nobody_has_or_wants_any_of_it() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let mut desk = Desk::new(Bounds { min: 1, max: 2, queue: 3 }, lines("a", 2), now);
        assert_eq!(desk.unused_since(), Some(now));
        let worker = desk.take().unwrap();
        assert_eq!(desk.unused_since(), None);
        assert!(desk.put(worker, now + second).is_none());
        assert_eq!((desk.unused_since(), desk.take_all().len()), (Some(now + second), 2));
        assert_eq!(desk.unused_since(), None, "the container is not gone yet");
        desk.lost();
        assert_eq!((desk.unused_since(), desk.begin()), (Some(now + second), Some(Need::Least)));
        assert_eq!(desk.unused_since(), None, "one starts");
        desk.abandoned();
        desk.wait(false).unwrap();
        assert_eq!(desk.unused_since(), None, "one is waited for");
    }

    #[test]
    fn who_waits_is_told_that_none_may_start_unless_one_does_or_is_there() {
        let mut desk = desk(0, 2);
        let ticket = desk.wait(false).unwrap();
        desk.refuse(&HostFault::Stopping);
        desk.lost();
        assert_eq!(desk.begin(), Some(Need::Calls(Rank::Cold)));
        desk.refuse(&HostFault::Stopping);
        assert!(ticket.answer.try_recv().is_err());
        desk.abandoned();
        desk.refuse(&HostFault::Stopping);
        assert!(matches!(ticket.answer.try_recv(), Ok(Err(HostFault::Stopping))));
    }

    #[test]
    fn a_retired_container_takes_no_more_calls() {
        let now = Instant::now();
        let mut desk = Desk::new(Bounds { min: 0, max: 2, queue: 3 }, lines("a", 3), now);
        let worker = desk.take().unwrap();
        worker.2.set(true);
        assert_eq!(ids(&desk.retire("a")), ["a", "a"]);
        assert!(desk.take().is_none());
        assert_eq!(desk.put(worker, now).map(|worker| worker.0).as_deref(), Some("a"));
        assert_eq!(desk.counts(), (0, 1, 0), "it exists until it is lost");
    }

    #[test]
    fn a_failed_start_is_told_to_all_when_nothing_else_can_serve_them() {
        let mut desk = desk(0, 2);
        let worker = desk.take().unwrap();
        let ticket = desk.wait(false).unwrap();
        assert!(desk.begin().is_some() && !ticket.cold);
        desk.failed(&HostFault::Stopping);
        assert!(ticket.answer.try_recv().is_err(), "there is a worker to wait for");
        drop(worker);
        desk.lost();
        assert!(desk.wait(false).unwrap().cold);
        assert!(desk.begin().is_some());
        desk.failed(&HostFault::Stopping);
        assert!(matches!(ticket.answer.try_recv(), Ok(Err(HostFault::Stopping))));
    }

    proptest! {
        /// Whatever happens in whatever order: no connection is lost or doubled, and none is idle while somebody waits for it.
        #[test]
        fn nothing_is_lost(
            steps in proptest::collection::vec(0_u8..6, 0..200), max in 1_usize..5, count in 1_usize..4,
        ) {
            let now = Instant::now();
            let mut desk = Desk::new(Bounds { min: 0, max, queue: 8 }, lines("0", count), now);
            let (mut busy, mut tickets, mut made) = (Vec::<Line>::new(), Vec::new(), 1);
            for step in steps {
                match step {
                    0 => match desk.take() {
                        Some(worker) => busy.push(worker),
                        None => tickets.extend(desk.wait(false)),
                    },
                    1 => if let Some(worker) = busy.pop() {
                        busy.extend(desk.put(worker, now));
                    },
                    // A call fails: its container is retired, and lost with the last call that it has.
                    2 => if let Some(worker) = busy.pop() && !worker.2.replace(true) {
                        desk.retire(worker.id());
                    },
                    3 => if desk.begin().is_some() {
                        prop_assert!(desk.started(lines(&made.to_string(), count), now).is_empty());
                        made += 1;
                    },
                    4 => if desk.begin().is_some() { desk.failed(&HostFault::Stopping) },
                    _ => if let Some(ticket) = tickets.pop() && !desk.leave(ticket.number) {
                        busy.extend(ticket.answer.try_recv().unwrap().ok());
                    },
                }
                tickets.retain(|ticket: &Ticket<Line>| match ticket.answer.try_recv() {
                    Ok(answer) => { busy.extend(answer.ok()); false }
                    Err(_) => true,
                });
                let exist = |busy: &[Line], desk: &Desk<Line>| {
                    let idle = desk.idle.iter().map(|(worker, _)| worker.id().to_owned());
                    idle.chain(busy.iter().map(|worker| worker.id().to_owned())).collect::<BTreeSet<_>>()
                };
                while exist(&busy, &desk).len() < desk.live { desk.lost(); }
                let retired = busy.iter().filter(|worker| worker.is_retired()).count();
                let alive: BTreeSet<_> = exist(&busy, &desk).into_iter()
                    .filter(|id| !busy.iter().any(|worker| worker.id() == id && worker.is_retired())).collect();
                prop_assert_eq!(exist(&busy, &desk).len(), desk.live);
                prop_assert_eq!(desk.idle.len() + busy.len() - retired, alive.len() * count);
                let (_, live, waiting) = desk.counts();
                prop_assert!(live <= max && waiting <= 8);
                prop_assert!(desk.idle.is_empty() || waiting == 0);
            }
        }
    }
}
