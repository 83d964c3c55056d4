//! The word that carries gas and stack height through instrumented code: an `i64` that every function takes and returns.
//!
//! The upper 47 bits are the gas left of the slice, signed: the word is negative when the slice is used up. The lower 17 bits
//! count the stack units of the frames below, from a [`base`] that makes bit 16 the sign of too many.

/// How far the gas is shifted.
pub(super) const SHIFT: u32 = 17;

/// The bit that is set when the stack is used up.
pub(super) const FULL: i64 = 1 << 16;

/// The bits of which one is set when the slice or the stack is used up.
pub(super) const SPENT: i64 = i64::MIN | FULL;

/// The stack units at the start, so that `units` more are not too many. Counts of up to 2^16 beyond that are told from none.
pub(super) const fn base(units: u64) -> i64 {
    (FULL - 1).saturating_sub_unsigned(units)
}

/// Gas as a part of the word.
pub(super) const fn of_gas(gas: u64) -> i64 {
    const MAX: u64 = i64::MAX as u64 >> SHIFT;
    (if gas > MAX { MAX } else { gas } << SHIFT).cast_signed()
}

/// The gas and the stack units of a word.
pub(crate) const fn split(word: i64) -> (i64, i64) {
    (word >> SHIFT, word & ((1 << SHIFT) - 1))
}

/// The word of gas, at most 2^46, and stack units.
pub(crate) const fn join(gas: i64, stack: i64) -> i64 {
    gas << SHIFT | stack
}
