//! The tree that a configuration file is parsed into, whichever its format, with the place of every key and value.

use super::toml_format;
use super::yaml_format;
use super::{Format, Mistake};

/// A place in a file: 1-based line and column, both counted in characters, and how many characters it covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) width: usize,
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) at: Span,
    pub(super) value: Value,
}

/// The values both formats can express.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Table(Vec<Entry>),
    List(Vec<Node>),
    Text(String),
    Integer(i128),
    Float(f64),
    Bool(bool),
    Null,
    /// A kind of value that no key takes, by its name.
    Other(&'static str),
}

/// A key of a table with its value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) at: Span,
    pub(super) node: Node,
}

impl Node {
    /// What stands here, for "found …" in a message.
    pub(super) fn describe(&self) -> String {
        match &self.value {
            Value::Table(_) => "a table".to_owned(),
            Value::List(_) => "a list".to_owned(),
            Value::Text(text) => format!("\"{text}\""),
            Value::Integer(number) => format!("the number {number}"),
            Value::Float(number) => format!("the number {number}"),
            Value::Bool(value) => format!("{value}"),
            Value::Null => "nothing".to_owned(),
            Value::Other(name) => format!("a {name}"),
        }
    }
}

impl Span {
    /// The beginning of the file.
    pub(super) const START: Self = Self { line: 1, column: 1, width: 1 };

    /// The span of `range`, in bytes, in `text`. Only its first line counts.
    pub(super) fn of_bytes(text: &str, range: std::ops::Range<usize>) -> Self {
        let start = text.floor_char_boundary(range.start.min(text.len()));
        let end = text.floor_char_boundary(range.end.clamp(start, text.len()));
        let (before, covered) = (text.get(..start).unwrap_or(""), text.get(start..end).unwrap_or(""));
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or("").chars().count() + 1,
            width: covered.lines().next().unwrap_or("").chars().count().max(1),
        }
    }
}

/// Parses `text`. The root is always a table.
pub(super) fn parse(text: &str, format: Format) -> Result<Vec<Entry>, Mistake> {
    let root = match format {
        Format::Toml => toml_format::parse(text)?,
        Format::Yaml => yaml_format::parse(text)?,
    };
    match root.value {
        Value::Table(entries) => Ok(entries),
        Value::Null => Ok(Vec::new()),
        _ => {
            Err(Mistake::at(root.at, format!("the file holds {}", root.describe()))
                .expected("a table with the key `vm`"))
        }
    }
}
