//! Tables.

use std::time::Duration;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use vm_core::{MetricsSnapshot, VmStatus};

use crate::runtimes::Column;
use crate::scenario::{Account, Cell};

/// Columns of characters where there is no terminal that has a number of them.
const WIDTH: u16 = 140;

/// What each step cost on each runtime, and what came of it.
pub(crate) fn steps(columns: &[Column], rows: &[(&'static str, Vec<Cell>)]) -> Table {
    let mut table = by_runtime("step", columns);
    for (title, cells) in rows {
        table.add_row(std::iter::once((*title).to_owned()).chain(cells.iter().map(cell)));
    }
    table
}

/// What each account has in the end.
pub(crate) fn balances(columns: &[Column], rows: &[(Account, Vec<String>)]) -> Table {
    let mut table = by_runtime("balance", columns);
    for (account, held) in rows {
        table.add_row(std::iter::once(account.to_string()).chain(held.iter().cloned()));
    }
    table
}

/// How the machine is.
pub(crate) fn status(status: &VmStatus) -> Table {
    let mut table = plain(&["status", ""]);
    let height = status.height.map_or_else(|| "unknown".to_owned(), |height| height.to_string());
    let present = status.contracts.iter().filter(|(_, count)| *count > 0);
    let contracts = present.map(|(lifecycle, count)| format!("{count} {lifecycle}"));
    let workers = format!("{}, of them given up: {}", status.workers, status.quarantined);
    table.add_row(["state", status.state]);
    table.add_row(["height", &height]);
    table.add_row(["gas schedule", &status.schedule]);
    table.add_row(["contracts", &contracts.collect::<Vec<_>>().join(", ")]);
    table.add_row(["workers", &workers]);
    for (kind, runtime) in &status.runtimes {
        let health = runtime.problem.as_deref().unwrap_or("healthy");
        table.add_row([kind.to_string(), format!("{} {}, {health}", runtime.engine, runtime.version)]);
    }
    table
}

/// What the machine has done.
pub(crate) fn metrics(metrics: &MetricsSnapshot) -> Table {
    let mut table = plain(&["calls", "succeeded", "reverted", "trapped", "gas", "time each"]);
    for (kind, runtime) in &metrics.runtimes {
        let calls = runtime.succeeded + runtime.reverted + runtime.trapped;
        if calls == 0 {
            continue;
        }
        let mean = Duration::from_nanos(runtime.nanoseconds / calls);
        table.add_row([
            kind.to_string(),
            runtime.succeeded.to_string(),
            runtime.reverted.to_string(),
            runtime.trapped.to_string(),
            grouped(runtime.gas_used),
            time(mean),
        ]);
    }
    right_aligned(&mut table);
    table
}

fn by_runtime(title: &str, columns: &[Column]) -> Table {
    let mut header = vec![title];
    header.extend(columns.iter().map(|column| column.kind.as_str()));
    let mut table = plain(&header);
    right_aligned(&mut table);
    table
}

fn plain(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.set_header(header);
    table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    if !table.is_tty() {
        table.set_width(WIDTH);
    }
    table
}

fn right_aligned(table: &mut Table) {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

fn cell(cell: &Cell) -> String {
    let cost = format!("{} gas, {}", grouped(cell.gas.get()), time(cell.duration));
    match (&cell.problem, &cell.text) {
        (Some(_), _) => format!("{cost}\nWRONG, see below"),
        (None, Some(text)) => format!("{cost}\n{text}"),
        (None, None) => cost,
    }
}

/// Digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

fn time(time: Duration) -> String {
    match time.as_nanos() {
        nanos @ 0..100_000 => format!("{:.1} us", nanos as f64 / 1e3),
        nanos @ 100_000..1_000_000 => format!("{} us", nanos / 1_000),
        nanos @ 1_000_000..100_000_000 => format!("{:.1} ms", nanos as f64 / 1e6),
        nanos => format!("{} ms", nanos / 1_000_000),
    }
}
