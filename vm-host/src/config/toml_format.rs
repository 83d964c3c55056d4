//! TOML into a [`Node`].

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Mistake;
use super::document::{Entry, Node, Span, Value};

/// Parses a TOML document.
pub(super) fn parse(text: &str) -> Result<Node, Mistake> {
    match DeTable::parse(text) {
        Ok(root) => Ok(table(text, root.span(), root.get_ref())),
        Err(error) => {
            let at = error.span().map_or(Span::START, |range| Span::of_bytes(text, range));
            Err(Mistake::at(at, format!("not valid TOML: {}", error.message())))
        }
    }
}

fn table(text: &str, range: std::ops::Range<usize>, table: &DeTable<'_>) -> Node {
    let mut entries: Vec<Entry> = table
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            at: Span::of_bytes(text, key.span()),
            node: node(text, value),
        })
        .collect();
    // The parser sorts by name. Mistakes are reported in the order of the file.
    entries.sort_by_key(|entry| entry.at);
    Node { at: Span::of_bytes(text, range), value: Value::Table(entries) }
}

fn node(text: &str, value: &Spanned<DeValue<'_>>) -> Node {
    let converted = match value.get_ref() {
        DeValue::Table(inner) => return table(text, value.span(), inner),
        DeValue::Array(items) => Value::List(items.iter().map(|item| node(text, item)).collect()),
        DeValue::String(string) => Value::Text(string.to_string()),
        DeValue::Boolean(boolean) => Value::Bool(*boolean),
        DeValue::Datetime(_) => Value::Other("date"),
        DeValue::Float(float) => float.as_str().parse().map_or(Value::Other("number"), Value::Float),
        DeValue::Integer(integer) => i128::from_str_radix(integer.as_str(), integer.radix())
            .map_or(Value::Other("number out of range"), Value::Integer),
    };
    Node { at: Span::of_bytes(text, value.span()), value: converted }
}
