//! Many lives, on all cores.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use super::lives::lives;
use super::machine::{Depth, Machine};
use super::model::Model;
use super::step::{Crash, Step, Verb};
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
        let config = Config { cases: 1, max_shrink_iters: 2_000, failure_persistence: None, ..Config::default() };
        let seen = RefCell::new(Report::default());
        let lived = TestRunner::new_with_rng(config, rng).run(&lives(STEPS), |life| {
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
        machine = live_on(step, machine, &mut model, directory.path(), report)
            .map_err(|what| format!("step {number}: {what}"))?;
    }
    machine.end(directory.path(), Crash::Restart).map_err(told)?;
    let machine = Machine::start(directory.path()).map_err(told)?;
    machine.compare(&model, Depth::Ever).map_err(|what| format!("after the last restart: {what}"))?;
    machine.end(directory.path(), Crash::Restart).map_err(told)
}

/// Does a step on both, and compares them.
fn live_on(
    step: &Step,
    machine: Machine,
    model: &mut Model,
    directory: &Path,
    report: &mut Report,
) -> Result<Machine, String> {
    let told = |error: io::Error| error.to_string();
    let restart = |machine: Machine| {
        machine.end(directory, step.crash).map_err(told)?;
        Machine::start(directory).map_err(told)
    };
    let number = if let Verb::Sign(_, which) = step.verb { model.number(which) } else { 0 };
    let (before, height) = (model.clone(), machine.height()?);
    let keeps = matches!(step.verb, Verb::Query(_) | Verb::DryRun { .. });
    let state = keeps.then(|| machine.state()).transpose()?;
    let expected = model.apply(step);
    let found = machine.perform(step, number)?;
    let lost = expected.commits && step.crash.ends_the_commit();
    if lost && !found.name.is_empty() {
        return Err(format!("ended with {} though the host did in its commit", found.name));
    }
    if let Some(difference) = expected.differs_from(&found, lost) {
        return Err(difference);
    }
    if keeps && state != Some(machine.state()?) {
        return Err(format!("a {} changed the state", step.verb.name()));
    }
    let next = height + u64::from(expected.commits);
    let machine = if lost {
        *report.crashes.entry(step.crash.name()).or_default() += 1;
        let machine = restart(machine)?;
        match machine.height()? {
            found if found == height && step.crash.may_lose() => *model = before,
            // What is torn is not there: otherwise nothing was.
            found if found == next && !step.crash.may_lose() => {}
            found => return Err(format!("height {found} after {height} and a crash")),
        }
        model.restarted();
        machine
    } else {
        let usual = || format!("{} {}{}", step.verb.name(), expected.name, step.way.name());
        *report.endings.entry(expected.ending.unwrap_or_else(usual)).or_default() += 1;
        let found = machine.height()?;
        if found != next {
            return Err(format!("height {found} instead of {next}"));
        }
        if step.crash == Crash::Restart {
            model.restarted();
            restart(machine)?
        } else {
            machine
        }
    };
    machine.compare(model, Depth::Now)?;
    Ok(machine)
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
