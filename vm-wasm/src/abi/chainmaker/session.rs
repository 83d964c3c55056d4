use std::collections::BTreeMap;

use bytes::Bytes;

use super::iterator::Cursor;

/// The longest reason of a failure, in bytes; what goes beyond is cut off.
const REASON_BYTES: usize = 8 << 10;

/// What the host keeps for one call of a ChainMaker contract.
#[derive(Debug, Default)]
pub(crate) struct Session {
    /// The encoded parameters.
    pub(super) parameters: Bytes,
    /// Why the call fails, whatever the contract still does.
    failure: Option<String>,
    pub(super) iterators: BTreeMap<i32, Cursor>,
    /// How many iterators there were.
    pub(super) opened: i32,
}

impl Session {
    pub(super) fn new(parameters: Bytes) -> Self {
        Self { parameters, ..Self::default() }
    }

    /// Makes the call fail. Reasons add up.
    pub(super) fn fail(&mut self, reason: &str) {
        let failure = self.failure.get_or_insert_default();
        if !failure.is_empty() {
            failure.push_str("; ");
        }
        let room = REASON_BYTES.saturating_sub(failure.len());
        let end = (0..=room.min(reason.len())).rev().find(|end| reason.is_char_boundary(*end));
        failure.push_str(end.and_then(|end| reason.get(..end)).unwrap_or_default());
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// The reason, if the call failed.
    pub(crate) fn into_failure(self) -> Option<String> {
        self.failure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_add_up_and_end() {
        let mut session = Session::default();
        assert!(!session.has_failed());
        session.fail("one");
        session.fail("two");
        assert_eq!(
            Session { failure: session.failure.clone(), ..Session::default() }.into_failure().unwrap(),
            "one; two"
        );
        for _ in 0..3 {
            session.fail(&"é".repeat(REASON_BYTES));
        }
        let reason = session.into_failure().unwrap();
        assert!(reason.len() <= REASON_BYTES + 2 * "; ".len(), "{}", reason.len());
    }
}
