use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};

/// The 20-byte address of an account or a contract, on whichever runtime it lives.
///
/// [`Context::address_of`](crate::Context::address_of) gives the address that belongs to a name: plain names are accounts,
/// `contract:NAME` is the contract `NAME`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, BorshSerialize, BorshDeserialize)]
pub struct Address([u8; 20]);

impl Address {
    /// The all-zero address: nobody.
    pub const ZERO: Self = Self([0; 20]);

    /// An address from its 20 bytes.
    pub const fn new(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// The 20 bytes.
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_hex_and_borsh_is_the_bare_bytes() {
        let address = Address::new([0xab; 20]);
        assert_eq!(address.to_string(), format!("0x{}", "ab".repeat(20)));
        assert_eq!(borsh::to_vec(&address).unwrap(), [0xab; 20]);
    }
}
