use std::fmt;
use std::str::FromStr;

use borsh::{BorshDeserialize, BorshSerialize};
use sha3::{Digest, Keccak256};

/// Prefixes of the preimages of derived addresses. Accounts and contracts have their own, so that nobody can deploy a
/// contract at the address of a named account.
const ACCOUNT: &str = "vm.address.v1:";
const CONTRACT: &str = "vm.contract.v1:";
/// What a contract's name begins with where text may name accounts and contracts.
const PREFIX: &str = "contract:";

/// A 20-byte address: the one name space of accounts and contracts of all runtimes.
///
/// A named account lives at the last 20 bytes of `keccak256("vm.address.v1:" ++ name)`, a named contract at those of
/// `keccak256("vm.contract.v1:" ++ name)`; EVM contracts created by contracts live where Ethereum puts them. In text a plain
/// name is an account, and `contract:NAME` is a contract.
///
/// ```
/// use vm_core::{Address, ContractName};
/// let alice: Address = "alice".parse()?;
/// assert_eq!(alice, Address::from_name("alice"));
/// assert_eq!(alice.to_string().parse::<Address>()?, alice);
/// assert_eq!("contract:token".parse::<Address>()?, ContractName::new("token")?.address());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Address([u8; 20]);

impl Address {
    /// The all-zero address: nobody.
    pub const ZERO: Self = Self([0; 20]);

    /// An address from its 20 bytes.
    pub const fn new(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// The address of a named account, or with `contract:` before the name that of a contract.
    pub fn from_name(name: &str) -> Self {
        match name.strip_prefix(PREFIX) {
            Some(contract) => Self::of_contract(contract),
            None => Self::derive(ACCOUNT, name),
        }
    }

    pub(crate) fn of_contract(name: &str) -> Self {
        Self::derive(CONTRACT, name)
    }

    fn derive(domain: &str, name: &str) -> Self {
        let digest = Keccak256::new().chain_update(domain).chain_update(name).finalize();
        let mut bytes = [0; 20];
        bytes.copy_from_slice(digest.split_at(12).1);
        Self(bytes)
    }

    /// The 20 bytes.
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

/// Text that is neither `0x` and 40 hex digits nor a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{found}' {why}")]
pub struct InvalidAddress {
    found: String,
    why: &'static str,
}

impl InvalidAddress {
    /// What is wrong and what to do, as the end of a sentence that begins with the text.
    #[must_use]
    pub const fn why(&self) -> &'static str {
        self.why
    }
}

impl FromStr for Address {
    type Err = InvalidAddress;

    /// Parses `0x` + 40 hex digits, and anything else of 1 to 128 printable characters as a name. Digits in both cases are
    /// checked as Ethereum does (EIP-55); digits without `0x` are no name, since what is sent to such a name would be lost.
    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let invalid = |why| InvalidAddress { found: text.chars().take(80).collect(), why };
        let neither = "is not an address; give a name, or 0x and 40 hex digits; contract: and its name for a contract";
        let is_digits = |digits: &str| digits.len() == 40 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        if let Some(digits) = text.strip_prefix("0x") {
            let mut bytes = [0; 20];
            hex::decode_to_slice(digits, &mut bytes).map_err(|_| invalid(neither))?;
            return match has_wrong_case(digits) {
                true => Err(invalid("has the checksum of another address (EIP-55); is a digit wrong?")),
                false => Ok(Self(bytes)),
            };
        }
        if is_digits(text.strip_prefix("0X").unwrap_or(text)) {
            return Err(invalid("is an address without 0x before it, and no name; write 0x and the 40 digits"));
        }
        let printable = |c: char| c.is_ascii_graphic();
        if text.is_empty() || text.len() > 128 + PREFIX.len() || !text.chars().all(printable) {
            return Err(invalid(neither));
        }
        Ok(Self::from_name(text))
    }
}

/// Whether digits of both cases are not written as EIP-55 has it: upper case where the digit of the hash is 8 or more.
fn has_wrong_case(digits: &str) -> bool {
    let is_mixed = digits.bytes().any(|b| b.is_ascii_uppercase()) && digits.bytes().any(|b| b.is_ascii_lowercase());
    let hash = || hex::encode(Keccak256::digest(digits.to_ascii_lowercase()));
    let fits = |(digit, hash): (u8, u8)| !digit.is_ascii_alphabetic() || digit.is_ascii_uppercase() == (hash >= b'8');
    is_mixed && !digits.bytes().zip(hash().into_bytes()).all(fits)
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", hex::encode(self.0))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl BorshSerialize for Address {
    fn serialize<W: borsh::io::Write>(&self, w: &mut W) -> borsh::io::Result<()> {
        w.write_all(&self.0)
    }
}

impl BorshDeserialize for Address {
    fn deserialize_reader<R: borsh::io::Read>(r: &mut R) -> borsh::io::Result<Self> {
        <[u8; 20]>::deserialize_reader(r).map(Self)
    }
}

impl serde::Serialize for Address {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_map_to_pinned_addresses() {
        // Changing the derivation moves every contract of every chain.
        assert_eq!(Address::from_name("alice").to_string(), "0x44384f6e8abb9db201551d52f4e4d7e34b1cd6da");
    }

    #[test]
    fn hex_and_bad_text() {
        assert_eq!("0x0000000000000000000000000000000000000000".parse(), Ok(Address::ZERO));
        for bad in ["", "0x12", "0xzz00000000000000000000000000000000000000", "a b", "ü"] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
        // The address of EIP-55's first example.
        let digits = "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
        let parse = |text: String| text.parse::<Address>();
        assert!(parse(format!("0x{digits}")).is_ok());
        assert_eq!(parse(format!("0x{}", digits.to_uppercase())), parse(format!("0x{}", digits.to_lowercase())));
        for (bad, want) in [
            (digits.to_owned(), "without 0x"),
            (digits.to_lowercase(), "without 0x"),
            (format!("0X{digits}"), "without 0x"),
            (format!("0x{}", digits.replace("5aA", "5Aa")), "EIP-55"),
        ] {
            let error = parse(bad).unwrap_err();
            assert!(error.to_string().contains(want), "{error}");
        }
    }
}
