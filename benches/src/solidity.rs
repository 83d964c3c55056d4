//! The Solidity token's calls, encoded by hand.

/// The token's creation code as hex text.
const TOKEN: &str = include_str!("../../contracts/artifacts/token-v1.bin");

/// The token's creation code with its constructor's argument.
pub fn token(supply: u64) -> Vec<u8> {
    let nibbles: Vec<u8> =
        TOKEN.trim().bytes().filter_map(|digit| char::from(digit).to_digit(16)).map(|n| n as u8).collect();
    let mut code: Vec<u8> =
        nibbles.chunks(2).map(|pair| pair.iter().fold(0, |byte, nibble| byte << 4 | nibble)).collect();
    code.extend(word(supply));
    code
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
