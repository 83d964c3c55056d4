//! The report for people, and for programs.

use std::fmt;

use super::{Lacking, Part, Report};

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "evm code, {} bytes, by the rules of {}", self.size, self.fork)?;
        let metadata = self.metadata.as_ref();
        line(f, "compiler", metadata.and_then(|m| m.compiler.as_deref()).unwrap_or("not told"))?;
        if let Some(hash) = metadata.and_then(|m| m.hash.as_deref()) {
            line(f, "metadata", hash)?;
        }
        for (name, part) in [("constructor", self.constructor.as_ref()), ("contract", Some(&self.runtime))] {
            if let Some(part) = part {
                line(f, name, &format!("{} bytes from {}, {} reachable", part.size, part.offset, part.reachable))?;
                part.write(f)?;
            }
        }
        for (index, selector) in self.selectors.iter().enumerate() {
            let name = if index == 0 { "selectors" } else { "" };
            let signature = selector.signature.as_deref().unwrap_or_default();
            line(f, name, format!("0x{} {signature}", hex::encode(selector.bytes)).trim_end())?;
        }
        Ok(())
    }
}

impl Part {
    /// Each opcode that the fork lacks, where it is first, and how often it is there.
    fn lacking(&self) -> Vec<String> {
        let mut counted: Vec<(&Lacking, usize)> = Vec::new();
        for lacking in &self.lacking {
            match counted.iter_mut().find(|(first, _)| first.opcode == lacking.opcode) {
                Some((_, count)) => *count += 1,
                None => counted.push((lacking, 1)),
            }
        }
        let told = counted.into_iter().map(|(first, count)| {
            let more = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
            format!("{} at {}{more} ({})", first.opcode, first.offset, first.since)
        });
        told.collect()
    }

    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        line(f, "  needs", &format!("{} or newer", self.needs))?;
        let list = |items: Vec<String>| (!items.is_empty()).then(|| items.join(", "));
        for (name, found) in [
            ("  uses", list(self.sensitive.iter().map(|u| format!("{} at {}", u.opcode, u.offset)).collect())),
            ("  lacking", list(self.lacking())),
            ("  undefined", list(self.undefined.iter().map(|u| format!("0x{:02x} at {}", u.byte, u.offset)).collect())),
            ("  truncated", self.truncated_push.map(|push| format!("{} at {}", push.opcode, push.offset))),
            (
                "  unreached",
                list(self.unreachable.iter().map(|s| format!("{} bytes at {}", s.size, s.offset)).collect()),
            ),
        ] {
            if let Some(found) = found {
                line(f, name, &found)?;
            }
        }
        Ok(())
    }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, text: &str) -> fmt::Result {
    writeln!(f, "  {name:<12} {text}")
}
