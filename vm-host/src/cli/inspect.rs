//! The commands that look and change nothing: list, show, status, metrics.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::process::ExitCode;

use anstyle::Style;
use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Value, json};
use vm_core::{
    Address, ContractName, Phase, Refusal, Room, VersionRecord, Vm, VmError, VmProvider, VmStatus, printable,
};

use super::counters::Counters;
use super::output::{Output, milliseconds, thousands};
use super::policy::Signatures;
use super::records::Refused;

const STRONG: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();

/// Lists all contracts.
pub(super) fn list(vm: &Vm, output: Output) -> anyhow::Result<ExitCode> {
    let contracts = vm.contracts()?;
    output.print(
        || json!({ "ok": true, "contracts": contracts }),
        |out| {
            if contracts.is_empty() {
                return writeln!(out, "no contracts");
            }
            let mut table = columns(&["NAME", "VERSION", "RUNTIME", "STATE", "VERSIONS", "OWNER"]);
            for record in &contracts {
                table.add_row([
                    record.name.to_string(),
                    record.version.to_string(),
                    record.runtime.to_string(),
                    record.lifecycle.to_string(),
                    record.versions.to_string(),
                    record.owner.to_string(),
                ]);
            }
            writeln!(out, "{}", trimmed(&table))
        },
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Shows one contract with its versions and methods.
pub(super) fn show(vm: &Vm, output: Output, name: &ContractName) -> anyhow::Result<ExitCode> {
    let record = vm.record(name)?.ok_or_else(|| unknown(name))?;
    let versions = vm.versions(name)?;
    let policy = vm.policy(name)?.unwrap_or_default();
    let signatures = Signatures::of(vm, name, &policy);
    // A contract whose runtime is not available is still shown.
    let methods = vm.contract(name).map(|contract| contract.interface().methods());
    let warnings = vm.cautions(name).unwrap_or_default();
    let address = name.address().to_string();
    output.print(
        || {
            json!({
                "ok": true,
                "contract": record,
                "address": address,
                "policy": policy,
                "versions": versions,
                "methods": methods.as_ref().ok(),
                "warnings": warnings,
            })
        },
        |out| {
            writeln!(out, "{STRONG}{name}{STRONG:#}")?;
            field(out, "state", &record.lifecycle.to_string())?;
            field(out, "runtime", &record.runtime.to_string())?;
            field(out, "version", &record.version.to_string())?;
            field(out, "address", &address)?;
            field(out, "owner", &record.owner.to_string())?;
            field(out, "may use", &record.capabilities.to_string())?;
            if let Some(room) = record.room {
                field(out, "room", &self::room(room))?;
            }
            for (index, (right, rule)) in policy.iter().enumerate() {
                let right = signatures.tell(&right);
                field(out, if index == 0 { "policy" } else { "" }, &format!("{right}: {rule}"))?;
            }
            for warning in &warnings {
                field(out, "warning", warning)?;
            }
            field(out, "code", &record.code.to_string())?;
            for (index, version) in versions.iter().enumerate() {
                let VersionRecord { version: name, runtime, code, author, block, .. } = version;
                let text = format!("{name}  {runtime} {code}  by {author} in block {block}");
                let text = if version.reason.is_empty() { text } else { format!("{text}: {}", version.reason) };
                field(out, if index == 0 { "versions" } else { "" }, &text)?;
            }
            match &methods {
                Ok(methods) => {
                    for (index, method) in methods.iter().enumerate() {
                        field(out, if index == 0 { "methods" } else { "" }, method)?;
                    }
                    Ok(())
                }
                Err(error) => field(out, "methods", &format!("unknown: {error}")),
            }
        },
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Addresses one after the other.
pub(super) fn joined<'a>(addresses: impl IntoIterator<Item = &'a Address>) -> String {
    addresses.into_iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

pub(super) fn room(room: Room) -> String {
    let counted = |count: u64, what: &str| format!("{} {what}{}", thousands(count), if count == 1 { "" } else { "s" });
    format!("{} and {}", counted(room.keys, "key"), counted(room.bytes, "byte"))
}

/// What was refused, if anything was.
pub(super) fn write_refused(out: &mut dyn Write, refused: &[Refused]) -> io::Result<()> {
    if refused.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{STRONG}refused{STRONG:#}")?;
    for Refused { time, actor, action, why, reason, .. } in refused {
        let reason = if reason.is_empty() { String::new() } else { format!("  ({reason})") };
        writeln!(out, "  {FAINT}{time}{FAINT:#}  {actor}  {action}: {}", printable(&format!("{why}{reason}")))?;
    }
    Ok(())
}

/// The refusal that every other command on a contract gives as well.
pub(super) fn unknown(name: &ContractName) -> VmError {
    VmError { phase: Phase::Load, kind: Refusal::UnknownContract(name.clone().into()).into() }
}

/// Shows how the host and its runtimes are.
pub(super) fn status(vm: &Vm, output: Output) -> anyhow::Result<ExitCode> {
    let status = vm.status();
    output.print(
        || json!({ "ok": true, "status": status_json(&status) }),
        |out| {
            writeln!(out, "{STRONG}vm-host {}{STRONG:#} is {}", env!("CARGO_PKG_VERSION"), status.state)?;
            let height =
                status.height.map_or_else(|| "unknown: the store does not answer".to_owned(), |h| h.to_string());
            field(out, "height", &height)?;
            field(out, "schedule", &status.schedule)?;
            let contracts: Vec<String> = status
                .contracts
                .iter()
                .filter(|(_, count)| *count > 0)
                .map(|(life, count)| format!("{count} {life}"))
                .collect();
            field(
                out,
                "contracts",
                if contracts.is_empty() { "none".to_owned() } else { contracts.join(", ") }.as_str(),
            )?;
            let workers = format!(
                "{} ({} quarantined, {} requests waiting, {} running)",
                status.workers, status.quarantined, status.queued, status.in_flight
            );
            field(out, "workers", &workers)?;
            let mut table = columns(&["RUNTIME", "ENGINE", "VERSION", "HEALTH", "DETAILS"]);
            for (kind, runtime) in &status.runtimes {
                let details: Vec<String> =
                    runtime.details.iter().map(|(name, value)| format!("{name}: {value}")).collect();
                table.add_row([
                    kind.to_string(),
                    runtime.engine.clone(),
                    runtime.version.clone(),
                    if runtime.problem.is_some() { "unavailable" } else { "ok" }.to_owned(),
                    details.join(", "),
                ]);
            }
            writeln!(out, "\n{}", trimmed(&table))?;
            for (kind, runtime) in &status.runtimes {
                if let Some(problem) = &runtime.problem {
                    writeln!(out, "\n{STRONG}{kind}{STRONG:#} is unavailable: {problem}")?;
                }
            }
            Ok(())
        },
    )?;
    Ok(ExitCode::SUCCESS)
}

/// The status as an object whose keys are names.
fn status_json(status: &VmStatus) -> Value {
    let runtimes: BTreeMap<&str, Value> = status
        .runtimes
        .iter()
        .map(|(kind, runtime)| {
            let details: BTreeMap<&str, &str> =
                runtime.details.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let (engine, version, problem) = (&runtime.engine, &runtime.version, &runtime.problem);
            let told = json!({ "engine": engine, "version": version, "problem": problem, "details": details });
            (kind.as_str(), told)
        })
        .collect();
    let contracts: BTreeMap<String, usize> =
        status.contracts.iter().map(|(life, count)| (life.to_string(), *count)).collect();
    let mut limits = json!(status.limits);
    if let Some(limits) = limits.as_object_mut() {
        for (name, duration) in [("execution_timeout", status.limits.execution_timeout), ("grace", status.limits.grace)]
        {
            limits.remove(name);
            limits.insert(format!("{name}_ms"), json!(milliseconds(duration)));
        }
    }
    let mut object = json!(status);
    if let Some(object) = object.as_object_mut() {
        object.insert("runtimes".to_owned(), json!(runtimes));
        object.insert("contracts".to_owned(), json!(contracts));
        object.insert("limits".to_owned(), limits);
    }
    object
}

/// Shows what was counted.
pub(super) fn metrics(metrics: &Counters, output: Output) -> anyhow::Result<ExitCode> {
    output.print(
        || json!({ "ok": true, "metrics": metrics.json() }),
        |out| {
            let mut table = columns(&["RUNTIME", "SUCCEEDED", "REVERTED", "TRAPPED", "GAS", "TIME"]);
            for index in 1..6 {
                if let Some(column) = table.column_mut(index) {
                    column.set_cell_alignment(CellAlignment::Right);
                }
            }
            for (kind, runtime) in &metrics.runtimes {
                table.add_row([
                    kind.to_string(),
                    thousands(runtime.succeeded),
                    thousands(runtime.reverted),
                    thousands(runtime.trapped),
                    thousands(runtime.gas_used),
                    format!("{:.1?}", runtime.duration()),
                ]);
            }
            writeln!(out, "{}\n", trimmed(&table))?;
            for (name, count) in [
                ("commits", metrics.commits),
                ("transactions committed", metrics.committed),
                ("conflicts", metrics.conflicts),
                ("requests refused", metrics.refused),
                ("host faults", metrics.faults),
                ("deadlines", metrics.deadlines),
                ("prepared contracts found", metrics.cache_hits),
                ("prepared contracts made", metrics.cache_misses),
                ("prepared contracts dropped", metrics.cache_evictions),
                ("refusals known before", metrics.known_refusals),
            ] {
                writeln!(out, "{name:<26} {:>12}", thousands(count))?;
            }
            Ok(())
        },
    )?;
    Ok(ExitCode::SUCCESS)
}

/// A line of what is told.
pub(super) fn field(out: &mut dyn Write, name: &str, text: &str) -> io::Result<()> {
    writeln!(out, "  {FAINT}{name:<9}{FAINT:#} {}", printable(text))
}

/// A table without rules: columns with a title each.
pub(super) fn columns(titles: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(titles);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}

/// The table without the blanks that fill up its lines.
pub(super) fn trimmed(table: &Table) -> String {
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}
