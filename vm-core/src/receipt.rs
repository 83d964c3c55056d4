use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::{CallTree, ContractName, Denial, Event, Gas, Height, ReadSet, RuntimeKind, Status, Target, WriteSet};

/// The deterministic result of a transaction, with two notes for people: the height it was committed at, and the time it took.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// Who was called.
    pub target: Target,
    /// The contract's name, unless it is a nameless account.
    pub contract: Option<ContractName>,
    /// The runtime that executed it.
    pub runtime: RuntimeKind,
    /// The method.
    pub method: String,
    /// How it ended.
    pub status: Status,
    /// The encoded result, or the reason of a revert.
    pub output: Bytes,
    /// The result or the reason as text, where the contract's interface describes it.
    pub text: Option<String>,
    /// What it used, all callees included.
    pub gas_used: Gas,
    /// What the transaction was allowed to use.
    pub gas_limit: Gas,
    /// The events that were not reverted, in their order; empty unless it succeeded.
    pub events: Vec<Event>,
    /// Everything it looked at in the state.
    pub reads: ReadSet,
    /// Everything it changed; empty unless it succeeded.
    pub writes: WriteSet,
    /// The state's height with this transaction, or the height that a query or a failed transaction looked at.
    pub height: Height,
    /// What whoever asked for an operation should look at, though it was carried out. Not part of the digest.
    pub warnings: Vec<String>,
    /// What was refused to contracts in it, at most 256, in its order. Not part of the digest.
    pub denials: Vec<Denial>,
    /// What it did, call by call, if its sender [asked](crate::Sender::trace) for that. Not part of the digest.
    pub trace: Option<Box<CallTree>>,
    /// The time from the request to the result. Not part of the result.
    pub duration: Duration,
}

impl Receipt {
    /// SHA-256 over the deterministic part: target, method, status, output, gas, events, reads and writes. Equal on every
    /// engine, node and thread count for the same input on the same state.
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hasher.update((bytes.len() as u64).to_be_bytes());
            hasher.update(bytes);
        };
        part(b"vm.receipt.v1");
        part(self.target.address().as_bytes());
        part(self.method.as_bytes());
        part(self.status.to_string().as_bytes());
        part(&self.output);
        part(&self.gas_used.get().to_be_bytes());
        for event in &self.events {
            part(event.address.as_bytes());
            part(&(event.topics.len() as u64).to_be_bytes());
            event.topics.iter().for_each(|topic| part(topic));
            part(&event.data);
        }
        part(b"reads");
        for (key, value) in self.reads.points() {
            part(key.as_bytes());
            part(value.as_deref().map_or(&[], |value| value));
            part(&[u8::from(value.is_some())]);
        }
        for range in self.reads.ranges() {
            part(range.start.as_bytes());
            part(range.end.as_bytes());
        }
        part(b"writes");
        for (key, value) in self.writes.iter() {
            part(key.as_bytes());
            part(value.as_deref().map_or(&[], |value| value));
            part(&[u8::from(value.is_some())]);
        }
        hasher.finalize().into()
    }
}
