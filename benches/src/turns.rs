//! Times of things that do the same work, measured in turns: on a machine that others use too, only what ran side by side
//! compares, and only the thread's own time counts.

use rustix::time::{ClockId, clock_gettime};

/// How long one thing runs before it is the next one's turn, in nanoseconds: shorter than a time slice of the scheduler.
const TURN: u128 = 500_000;

/// How long a comparison takes for each thing that is compared, in nanoseconds.
const BUDGET: u128 = 3_000_000_000;

/// The fewest turns that make a median.
const FEWEST: u128 = 31;

/// What was measured of one thing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timing {
    /// Nanoseconds of one run, the median of all turns.
    pub nanoseconds: f64,
    /// How many times as long as the first thing's turn just before its own took, the median of all rounds.
    pub ratio: f64,
}

/// Runs each of the things in turns, and returns their times in the same order.
pub fn measure(things: &mut [&mut dyn FnMut()]) -> Vec<Timing> {
    let turns: Vec<(u32, u128)> = things.iter_mut().map(|run| calibrate(*run)).collect();
    let longest = turns.iter().map(|(_, time)| *time).max().unwrap_or(1).max(1);
    let rounds = (BUDGET / longest).max(FEWEST);
    let mut times = vec![Vec::new(); things.len()];
    for _ in 0..rounds {
        for ((run, (runs, _)), times) in things.iter_mut().zip(&turns).zip(&mut times) {
            times.push(time(*run, *runs) as f64 / f64::from(*runs));
        }
    }
    let first = times.first().cloned().unwrap_or_default();
    let timing = |times: Vec<f64>| Timing {
        ratio: median(times.iter().zip(&first).map(|(time, first)| time / first).collect()),
        nanoseconds: median(times),
    };
    times.into_iter().map(timing).collect()
}

/// How many runs fill a turn, once everything is warm, and what they take.
fn calibrate(run: &mut dyn FnMut()) -> (u32, u128) {
    let mut runs = 1;
    loop {
        let time = time(run, runs);
        if time >= TURN {
            return (runs, time);
        }
        runs *= 2;
    }
}

/// The processor's time of so many runs, in nanoseconds. An eighth as many come before: what a thing finds in the caches and
/// the branch predictor is its own, not that of the one before, with which it may share code or not.
fn time(run: &mut dyn FnMut(), runs: u32) -> u128 {
    for _ in 0..runs / 8 {
        run();
    }
    let start = now();
    for _ in 0..runs {
        run();
    }
    now().saturating_sub(start)
}

fn now() -> u128 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    u128::from(time.tv_sec.unsigned_abs()) * 1_000_000_000 + u128::from(time.tv_nsec.unsigned_abs())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_has_its_turns() {
        let (mut one, mut two) = (0u32, 0u32);
        let timings = measure(&mut [&mut || one += 1, &mut || two += 1]);
        assert_eq!(timings.len(), 2);
        assert!(one > 0 && two > 0 && timings.iter().all(|timing| timing.nanoseconds > 0.0));
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
    }
}
