//! What a command prints: a few lines for people, or one JSON object.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};
use vm_core::{Denial, Event, Phase, Receipt, Status, printable};
use vm_host::ConfigError;

use super::failure::{self, Class};
use super::trace;

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const FAINT: Style = Style::new().dimmed();

/// Where a command's result goes, and in which form.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    pub(super) json: bool,
}

/// A receipt with its events as text, where the contracts describe them.
pub(super) struct Told<'r> {
    pub(super) receipt: &'r Receipt,
    pub(super) events: Vec<Option<String>>,
    /// True for a deployment or upgrade.
    pub(super) creation: bool,
}

impl Output {
    /// Prints `json` or what `human` writes, to standard output.
    pub(super) fn print(
        self,
        json: impl FnOnce() -> Value,
        human: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut out = anstream::stdout().lock();
        let written = if self.json { writeln!(out, "{:#}", json()) } else { human(&mut out) };
        ended(written.and_then(|()| out.flush()))
    }

    /// Says in one line that something was done.
    pub(super) fn done(self, json: impl FnOnce() -> Value, line: &str) -> io::Result<()> {
        self.print(json, |out| writeln!(out, "{GOOD}✓{GOOD:#} {line}"))
    }

    /// Prints how a transaction ended.
    pub(super) fn receipt(self, told: &Told<'_>, title: &str) -> io::Result<()> {
        self.print(|| told.json(), |out| told.write(out, title))
    }

    /// Prints what a query returned: the bare value, so that scripts can take it.
    pub(super) fn answer(self, told: &Told<'_>, title: &str) -> io::Result<()> {
        if !told.receipt.status.is_success() {
            return self.receipt(told, title);
        }
        if self.json {
            return self.print(|| told.json(), |_| Ok(()));
        }
        let text: Cow<'_, str> = match &told.receipt.text {
            Some(text) if io::stdout().is_terminal() => lines(text),
            Some(text) => text.as_str().into(),
            None => hex_text(&told.receipt.output).into(),
        };
        for denial in &told.receipt.denials {
            writeln!(anstream::stderr(), "refused  {}", printable(&denial.to_string()))?;
        }
        // To a pipe as it is, byte by byte; a terminal obeys no contract.
        let mut out = io::stdout().lock();
        let calls = told.receipt.trace.as_ref().map_or_else(String::new, |tree| format!("\n{tree}"));
        ended(write!(out, "{text}\n{calls}").and_then(|()| out.flush()))
    }

    /// Prints why a command failed: JSON to standard output, words to standard error.
    pub(super) fn failure(self, error: &anyhow::Error) -> io::Result<()> {
        let class = failure::class(error);
        let message = failure::message(error);
        if self.json {
            let receipt =
                failure::receipt(error).map(|receipt| Told { receipt, events: Vec::new(), creation: true }.json());
            let phase = failure::vm_error(error).map(|error| error.phase);
            let object = json!({
                "ok": false,
                "error": {
                    "class": class,
                    "code": failure::code(error),
                    "phase": phase,
                    "message": message,
                    "mistakes": mistakes(error),
                },
                "receipt": receipt,
            });
            return self.print(|| object, |_| Ok(()));
        }
        let title = match class {
            Class::Usage => "usage",
            Class::Contract => "the contract failed",
            Class::Refused => "refused",
            Class::Fault => "host fault",
            Class::Interrupted => "interrupted",
        };
        let mut out = anstream::stderr().lock();
        if let (Some(receipt), Some(error)) = (failure::receipt(error), failure::vm_error(error)) {
            let title = if error.phase == Phase::Migrate { "the migration failed" } else { "the constructor failed" };
            return Told { receipt, events: Vec::new(), creation: true }.write(&mut out, title);
        }
        // What a Vm says may quote a contract; the lines of others are theirs, such as a compiler's.
        let message = match failure::vm_error(error) {
            Some(_) => printable(&message),
            None => lines(&message),
        };
        writeln!(out, "{BAD}✗ {title}{BAD:#}  {message}")?;
        // The message of a Vm error tells its causes already.
        if class == Class::Fault && failure::vm_error(error).is_none() {
            for cause in error.chain().skip(1) {
                writeln!(out, "  {FAINT}because{FAINT:#}  {}", lines(&cause.to_string()))?;
            }
        }
        Ok(())
    }
}

