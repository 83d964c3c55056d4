//! What came out.

use std::{collections::BTreeMap, fmt};

/// Counts of steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// As expected.
    pub passed: usize,
    /// Not as expected.
    pub failed: usize,
    /// Not run.
    pub skipped: usize,
}

/// A step that did not come out as expected.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Failure {
    /// The script.
    pub file: String,
    /// The line in it.
    pub line: usize,
    /// What ran it: the gate, or an engine and how.
    pub by: String,
    /// What differed.
    pub difference: String,
}

/// The results of many scripts.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Counts by what ran the steps.
    pub tallies: BTreeMap<String, Tally>,
    /// All failures, in the order of files.
    pub failures: Vec<Failure>,
    /// How many steps were not run, by what would have run them and by reason: a rule of the gate, or words.
    pub skipped: BTreeMap<(String, String), usize>,
    /// How many results, traps and units of gas of instrumented modules were compared between engines.
    pub compared: usize,
}

impl Report {
    /// Counts over everything.
    #[must_use]
    pub fn total(&self) -> Tally {
        self.tallies.values().fold(Tally::default(), |sum, tally| Tally {
            passed: sum.passed + tally.passed,
            failed: sum.failed + tally.failed,
            skipped: sum.skipped + tally.skipped,
        })
    }

    pub(super) fn passed(&mut self, by: &str) {
        self.tally(by).passed += 1;
    }

    pub(super) fn failed(&mut self, failure: Failure) {
        self.tally(&failure.by).failed += 1;
        self.failures.push(failure);
    }

    pub(super) fn skipped(&mut self, by: &str, reason: &str) {
        self.tally(by).skipped += 1;
        *self.skipped.entry((by.into(), reason.into())).or_default() += 1;
    }

    fn tally(&mut self, by: &str) -> &mut Tally {
        self.tallies.entry(by.into()).or_default()
    }

    /// Adds the results of others.
    pub fn add(&mut self, other: Self) {
        for (by, tally) in other.tallies {
            let sum = self.tally(&by);
            sum.passed += tally.passed;
            sum.failed += tally.failed;
            sum.skipped += tally.skipped;
        }
        self.failures.extend(other.failures);
        for (reason, steps) in other.skipped {
            *self.skipped.entry(reason).or_default() += steps;
        }
        self.compared += other.compared;
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, by, difference } = self;
        write!(f, "failed: {file}:{line} on {by}: {difference}")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for failure in &self.failures {
            writeln!(f, "{failure}")?;
        }
        let mut reasons = BTreeMap::<_, Vec<String>>::new();
        for ((by, reason), steps) in &self.skipped {
            reasons.entry(reason).or_default().push(format!("{by} {steps}"));
        }
        for (reason, counts) in reasons {
            writeln!(f, "skipped for {reason}: {}", counts.join(", "))?;
        }
        writeln!(f, "{:<20} {:>8} {:>8} {:>8}", "", "passed", "failed", "skipped")?;
        let total = ("total".to_owned(), self.total());
        for (by, tally) in self.tallies.iter().chain([(&total.0, &total.1)]) {
            writeln!(f, "{by:<20} {:>8} {:>8} {:>8}", tally.passed, tally.failed, tally.skipped)?;
        }
        writeln!(f, "{} results and traps, with their gas, compared between engines", self.compared)
    }
}
