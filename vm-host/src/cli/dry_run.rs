//! What a command would do, and in what the contract's calls would differ afterwards.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use bytes::Bytes;
use serde_json::{Value, json};
use vm_core::{
    ContractName, Difference, DryRun, DryRunRequest, InvokeRequest, Receipt, Replayed, Trial, Vm, VmError, VmProvider,
};

use super::arguments::Trying;
use super::failure::{Class, Usage, unusable};
use super::output::{Output, Told, short_hex, thousands, with};
use super::progress;
use super::records::{RecordedCall, Records};
use super::trace::Tracing;

/// A trial, and the calls that are to be compared, if that is what is asked for.
pub(super) struct Tried {
    request: DryRunRequest,
    /// How many of the last calls were asked for; there may be fewer on record.
    last: Option<usize>,
}

impl From<Trial> for Tried {
    fn from(trial: Trial) -> Self {
        Self { request: DryRunRequest::new(trial), last: None }
    }
}

/// Tries something and prints what it would do.
pub(super) fn run(vm: &Vm, tracing: &Tracing, output: Output, title: &str, tried: Tried) -> anyhow::Result<ExitCode> {
    let Tried { request, last } = tried;
    let creation = !matches!(request.trial, Trial::Invoke(_));
    let mut run = progress::wait(title, vm.dry_run(request))??;
    tracing.keep(&mut run.receipt);
    let told = Told { receipt: &run.receipt, events: Vec::new(), creation };
    output.print(|| report(&told, &run, last), |out| write(out, &told, title, &run, last))?;
    Ok(if run.receipt.status.is_success() { ExitCode::SUCCESS } else { ExitCode::from(Class::Contract as u8) })
}

/// A trial with the calls that are to be compared, if that is what is asked for.
pub(super) fn request(
    trial: impl FnOnce() -> Trial,
    trying: &Trying,
    records: &Records,
    name: &ContractName,
) -> anyhow::Result<Option<Tried>> {
    if !trying.dry_run {
        return Ok(None);
    }
    let calls = match (trying.replay, &trying.calls) {
        (Some(last), _) => {
            let calls =
                (1..).map(|number: usize| format!("call {number} of those on record")).zip(records.calls(name, last));
            requests(calls, name)?
        }
        (None, Some(file)) => requests(read(file)?.into_iter(), name)?,
        (None, None) => Vec::new(),
    };
    Ok(Some(Tried { request: DryRunRequest::new(trial()).replay(calls), last: trying.replay }))
}

/// The calls, each with where it comes from.
fn requests(
    calls: impl Iterator<Item = (String, RecordedCall)>,
    name: &ContractName,
) -> anyhow::Result<Vec<InvokeRequest>> {
    let request = |(from, call): (String, RecordedCall)| {
        call.request(name).map_err(|error| Usage(format!("{from}: {error}")).into())
    };
    calls.map(request).collect()
}

/// The calls in a file, one a line.
fn read(file: &Path) -> anyhow::Result<Vec<(String, RecordedCall)>> {
    let text = std::fs::read_to_string(file).map_err(|error| unusable("read", file, &error))?;
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let call = |(number, line): (usize, &str)| {
        let from = format!("{}:{number}", file.display());
        match serde_json::from_str(line) {
            Ok(call) => Ok((from, call)),
            Err(error) => Err(Usage(format!("{from}: not a call: {error}")).into()),
        }
    };
    lines.map(call).collect()
}

fn write(out: &mut dyn Write, told: &Told<'_>, title: &str, run: &DryRun, last: Option<usize>) -> io::Result<()> {
    told.write(out, title)?;
    for (number, call) in (1..).zip(&run.replayed).filter(|(_, call)| !call.differences.is_empty()) {
        writeln!(out, "\ncall {number}  {} from {}", call.request.method, call.request.sender.caller)?;
        for difference in &call.differences {
            let (what, before, after) = words(difference);
            writeln!(out, "  {what:<10} {before}\n          → {after}")?;
        }
    }
    writeln!(out)?;
    let Counts { differing, in_gas_alone, refused, made } = Counts::of(run);
    if run.thawed {
        writeln!(out, "the contract is frozen; the calls were made as if it were not")?;
    }
    if let Some(last) = last.filter(|last| made < *last) {
        writeln!(
            out,
            "{} of the {} calls that were asked for are on record",
            thousands(made as u64),
            thousands(last as u64)
        )?;
    }
    if refused > 0 {
        writeln!(out, "{refused} of {made} calls were refused before and after, and say nothing")?;
    }
    if in_gas_alone > 0 {
        writeln!(out, "{in_gas_alone} of {made} calls differ in gas alone")?;
    }
    match made {
        0 => writeln!(out, "nothing was changed"),
        made => writeln!(out, "{differing} of {made} calls differ; nothing was changed"),
    }
}