/// An object with more keys.
pub(super) fn with(mut object: Value, more: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    if let Value::Object(object) = &mut object {
        object.extend(more.into_iter().map(|(key, value)| (key.to_owned(), value)));
    }
    object
}

/// How writing to standard output ended. A reader that has seen enough, such as `head`, is no fault.
fn ended(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(|error| {
            io::Error::new(error.kind(), format!("cannot write the result to standard output: {error}"))
        }),
    }
}

/// Printable text whose lines stay lines.
fn lines(text: &str) -> Cow<'_, str> {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n").into()
}

impl Told<'_> {
    /// The receipt as an object whose shape the README documents.
    pub(super) fn json(&self) -> Value {
        let receipt = self.receipt;
        let events: Vec<Value> =
            receipt.events.iter().zip(self.texts()).map(|(event, text)| event_json(event, text)).collect();
        json!({
            "ok": receipt.status.is_success(),
            "status": status_name(&receipt.status),
            "trap": trap(&receipt.status),
            "trap_text": trap(&receipt.status).map(|trap| trap.to_string()),
            "contract": receipt.contract,
            "address": receipt.target.address().to_string(),
            "runtime": receipt.runtime,
            "method": receipt.method,
            "output": { "text": receipt.text, "hex": hex_text(&receipt.output) },
            "gas_used": receipt.gas_used,
            "gas_limit": receipt.gas_limit,
            "events": events,
            "reads": receipt.reads.len(),
            "writes": receipt.writes.len(),
            "height": receipt.height,
            "warnings": receipt.warnings,
            "denials": receipt.denials.iter().map(denial).collect::<Vec<_>>(),
            "trace": receipt.trace.as_ref().map(|tree| trace::objects(tree).collect::<Vec<_>>()),
            "digest": hex_text(&receipt.digest()),
            "duration_ms": milliseconds(receipt.duration),
        })
    }

    pub(super) fn write(&self, out: &mut dyn Write, title: &str) -> io::Result<()> {
        let receipt = self.receipt;
        let line = |out: &mut dyn Write, name: &str, text: &str| {
            writeln!(out, "  {FAINT}{name:<8}{FAINT:#} {}", printable(text))
        };
        let result = match &receipt.text {
            Some(text) => text.clone(),
            // What a constructor returns and nobody described is code.
            None if receipt.output.is_empty() || (self.creation && receipt.status.is_success()) => String::new(),
            None => short_hex(&receipt.output),
        };
        if receipt.status.is_success() {
            writeln!(out, "{GOOD}✓{GOOD:#} {title}")?;
            if !result.is_empty() {
                line(out, "returned", &result)?;
            }
        } else {
            writeln!(out, "{BAD}✗{BAD:#} {title}")?;
            line(out, "failed", &receipt.status.to_string())?;
            if !result.is_empty() {
                line(out, "reason", &result)?;
            }
        }
        for (index, (event, text)) in receipt.events.iter().zip(self.texts()).enumerate() {
            line(out, if index == 0 { "events" } else { "" }, &event_text(event, text))?;
        }
        for warning in &receipt.warnings {
            line(out, "warning", warning)?;
        }
        for denial in &receipt.denials {
            line(out, "refused", &denial.to_string())?;
        }
        line(out, "gas", &thousands(receipt.gas_used.get()))?;
        let (reads, writes) = (receipt.reads.len(), receipt.writes.len());
        line(out, "state", &format!("{reads} read, {writes} written, height {}", receipt.height))?;
        line(out, "time", &format!("{:.1?}", receipt.duration))?;
        match &receipt.trace {
            Some(tree) => write!(out, "\n{tree}"),
            None => Ok(()),
        }
    }

    /// The texts of the events; `None` for those that nobody described.
    fn texts(&self) -> impl Iterator<Item = Option<&str>> {
        self.events.iter().map(Option::as_deref).chain(std::iter::repeat(None))
    }
}

