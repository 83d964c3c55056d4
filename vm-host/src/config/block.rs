//! The section `vm.block`: what contracts see of the block that their transactions are in.

use vm_core::Block;

use super::Mistake;
use super::document::Node;
use super::section::{Mistakes, Section, wrong_type};
use super::value;

/// Reads the section into a block. Its number is the state's, and no key.
pub(super) fn read(section: Section<'_>, block: &mut Block, mistakes: &mut Mistakes) {
    const KEYS: &[&str] = &["chain_id", "timestamp", "coinbase", "gas_limit", "base_fee", "prevrandao"];
    section.expect_keys(KEYS, mistakes, |key| {
        (key == "number").then(|| "a transaction's block has the number of the state's next height".to_owned())
    });
    for (key, to) in [
        ("chain_id", &mut block.chain_id),
        ("timestamp", &mut block.timestamp),
        ("gas_limit", &mut block.gas_limit),
        ("base_fee", &mut block.base_fee),
    ] {
        if let Some(number) = section.get(key, mistakes, value::whole) {
            *to = number;
        }
    }
    let account = |node: &Node, key: &str| {
        value::text(node, key)?.parse().map_err(|error| Mistake::at(node.at, format!("{error}")))
    };
    if let Some(coinbase) = section.get("coinbase", mistakes, account) {
        block.coinbase = coinbase;
    }
    if let Some(prevrandao) = section.get("prevrandao", mistakes, word) {
        block.prevrandao = prevrandao;
    }
}

fn word(node: &Node, key: &str) -> Result<[u8; 32], Mistake> {
    let mut word = [0; 32];
    let digits = value::text(node, key)?.strip_prefix("0x").unwrap_or_default();
    match hex::decode_to_slice(digits, &mut word) {
        Ok(()) => Ok(word),
        Err(_) => Err(wrong_type(node, key, "0x and 64 hexadecimal digits, in quotes")),
    }
}
