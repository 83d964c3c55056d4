//! The commands that look and change nothing: list, show, status, metrics.

use std::io::{self, Write};
use std::process::ExitCode;

use anstyle::Style;
use comfy_table::{CellAlignment, Table, presets};
use serde_json::json;
use vm_core::{ContractName, Phase, Refusal, Vm, VmError, VmProvider};

use super::output::{Output, thousands};

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
    // A contract whose runtime is not available is still shown.
    let methods = vm.contract(name).map(|contract| contract.interface().methods());
    let address = name.address().to_string();
    output.print(
        || {
            json!({
                "ok": true,
                "contract": record,
                "address": address,
                "versions": versions,
                "methods": methods.as_ref().ok(),
            })
        },
        |out| {
            writeln!(out, "{STRONG}{name}{STRONG:#}")?;
            field(out, "state", &record.lifecycle.to_string())?;
            field(out, "runtime", &record.runtime.to_string())?;
            field(out, "version", &record.version.to_string())?;
            field(out, "address", &address)?;
            field(out, "owner", &record.owner.to_string())?;
            field(out, "code", &record.code.to_string())?;
            for (index, version) in versions.iter().enumerate() {
                let text = format!("{}  by {} on height {}", version.version, version.author, version.at);
                field(out, if index == 0 { "history" } else { "" }, &text)?;
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

/// The refusal that every other command on a contract gives as well.
fn unknown(name: &ContractName) -> VmError {
    VmError { phase: Phase::Load, kind: Refusal::UnknownContract(name.clone().into()).into() }
}

/// Shows how the host and its runtimes are.
pub(super) fn status(vm: &Vm, output: Output) -> anyhow::Result<ExitCode> {
    let status = vm.status();
    output.print(
        || json!({ "ok": true, "status": status }),
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
                    runtime.problem.clone().unwrap_or_else(|| "ok".to_owned()),
                    details.join(", "),
                ]);
            }
            writeln!(out, "\n{}", trimmed(&table))
        },
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Shows what was counted since the process started.
pub(super) fn metrics(vm: &Vm, output: Output) -> anyhow::Result<ExitCode> {
    let metrics = vm.metrics();
    output.print(
        || json!({ "ok": true, "metrics": metrics }),
        |out| {
            let mut table = columns(&["RUNTIME", "SUCCEEDED", "REVERTED", "TRAPPED", "GAS", "TIME"]);
            for index in 1..6 {
                if let Some(column) = table.column_mut(index) {
                    column.set_cell_alignment(CellAlignment::Right);
                }
            }
            for (kind, runtime) in &metrics.runtimes {
                let time = std::time::Duration::from_nanos(runtime.nanoseconds);
                table.add_row([
                    kind.to_string(),
                    thousands(runtime.succeeded),
                    thousands(runtime.reverted),
                    thousands(runtime.trapped),
                    thousands(runtime.gas_used),
                    format!("{time:.1?}"),
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
            ] {
                writeln!(out, "{name:<26} {:>12}", thousands(count))?;
            }
            Ok(())
        },
    )?;
    Ok(ExitCode::SUCCESS)
}

fn field(out: &mut dyn Write, name: &str, text: &str) -> io::Result<()> {
    writeln!(out, "  {FAINT}{name:<9}{FAINT:#} {text}")
}

/// A table without rules: columns with a title each.
fn columns(titles: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(titles);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}

/// The table without the blanks that fill up its lines.
fn trimmed(table: &Table) -> String {
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}
