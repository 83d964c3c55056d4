//! YAML into a [`Node`].

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Options, Spanned, UserMessageFormatter};

use super::Mistake;
use super::document::{Entry, Node, Span, Value};

/// Parses a YAML document. Repeated keys are an error, as in TOML.
pub(super) fn parse(text: &str) -> Result<Node, Mistake> {
    if text.lines().all(|line| line.trim_start().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(Node { at: Span::START, value: Value::Null });
    }
    let mut options = Options::default();
    options.strict_booleans = true;
    options.with_snippet = false;
    match serde_saphyr::from_str_with_options::<Spanned<Tree>>(text, options) {
        Ok(root) => Ok(node(text, root)),
        Err(error) => {
            let at = error.location().map_or(Span::START, |place| span(text, place));
            let reason = error.without_snippet().render_with_formatter(&UserMessageFormatter);
            // The place is told apart from the reason; the library appends it.
            let reason = reason.split(" at line ").next().unwrap_or(&reason);
            Err(Mistake::at(at, format!("not valid YAML: {reason}")))
        }
    }
}

/// A value as serde hands it over, before its place is known.
enum Tree {
    Table(Vec<(Spanned<String>, Spanned<Tree>)>),
    List(Vec<Spanned<Tree>>),
    Leaf(Value),
}

fn node(text: &str, tree: Spanned<Tree>) -> Node {
    let at = span(text, tree.referenced);
    let value = match tree.value {
        Tree::Leaf(leaf) => leaf,
        Tree::List(items) => Value::List(items.into_iter().map(|item| node(text, item)).collect()),
        Tree::Table(entries) => Value::Table(
            entries
                .into_iter()
                .map(|(key, value)| Entry { at: span(text, key.referenced), key: key.value, node: node(text, value) })
                .collect(),
        ),
    };
    Node { at, value }
}

fn span(text: &str, place: Location) -> Span {
    let covered = place.span();
    if let (Some(start), Some(len)) = (covered.byte_offset(), covered.byte_len())
        && let (Ok(start), Ok(len)) = (usize::try_from(start), usize::try_from(len))
    {
        return Span::of_bytes(text, start..start.saturating_add(len));
    }
    let bounded = |number: u64| usize::try_from(number).unwrap_or(usize::MAX).max(1);
    Span { line: bounded(place.line()), column: bounded(place.column()), width: bounded(covered.len()) }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Leaf(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Leaf(Value::Integer(value.into())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Leaf(Value::Integer(value.into())))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Tree, E> {
        Ok(Tree::Leaf(Value::Integer(value)))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Tree, E> {
        Ok(Tree::Leaf(i128::try_from(value).map_or(Value::Other("number out of range"), Value::Integer)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Leaf(Value::Float(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Leaf(Value::Text(value.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Leaf(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Tree, E> {
        Ok(Tree::Leaf(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        Tree::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Tree::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Tree, A::Error> {
        let mut table = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            table.push(entry);
        }
        Ok(Tree::Table(table))
    }
}
