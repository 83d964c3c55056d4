//! How text becomes a contract's input, and its output becomes text.

mod borsh_text;
mod signature;

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

pub use signature::{InvalidSignature, Parameter, Signature, TextInterface, Type};

use crate::{Entry, Event};

/// The arguments of a call as a person or a program gives them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arguments {
    /// Text, turned into the contract's encoding by its interface.
    Text(Vec<Argument>),
    /// The contract's encoding itself.
    Raw(Bytes),
}

/// One argument as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// The parameter it is for; positional when absent.
    pub name: Option<String>,
    /// The value.
    pub value: String,
    /// True when the value is a JSON list or object as it was written: a parameter that is text does not take it.
    pub is_composite: bool,
}

impl Argument {
    /// For the parameter at its place.
    pub fn positional(value: impl Into<String>) -> Self {
        Self { name: None, value: value.into(), is_composite: false }
    }

    /// For the parameter of this name.
    pub fn named(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..Self::positional(value) }
    }

    /// The value of a parameter that is text.
    ///
    /// # Errors
    /// When it is a JSON list or object: what is wrong with it, as [`ArgumentError::Value`] says it.
    pub fn text(&self) -> Result<&str, &'static str> {
        match self.is_composite {
            false => Ok(&self.value),
            true => Err("is a JSON list or object; put it in quotes if its text is meant"),
        }
    }
}

impl Arguments {
    /// No arguments.
    pub const NONE: Self = Self::Text(Vec::new());

    /// Positional arguments.
    pub fn positional<T: Into<String>>(values: impl IntoIterator<Item = T>) -> Self {
        Self::Text(values.into_iter().map(Argument::positional).collect())
    }

    /// True when there is nothing.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Text(list) => list.is_empty(),
            Self::Raw(bytes) => bytes.is_empty(),
        }
    }
}

/// A method and its arguments in the contract's encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// What [`Call::method`](crate::Call::method) is to be.
    pub method: Arc<str>,
    /// What [`Call::input`](crate::Call::input) is to be.
    pub input: Bytes,
}

/// A contract's interface. Pure: no state, no engine.
pub trait Interface: Send + Sync {
    /// Checks and encodes a call. The constructor's method is `init`, the migration's is `upgrade`; whether such a name is
    /// meant as an entry or as a method tells `entry`.
    ///
    /// # Errors
    /// When there is no such method, or the arguments do not fit it: what was found and what was expected.
    fn encode(&self, entry: &Entry, method: &str, arguments: &Arguments) -> Result<Encoded, ArgumentError>;

    /// Encodes a method's call from a contract whose ABI has names and no types. Default: values are arguments as text, or
    /// hexadecimal where they are not UTF-8.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    fn encode_named(&self, method: &str, values: &[(String, Bytes)]) -> Result<Encoded, ArgumentError> {
        let text = |value: &Bytes| {
            std::str::from_utf8(value).map_or_else(|_| format!("0x{}", hex::encode(value)), str::to_owned)
        };
        let argument = |(name, value): &(String, Bytes)| Argument::named(name.as_str(), text(value));
        self.encode(&Entry::Invoke, method, &Arguments::Text(values.iter().map(argument).collect()))
    }

    /// What a policy knows a call by: the method that is entered, whichever notation the call has it in. The rules are asked
    /// by this, so two calls that enter one method have to give one answer. Default: the method as it stands, for contracts
    /// that know their methods by name alone.
    fn guarded_as<'m>(&self, method: &'m str, _input: &[u8]) -> Cow<'m, str> {
        method.into()
    }

    /// What [`guarded_as`](Self::guarded_as) says to calls of a method that somebody names to give it a rule; several, when the
    /// name stands for several methods. Default: what calls of that name [encode](Self::encode) to.
    ///
    /// # Errors
    /// When there is no such method: what was found and what was expected.
    fn guards(&self, method: &str) -> Result<Vec<String>, ArgumentError> {
        let Encoded { method, input } = self.encode(&Entry::Invoke, method, &Arguments::Raw(Bytes::new()))?;
        Ok(vec![self.guarded_as(&method, &input).into_owned()])
    }

    /// A successful result as text, if the interface describes it.
    fn decode_output(&self, method: &str, output: &[u8]) -> Option<String>;

    /// The reason of a revert as text. Default: the output, if it is UTF-8.
    fn decode_revert(&self, output: &[u8]) -> Option<String> {
        std::str::from_utf8(output).ok().map(str::to_owned)
    }

    /// An event as text, if the interface describes it.
    fn decode_event(&self, _event: &Event) -> Option<String> {
        None
    }

    /// True when the contract has this entry. A deployment without constructor and an upgrade without migration hook do
    /// not enter the contract, unless an upgrade has its code made ([`Entry::Replace`]).
    fn has_entry(&self, entry: &Entry) -> bool;

    /// The methods, one signature each, for people; none where the contract does not describe them.
    fn methods(&self) -> Vec<String>;

    /// The method that a policy knows by this, as [`guarded_as`](Self::guarded_as) tells it, for people; nothing when the contract
    /// describes no such method. Default: the one of [`methods`](Self::methods) that has this name.
    fn described(&self, guarded: &str) -> Option<String> {
        let has_name = |line: &String| {
            let line = line.strip_prefix("view ").unwrap_or(line);
            line.split('(').next() == Some(guarded)
        };
        self.methods().into_iter().find(has_name)
    }
}

