//! Who has a container, who waits for one, and when another one starts. Knows neither clocks nor containers.

use std::{
    collections::VecDeque,
    sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    time::{Duration, Instant},
};

use vm_core::HostFault;

/// What is given out.
pub(super) trait Worker {
    /// Tells it apart from all others.
    fn id(&self) -> &str;
}

/// The numbers of containers of one code, and of calls that wait for one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) min: usize,
    pub(super) max: usize,
    pub(super) queue: usize,
}

/// Hands workers to calls, in the order in which these came.
pub(super) struct Desk<W> {
    bounds: Bounds,
    /// The one that was used last is the next to be used, so that the others may grow old.
    idle: Vec<(W, Instant)>,
    waiting: VecDeque<Waiting<W>>,
    /// Workers that exist: idle or with a call.
    live: usize,
    /// True while one starts. There is never more than one: calls are much shorter than starts, so whether yet another one is
    /// needed shows when this one is there.
    starting: bool,
    next: u64,
}

/// A call that waits.
struct Waiting<W> {
    ticket: u64,
    /// The worker that it must not get.
    except: Option<String>,
    answer: SyncSender<Result<W, HostFault>>,
}

/// A place in the queue.
pub(super) struct Ticket<W> {
    pub(super) number: u64,
    /// Yields once: a worker, or why there is none.
    pub(super) answer: Receiver<Result<W, HostFault>>,
    /// True when no worker exists that could come free: one has to start before anything can happen.
    pub(super) cold: bool,
}

/// The queue is as long as it may be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

impl<W: Worker> Desk<W> {
    /// A desk with one worker, idle since `now`.
    pub(super) fn new(bounds: Bounds, first: W, now: Instant) -> Self {
        Self { bounds, idle: vec![(first, now)], waiting: VecDeque::new(), live: 1, starting: false, next: 0 }
    }

    /// An idle worker.
    pub(super) fn take(&mut self, except: Option<&str>) -> Option<W> {
        // Nobody is overtaken: what is idle while others wait is what they must not get.
        let at = self.idle.iter().rposition(|(worker, _)| except != Some(worker.id()))?;
        Some(self.idle.remove(at).0)
    }

    /// Takes a place in the queue.
    pub(super) fn wait(&mut self, except: Option<&str>) -> Result<Ticket<W>, Full> {
        if self.waiting.len() >= self.bounds.queue {
            return Err(Full);
        }
        let (sender, answer) = sync_channel(1);
        let number = self.next;
        self.next += 1;
        self.waiting.push_back(Waiting { ticket: number, except: except.map(str::to_owned), answer: sender });
        let of_no_use = self.idle.iter().filter(|(worker, _)| except == Some(worker.id())).count();
        Ok(Ticket { number, answer, cold: self.live == of_no_use })
    }

