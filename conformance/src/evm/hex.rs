//! Numbers and bytes as the test files write them.

use alloy_primitives::{Address, B256, Bytes, U256};

pub(crate) fn number(text: &str) -> Result<U256, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let radix = if digits.len() == text.len() { 10 } else { 16 };
    if digits.is_empty() {
        return Ok(U256::ZERO);
    }
    U256::from_str_radix(digits, radix).map_err(|error| format!("'{text}' is no number of 256 bits: {error}"))
}

/// A number that must fit into a smaller type.
pub(crate) fn small<T: TryFrom<U256>>(text: &str) -> Result<T, String> {
    T::try_from(number(text)?).map_err(|_| format!("{text} is too large"))
}

pub(crate) fn bytes(text: &str) -> Result<Bytes, String> {
    text.parse().map_err(|error| format!("'{}' is not hex: {error}", text.chars().take(80).collect::<String>()))
}

pub(crate) fn address(text: &str) -> Result<Address, String> {
    text.parse().map_err(|error| format!("'{text}' is no address: {error}"))
}

pub(crate) fn hash(text: &str) -> Result<B256, String> {
    text.parse().map_err(|error| format!("'{text}' is no hash: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_hex_or_decimal() {
        assert_eq!(number("0x0a"), Ok(U256::from(10)));
        assert_eq!(number("10"), Ok(U256::from(10)));
        assert_eq!(number("0x"), Ok(U256::ZERO));
        assert!(number("0x:bigint 0x10").is_err());
        assert!(number(&format!("0x1{}", "0".repeat(64))).is_err());
        assert_eq!(small::<u64>("0x10"), Ok(16));
        assert!(small::<u64>("0x10000000000000000").is_err());
    }
}