/// What was refused to a contract, as an object like those of a history.
fn denial(denial: &Denial) -> Value {
    json!({
        "contract": denial.contract(),
        "actor": denial.actor().to_string(),
        "action": denial.action().map_or_else(|| "change the host's policy".to_owned(), |action| action.to_string()),
        "reason": denial.reason(),
        "why": denial.why(),
    })
}

/// The mistakes of a configuration file, one by one.
fn mistakes(error: &anyhow::Error) -> Option<Vec<Value>> {
    let Some(ConfigError::Invalid(invalid)) = error.downcast_ref() else { return None };
    let told = invalid.mistakes().iter().map(|mistake| {
        json!({
            "file": invalid.file(),
            "line": mistake.line(),
            "column": mistake.column(),
            "found": mistake.found(),
            "expected": mistake.expectation(),
            "help": mistake.advice(),
        })
    });
    Some(told.collect())
}

fn event_json(event: &Event, text: Option<&str>) -> Value {
    json!({
        "contract": event.contract,
        "address": event.address.to_string(),
        "topics": event.topics.iter().map(|topic| hex_text(topic)).collect::<Vec<_>>(),
        "name": event.topics.first().and_then(|topic| readable(topic)).or_else(|| name(text?)),
        "data": hex_text(&event.data),
        "text": text,
    })
}

fn event_text(event: &Event, text: Option<&str>) -> String {
    let source = event.contract.as_ref().map_or_else(|| event.address.to_string(), ToString::to_string);
    if let Some(text) = text {
        return format!("{source}: {text}");
    }
    let topics: Vec<String> =
        event.topics.iter().map(|topic| readable(topic).map_or_else(|| hex_text(topic), str::to_owned)).collect();
    format!("{source}: {} {}", topics.join(" "), short_hex(&event.data))
}

/// The event's name in its text, `Transfer(from: 0x..., ...)`.
fn name(text: &str) -> Option<&str> {
    text.split_once('(').map(|(name, _)| name)
}

/// A topic that is text.
fn readable(topic: &[u8]) -> Option<&str> {
    std::str::from_utf8(topic).ok().filter(|text| !text.is_empty() && text.chars().all(|c| !c.is_control()))
}

pub(super) fn status_name(status: &Status) -> &'static str {
    match status {
        Status::Success => "success",
        Status::Revert => "revert",
        Status::Trap(_) => "trap",
    }
}

pub(super) fn trap(status: &Status) -> Option<vm_core::Trap> {
    match status {
        Status::Trap(trap) => Some(*trap),
        _ => None,
    }
}

pub(super) fn hex_text(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

/// Hex for people, who do not read more than a few words of it.
pub(super) fn short_hex(bytes: &[u8]) -> String {
    match bytes.get(..64) {
        Some(start) if bytes.len() > 96 => format!("{}… ({} bytes)", hex_text(start), bytes.len()),
        _ => hex_text(bytes),
    }
}

/// A duration as JSON tells it: milliseconds, to the microsecond.
pub(super) fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// 1234567 as "1,234,567".
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_directs_a_terminal() {
        assert_eq!(lines("plain, ü"), "plain, ü");
        assert_eq!(lines("\u{1b}[31mred\r\n\u{9b}1m\u{202e}"), "\\u{1b}[31mred\\r\n\\u{9b}1m\\u{202e}");
    }

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(thousands(number), text);
        }
    }
}
