//! The analysis for people.

use std::fmt;

use super::{Analysis, Compile, Extent, Function, Item};
use crate::Violation;

impl fmt::Display for Analysis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "wasm module, {} bytes, {}", self.size, if self.accepted { "accepted" } else { "refused" })?;
        line(f, "abi", self.abi.unwrap_or("none that is known"))?;
        list(f, "methods", &self.methods)?;
        list(f, "imports", &self.imports)?;
        list(f, "exports", &self.exports)?;
        for (name, extent, unit) in [("memory", self.memory, "pages of 64 KiB"), ("table", self.table, "entries")] {
            if let Some(Extent { initial, maximum }) = extent {
                let maximum =
                    maximum.map_or_else(|| "no maximum of its own".into(), |pages| format!("{pages} at most"));
                line(f, name, &format!("{initial} {unit}, {maximum}"))?;
            }
        }
        let none = "none beyond WebAssembly 1.0".to_owned();
        line(f, "features", &if self.features.is_empty() { none } else { self.features.join(", ") })?;
        let counts = &self.counts;
        let parts = format!("{} code, {} data, {} custom", counts.code_bytes, counts.data_bytes, counts.custom_bytes);
        line(f, "bytes", &parts)?;
        let numbers = format!("{} functions, {} types, {} globals", counts.functions, counts.types, counts.globals);
        line(f, "counts", &numbers)?;
        line(f, "at most", &format!("{} locals, {} nested blocks", counts.locals, counts.nesting))?;
        list(f, "largest", &self.largest)?;
        let deploy = &self.deploy;
        line(
            f,
            "deploy gas",
            &format!("{} = {} to store + {} to prepare", deploy.total, deploy.storing, deploy.preparing),
        )?;
        if let Some(call) = self.call {
            line(f, "call gas", &format!("{call} for a fresh instance"))?;
        }
        if let Some(Compile { microseconds, budget, compiled }) = self.compile {
            let (milliseconds, budget) = (microseconds.div_ceil(1_000), budget / 1_000);
            let verdict = if compiled { "of" } else { "more than the budget of" };
            let how = if compiled { "" } else { "; interpreted on every engine" };
            line(f, "compiling", &format!("estimated at {milliseconds} ms, {verdict} {budget} ms{how}"))?;
        }
        list(f, "note", &self.notes)?;
        for violation in &self.violations {
            writeln!(f, "{}", Told(violation))?;
        }
        match self.violations_left_out {
            0 => Ok(()),
            count => writeln!(f, "and {count} more"),
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(module) = &self.module {
            write!(f, "{module}.")?;
        }
        write!(f, "{}, {}", self.name, self.kind)?;
        self.ty.as_ref().map_or(Ok(()), |ty| write!(f, " {ty}"))
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "function {}", self.index)?;
        if let Some(name) = &self.name {
            write!(f, " ({name})")?;
        }
        let Self { bytes, locals, nesting, offset, .. } = self;
        write!(f, ": {bytes} bytes at {offset:#x}, {locals} locals, {nesting} nested blocks")
    }
}

/// A violation over several lines.
struct Told<'v>(&'v Violation);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Violation { rule, function, function_name, offset, operator, why } = self.0;
        write!(f, "{rule}: {why}")?;
        if let Some(function) = function {
            write!(f, "\n    in         function {function}")?;
            function_name.as_ref().map_or(Ok(()), |name| write!(f, " ({name})"))?;
        }
        if let Some(offset) = offset {
            write!(f, "\n    at         byte {offset:#x}")?;
        }
        if let Some(operator) = operator {
            write!(f, "\n    operator   {operator}")?;
        }
        write!(f, "\n    help       {}", self.0.help())
    }
}

fn list(f: &mut fmt::Formatter<'_>, name: &str, items: &[impl fmt::Display]) -> fmt::Result {
    items
        .iter()
        .enumerate()
        .try_for_each(|(index, item)| line(f, if index == 0 { name } else { "" }, &item.to_string()))
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, text: &str) -> fmt::Result {
    writeln!(f, "  {name:<12} {text}")
}
