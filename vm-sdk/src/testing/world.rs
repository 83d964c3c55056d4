use std::collections::BTreeMap;
use std::ops::Bound;

use super::{Emitted, Logged};
use crate::{Address, Amount, Call, Entries, Entry, HostApi, Result};

/// Everything that outlives a transaction, and what a transaction has done so far.
#[derive(Debug, Clone)]
pub(super) struct World {
    contracts: BTreeMap<Address, Deployed>,
    state: BTreeMap<(Address, Vec<u8>), Vec<u8>>,
    events: Vec<Emitted>,
    logs: Vec<Logged>,
    pub(super) block_number: u64,
    pub(super) timestamp: u64,
    pub(super) gas: u64,
}

#[derive(Debug, Clone)]
pub(super) struct Deployed {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) entry: fn(&mut dyn HostApi, &Call<'_>) -> Result<Vec<u8>>,
}

/// A call from one frame to a contract.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) to: Address,
    /// How the caller calls it, for messages.
    pub(super) called: &'a str,
    pub(super) entry: Entry<'a>,
    pub(super) method: &'a str,
    pub(super) input: &'a [u8],
    pub(super) value: Amount,
    pub(super) is_static: bool,
}

impl Default for World {
    fn default() -> Self {
        Self {
            contracts: BTreeMap::new(),
            state: BTreeMap::new(),
            events: Vec::new(),
            logs: Vec::new(),
            block_number: 1,
            timestamp: 1,
            gas: 10_000_000,
        }
    }
}

impl World {
    pub(super) fn contract(&self, at: Address) -> Option<&Deployed> {
        self.contracts.get(&at)
    }

    pub(super) fn place(&mut self, at: Address, contract: Deployed) {
        self.contracts.insert(at, contract);
    }

    /// Becomes what it was before, except for the log.
    pub(super) fn undo(&mut self, before: Self) {
        let logs = std::mem::take(&mut self.logs);
        *self = Self { logs, ..before };
    }

    pub(super) fn events(&self) -> &[Emitted] {
        &self.events
    }

    pub(super) fn emit(&mut self, event: Emitted) {
        self.events.push(event);
    }

    pub(super) fn logs(&self) -> &[Logged] {
        &self.logs
    }

    pub(super) fn log(&mut self, line: Logged) {
        self.logs.push(line);
    }

    pub(super) fn state(&self, contract: Address, key: &[u8]) -> Option<&[u8]> {
        self.state.get(&(contract, key.to_vec())).map(Vec::as_slice)
    }

    pub(super) fn put(&mut self, contract: Address, key: &[u8], value: &[u8]) {
        self.state.insert((contract, key.to_vec()), value.to_vec());
    }

    pub(super) fn delete(&mut self, contract: Address, key: &[u8]) {
        self.state.remove(&(contract, key.to_vec()));
    }

    pub(super) fn scan(&self, contract: Address, start: &[u8], end: &[u8], limit: u32) -> Entries {
        let from = Bound::Included((contract, start.to_vec()));
        let entries = self.state.range((from, Bound::Unbounded));
        let inside =
            entries.take_while(|((owner, key), _)| *owner == contract && (end.is_empty() || key.as_slice() < end));
        let found = inside.map(|((_, key), value)| (key.clone(), value.clone()));
        found.take(limit as usize).collect()
    }
}