/// What became of the calls.
struct Counts {
    differing: usize,
    /// Those of them that do the same, for more gas or less.
    in_gas_alone: usize,
    /// Both before and after.
    refused: usize,
    made: usize,
}

impl Counts {
    fn of(run: &DryRun) -> Self {
        let count = |what: fn(&Replayed) -> bool| run.replayed.iter().filter(|call| what(call)).count();
        Self {
            differing: count(|call| !call.differences.is_empty()),
            in_gas_alone: count(|call| matches!(&*call.differences, [Difference::Gas(..)])),
            refused: count(|call| call.is_refused() && call.differences.is_empty()),
            made: run.replayed.len(),
        }
    }
}

fn report(told: &Told<'_>, run: &DryRun, last: Option<usize>) -> Value {
    let replayed = run.replayed.iter().map(|Replayed { request, before, after, differences }| {
        let differences = differences.iter().map(|difference| {
            let (what, before, after) = words(difference);
            json!({ "what": what, "before": before, "after": after })
        });
        json!({
            "method": request.method,
            "from": request.sender.caller.to_string(),
            "before": ending(before),
            "after": ending(after),
            "differences": differences.collect::<Vec<_>>(),
        })
    });
    let Counts { differing, in_gas_alone, refused, made } = Counts::of(run);
    let calls = json!({
        "asked_for": last,
        "made": made,
        "refused_before_and_after": refused,
        "differing": differing,
        "in_gas_alone": in_gas_alone,
        "thawed": run.thawed,
    });
    let replayed = json!(replayed.collect::<Vec<_>>());
    with(told.json(), [("dry_run", json!(true)), ("replayed", replayed), ("calls", calls)])
}

fn ending(result: &Result<Receipt, VmError>) -> String {
    match result {
        Ok(receipt) => receipt.status.to_string(),
        Err(error) => error.to_string(),
    }
}

/// What differs, and how it reads before and after.
fn words(difference: &Difference) -> (String, String, String) {
    let bytes = |bytes: &[u8]| match std::str::from_utf8(bytes) {
        Ok(text) if text.chars().all(|c| !c.is_control()) && !text.is_empty() => format!("'{text}'"),
        _ => short_hex(bytes),
    };
    let written = |value: &Option<Option<Bytes>>| match value {
        None => "not written".to_owned(),
        Some(None) => "deleted".to_owned(),
        Some(Some(value)) => bytes(value),
    };
    let pair = |what: &str, before: String, after: String| (what.to_owned(), before, after);
    match difference {
        Difference::Refusal(before, after) => {
            let carried_out = || "carried out".to_owned();
            pair("refusal", before.clone().unwrap_or_else(carried_out), after.clone().unwrap_or_else(carried_out))
        }
        Difference::Status(before, after) => pair("status", before.to_string(), after.to_string()),
        Difference::Output(before, after) => pair("output", bytes(before), bytes(after)),
        Difference::Events(before, after) => {
            let list = |events: &[vm_core::Event]| {
                let one = |event: &vm_core::Event| {
                    let topics: Vec<_> = event.topics.iter().map(|topic| bytes(topic)).collect();
                    format!("{} {}", topics.join(" "), short_hex(&event.data))
                };
                format!("{} events {}", events.len(), events.iter().map(one).collect::<Vec<_>>().join(", "))
            };
            pair("events", list(before), list(after))
        }
        Difference::Key(key, before, after) => (format!("key {key:?}"), written(before), written(after)),
        Difference::Gas(before, after) => pair("gas", thousands(before.get()), thousands(after.get())),
        other => pair("other", String::new(), format!("{other:?}")),
    }
}
