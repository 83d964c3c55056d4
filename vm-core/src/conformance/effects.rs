//! What a transaction read, wrote, emitted and left, and what it did in the model.

use std::collections::BTreeSet;

use super::model::{Model, World};
use super::stage::{Actor, Dialect, KEYS, same};
use crate::{Account, Event, Journal, KeyRange, Receipt, StateKey, Vm};

/// Events, read set and write set of a transaction that began on `before`.
pub(super) fn compare(receipt: &Receipt, before: &World, model: &Model, actors: &[Actor]) -> Result<(), String> {
    let events: Vec<_> = receipt.events.iter().map(|event| (event.address, number(event))).collect();
    let emitted = model.events.iter().filter_map(|(by, number)| Some((actors.get(*by)?.address(), Some(*number))));
    same("events", &events, &emitted.collect())?;
    for (number, actor) in actors.iter().enumerate() {
        let told = |error| format!("{}: {error}", actor.name);
        match actor.dialect {
            Dialect::Sdk => {
                compare_reads(receipt, model, number, actor).map_err(told)?;
                compare_writes(receipt, model, number, actor).map_err(told)?;
            }
            Dialect::Solidity => compare_slots(receipt, before, model, number, actor).map_err(told)?,
        }
    }
    Ok(())
}

/// The number that an actor emitted.
pub(super) fn number(event: &Event) -> Option<u8> {
    event.data.first().or(event.topics.first().and_then(|topic| topic.last())).copied()
}

/// A contract's keys and ranges in the read set are those that it read, whether or not that was taken back.
fn compare_reads(receipt: &Receipt, model: &Model, number: usize, actor: &Actor) -> Result<(), String> {
    let all = KeyRange::contract(&actor.name, &[], &[]);
    let points: BTreeSet<&StateKey> =
        receipt.reads.points().map(|(key, _)| key).filter(|key| all.contains(key)).collect();
    let read: BTreeSet<StateKey> = of(number, &model.reads).map(|key| actor.key(key)).collect();
    same("read set", &points, &read.iter().collect())?;
    let within = |range: &&KeyRange| all.contains(&range.start);
    let ranges: BTreeSet<_> = receipt.reads.ranges().iter().filter(within).map(|range| format!("{range:?}")).collect();
    let read = model.ranges.iter().filter(|(of, ..)| *of == number);
    let read = read.map(|(_, start, end)| format!("{:?}", KeyRange::contract(&actor.name, &[*start], &[*end])));
    same("ranges of the read set", &ranges, &read.collect())
}

fn compare_writes(receipt: &Receipt, model: &Model, number: usize, actor: &Actor) -> Result<(), String> {
    let all = KeyRange::contract(&actor.name, &[], &[]);
    let written = receipt.writes.iter().filter(|(key, _)| all.contains(key));
    let written = written.map(|(key, value)| (key.clone(), value.as_ref().and_then(|value| value.first().copied())));
    let writes = model.writes.iter().filter(|((of, _), _)| *of == number);
    let writes = writes.map(|((_, key), value)| (actor.key(*key), *value));
    same("write set", &written.collect::<Vec<_>>(), &writes.collect())
}

/// The EVM reads a slot before it writes it, and writes those that are another value in the end.
fn compare_slots(receipt: &Receipt, before: &World, model: &Model, number: usize, actor: &Actor) -> Result<(), String> {
    for key in 0..KEYS {
        let (slot, place) = (actor.key(key), (number, key));
        let read = receipt.reads.points().any(|(read, _)| *read == slot);
        let (must, may) = (model.reads.contains(&place), model.touched.contains(&place));
        if must && !read || read && !must && !may {
            return Err(format!("slot {key} is in the read set: {read}, and the model has {must}"));
        }
        let written = receipt.writes.get(&slot).map(|value| value.as_ref().and_then(|value| value.last().copied()));
        let after = model.world.keys.get(&place).copied();
        let changed = (before.keys.get(&place).copied() != after).then_some(after);
        same(&format!("slot {key} in the write set"), &written, &changed)?;
    }
    Ok(())
}

/// The keys of an actor among those of all.
fn of(number: usize, keys: &BTreeSet<(usize, u8)>) -> impl Iterator<Item = u8> {
    keys.iter().filter(move |(of, _)| *of == number).map(|(_, key)| *key)
}

/// Keys and balances after a transaction.
pub(super) fn compare_state(vm: &Vm, world: &World, actors: &[Actor]) -> Result<(), String> {
    let view = vm.view().map_err(|error| error.to_string())?;
    let journal = Journal::new(view.clone());
    for (number, actor) in actors.iter().enumerate() {
        for key in 0..KEYS {
            let found = view.get(&actor.key(key)).map_err(|error| error.to_string())?;
            let found = found.and_then(|value| value.last().copied());
            same(&format!("key {key} of {}", actor.name), &found, &world.keys.get(&(number, key)).copied())?;
        }
        let account = Account::load(&journal, &actor.address()).map_err(|error| error.to_string())?;
        let balance = world.balances.get(&number).copied().unwrap_or_default();
        same(&format!("balance of {}", actor.name), &account.balance, &u128::from(balance).into())?;
    }
    Ok(())
}
