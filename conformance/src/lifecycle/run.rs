//! Many lives, on all cores.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use vm_core::Operation;

use super::machine::Machine;
use super::model::{Model, UNCHANGED, may_be_lost};
use super::step::{Calling, Crash, Governing, Step, Verb, Way, steps};
use crate::folder;

/// The most steps of a life.
const STEPS: usize = 24;

/// A life in which the machine and the model did not agree, made as short as it could be.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Running with it as the first seed finds it again.
    pub seed: u64,
    /// Where they differed.
    pub what: String,
    /// The shortest life that was found.
    pub life: String,
}

/// What came out.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Lives.
    pub lives: u64,
    /// Steps, by verb and how they ended.
    pub endings: BTreeMap<String, u64>,
    /// Crashes, by kind.
    pub crashes: BTreeMap<&'static str, u64>,
    /// Where machine and model did not agree, by seed.
    pub failures: Vec<Failure>,
}

/// Runs lives with consecutive seeds on all cores: the first `lives`, and further ones until `time` is over.
///
/// `progress` is called now and then with the number of lives so far.
///
/// # Errors
/// When a thread cannot be started, or dies.
pub fn run(seed: u64, lives: u64, time: Duration, progress: &(dyn Fn(u64) + Sync)) -> io::Result<Report> {
    #[allow(clippy::disallowed_methods, reason = "how long to go on decides no result")]
    let over = {
        let started = Instant::now();
        move || started.elapsed() >= time
    };
    spread(|number| {
        let number = number as u64;
        if number >= lives && over() {
            return None;
        }
        if number % 256 == 255 {
            progress(number + 1);
        }
        Some(seed.wrapping_add(number))
    })
}

/// Runs the lives with these seeds on all cores.
///
/// # Errors
/// When a thread cannot be started, or dies.
pub fn replay(seeds: &[u64]) -> io::Result<Report> {
    spread(|number| seeds.get(number).copied())
}

/// Runs lives on all cores until there is no seed for the next one.
fn spread(seed: impl Fn(usize) -> Option<u64> + Sync) -> io::Result<Report> {
    let reports = folder::spread(|next| {
        let mut report = Report::default();
        while let Some(seed) = seed(next()) {
            report.live(seed);
        }
        report
    })?;
    let mut sum = Report::default();
    reports.into_iter().for_each(|report| sum.add(report));
    Ok(sum)
}

impl Report {
    fn live(&mut self, seed: u64) {
        self.lives += 1;
        let mut bytes = [0; 32];
        bytes.iter_mut().zip(seed.to_le_bytes()).for_each(|(byte, of_seed)| *byte = of_seed);
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let config = Config { cases: 1, failure_persistence: None, ..Config::default() };
        let seen = RefCell::new(Report::default());
        let lived = TestRunner::new_with_rng(config, rng).run(&steps(STEPS), |life| {
            *seen.borrow_mut() = Self::default();
            live(&life, &mut seen.borrow_mut()).map_err(TestCaseError::fail)
        });
        let Report { endings, crashes, .. } = seen.into_inner();
        endings.into_iter().for_each(|(ending, count)| *self.endings.entry(ending).or_default() += count);
        crashes.into_iter().for_each(|(crash, count)| *self.crashes.entry(crash).or_default() += count);
        match lived {
            Ok(()) => {}
            Err(TestError::Fail(what, life)) => {
                self.failures.push(Failure { seed, what: what.to_string(), life: format!("{life:#?}") });
            }
            Err(TestError::Abort(what)) => {
                self.failures.push(Failure { seed, what: what.to_string(), life: String::new() });
            }
        }
    }

    fn add(&mut self, other: Self) {
        self.lives += other.lives;
        other.endings.into_iter().for_each(|(ending, count)| *self.endings.entry(ending).or_default() += count);
        other.crashes.into_iter().for_each(|(crash, count)| *self.crashes.entry(crash).or_default() += count);
        self.failures.extend(other.failures);
        self.failures.sort_by_key(|failure| failure.seed);
    }
}

/// A directory in memory where there is one: what is tested is the order of writes, not the disk.
fn directory() -> io::Result<tempfile::TempDir> {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }
}

