//! Iterators over the contract's own keys, in the order of their bytes.

use bytes::Bytes;

use super::easycodec::{self, Item, Value};
use super::state::{SEPARATOR, state_key};
use super::sys_call::{Answer, Body, Fail, refused};
use crate::abi::Frame;

/// How many iterators may be open at a time in a call.
const MOST: usize = 256;

/// An iterator. Each step looks at the state as it then is.
#[derive(Debug)]
pub(super) struct Cursor {
    /// Where the next step looks from.
    next: Vec<u8>,
    end: Vec<u8>,
    current: Option<(Bytes, Bytes)>,
}

impl Frame<'_> {
    /// `[start, limit)`.
    pub(super) fn open_range(&mut self, body: &Body<'_>) -> Result<Answer, Fail> {
        let next = state_key(body, "start_key", "start_field")?;
        let end = state_key(body, "limit_key", "limit_field")?;
        self.open(body, next, end)
    }

    /// All keys that begin with this one.
    pub(super) fn open_prefix(&mut self, body: &Body<'_>) -> Result<Answer, Fail> {
        let next = state_key(body, "start_key", "start_field")?;
        let mut end = next.clone();
        if let Some(last) = end.last_mut() {
            *last = last.saturating_add(1); // no key has bytes beyond 'z'
        }
        self.open(body, next, end)
    }

    fn open(&mut self, body: &Body<'_>, next: Vec<u8>, end: Vec<u8>) -> Result<Answer, Fail> {
        let pointer = body.pointer()?;
        let session = &mut self.session;
        if session.iterators.len() >= MOST {
            return refused(format!("{MOST} iterators are open; close those that are not needed"));
        }
        session.opened = session.opened.saturating_add(1);
        session.iterators.insert(session.opened, Cursor { next, end, current: None });
        Ok(Answer::Number(pointer, session.opened))
    }

    /// Moves on; tells whether there is an entry.
    pub(super) fn advance(&mut self, body: &Body<'_>) -> Result<Answer, Fail> {
        let pointer = body.pointer()?;
        let cursor = self.session.iterators.get_mut(&index(body)?).map_or_else(closed, Ok)?;
        // An empty end would be that of all keys.
        let found = if cursor.next < cursor.end {
            self.host.scan(&cursor.next, &cursor.end, 1)?.into_iter().next()
        } else {
            None
        };
        match &found {
            Some((key, _)) => {
                cursor.next = key.to_vec();
                cursor.next.push(0);
            }
            None => cursor.next.clone_from(&cursor.end),
        }
        let has_next = i32::from(found.is_some());
        cursor.current = found;
        Ok(Answer::Number(pointer, has_next))
    }

    /// The entry that the iterator is at. Encoding it costs what copying it costs.
    pub(super) fn row(&mut self, body: &Body<'_>) -> Result<Bytes, Fail> {
        let cursor = self.session.iterators.get(&index(body)?).map_or_else(closed, Ok)?;
        let Some((key, value)) = &cursor.current else {
            return refused("the iterator is at no entry; KvIteratorHasNext moves it to the next");
        };
        let at = key.iter().position(|byte| *byte == SEPARATOR);
        let (key, field) = at.and_then(|at| Some((key.get(..at)?, key.get(at + 1..)?))).unwrap_or((key, &[]));
        let items = [
            Item::user("key", Value::Text(key)),
            Item::user("field", Value::Text(field)),
            Item::user("value", Value::Bytes(value)),
        ];
        let row = easycodec::encode(&items);
        self.host.charge(self.prices.copy(row.len()))?;
        Ok(row.into())
    }

    pub(super) fn close_iterator(&mut self, body: &Body<'_>) -> Result<Answer, Fail> {
        self.session.iterators.remove(&index(body)?).map_or_else(closed, Ok)?;
        Ok(Answer::Number(body.pointer()?, 1))
    }
}

fn index(body: &Body<'_>) -> Result<i32, Fail> {
    body.number("rs_index")
}

fn closed<T>() -> Result<T, Fail> {
    refused("there is no such open iterator")
}