/// Why arguments do not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArgumentError {
    /// There is no such method.
    #[error("unknown method '{method}'; {}", known(.suggestion.as_deref(), .methods))]
    UnknownMethod {
        /// What was asked for.
        method: String,
        /// A method with a similar name.
        suggestion: Option<String>,
        /// All methods.
        methods: Vec<String>,
    },
    /// Too few or too many.
    #[error("{signature} takes {}, but {found} {} given", counted(*.expected), if *.found == 1 { "was" } else { "were" })]
    Count {
        /// The method with its parameters.
        signature: String,
        /// How many it takes.
        expected: usize,
        /// How many there were.
        found: usize,
    },
    /// A named argument that fits no parameter, or is given twice.
    #[error("{signature}: argument '{name}' {why}")]
    Name {
        /// The method with its parameters.
        signature: String,
        /// The argument's name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A value that its parameter's type does not have.
    #[error("{signature}: parameter '{parameter}' is of type {expected}, but '{found}' {why}")]
    Value {
        /// The method with its parameters.
        signature: String,
        /// The parameter.
        parameter: String,
        /// Its type.
        expected: String,
        /// The text, shortened.
        found: String,
        /// What is wrong with it.
        why: String,
    },
    /// Several methods of the name, of which the arguments fit none or more than one.
    #[error("'{method}' is overloaded, and the number of arguments, {found}, does not tell which one is meant; give a whole signature: {}", .candidates.join(", "))]
    Overload {
        /// The name.
        method: String,
        /// How many arguments there were.
        found: usize,
        /// The overloads' signatures.
        candidates: Vec<String>,
    },
    /// Text arguments for a contract whose interface is not known.
    #[error("the contract does not describe its methods; give the encoded arguments instead of text")]
    NoInterface,
}

fn counted(arguments: usize) -> String {
    format!("{arguments} argument{}", if arguments == 1 { "" } else { "s" })
}

/// How many methods an error lists.
const MOST_METHODS: usize = 40;

fn known(suggestion: Option<&str>, methods: &[String]) -> String {
    match suggestion {
        Some(name) => format!("did you mean '{name}'?"),
        None if methods.is_empty() => "the contract has no methods".into(),
        None => {
            let (shown, others) = methods.split_at(methods.len().min(MOST_METHODS));
            let more = if others.is_empty() { String::new() } else { format!(", and {} more", others.len()) };
            format!("methods: {}{more}", shown.join(", "))
        }
    }
}

/// The candidate that is closest to a misspelt name, if one is close.
pub fn closest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .min()
        .filter(|(distance, candidate)| *distance * 3 <= candidate.len().max(3))
        .map(|(_, candidate)| candidate)
}

/// The Levenshtein distance in bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(b.bytes()) {
            let cost = (diagonal + usize::from(x != y)).min(left + 1).min(*cell + 1);
            diagonal = *cell;
            *cell = cost;
            left = cost;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

/// The interface of a contract that describes nothing: raw arguments only, every method and entry is passed on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Opaque;

impl Interface for Opaque {
    fn encode(&self, _entry: &Entry, method: &str, arguments: &Arguments) -> Result<Encoded, ArgumentError> {
        let input = match arguments {
            Arguments::Raw(bytes) => bytes.clone(),
            Arguments::Text(list) if list.is_empty() => Bytes::new(),
            Arguments::Text(_) => return Err(ArgumentError::NoInterface),
        };
        Ok(Encoded { method: method.into(), input })
    }

    fn decode_output(&self, _method: &str, _output: &[u8]) -> Option<String> {
        None
    }

    fn has_entry(&self, entry: &Entry) -> bool {
        !matches!(entry, Entry::Replace { .. })
    }

    fn methods(&self) -> Vec<String> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggestions() {
        let methods = ["transfer", "transfer_from", "balance_of"];
        assert_eq!(closest("tranfer", methods), Some("transfer"));
        assert_eq!(closest("balanceOf", methods), Some("balance_of"));
        assert_eq!(closest("mint", methods), None);
    }
}