/// Lives one life on the machine and on the model.
fn live(life: &[Step], report: &mut Report) -> Result<(), String> {
    let told = |error: io::Error| error.to_string();
    let directory = directory().map_err(told)?;
    let mut machine = Machine::start(directory.path()).map_err(told)?;
    let mut model = Model::default();
    for (number, step) in (1..).zip(life) {
        let prepared = machine.prepare(step)?;
        let (before, height) = (model.clone(), machine.height()?);
        let expected = model.apply(step);
        let at = |what: String| format!("step {number}: {what}");
        match (machine.perform(step, prepared)?, step.crash) {
            (Ok(found), crash) => {
                if found != expected {
                    return Err(at(format!("ended with {found:?} instead of {expected:?}")));
                }
                let ending = expected.err().unwrap_or("done");
                let way = step.way.name();
                *report.endings.entry(format!("{} {ending}{way}", step.verb.name())).or_default() += 1;
                if crash == Crash::Restart {
                    machine.end(directory.path(), crash).map_err(told)?;
                    machine = Machine::start(directory.path()).map_err(told)?;
                    model.restarted();
                }
            }
            (Err(error), Crash::None | Crash::Restart) => return Err(at(error)),
            (Err(_), crash) => {
                // It would have been carried out, but nobody was told. A proposal is, also when what it proposes is so already.
                if let Err(refused) = expected
                    && refused != UNCHANGED
                {
                    return Err(at(format!("committed instead of being refused as {refused}")));
                }
                *report.crashes.entry(crash.name()).or_default() += 1;
                machine.end(directory.path(), crash).map_err(told)?;
                machine = Machine::start(directory.path()).map_err(told)?;
                match machine.height()?.checked_sub(height) {
                    Some(0) if may_be_lost(crash) => model = before,
                    Some(1) if crash != Crash::Before => {}
                    _ => return Err(at(format!("height {} after {height} and a crash", machine.height()?))),
                }
                model.restarted();
            }
        }
        if let Some(difference) = machine.differences(&model)? {
            return Err(at(difference));
        }
    }
    machine.end(directory.path(), Crash::Restart).map_err(told)?;
    let machine = Machine::start(directory.path()).map_err(told)?;
    match machine.differences(&model)? {
        Some(difference) => Err(format!("after the last restart: {difference}")),
        None => machine.end(directory.path(), Crash::Restart).map_err(told),
    }
}

impl Verb {
    fn name(&self) -> &'static str {
        match self {
            Self::Deploy { .. } => "deploy",
            Self::Upgrade { .. } => "upgrade",
            Self::Rollback { .. } => "rollback",
            Self::Migrate { .. } => "migrate",
            Self::Change(change) => Operation::from(*change).as_str(),
            Self::Grant { .. } => "grant",
            Self::Govern(Governing::Deploy { .. }) => "govern deploy",
            Self::Govern(Governing::Enrol(_)) => "enrol",
            Self::Govern(Governing::Dismiss(_)) => "dismiss",
            Self::Govern(Governing::Room(_)) => "room",
            Self::Call(Calling::Count) => "count",
            Self::Call(Calling::Put(..)) => "put",
            Self::Call(Calling::Delete(_)) => "delete",
            Self::Call(Calling::Emit) => "emit",
            Self::Call(Calling::Time) => "time",
            Self::Call(Calling::Forward) => "forward",
            Self::Call(Calling::Ask) => "ask",
            Self::DryRun { .. } => "dry run",
        }
    }
}

impl Way {
    const fn name(self) -> &'static str {
        match self {
            Self::Request => "",
            Self::Transaction => " as transaction",
            Self::Proposal => " by proposal",
        }
    }
}

impl Crash {
    const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Restart => "restart",
            Self::Before => "before the commit",
            Self::After => "after the commit",
            Self::Within(_) => "within the commit",
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Failure { seed, what, life } in &self.failures {
            writeln!(f, "seed {seed}: {what}\n{life}")?;
        }
        for (ending, count) in &self.endings {
            writeln!(f, "{count:>10}  {ending}")?;
        }
        for (crash, count) in &self.crashes {
            writeln!(f, "{count:>10}  crash {crash}")?;
        }
        let (lives, steps) = (self.lives, self.endings.values().sum::<u64>());
        writeln!(f, "{lives} lives, {steps} steps, {} failures", self.failures.len())
    }
}