    /// Gives up a place in the queue. False if it was called already: then the answer is there.
    pub(super) fn leave(&mut self, number: u64) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|waiting| waiting.ticket != number);
        self.waiting.len() < before
    }

    /// Takes back a worker: it goes to the first who waits for one, or is idle since `now`.
    pub(super) fn put(&mut self, mut worker: W, now: Instant) {
        while let Some(at) = self.waiting.iter().position(|waiting| waiting.except.as_deref() != Some(worker.id()))
            && let Some(waiting) = self.waiting.remove(at)
        {
            match waiting.answer.try_send(Ok(worker)) {
                Ok(()) => return,
                // It has gone without leaving.
                Err(TrySendError::Full(Ok(back)) | TrySendError::Disconnected(Ok(back))) => worker = back,
                Err(_) => return,
            }
        }
        self.idle.push((worker, now));
    }

    /// A worker is gone.
    pub(super) fn lost(&mut self) {
        self.live = self.live.saturating_sub(1);
    }

    /// True if a worker has to start now; it counts as starting from then on.
    pub(super) fn begin(&mut self) -> bool {
        let needed = self.live < self.bounds.min || !self.waiting.is_empty();
        let begins = needed && !self.starting && self.live < self.bounds.max;
        self.starting |= begins;
        begins
    }

    /// The worker that started is there.
    pub(super) fn started(&mut self, worker: W, now: Instant) {
        self.starting = false;
        self.live += 1;
        self.put(worker, now);
    }

    /// The worker that started will not be there. Who waits is told, unless there are workers to wait for.
    pub(super) fn failed(&mut self, fault: &HostFault) {
        self.starting = false;
        if self.live == 0 {
            for waiting in self.waiting.drain(..) {
                // Who is gone needs no answer.
                let _ = waiting.answer.try_send(Err(fault.clone()));
            }
        }
    }

    /// Takes workers out that have been idle for longer than `limit`, down to the least number that is kept.
    pub(super) fn expire(&mut self, limit: Duration, now: Instant) -> Vec<W> {
        let spare = self.live.saturating_sub(self.bounds.min);
        let old = self.idle.iter().take_while(|(_, since)| now.saturating_duration_since(*since) > limit).count();
        self.idle.drain(..old.min(spare)).map(|(worker, _)| worker).collect()
    }

    /// How many are idle, exist, and are waited for.
    pub(super) fn counts(&self) -> (usize, usize, usize) {
        (self.idle.len(), self.live, self.waiting.len())
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "times are compared, nothing waits for them")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl Worker for String {
        fn id(&self) -> &str {
            self
        }
    }

    fn desk(min: usize, max: usize) -> Desk<String> {
        Desk::new(Bounds { min, max, queue: 3 }, "a".into(), Instant::now())
    }

    fn got(ticket: &Ticket<String>) -> Option<String> {
        ticket.answer.try_recv().ok().map(Result::unwrap)
    }

    #[test]
    fn workers_go_to_who_came_first() {
        let mut desk = desk(0, 2);
        let now = Instant::now();
        let worker = desk.take(None).unwrap();
        let tickets = [(); 3].map(|()| desk.wait(None).unwrap());
        assert_eq!(desk.wait(None).err(), Some(Full));
        assert!(desk.leave(tickets[0].number) && !desk.leave(tickets[0].number));
        desk.put(worker, now);
        assert_eq!(got(&tickets[1]).as_deref(), Some("a"));
        assert_eq!(got(&tickets[2]), None);
        assert!(desk.take(None).is_none(), "nobody overtakes");
        desk.started("b".into(), now);
        assert_eq!(got(&tickets[2]).as_deref(), Some("b"));
        desk.put("a".into(), now);
        assert_eq!(desk.counts(), (1, 2, 0));
    }

    #[test]
    fn one_worker_is_not_given_to_who_must_have_another() {
        let mut desk = desk(0, 2);
        assert!(desk.take(Some("a")).is_none());
        let other = desk.wait(Some("a")).unwrap();
        let any = desk.wait(None).unwrap();
        let now = Instant::now();
        let worker = desk.idle.pop().unwrap().0;
        desk.put(worker, now);
        assert_eq!((got(&other), got(&any).as_deref()), (None, Some("a")));
        desk.started("b".into(), now);
        assert_eq!(got(&other).as_deref(), Some("b"));
    }

    #[test]
    fn one_starts_at_a_time_and_never_more_than_the_maximum() {
        let mut desk = desk(0, 2);
        assert!(!desk.begin(), "nobody waits");
        desk.take(None).unwrap();
        let _tickets = [(); 3].map(|()| desk.wait(None).unwrap());
        assert!(desk.begin() && !desk.begin());
        desk.started("b".into(), Instant::now());
        assert!(!desk.begin(), "two exist");
        desk.lost();
        assert!(desk.begin());
    }

    #[test]
    fn the_minimum_is_kept_and_what_is_old_above_it_goes() {
        let (now, limit) = (Instant::now(), Duration::from_secs(1));
        let mut desk = desk(2, 4);
        assert!(desk.begin(), "one is missing");
        desk.started("b".into(), now);
        assert!(!desk.begin());
        desk.live = 3;
        desk.put("c".into(), now + limit);
        let later = now + Duration::from_millis(1500);
        assert_eq!(desk.expire(limit, later), ["a"], "b is old too, but two are kept");
        desk.lost();
        assert!(desk.expire(limit, later + limit).is_empty());
    }

    #[test]
    fn a_failed_start_is_told_to_all_when_nothing_else_can_serve_them() {
        let mut desk = desk(0, 2);
        let worker = desk.take(None).unwrap();
        let ticket = desk.wait(None).unwrap();
        assert!(desk.begin() && !ticket.cold);
        desk.failed(&HostFault::Stopping);
        assert!(ticket.answer.try_recv().is_err(), "there is a worker to wait for");
        drop(worker);
        desk.lost();
        assert!(desk.wait(None).unwrap().cold);
        assert!(desk.begin());
        desk.failed(&HostFault::Stopping);
        assert!(matches!(ticket.answer.try_recv(), Ok(Err(HostFault::Stopping))));
    }

    proptest! {
        /// Whatever happens in whatever order: no worker is lost or doubled, and none is idle while somebody waits for it.
        #[test]
        fn nothing_is_lost(steps in proptest::collection::vec(0_u8..6, 0..200), max in 1_usize..5) {
            let now = Instant::now();
            let mut desk = Desk::new(Bounds { min: 0, max, queue: 8 }, "0".into(), now);
            let (mut busy, mut tickets, mut made) = (Vec::new(), Vec::new(), 1);
            for step in steps {
                match step {
                    0 => match desk.take(None) {
                        Some(worker) => busy.push(worker),
                        None => tickets.extend(desk.wait(None)),
                    },
                    1 => if let Some(worker) = busy.pop() { desk.put(worker, now) },
                    2 => if busy.pop().is_some() { desk.lost() },
                    3 => if desk.begin() {
                        desk.started(made.to_string(), now);
                        made += 1;
                    },
                    4 => if desk.begin() { desk.failed(&HostFault::Stopping) },
                    _ => if let Some(ticket) = tickets.pop() && !desk.leave(ticket.number) {
                        busy.extend(ticket.answer.try_recv().unwrap().ok());
                    },
                }
                tickets.retain(|ticket: &Ticket<String>| match ticket.answer.try_recv() {
                    Ok(answer) => { busy.extend(answer.ok()); false }
                    Err(_) => true,
                });
                let (idle, live, waiting) = desk.counts();
                prop_assert_eq!(live, idle + busy.len());
                prop_assert!(live <= max && waiting <= 8);
                prop_assert!(idle == 0 || waiting == 0);
            }
        }
    }
}
