//! The interface of a system contract: its methods, and its events in words.

use vm_core::{ArgumentError, Arguments, Encoded, Entry, Event, Interface, InvalidSignature, TextInterface, printable};

use super::{UNCHANGED, WARNING};

/// Methods as text, and events as a function tells them; warnings and what changed nothing are told alike by all.
pub(super) struct Told {
    methods: TextInterface,
    event: fn(&Event) -> Option<String>,
}

impl Told {
    pub(super) fn new(methods: &str, event: fn(&Event) -> Option<String>) -> Result<Self, InvalidSignature> {
        Ok(Self { methods: methods.parse()?, event })
    }
}

impl Interface for Told {
    fn encode(&self, entry: &Entry, method: &str, arguments: &Arguments) -> Result<Encoded, ArgumentError> {
        self.methods.encode(entry, method, arguments)
    }

    fn decode_output(&self, method: &str, output: &[u8]) -> Option<String> {
        self.methods.decode_output(method, output)
    }

    fn decode_event(&self, event: &Event) -> Option<String> {
        let text = match &**event.topics.first()? {
            topic if topic == WARNING.as_bytes() => {
                format!("warning: {}", borsh::from_slice::<String>(&event.data).ok()?)
            }
            _ => (self.event)(event)?,
        };
        let unchanged = event.topics.iter().skip(1).any(|topic| **topic == *UNCHANGED.as_bytes());
        let changed = if unchanged { ", unchanged" } else { "" };
        Some(format!("{}{changed}", printable(&text)))
    }

    fn has_entry(&self, entry: &Entry) -> bool {
        self.methods.has_entry(entry)
    }

    fn methods(&self) -> Vec<String> {
        self.methods.methods()
    }
}
