//! What a dry run saw, in the model's words.

use std::ops::Deref;

use vm_core::{Difference, DryRun, Receipt, Replayed, Space, StateKey, VmError};

use super::super::answer::{Compared, Tried};
use super::super::request::hex;
use super::{label, status, text_of};

pub(super) fn tried(run: &DryRun) -> Tried {
    Tried { thawed: run.thawed, calls: run.replayed.iter().map(compared).collect() }
}

fn compared(replayed: &Replayed) -> Compared {
    let Replayed { before, after, differences, .. } = replayed;
    let gas = differences.iter().any(|difference| matches!(difference, Difference::Gas(..)));
    let mut differences: Vec<_> = differences.iter().filter_map(difference).collect();
    differences.sort();
    Compared { before: told(before), after: told(after), differences, gas }
}

fn told(result: &Result<Receipt, VmError>) -> String {
    match result {
        Ok(receipt) => format!("{}: {}", status(receipt), text_of(receipt)),
        Err(error) => format!("{}: {error}", label(error).unwrap_or("fault")),
    }
}

/// Nothing of gas, which is asked for by itself.
fn difference(difference: &Difference) -> Option<String> {
    Some(match difference {
        Difference::Refusal(..) => "refusal".into(),
        Difference::Status(..) => "status".into(),
        Difference::Output(..) => "output".into(),
        Difference::Events(..) => "events".into(),
        Difference::Key(key, before, after) => {
            format!("{}: {:?} and {:?}", name_of(key), value(before.as_ref()), value(after.as_ref()))
        }
        Difference::Gas(..) => return None,
        other => format!("{other:?}"),
    })
}

/// What is written to a key, if something is: nothing, or a value.
fn value<B: Deref<Target = [u8]>>(written: Option<&Option<B>>) -> Option<Option<String>> {
    written.map(|value| value.as_deref().map(hex))
}

/// A key as the model names it.
fn name_of(key: &StateKey) -> String {
    let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
    let (id, suffix) = (text(key.id()), text(key.suffix()));
    match key.as_bytes().first() {
        Some(space) if *space == Space::Usage as u8 => format!("what {id} has"),
        Some(space) if *space == Space::Contract as u8 => format!("{id}/{suffix}"),
        _ => format!("{key:?}"),
    }
}
