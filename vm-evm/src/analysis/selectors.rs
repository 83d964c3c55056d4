//! The functions that a contract's dispatcher knows.

use std::collections::BTreeSet;

use revm::bytecode::opcode;
use serde::{Serialize, Serializer};

use super::flow::{Flow, Instruction};

/// A function selector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Selector {
    /// The first four bytes of the call data.
    #[serde(rename = "selector", serialize_with = "as_hex")]
    pub bytes: [u8; 4],
    /// The function, where an ABI tells it.
    pub signature: Option<String>,
}

fn as_hex<S: Serializer>(bytes: &[u8; 4], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("0x{}", hex::encode(bytes)))
}

/// Constants of three or four bytes that are compared for equality, where the comparison decides a jump: `PUSH4 selector EQ
/// PUSH2 target JUMPI`, with duplications in between, or SUB or XOR in place of EQ.
pub(super) fn find(flow: &Flow<'_>) -> Vec<Selector> {
    let code: Vec<_> = flow.reached().collect();
    let found: BTreeSet<[u8; 4]> = (0..code.len()).filter_map(|start| compared(code.get(start..)?)).collect();
    found.into_iter().map(|bytes| Selector { bytes, signature: None }).collect()
}

fn compared(code: &[Instruction<'_>]) -> Option<[u8; 4]> {
    let (push, rest) = code.split_first()?;
    let bytes = match (push.opcode, push.data) {
        (opcode::PUSH4, [a, b, c, d]) => [*a, *b, *c, *d],
        // A selector that begins with zeros.
        (opcode::PUSH3, [b, c, d]) => [0, *b, *c, *d],
        _ => return None,
    };
    let mut rest = rest.iter().map(|i| i.opcode).skip_while(|op| (opcode::DUP1..=opcode::DUP16).contains(op));
    let compares = matches!(rest.next()?, opcode::EQ | opcode::SUB | opcode::XOR);
    let jumps = (opcode::PUSH1..=opcode::PUSH4).contains(&rest.next()?) && rest.next()? == opcode::JUMPI;
    (compares && jumps && bytes != [0xff; 4]).then_some(bytes)
}
