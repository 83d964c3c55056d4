//! The Solidity token's calls, encoded by hand.

/// The token's creation code as hex text.
const TOKEN: &str = include_str!("../../contracts/artifacts/token-v1.bin");

/// Creation code of a contract whose methods only compute; see `benches/contracts`.
const COMPUTE: &str = include_str!("../contracts/Compute.bin");

/// The token's creation code with its constructor's argument.
pub fn token(supply: u64) -> Vec<u8> {
    let mut code = decoded(TOKEN);
    code.extend(word(supply));
    code
}

/// The computing contract's creation code.
pub fn compute() -> Vec<u8> {
    decoded(COMPUTE)
}

/// `hashes(uint256)`: a chain of so many keccak256.
pub fn hashes(count: u64) -> Vec<u8> {
    [&[0x50, 0x18, 0x95, 0xae][..], &word(count)].concat()
}

/// `rays(int256)`: four times the square of `side` rays onto a sphere, in fixed point.
pub fn rays(side: u64) -> Vec<u8> {
    [&[0x1c, 0xb5, 0xd1, 0x83][..], &word(side)].concat()
}

/// The bytes of hex text.
pub fn decoded(text: &str) -> Vec<u8> {
    let nibbles: Vec<u8> =
        text.trim().bytes().filter_map(|digit| char::from(digit).to_digit(16)).map(|n| n as u8).collect();
    nibbles.chunks(2).map(|pair| pair.iter().fold(0, |byte, nibble| byte << 4 | nibble)).collect()
}

/// `transfer(address,uint256)`.
pub fn transfer(to: [u8; 20], amount: u64) -> Vec<u8> {
    [&[0xa9, 0x05, 0x9c, 0xbb][..], &address(to), &word(amount)].concat()
}

/// `balanceOf(address)`.
pub fn balance_of(account: [u8; 20]) -> Vec<u8> {
    [&[0x70, 0xa0, 0x82, 0x31][..], &address(account)].concat()
}

/// A number as the ABI has it: 32 bytes, big-endian.
pub fn word(number: u64) -> Vec<u8> {
    [&[0; 24][..], &number.to_be_bytes()].concat()
}

fn address(account: [u8; 20]) -> Vec<u8> {
    [&[0; 12][..], &account].concat()
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    #[test]
    fn the_computing_contract_is_that_of_its_source() {
        let source = include_str!("../contracts/Compute.sol");
        let noted = format!("{}  Compute.sol\n", hex::encode(Sha256::digest(source)));
        let remedy = "Compute.sol has changed: run vm-evm/tests/contracts/compile.mjs on its folder";
        assert_eq!(include_str!("../contracts/sources.sha256"), noted, "{remedy}");
    }
}
