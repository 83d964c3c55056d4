use std::fmt;

/// An amount of the chain's native asset: an unsigned 256-bit integer. Ordered by size.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Amount([u8; 32]);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self([0; 32]);

    /// From 32 big-endian bytes.
    pub const fn from_be_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// As 32 big-endian bytes.
    pub const fn to_be_bytes(self) -> [u8; 32] {
        self.0
    }

    /// True for nothing.
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }

    /// As a number, if it is below 2^128.
    pub fn to_u128(self) -> Option<u128> {
        let (high, low) = self.0.split_first_chunk::<16>()?;
        let low: [u8; 16] = low.try_into().ok()?;
        (*high == [0; 16]).then(|| u128::from_be_bytes(low))
    }
}

impl From<u128> for Amount {
    fn from(number: u128) -> Self {
        let mut bytes = [0; 32];
        let low = bytes.iter_mut().skip(16);
        low.zip(number.to_be_bytes()).for_each(|(to, from)| *to = from);
        Self(bytes)
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_128_bits_fit_and_larger_ones_say_no() {
        for number in [0, 1, u128::MAX] {
            assert_eq!(Amount::from(number).to_u128(), Some(number));
        }
        let mut bytes = [0; 32];
        bytes[15] = 1;
        assert_eq!(Amount::from_be_bytes(bytes).to_u128(), None);
        assert!(Amount::from_be_bytes(bytes) > Amount::from(u128::MAX));
    }
}
