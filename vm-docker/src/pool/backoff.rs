//! Code whose processes break off is started ever more rarely.
//!
//! What breaks off before it has had a call does so by itself: then nobody is served until a pause is over. What breaks off later
//! may have been made to by one caller, and no other caller shall fail for that: the next start is put off, and calls wait for it.

use std::time::{Duration, Instant};

/// How many may break off, one soon after the other, before there is a pause.
const FREE: u32 = 8;

/// The first pause. Each further one is twice as long.
const FIRST: Duration = Duration::from_millis(100);

/// One of those that broke off is forgotten when none has for so long.
const FORGET: Duration = Duration::from_secs(10);

/// More than this is not remembered: it makes no pause longer.
const MOST: u32 = 64;

/// The longest time that a start is put off for those that broke off after they had calls, where one call waits.
const PUT_OFF: Duration = Duration::from_secs(1);

/// A start that fails after a time counts once more for each such part of it.
const COSTLY: Duration = Duration::from_secs(4);

/// The containers of an image that ended for what is their own doing.
#[derive(Debug)]
pub(super) struct Backoff {
    longest: Duration,
    /// Those that had no call.
    starts: Count,
    /// How the last of them ended.
    cause: String,
    /// Those that had calls.
    calls: Count,
}

/// A pause that is not over.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pause {
    /// How the last one ended.
    pub(super) cause: String,
    /// How long it goes on.
    pub(super) left: Duration,
}

impl Backoff {
    /// With pauses of at most this length; none if it is zero.
    pub(super) fn new(longest: Duration) -> Self {
        Self { longest, starts: Count::default(), cause: String::new(), calls: Count::default() }
    }

    /// One did not start, which took so long, or broke off before it had a call.
    pub(super) fn failed(&mut self, cause: String, took: Duration, now: Instant) {
        let costs = u32::try_from(took.as_secs() / COSTLY.as_secs()).unwrap_or(MOST);
        self.starts.add(costs.saturating_add(1), now);
        self.cause = cause;
    }

    /// One has broken off that had calls.
    pub(super) fn broke(&mut self, now: Instant) {
        self.calls.add(1, now);
    }

    /// Why none may start now, whoever waits.
    pub(super) fn pause(&self, now: Instant) -> Option<Pause> {
        let left = self.starts.pause(self.longest, now)?;
        Some(Pause { cause: self.cause.clone(), left })
    }

    /// How long the next start is put off while so many calls wait. The more they are, the less: each may be one of those that end
    /// a process, and the last one has to be reached in time.
    pub(super) fn delay(&self, waiting: usize, now: Instant) -> Option<Duration> {
        let waiting = u32::try_from(waiting).unwrap_or(u32::MAX).max(1);
        self.calls.pause(self.longest.min(PUT_OFF / waiting), now)
    }

    /// True if it says nothing any more.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.starts.remembered(now) == 0 && self.calls.remembered(now) == 0
    }
}

#[derive(Debug, Default)]
struct Count {
    number: u32,
    last: Option<Instant>,
}

impl Count {
    fn add(&mut self, number: u32, now: Instant) {
        self.number = self.remembered(now).saturating_add(number).min(MOST);
        self.last = Some(now);
    }

    /// What is left of the pause after the last one.
    fn pause(&self, longest: Duration, now: Instant) -> Option<Duration> {
        let doublings = self.remembered(now).checked_sub(FREE + 1)?;
        let length = FIRST.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX)).min(longest);
        let left = length.saturating_sub(now.saturating_duration_since(self.last?));
        (!left.is_zero()).then_some(left)
    }

    fn remembered(&self, now: Instant) -> u32 {
        let Some(then) = self.last else { return 0 };
        let forgotten = now.saturating_duration_since(then).as_secs() / FORGET.as_secs();
        self.number.saturating_sub(u32::try_from(forgotten).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "times are compared, nothing waits for them")]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_are_forgotten() {
        let (mut now, mut pauses) = (Instant::now(), Vec::new());
        let mut backoff = Backoff::new(Duration::from_secs(1));
        for number in 1..=14 {
            backoff.failed(format!("exit {number}"), Duration::ZERO, now);
            pauses.push(backoff.pause(now).map_or(0, |pause| pause.left.as_millis()));
            now += Duration::from_millis(1);
        }
        assert_eq!(pauses, [0, 0, 0, 0, 0, 0, 0, 0, 100, 200, 400, 800, 1000, 1000]);
        let pause = backoff.pause(now).unwrap();
        assert_eq!((&*pause.cause, pause.left.as_millis()), ("exit 14", 999));
        assert_eq!(backoff.pause(now + Duration::from_secs(1)), None);

        // Six of the fourteen are forgotten in a minute.
        now += Duration::from_secs(61);
        backoff.failed("again".into(), Duration::ZERO, now);
        assert_eq!(backoff.pause(now).unwrap().left, FIRST);
        assert!(!backoff.is_over(now) && backoff.is_over(now + FORGET * 9));
    }

    #[test]
    fn what_breaks_off_after_calls_pauses_nobody_and_is_put_off_by_a_second_at_most() {
        let now = Instant::now();
        let mut backoff = Backoff::new(Duration::from_secs(30));
        (0..8).for_each(|_| backoff.broke(now));
        assert_eq!(backoff.delay(1, now), None);
        backoff.broke(now);
        assert_eq!(backoff.delay(1, now), Some(FIRST));
        (0..1000).for_each(|_| backoff.broke(now));
        assert_eq!((backoff.pause(now), backoff.delay(0, now)), (None, Some(PUT_OFF)));
        assert_eq!(backoff.delay(20, now), Some(PUT_OFF / 20));
        assert_eq!(backoff.delay(1, now + PUT_OFF), None);
        assert!(backoff.is_over(now + FORGET * MOST));
    }

    /// Code that never says `Hello` takes `start_timeout` each time, in which much would be forgotten.
    #[test]
    fn starts_that_take_long_to_fail_are_soon_paused() {
        let (mut now, took) = (Instant::now(), Duration::from_secs(20));
        let mut backoff = Backoff::new(Duration::from_secs(30));
        let mut pauses = Vec::new();
        for _ in 0..8 {
            now += took;
            backoff.failed("silence".into(), took, now);
            let pause = backoff.pause(now).map_or(Duration::ZERO, |pause| pause.left);
            pauses.push(pause.as_millis());
            now += pause;
        }
        assert_eq!(pauses, [0, 200, 3200, 30_000, 30_000, 30_000, 30_000, 30_000]);
    }

    #[test]
    fn a_longest_pause_of_zero_is_none() {
        let now = Instant::now();
        let mut backoff = Backoff::new(Duration::ZERO);
        for _ in 0..1000 {
            backoff.failed(String::new(), Duration::from_secs(20), now);
            backoff.broke(now);
        }
        assert_eq!((backoff.pause(now), backoff.delay(1, now)), (None, None));
    }
}
