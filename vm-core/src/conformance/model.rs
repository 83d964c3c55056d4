//! The reference: what a tree of calls does, by copying everything at each call.

use std::collections::{BTreeMap, BTreeSet};

use super::encode::{gas_of, handed_down, refused, returned, who};
use super::stage::{Actor, Dialect};
use super::tree::{Body, Call, End, Op};
use crate::{Address, Gas};

/// What there is, over all transactions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct World {
    /// Keys by actor.
    pub(super) keys: BTreeMap<(usize, u8), u8>,
    /// Balances by actor.
    pub(super) balances: BTreeMap<usize, u64>,
}

/// One transaction.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) world: World,
    /// Written keys with what is in them now, as long as it is not taken back.
    pub(super) writes: BTreeMap<(usize, u8), Option<u8>>,
    /// Emitter and number.
    pub(super) events: Vec<(usize, u8)>,
    /// What was read of the state; nothing of it is taken back.
    pub(super) reads: BTreeSet<(usize, u8)>,
    /// What was written, taken back or not.
    pub(super) touched: BTreeSet<(usize, u8)>,
    /// Ranges that were read.
    pub(super) ranges: BTreeSet<(usize, u8, u8)>,
    /// The calls, in their order.
    pub(super) calls: Vec<Made>,
    /// The actors that run.
    stack: Vec<usize>,
}

/// A call that was made.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) to: usize,
    /// What was handed down, where that was a certain amount.
    pub(super) gas: Option<Gas>,
    /// Its output, or why there is none.
    pub(super) ended: Result<Vec<u8>, Failed>,
}

/// Who enters an actor, and how.
struct Entry<'e> {
    caller: &'e Address,
    is_static: bool,
    value: u8,
    /// What it can use; none when that is whatever is left.
    gas: Option<u64>,
    /// The same as the machine counts it.
    handed_down: Option<Gas>,
}

/// How an actor failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failed {
    /// It was not entered: too deep, re-entered, or too little balance.
    Refused,
    /// It reverted, with these data.
    Reverted(Vec<u8>),
    /// Its code is wrong.
    Trapped,
    /// All its gas is used up.
    Burnt,
    /// It changed something where it might not.
    Changed,
}

/// How many actors run at a time, at most.
const DEPTH: usize = 64;

impl Model {
    pub(super) fn of(world: World) -> Self {
        Self { world, ..Self::default() }
    }

    /// A transaction that may use so much gas, or all that may be: the actor's output, unless it fails.
    pub(super) fn transact(
        &mut self,
        actors: &[Actor],
        from: &Address,
        (actor, gas): (usize, Option<u64>),
        body: &Body,
    ) -> Result<Vec<u8>, Failed> {
        self.enter(actors, actor, body, &Entry { caller: from, is_static: false, value: 0, gas, handed_down: None })
    }

    fn enter(&mut self, actors: &[Actor], actor: usize, body: &Body, entry: &Entry<'_>) -> Result<Vec<u8>, Failed> {
        let number = self.calls.len();
        self.calls.push(Made { to: actor, gas: entry.handed_down, ended: Err(Failed::Refused) });
        let before = (self.world.clone(), self.writes.clone(), self.events.len());
        let paid = match self.stack.last().copied() {
            Some(from) => self.pay(from, actor, entry.value),
            None => true,
        };
        let refused = self.stack.len() >= DEPTH
            || (self.stack.contains(&actor) && actors.get(actor).is_some_and(|actor| actor.dialect == Dialect::Sdk));
        let ended = if paid && !refused {
            self.stack.push(actor);
            let ended = self.perform(actors, actor, body, entry);
            self.stack.pop();
            ended
        } else {
            Err(Failed::Refused)
        };
        if ended.is_err() {
            let events;
            (self.world, self.writes, events) = before;
            self.events.truncate(events);
        }
        if let Some(made) = self.calls.get_mut(number) {
            made.ended.clone_from(&ended);
        }
        ended
    }

    fn pay(&mut self, from: usize, to: usize, value: u8) -> bool {
        let value = u64::from(value);
        let balance = self.world.balances.entry(from).or_default();
        let Some(left) = balance.checked_sub(value) else { return false };
        *balance = left;
        *self.world.balances.entry(to).or_default() += value;
        true
    }

    fn perform(&mut self, actors: &[Actor], actor: usize, body: &Body, entry: &Entry<'_>) -> Result<Vec<u8>, Failed> {
        let mut output = Vec::new();
        for op in &body.ops {
            let changes = matches!(op, Op::Put(..) | Op::Delete(_) | Op::Emit(_))
                || matches!(op, Op::Call(call) if call.value > 0);
            if changes && entry.is_static {
                return Err(Failed::Changed);
            }
            match op {
                Op::Put(key, value) => self.write((actor, *key), Some(*value)),
                Op::Delete(key) => self.write((actor, *key), None),
                Op::Emit(number) => self.events.push((actor, *number)),
                Op::Get(key) => {
                    let key = (actor, *key);
                    if !self.writes.contains_key(&key) {
                        self.reads.insert(key);
                    }
                    output.push(self.world.keys.get(&key).copied().unwrap_or_default());
                }
                Op::Scan(start, end) => {
                    if start < end {
                        self.ranges.insert((actor, *start, *end));
                    }
                    if actors.get(actor).is_some_and(|actor| actor.dialect == Dialect::Solidity) {
                        // It reads them one by one.
                        let unwritten = (*start..*end).filter(|key| !self.writes.contains_key(&(actor, *key)));
                        self.reads.extend(unwritten.map(|key| (actor, key)));
                    }
                    let found =
                        self.world.keys.iter().filter(|((of, key), _)| *of == actor && (*start..*end).contains(key));
                    let values: Vec<u8> = found.map(|(_, value)| *value).collect();
                    output.push(values.len() as u8);
                    output.extend(values);
                }
                Op::Who => output.extend(who(entry.caller, entry.value)),
                Op::Fill(number, length) => output.extend(vec![*number; usize::from(*length)]),
                Op::Call(call) => self.call(actors, actor, call, entry, &mut output),
            }
        }
        match body.end {
            End::Return => Ok(output),
            End::Revert(number, length) => Err(Failed::Reverted(vec![number; usize::from(length)])),
            End::Trap => Err(Failed::Trapped),
            End::Burn => Err(Failed::Burnt),
        }
    }

    fn call(&mut self, actors: &[Actor], from: usize, call: &Call, around: &Entry<'_>, output: &mut Vec<u8>) {
        let (Some(caller), Some(callee)) = (actors.get(from), actors.get(call.to)) else { return };
        let is_static = around.is_static || call.is_static;
        let gas = around.gas.map(|gas| gas_of(&call.body, gas));
        let handed_down = gas.and_then(|gas| handed_down(actors, caller, call, gas));
        let entry = Entry { caller: &caller.address(), is_static, value: call.value, gas, handed_down };
        let (ok, seen) = match self.enter(actors, call.to, &call.body, &entry) {
            Ok(inner) => (1, Some(returned(caller.dialect, callee.dialect, &inner))),
            Err(Failed::Reverted(data)) if call.tells => (0, Some(refused(caller.dialect, callee.dialect, &data))),
            Err(_) => (0, None),
        };
        output.push(ok);
        if let Some(seen) = seen {
            output.extend((seen.len() as u16).to_be_bytes());
            output.extend(seen);
        }
    }

    fn write(&mut self, key: (usize, u8), value: Option<u8>) {
        match value {
            Some(value) => self.world.keys.insert(key, value),
            None => self.world.keys.remove(&key),
        };
        self.writes.insert(key, value);
        self.touched.insert(key);
    }
}
