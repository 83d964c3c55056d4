use std::cell::RefCell;
use std::rc::Rc;

use borsh::BorshDeserialize;
use bytes::Bytes;

use crate::record::decode;
use crate::{StateError, StateKey};

/// How many are kept.
const KEPT: usize = 8;
/// The longest that is kept, in bytes, and so the longest that a policy may be that is asked in calls.
pub(super) const LONGEST: usize = 64 << 10;

/// What a thread decoded last, by its bytes: whoever guards a method has its policy looked at in each call, and decoding it
/// would take longer than the rest of the decision. A function of the bytes alone, so it decides nothing.
pub(super) struct Recent<T>(RefCell<Vec<(Bytes, Rc<T>)>>);

impl<T: BorshDeserialize> Recent<T> {
    pub(super) const fn new() -> Self {
        Self(RefCell::new(Vec::new()))
    }

    /// What the bytes of a key say.
    pub(super) fn decoded(&self, key: &StateKey, bytes: &Bytes) -> Result<Rc<T>, StateError> {
        let mut kept = self.0.borrow_mut();
        // Mostly they are the very bytes that the store holds.
        let same = |of: &Bytes| (of.as_ptr(), of.len()) == (bytes.as_ptr(), bytes.len()) || of == bytes;
        if let Some((_, value)) = kept.iter().find(|(of, _)| same(of)) {
            return Ok(value.clone());
        }
        let value = Rc::new(decode::<T>(key, bytes)?);
        if bytes.len() <= LONGEST {
            if kept.len() == KEPT {
                kept.remove(0);
            }
            kept.push((bytes.clone(), value.clone()));
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_and_is_what_the_bytes_say() {
        let recent = Recent::<u32>::new();
        let key = StateKey::system("number");
        let bytes = |number: u32| Bytes::copy_from_slice(&number.to_le_bytes());
        for number in (0..100).chain(90..100) {
            assert_eq!(*recent.decoded(&key, &bytes(number)).unwrap(), number);
            assert!(recent.0.borrow().len() <= KEPT);
        }
        let (first, again) = (recent.decoded(&key, &bytes(99)).unwrap(), recent.decoded(&key, &bytes(99)).unwrap());
        assert!(Rc::ptr_eq(&first, &again));
        assert!(recent.decoded(&key, &Bytes::from_static(b"x")).is_err());
        let long = Recent::<String>::new();
        let text = "x".repeat(LONGEST);
        assert_eq!(*long.decoded(&key, &borsh::to_vec(&text).unwrap().into()).unwrap(), text);
        assert!(long.0.borrow().is_empty());
    }
}
