use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};

/// Gas, the one unit of work of all runtimes: about one nanosecond on the reference machine.
///
/// Arithmetic saturates or is checked; it never wraps.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    BorshSerialize,
    BorshDeserialize,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(transparent)]
pub struct Gas(u64);

impl Gas {
    /// No gas.
    pub const ZERO: Self = Self(0);
    /// More than anything can use.
    pub const MAX: Self = Self(u64::MAX);

    /// An amount of gas.
    pub const fn new(units: u64) -> Self {
        Self(units)
    }

    /// The number of units.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The sum, or the maximum.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, or zero.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The difference, unless it is negative.
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(units) => Some(Self(units)),
            None => None,
        }
    }

    /// This price for each of `count` things, or the maximum.
    #[must_use]
    pub const fn times(self, count: u64) -> Self {
        Self(self.0.saturating_mul(count))
    }

    /// What a caller may hand to a callee: all but one 64th (EIP-150).
    #[must_use]
    pub const fn all_but_one_64th(self) -> Self {
        Self(self.0 - self.0 / 64)
    }
}

impl fmt::Display for Gas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Gas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} gas", self.0)
    }
}

/// What one frame may spend and has spent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meter {
    limit: Gas,
    used: Gas,
}

/// The frame's gas does not cover a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exhausted;

impl Meter {
    pub(crate) const fn new(limit: Gas) -> Self {
        Self { limit, used: Gas::ZERO }
    }

    pub(crate) const fn left(&self) -> Gas {
        self.limit.saturating_sub(self.used)
    }

    pub(crate) const fn used(&self) -> Gas {
        self.used
    }

    /// Takes `gas`, or everything that is left when that is not enough.
    pub(crate) fn charge(&mut self, gas: Gas) -> Result<(), Exhausted> {
        match self.left().checked_sub(gas) {
            Some(_) => {
                self.used = self.used.saturating_add(gas);
                Ok(())
            }
            None => {
                self.used = self.limit;
                Err(Exhausted)
            }
        }
    }

    /// Gives back gas that was charged before and not used.
    pub(crate) fn give_back(&mut self, gas: Gas) {
        self.used = self.used.saturating_sub(gas);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charge_that_is_not_covered_takes_all() {
        let mut meter = Meter::new(Gas::new(10));
        assert_eq!(meter.charge(Gas::new(4)), Ok(()));
        assert_eq!(meter.charge(Gas::new(7)), Err(Exhausted));
        assert_eq!((meter.used(), meter.left()), (Gas::new(10), Gas::ZERO));
    }
}
