//! A tree as people read it.

use std::fmt;

use super::{CallKind, CallTree, HostOperation, Traced, TracedCall, TracedOperation};
use crate::printable;

/// The calls, each with what happened inside below it; instructions are left out.
impl fmt::Display for CallTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for call in &self.calls {
            write!(f, "{call}")?;
        }
        writeln!(f, "{} gas before and beside the calls", self.gas_before)?;
        match self.omitted {
            0 => Ok(()),
            omitted => writeln!(f, "{omitted} entries more were not kept: the tree has reached its limit"),
        }
    }
}

impl fmt::Display for TracedCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_call(f, self, "", "")
    }
}

/// `first` stands before the call itself, `rest` before what is inside.
fn write_call(f: &mut fmt::Formatter<'_>, call: &TracedCall, first: &str, rest: &str) -> fmt::Result {
    write!(f, "{first}")?;
    if call.kind != CallKind::Call {
        write!(f, "{} ", call.kind.as_str())?;
    }
    match &call.contract {
        Some(name) => write!(f, "{name}")?,
        None => write!(f, "{}", call.callee)?,
    }
    if !call.method.is_empty() {
        write!(f, ".{}", printable(&call.method))?;
    }
    match call.runtime {
        Some(runtime) => write!(f, " [{runtime}]")?,
        None => write!(f, " [not entered]")?,
    }
    if call.input.length > 0 {
        write!(f, " {}", call.input)?;
    }
    if !call.value.is_zero() {
        write!(f, " value {}", call.value)?;
    }
    if call.is_static {
        write!(f, " static")?;
    }
    write!(f, " by {}: {}", call.caller, call.status)?;
    if call.output.length > 0 {
        write!(f, " {}", call.output)?;
    }
    write!(f, ", {} of {} gas", call.gas_used, call.gas)?;
    if call.refund.get() > 0 {
        write!(f, ", {} refunded", call.refund)?;
    }
    writeln!(f)?;
    let shown: Vec<&Traced> = call.inside.iter().filter(|traced| !matches!(traced, Traced::Step(_))).collect();
    for (index, traced) in shown.iter().enumerate() {
        let is_last = index + 1 == shown.len();
        let (branch, trunk) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        match traced {
            Traced::Call(inner) => write_call(f, inner, &format!("{rest}{branch}"), &format!("{rest}{trunk}"))?,
            Traced::Operation(operation) => writeln!(f, "{rest}{branch}{operation}")?,
            Traced::Step(_) => {}
        }
    }
    Ok(())
}

impl fmt::Display for TracedOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, gas, stopped } = self;
        match stopped {
            None => write!(f, "{what} ({gas} gas)"),
            Some(why) => write!(f, "{what}: stopped, {why} ({gas} gas)"),
        }
    }
}

impl fmt::Display for HostOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Get { key, value: Some(value) } => write!(f, "get {key} -> {value}"),
            Self::Get { key, value: None } => write!(f, "get {key} -> nothing"),
            Self::Put { key, value } => write!(f, "put {key} = {value}"),
            Self::Delete { key } => write!(f, "delete {key}"),
            Self::Scan { start, end, found } => write!(f, "scan {start} to {end} -> {found} entries"),
            Self::Emit { topics, data } => {
                write!(f, "emit")?;
                topics.iter().try_for_each(|topic| write!(f, " {topic}"))?;
                write!(f, " {data}")
            }
            Self::Log { message } => write!(f, "log {}", printable(message)),
        }
    }
}
