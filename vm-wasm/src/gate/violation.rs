use std::fmt;

use serde::ser::{Serialize, SerializeStruct, Serializer};
use vm_core::abridged;

use super::Rule;
use crate::name::name;

/// The most characters of what was found.
const WHY: usize = 1_000;

/// One reason why a module is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// The rule that is broken.
    pub rule: Rule,
    /// The index of the function concerned, imports counted first.
    pub function: Option<u32>,
    /// Its name, when the module carries names, as it can be shown: escaped, and cut after 128 characters.
    pub function_name: Option<String>,
    /// The byte offset in the module.
    pub offset: Option<usize>,
    /// The operator concerned, in the text format's spelling.
    pub operator: Option<String>,
    /// What was found and what is accepted. What it quotes of the module is escaped and cut.
    pub why: String,
}

impl Violation {
    pub(crate) fn new(rule: Rule, why: impl Into<String>) -> Self {
        let why = abridged(&why.into(), WHY);
        Self { rule, function: None, function_name: None, offset: None, operator: None, why }
    }

    pub(crate) fn at(mut self, offset: usize) -> Self {
        self.offset = Some(offset);
        self
    }

    pub(crate) fn of_function(mut self, function: u32) -> Self {
        self.function = Some(function);
        self
    }

    pub(crate) fn of_operator(mut self, operator: impl Into<String>) -> Self {
        self.operator = Some(operator.into());
        self
    }

    /// What the author can do.
    pub const fn help(&self) -> &'static str {
        self.rule.help()
    }
}

/// The fields, with the rule as its identifier, and `help`.
impl Serialize for Violation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Violation", 7)?;
        object.serialize_field("rule", self.rule.id())?;
        object.serialize_field("function", &self.function)?;
        object.serialize_field("function_name", &self.function_name)?;
        object.serialize_field("offset", &self.offset)?;
        object.serialize_field("operator", &self.operator)?;
        object.serialize_field("why", &self.why)?;
        object.serialize_field("help", self.help())?;
        object.end()
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)?;
        if let Some(operator) = &self.operator {
            write!(f, ": {operator}")?;
        }
        if let Some(function) = self.function {
            write!(f, " in function {function}")?;
        }
        if let Some(name) = &self.function_name {
            write!(f, " ({name})")?;
        }
        if let Some(offset) = self.offset {
            write!(f, " at byte {offset:#x}")?;
        }
        write!(f, "; {}", self.help())
    }
}

/// Everything that is wrong with a module; at least one violation, in the order of the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    first: Box<Violation>,
    more: Vec<Violation>,
    left_out: usize,
}

impl Rejection {
    pub(crate) fn new(first: Violation, more: Vec<Violation>, left_out: usize) -> Self {
        Self { first: Box::new(first), more, left_out }
    }

    /// The first violation, whose rule names the rejection.
    pub fn first(&self) -> &Violation {
        &self.first
    }

    /// The violations, as many as are reported.
    pub fn violations(&self) -> impl Iterator<Item = &Violation> {
        std::iter::once(&*self.first).chain(&self.more)
    }

    /// How many further violations were found and not kept.
    pub const fn left_out(&self) -> usize {
        self.left_out
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.first, f)?;
        match self.more.len() + self.left_out {
            0 => Ok(()),
            further => write!(f, " (and {further} more)"),
        }
    }
}

impl std::error::Error for Rejection {}

impl From<Violation> for Rejection {
    fn from(first: Violation) -> Self {
        Self::new(first, Vec::new(), 0)
    }
}

/// Gathers violations, up to a bound.
#[derive(Debug, Default)]
pub(super) struct Findings {
    kept: Vec<Violation>,
    /// How many of them, at the front, say that the module is for another host.
    foreign: usize,
    left_out: usize,
}

impl Findings {
    const KEPT: usize = 32;

    /// That the module is for another host explains the rest, so it stands before everything else.
    pub(super) fn push_foreign(&mut self, violation: Violation) {
        if self.foreign == Self::KEPT {
            self.left_out += 1;
            return;
        }
        self.kept.insert(self.foreign, violation);
        self.foreign += 1;
        if self.kept.len() > Self::KEPT {
            self.kept.pop();
            self.left_out += 1;
        }
    }

    pub(super) fn push(&mut self, violation: Violation) {
        if self.kept.len() < Self::KEPT {
            self.kept.push(violation);
        } else {
            self.left_out += 1;
        }
    }

    /// Fails with what was found, if anything; `named` gives the names of functions.
    pub(super) fn into_result<'a>(self, named: impl Fn(u32) -> Option<&'a str>) -> Result<(), Rejection> {
        let mut kept = self.kept;
        for violation in &mut kept {
            violation.function_name = violation.function.and_then(&named).map(name);
        }
        // What a type declares is used somewhere: the operator that does says more than the declaration.
        let rule = kept.first().map(|first| first.rule);
        let telling = kept.iter().position(|violation| Some(violation.rule) == rule && violation.operator.is_some());
        if let Some(first) = telling.and_then(|index| kept.get_mut(..=index)) {
            first.rotate_right(1);
        }
        let mut kept = kept.into_iter();
        match kept.next() {
            None => Ok(()),
            Some(first) => Err(Rejection::new(first, kept.collect(), self.left_out)),
        }
    }
}
