//! Parameters by name, results as text.

use std::collections::BTreeSet;

use bytes::Bytes;
use vm_core::{Argument, ArgumentError, Arguments, Encoded, Entry, Event, Interface, closest};

use super::adapter::Adapter;
use super::easycodec::{Item, Value};
use super::entry::{INIT, UPGRADE};
use super::parameters::{self, MOST, RESERVED};

impl Interface for Adapter {
    fn encode(&self, entry: &Entry, method: &str, arguments: &Arguments) -> Result<Encoded, ArgumentError> {
        let there = match entry {
            Entry::Invoke => self.callable().any(|name| name == method),
            // Nothing to give to a constructor or migration that is not there.
            entry => self.has_entry(entry) || arguments.is_empty(),
        };
        if !there {
            return Err(ArgumentError::UnknownMethod {
                method: method.chars().take(80).collect(),
                suggestion: closest(method, self.callable()).map(str::to_owned),
                methods: self.methods(),
            });
        }
        let input = match arguments {
            Arguments::Raw(bytes) => bytes.clone(),
            Arguments::Text(list) => encode(method, list)?,
        };
        Ok(Encoded { method: method.into(), input })
    }

    /// From contract to contract, values stay the bytes that they are.
    fn encode_named(&self, method: &str, values: &[(String, Bytes)]) -> Result<Encoded, ArgumentError> {
        let items: Vec<_> = values.iter().map(|(name, value)| Item::user(name, Value::Bytes(value))).collect();
        Ok(Encoded { method: method.into(), input: parameters::encode(&items).into() })
    }

    fn decode_output(&self, _method: &str, output: &[u8]) -> Option<String> {
        readable(output)
    }

    fn decode_event(&self, event: &Event) -> Option<String> {
        let topic = event.topics.first().and_then(|topic| readable(topic))?;
        Some(format!("{topic} {}", readable(&event.data)?))
    }

    fn has_entry(&self, entry: &Entry) -> bool {
        match entry {
            Entry::Deploy => self.has(INIT),
            Entry::Invoke => true,
            Entry::Upgrade { .. } => self.has(UPGRADE),
            Entry::Replace { .. } => false,
        }
    }

    fn methods(&self) -> Vec<String> {
        self.callable().map(str::to_owned).collect()
    }
}

/// The parameters that a person gives.
fn encode(method: &str, list: &[Argument]) -> Result<Bytes, ArgumentError> {
    let signature = || format!("{method}(name=value, ...)");
    if list.len() > MOST {
        return Err(ArgumentError::Count { signature: signature(), expected: MOST, found: list.len() });
    }
    let mut seen = BTreeSet::new();
    let mut items = Vec::with_capacity(list.len());
    for Argument { name, value, .. } in list {
        let wrong = |name: &str, why| Err(ArgumentError::Name { signature: signature(), name: name.into(), why });
        let Some(name) = name else {
            let shown: String = value.chars().take(40).collect();
            return wrong(&shown, "has no name; parameters of ChainMaker's contracts are given by name");
        };
        if RESERVED.contains(&name.as_str()) {
            return wrong(name, "is set by the host");
        }
        if !seen.insert(name) {
            return wrong(name, "is given twice");
        }
        items.push(Item::user(name, Value::Bytes(value.as_bytes())));
    }
    Ok(parameters::encode(&items).into())
}

/// Bytes that are text.
fn readable(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    text.chars().all(|c| !c.is_control() || c.is_ascii_whitespace()).then(|| text.to_owned())
}
