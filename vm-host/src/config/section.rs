//! Typed access to a table of a configuration document. Whatever is wrong is noted, and reading goes on, so that one
//! run reports every mistake of a file.

use super::Mistake;
use super::document::{Entry, Node, Span, Value};

/// The mistakes found so far.
#[derive(Debug, Default)]
pub(super) struct Mistakes(pub(super) Vec<Mistake>);

impl Mistakes {
    /// The value, or `None` after noting why there is none.
    pub(super) fn note<T>(&mut self, result: Result<T, Mistake>) -> Option<T> {
        result.map_err(|mistake| self.0.push(mistake)).ok()
    }
}

/// A table whose keys are known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Section<'d> {
    /// Where the table begins, for mistakes that concern all of it.
    pub(super) at: Span,
    entries: &'d [Entry],
}

impl<'d> Section<'d> {
    /// The document's root.
    pub(super) fn root(entries: &'d [Entry]) -> Self {
        Self { at: Span::START, entries }
    }

    /// A node that has to be a table called `name`.
    pub(super) fn of(node: &'d Node, name: &str) -> Result<Self, Mistake> {
        match &node.value {
            Value::Table(entries) => Ok(Self { at: node.at, entries }),
            Value::Null => Ok(Self { at: node.at, entries: &[] }),
            _ => Err(wrong_type(node, name, "a table")),
        }
    }

    /// All keys with their values, where any key is allowed.
    pub(super) fn entries(self) -> &'d [Entry] {
        self.entries
    }

    /// Notes every key that is not among `known`; `advice` may know more about it than that a known key looks alike.
    pub(super) fn expect_keys(self, known: &[&str], mistakes: &mut Mistakes, advice: impl Fn(&str) -> Option<String>) {
        for entry in self.entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let mut mistake =
                Mistake::at(entry.at, format!("unknown key `{}`", entry.key)).expected(one_of(known, '`'));
            if let Some(help) = advice(&entry.key).or_else(|| did_you_mean(&entry.key, known, '`')) {
                mistake = mistake.help(help);
            }
            mistakes.0.push(mistake);
        }
    }

    /// The value of `key`, read by `read`, if the key is there and the value is right.
    pub(super) fn get<T>(
        self,
        key: &str,
        mistakes: &mut Mistakes,
        read: impl FnOnce(&'d Node, &str) -> Result<T, Mistake>,
    ) -> Option<T> {
        let node = self.node(key)?;
        mistakes.note(read(node, key))
    }

    /// The value of `key`, unread.
    pub(super) fn node(self, key: &str) -> Option<&'d Node> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }
}

/// "`key` is X", expecting `expected`.
pub(super) fn wrong_type(node: &Node, key: &str, expected: &str) -> Mistake {
    Mistake::at(node.at, format!("`{key}` is {}", node.describe())).expected(expected)
}

/// The choices as a phrase: `a`, `b` or `c`.
pub(super) fn one_of(choices: &[&str], quote: char) -> String {
    let quoted: Vec<String> = choices.iter().map(|choice| format!("{quote}{choice}{quote}")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        Some((only, _)) => only.clone(),
        None => "nothing".to_owned(),
    }
}

/// Names the choice that looks most like `word`, if one looks alike at all.
pub(super) fn did_you_mean(word: &str, choices: &[&str], quote: char) -> Option<String> {
    let lower = word.to_lowercase();
    choices
        .iter()
        .map(|choice| (strsim::jaro_winkler(&lower, choice), choice))
        .filter(|(similarity, _)| *similarity > 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, choice)| format!("did you mean {quote}{choice}{quote}?"))
}
