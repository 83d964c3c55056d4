//! Code whose processes break off is started ever more rarely.

use std::time::{Duration, Instant};

/// How many may break off, one soon after the other, before there is a pause.
const FREE: u32 = 8;

/// The first pause. Each further one is twice as long.
const FIRST: Duration = Duration::from_millis(100);

/// One of those that broke off is forgotten when none has for so long.
const FORGET: Duration = Duration::from_secs(10);

/// The containers of an image that ended for what is their own doing.
#[derive(Debug)]
pub(super) struct Backoff {
    longest: Duration,
    count: u32,
    last: Option<(Instant, String)>,
}

/// A pause that is not over.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pause {
    pub(super) count: u32,
    /// How the last one ended.
    pub(super) cause: String,
    /// How long it goes on.
    pub(super) left: Duration,
}

impl Backoff {
    /// With pauses of at most this length; none if it is zero.
    pub(super) fn new(longest: Duration) -> Self {
        Self { longest, count: 0, last: None }
    }

    /// One has broken off.
    pub(super) fn broke(&mut self, cause: String, now: Instant) {
        self.count = self.remembered(now).saturating_add(1);
        self.last = Some((now, cause));
    }

    /// Why none may start now.
    pub(super) fn pause(&self, now: Instant) -> Option<Pause> {
        let (then, cause) = self.last.as_ref()?;
        let doublings = self.remembered(now).checked_sub(FREE + 1)?;
        let length = FIRST.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX)).min(self.longest);
        let left = length.saturating_sub(now.saturating_duration_since(*then));
        (!left.is_zero()).then(|| Pause { count: self.count, cause: cause.clone(), left })
    }

    fn remembered(&self, now: Instant) -> u32 {
        let Some((then, _)) = &self.last else { return 0 };
        let forgotten = now.saturating_duration_since(*then).as_secs() / FORGET.as_secs();
        self.count.saturating_sub(u32::try_from(forgotten).unwrap_or(u32::MAX))
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
            backoff.broke(format!("exit {number}"), now);
            pauses.push(backoff.pause(now).map_or(0, |pause| pause.left.as_millis()));
            now += Duration::from_millis(1);
        }
        assert_eq!(pauses, [0, 0, 0, 0, 0, 0, 0, 0, 100, 200, 400, 800, 1000, 1000]);
        let pause = backoff.pause(now).unwrap();
        assert_eq!((pause.count, &*pause.cause, pause.left.as_millis()), (14, "exit 14", 999));
        assert_eq!(backoff.pause(now + Duration::from_secs(1)), None);

        // Six of the fourteen are forgotten in a minute.
        now += Duration::from_secs(61);
        backoff.broke("again".into(), now);
        assert_eq!(backoff.pause(now).unwrap().left, FIRST);
    }

    #[test]
    fn a_longest_pause_of_zero_is_none() {
        let now = Instant::now();
        let mut backoff = Backoff::new(Duration::ZERO);
        (0..1000).for_each(|_| backoff.broke(String::new(), now));
        assert_eq!(backoff.pause(now), None);
    }
}
