//! Times, and what is told of them.

use std::time::Instant;

use crate::Missed;

/// The times of something that was done often, in microseconds.
#[derive(Debug, Default)]
pub(crate) struct Times(Vec<f64>);

impl Times {
    pub(crate) fn add(&mut self, microseconds: f64) {
        self.0.push(microseconds);
    }

    pub(crate) fn extend(&mut self, others: impl IntoIterator<Item = f64>) {
        self.0.extend(others);
    }

    /// The time that so many in a hundred do not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
    }

    /// What is missed where it is to take at most so many times as long as others at p50.
    pub(crate) fn missed(&self, what: &str, others: &Self, goal: f64) -> Vec<Missed> {
        let ratio = self.percentile(50) / others.percentile(50);
        let missed = format!("{what} takes {ratio:.2} times as long, and the goal is {goal}");
        if ratio <= goal { Vec::new() } else { vec![missed] }
    }

    /// Prints a line with p50, p90 and p99, in units of so many microseconds, and how they compare with others.
    pub(crate) fn print(&self, name: &str, unit: f64, others: Option<&Self>) {
        let of = |times: &Self| [50, 90, 99].map(|percent| times.percentile(percent));
        let own = of(self);
        print!("{name:<44}{:>10.1}{:>10.1}{:>10.1}", own[0] / unit, own[1] / unit, own[2] / unit);
        if let Some(others) = others.map(of) {
            print!("   ratios {:.2} {:.2} {:.2}", own[0] / others[0], own[1] / others[1], own[2] / others[2]);
        }
        println!();
    }
}

/// Prints the heading of a table.
pub(crate) fn heading(title: &str, unit: &str) {
    let [p50, p90, p99] = ["p50", "p90", "p99"].map(|name| format!("{name} {unit}"));
    println!("{title:<44}{p50:>10}{p90:>10}{p99:>10}");
}

/// What something takes, in microseconds, and what comes of it.
pub(crate) fn time<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let begun = Instant::now();
    let result = work();
    (begun.elapsed().as_secs_f64() * 1e6, result)
}
