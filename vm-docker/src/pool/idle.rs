//! What containers do between calls: hardly anything. A thread that a call has left running, or one that never waits, would take a
//! processor from the host as long as its container is kept, and nobody would wait for it.

use std::{
    num::NonZero,
    sync::{Mutex, MutexGuard, PoisonError, Weak},
    thread,
    time::{Duration, Instant},
};

use tokio::time;

use super::{now, pooled::Shared};
use crate::cgroup::ControlGroup;

/// How often it is looked.
const ROUND: Duration = Duration::from_secs(1);

/// Processor time that a container may use outside its calls, at once.
const AT_ONCE: Duration = Duration::from_secs(1);

/// The same for every call: what it frees when it has answered, and the start of a process for the next one.
const FOR_CALL: Duration = Duration::from_millis(10);

/// The part of a processor that it may always use: one of so many.
const ALWAYS: u32 = 50;

/// When a container was in calls.
#[derive(Debug)]
pub(super) struct Busy(Mutex<Times>);

#[derive(Debug, Clone, Copy)]
struct Times {
    /// The calls that run, and since when it is so many.
    running: u32,
    since: Instant,
    /// How long there was at least one.
    total: Duration,
    ended: u32,
}

impl Busy {
    pub(super) fn new(now: Instant) -> Self {
        Self(Mutex::new(Times { running: 0, since: now, total: Duration::ZERO, ended: 0 }))
    }

    /// A call begins.
    pub(super) fn begin(&self, now: Instant) {
        let mut times = self.until(now);
        times.running = times.running.saturating_add(1);
    }

    /// A call has ended.
    pub(super) fn end(&self, now: Instant) {
        let mut times = self.until(now);
        times.running = times.running.saturating_sub(1);
        times.ended = times.ended.wrapping_add(1);
    }

    fn until(&self, now: Instant) -> MutexGuard<'_, Times> {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if times.running > 0 {
            times.total = times.total.saturating_add(now.saturating_duration_since(times.since));
        }
        times.since = now;
        times
    }
}

/// What a container has used outside its calls, beyond what it may always use.
struct Account {
    /// Processors that a call may use at a time.
    processors: u32,
    used: Duration,
    times: Times,
    excess: Duration,
}

impl Account {
    /// Begins at an instant when it had used so much.
    fn begin(processors: u32, used: Duration, busy: &Busy, now: Instant) -> Self {
        Self { processors, used, times: *busy.until(now), excess: Duration::ZERO }
    }

    /// It has used so much in all until now. What is too much, if it is.
    fn look(&mut self, used: Duration, busy: &Busy, now: Instant) -> Option<Duration> {
        let times = *busy.until(now);
        let in_calls = times.total.saturating_sub(self.times.total).saturating_mul(self.processors);
        let for_calls = FOR_CALL.saturating_mul(times.ended.wrapping_sub(self.times.ended));
        let outside = used.saturating_sub(self.used).saturating_sub(in_calls).saturating_sub(for_calls);
        let always = now.saturating_duration_since(self.times.since) / ALWAYS;
        self.excess = self.excess.saturating_add(outside).saturating_sub(always);
        (self.used, self.times) = (used, times);
        (self.excess > AT_ONCE).then_some(self.excess)
    }
}

/// Gives a container up that computes between calls, `quota` thousandths of a processor at most.
pub(super) async fn watch(shared: Weak<Shared>, group: ControlGroup, quota: u32) {
    let used = || group.cpu().map(Duration::from_micros);
    let of_machine = thread::available_parallelism().map_or(1, NonZero::get);
    let processors = u32::try_from(of_machine).unwrap_or(u32::MAX).max(quota.div_ceil(1000));
    let begun = || {
        let (shared, used) = (shared.upgrade()?, used()?);
        Some(Account::begin(processors, used, &shared.busy, now()))
    };
    // Where its control group cannot be seen, its quota is all that bounds it.
    let Some(mut account) = begun() else { return };
    loop {
        time::sleep(ROUND).await;
        let Some(used) = used() else { return };
        let Some(shared) = shared.upgrade() else { return };
        if let Some(excess) = account.look(used, &shared.busy, now()) {
            return shared.give_up(&format!(
                "it used a processor for {:.1} s outside its calls; contracts compute in calls only",
                excess.as_secs_f64()
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A container on a machine with two processors that uses so much in every second; after how many it is too much.
    fn seconds_until_too_much(used: Duration, mut second: impl FnMut(&Busy, Instant)) -> Option<u32> {
        let start = now();
        let busy = Busy::new(start);
        let mut account = Account::begin(2, Duration::ZERO, &busy, start);
        (1..100).find(|number| {
            second(&busy, start + SECOND * (number - 1));
            account.look(used * *number, &busy, start + SECOND * *number).is_some()
        })
    }

    #[test]
    fn who_computes_between_calls_is_found() {
        let none = |_: &Busy, _| {};
        assert_eq!(seconds_until_too_much(SECOND, none), Some(2));
        assert_eq!(seconds_until_too_much(SECOND / 10, none), Some(13));
        assert_eq!(seconds_until_too_much(SECOND / ALWAYS, none), None, "so much is always allowed");
        // A short call now and then is no account of it.
        let call = |busy: &Busy, now| {
            busy.begin(now);
            busy.end(now + SECOND / 100);
        };
        assert_eq!(seconds_until_too_much(SECOND, call), Some(2));
    }

    #[test]
    fn what_calls_use_is_theirs() {
        // One call over another on two processors, half the time.
        let calls = |busy: &Busy, now| {
            busy.begin(now);
            busy.begin(now + SECOND / 4);
            busy.end(now + SECOND / 3);
            busy.end(now + SECOND / 2);
        };
        assert_eq!(seconds_until_too_much(SECOND, calls), None);
        // A call that goes on.
        let mut begun = false;
        let long = |busy: &Busy, now| {
            if !std::mem::replace(&mut begun, true) {
                busy.begin(now);
            }
        };
        assert_eq!(seconds_until_too_much(SECOND * 2, long), None);
        // Many calls, each with a new process after it.
        let many = |busy: &Busy, now| {
            for _ in 0..100 {
                busy.begin(now);
                busy.end(now);
            }
        };
        assert_eq!(seconds_until_too_much(SECOND, many), None);
    }
}
