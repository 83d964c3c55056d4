//! What came out.

use std::{collections::BTreeMap, fmt};

/// Counts of cases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// As expected.
    pub passed: usize,
    /// Not as expected.
    pub failed: usize,
    /// Not run.
    pub skipped: usize,
}

/// A case that did not come out as expected.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Failure {
    /// The file's path.
    pub file: String,
    /// The test's name in the file.
    pub test: String,
    /// The hard fork as the file names it; `(none)` for a file that cannot be read.
    pub fork: String,
    /// The place among the fork's cases.
    pub index: usize,
    /// What differed.
    pub difference: String,
}

/// The results of many cases.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Counts by hard fork, as the files name them.
    pub forks: BTreeMap<String, Tally>,
    /// All failures, in the order of files.
    pub failures: Vec<Failure>,
    /// How many cases were not run, by reason; files of JSON that are no state tests count as one.
    pub skipped: BTreeMap<String, usize>,
}

impl Report {
    /// Counts over all forks.
    #[must_use]
    pub fn total(&self) -> Tally {
        let (passed, failed) = self.forks.values().fold((0, 0), |(p, f), tally| (p + tally.passed, f + tally.failed));
        Tally { passed, failed, skipped: self.skipped.values().sum() }
    }

    pub(crate) fn passed(&mut self, fork: &str) {
        self.forks.entry(fork.to_owned()).or_default().passed += 1;
    }

    pub(crate) fn failed(&mut self, failure: Failure) {
        self.forks.entry(failure.fork.clone()).or_default().failed += 1;
        self.failures.push(failure);
    }

    pub(crate) fn skipped(&mut self, fork: Option<&str>, cases: usize, reason: String) {
        if let Some(fork) = fork {
            self.forks.entry(fork.to_owned()).or_default().skipped += cases;
        }
        *self.skipped.entry(reason).or_default() += cases;
    }

    pub(crate) fn add(&mut self, other: Self) {
        for (fork, tally) in other.forks {
            let sum = self.forks.entry(fork).or_default();
            sum.passed += tally.passed;
            sum.failed += tally.failed;
            sum.skipped += tally.skipped;
        }
        self.failures.extend(other.failures);
        for (reason, cases) in other.skipped {
            *self.skipped.entry(reason).or_default() += cases;
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, test, fork, index, difference } = self;
        write!(f, "failed: {file} {test} {fork} {index}: {difference}")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for failure in &self.failures {
            writeln!(f, "{failure}")?;
        }
        for (reason, cases) in &self.skipped {
            writeln!(f, "skipped {cases}: {reason}")?;
        }
        writeln!(f, "{:<20} {:>8} {:>8} {:>8}", "fork", "passed", "failed", "skipped")?;
        let total = ("total".to_owned(), self.total());
        for (fork, tally) in self.forks.iter().chain([(&total.0, &total.1)]) {
            writeln!(f, "{fork:<20} {:>8} {:>8} {:>8}", tally.passed, tally.failed, tally.skipped)?;
        }
        Ok(())
    }
}
