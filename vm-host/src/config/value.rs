//! Reads single values: texts, switches, sizes, durations, shares of a processor.

use std::time::Duration;

use vm_core::Amount;

use super::Mistake;
use super::document::{Node, Value};
use super::section::{did_you_mean, one_of, wrong_type};

/// Any text but the empty one.
pub(super) fn text<'d>(node: &'d Node, key: &str) -> Result<&'d str, Mistake> {
    match &node.value {
        Value::Text(text) if !text.trim().is_empty() => Ok(text),
        Value::Integer(_) | Value::Float(_) => Err(wrong_type(node, key, "a text")
            .help("put it in quotes: 1.10 and 1.1 are the same number, but not the same text")),
        _ => Err(wrong_type(node, key, "a text that is not empty")),
    }
}

/// `true` or `false`.
pub(super) fn switch(node: &Node, key: &str) -> Result<bool, Mistake> {
    match &node.value {
        Value::Bool(value) => Ok(*value),
        Value::Text(text) if text == "true" || text == "false" => {
            Err(wrong_type(node, key, "true or false").help("remove the quotes"))
        }
        _ => Err(wrong_type(node, key, "true or false")),
    }
}

/// One of the names in `choices`.
pub(super) fn choice<'c, T>(node: &Node, key: &str, choices: &'c [(&'c str, T)]) -> Result<&'c T, Mistake> {
    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
    let expected = one_of(&names, '"');
    let Value::Text(text) = &node.value else {
        return Err(wrong_type(node, key, &expected));
    };
    if let Some((_, value)) = choices.iter().find(|(name, _)| name == text) {
        return Ok(value);
    }
    let mistake = Mistake::at(node.at, format!("unknown {key} \"{text}\"")).expected(expected);
    Err(match did_you_mean(text, &names, '"') {
        Some(help) => mistake.help(help),
        None => mistake,
    })
}

/// A number of bytes: "1GB", "512MiB", or a plain number. At least `min`.
pub(super) fn bytes(node: &Node, key: &str, min: u64) -> Result<u64, Mistake> {
    const EXPECTED: &str = "a size such as \"1GB\" (10^9 bytes) or \"512MiB\" (512 x 2^20 bytes)";
    let size = match &node.value {
        Value::Integer(number) => u64::try_from(*number).map_err(|_| wrong_type(node, key, EXPECTED))?,
        // A sign would be dropped silently.
        Value::Text(text) if text.trim_start().starts_with(|first: char| first.is_ascii_digit()) => {
            text.parse::<bytesize::ByteSize>().map_err(|_| wrong_type(node, key, EXPECTED))?.as_u64()
        }
        _ => return Err(wrong_type(node, key, EXPECTED)),
    };
    if size < min {
        let min = bytesize::ByteSize::b(min).display().iec();
        return Err(wrong_type(node, key, &format!("at least {min}")));
    }
    Ok(size)
}

/// An amount of the native asset: a number, or a text where it is too large for one.
pub(super) fn amount(node: &Node, key: &str) -> Result<Amount, Mistake> {
    const EXPECTED: &str = "an amount from 0 to 2^256 - 1, in quotes if it is above 2^63 - 1";
    match &node.value {
        Value::Integer(number) => {
            u128::try_from(*number).map(Amount::from).map_err(|_| wrong_type(node, key, EXPECTED))
        }
        Value::Text(text) => text.parse().map_err(|_| wrong_type(node, key, EXPECTED)),
        _ => Err(wrong_type(node, key, EXPECTED)),
    }
}

/// The longest duration: nothing that a host waits for takes longer than a day.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// A duration with its unit, from a millisecond to a day: "30s", "1m 30s", "500ms".
pub(super) fn duration(node: &Node, key: &str) -> Result<Duration, Mistake> {
    const EXPECTED: &str = "a duration such as \"30s\", \"1m 30s\" or \"500ms\"";
    match &node.value {
        Value::Text(text) => match humantime::parse_duration(text) {
            Ok(duration) if (Duration::from_millis(1)..=LONGEST).contains(&duration) => Ok(duration),
            Ok(_) => Err(wrong_type(node, key, "a duration from \"1ms\" to \"1day\"")),
            Err(_) => Err(wrong_type(node, key, EXPECTED)),
        },
        Value::Integer(number) if *number > 0 => {
            Err(wrong_type(node, key, EXPECTED).help(format!("give the unit: \"{number}s\"")))
        }
        _ => Err(wrong_type(node, key, EXPECTED)),
    }
}

/// Processors in thousandths: "2" is 2000, "0.5" is 500. Above zero, at most 1024 processors.
pub(super) fn millicpus(node: &Node, key: &str) -> Result<u32, Mistake> {
    const EXPECTED: &str = "a number of processors such as \"2\" or \"0.5\", at most 1024";
    let count = match &node.value {
        Value::Text(text) if text.chars().all(|c| c.is_ascii_digit() || c == '.') => text.parse::<f64>().ok(),
        Value::Integer(number) => i32::try_from(*number).ok().map(f64::from),
        Value::Float(number) => Some(*number),
        _ => None,
    };
    let thousandths = count.map(|count| (count * 1000.0).round()).filter(|count| (1.0..=1_024_000.0).contains(count));
    // In range by the filter, so the conversion is exact.
    thousandths.map(|count| count as u32).ok_or_else(|| wrong_type(node, key, EXPECTED))
}

/// A whole number, zero included.
pub(super) fn whole(node: &Node, key: &str) -> Result<u64, Mistake> {
    match &node.value {
        Value::Integer(0) => Ok(0),
        Value::Integer(number) if *number > 0 => positive(node, key),
        Value::Text(_) => positive(node, key),
        _ => Err(wrong_type(node, key, "a whole number, not below zero")),
    }
}

/// A whole number above zero.
pub(super) fn positive(node: &Node, key: &str) -> Result<u64, Mistake> {
    const EXPECTED: &str = "a whole number above zero";
    match &node.value {
        Value::Integer(number) if *number > 0 => {
            u64::try_from(*number).map_err(|_| wrong_type(node, key, "at most 2^64 - 1"))
        }
        Value::Text(text) if text.parse::<u64>().is_ok() => {
            Err(wrong_type(node, key, EXPECTED).help("remove the quotes"))
        }
        _ => Err(wrong_type(node, key, EXPECTED)),
    }
}
