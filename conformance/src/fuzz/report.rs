//! What came out.

use std::collections::BTreeMap;
use std::fmt;

use super::case::Case;
use super::machine::Machines;

/// A case in which two machines did not do the same.
#[derive(Debug, Clone)]
pub struct Difference {
    /// The case's seed: running with it as the first runs the case again.
    pub seed: u64,
    /// What differed.
    pub what: String,
    /// The contract's code.
    pub code: Vec<u8>,
}

/// The results of many cases.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Cases that made a module.
    pub cases: u64,
    /// Deployments and calls that were the same on all machines, by how they ended.
    pub outcomes: BTreeMap<String, u64>,
    /// The gas that was used in all of them, on one machine.
    pub gas: u64,
    /// What was not the same, by seed.
    pub differences: Vec<Difference>,
}

impl Report {
    pub(super) fn ran(&mut self, machines: &Machines, case: &Case) {
        if case.code.is_empty() {
            return;
        }
        self.cases += 1;
        match case.run(machines) {
            Ok(seen) => {
                for seen in seen {
                    self.gas = self.gas.saturating_add(seen.gas);
                    *self.outcomes.entry(seen.kind).or_default() += 1;
                }
            }
            Err(what) => {
                let (code, what) = match case.smaller() {
                    Some((smaller, what)) => (smaller.code, what),
                    None => (case.code.clone(), what),
                };
                self.differences.push(Difference { seed: case.seed, what, code });
            }
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.cases += other.cases;
        self.gas = self.gas.saturating_add(other.gas);
        for (outcome, count) in other.outcomes {
            *self.outcomes.entry(outcome).or_default() += count;
        }
        self.differences.extend(other.differences);
        self.differences.sort_by_key(|difference| difference.seed);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Difference { seed, what, .. } in &self.differences {
            writeln!(f, "seed {seed}: {what}")?;
        }
        for (outcome, count) in &self.outcomes {
            writeln!(f, "{count:>10}  {outcome}")?;
        }
        let (cases, steps, gas) = (self.cases, self.outcomes.values().sum::<u64>(), self.gas);
        writeln!(f, "{cases} modules, {steps} deployments and calls, {gas} gas, {} differences", self.differences.len())
    }
}
