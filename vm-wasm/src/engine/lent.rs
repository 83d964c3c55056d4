//! A frame in a store whose data must be `'static`.

use std::ptr::NonNull;

use crate::abi::Frame;

/// A frame that is lent to a store for one call.
#[derive(Debug)]
pub(super) struct Lent(NonNull<Frame<'static>>);

impl Lent {
    /// Lends a frame.
    ///
    /// # Safety
    /// The value, and with it the store that has it, must be dropped before the borrow of the frame ends, and the frame must
    /// not be used by other means until then.
    pub(super) unsafe fn new(frame: &mut Frame<'_>) -> Self {
        Self(NonNull::from(frame).cast())
    }

    /// The frame.
    pub(super) fn frame(&mut self) -> &mut Frame<'_> {
        // SAFETY: who made this value answers for the frame being alive and not used otherwise. The lifetime that was
        // forgotten is replaced by that of the borrow of this value, which is shorter.
        unsafe { self.0.cast::<Frame<'_>>().as_mut() }
    }
}
