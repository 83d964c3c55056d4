//! What byte code is and does, told without running it.
//!
//! [`analyze`] reads creation code, or code as it lies at an address, and tells its parts, opcodes, selectors and compiler.
//!
//! Code is what execution can reach: from the first byte on, and from every valid jump target that reached code pushes as a
//! constant, which is how compilers form jumps. What is not reached is told apart as data: tables, embedded contracts,
//! strings, and the compiler's metadata. (Vyper's jump tables lie in data, so that behind them nothing is reached.)

mod flow;
mod metadata;
mod opcodes;
mod selectors;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

pub use metadata::Metadata;
pub use opcodes::OpcodeSet;
pub use selectors::Selector;

use crate::Fork;
use flow::{Flow, Instruction};

/// Opcodes that reviewers want to know of.
const SENSITIVE: [u8; 5] =
    [opcodes::CALLCODE, opcodes::DELEGATECALL, opcodes::CREATE, opcodes::CREATE2, opcodes::SELFDESTRUCT];

/// What [`analyze`] found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The fork whose rules were applied.
    pub fork: Fork,
    /// The length of all of it in bytes.
    pub size: usize,
    /// What runs at the deployment, when the given code was creation code: it copies and returns a part of itself.
    pub constructor: Option<Part>,
    /// The contract. All of the given code when it contains no other.
    pub runtime: Part,
    /// What the compiler wrote behind the contract.
    pub metadata: Option<Metadata>,
    /// The function selectors that the contract compares its call data with, in the order of their numbers.
    pub selectors: Vec<Selector>,
}

/// A stretch of byte code that is executed as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Part {
    /// Where it begins in the given bytes.
    pub offset: usize,
    /// Its length in bytes, data and metadata included.
    pub size: usize,
    /// How many of its bytes execution can reach.
    pub reachable: usize,
    /// The stretches that it cannot, metadata left out.
    pub unreachable: Vec<Stretch>,
    /// The first fork that has every reachable opcode.
    pub needs: Fork,
    /// How often each opcode occurs in reachable code.
    pub opcodes: BTreeMap<&'static str, usize>,
    /// Where SELFDESTRUCT, DELEGATECALL, CALLCODE, CREATE and CREATE2 are reachable.
    pub sensitive: Vec<Use>,
    /// Reachable opcodes that the fork lacks and a later one has.
    pub lacking: Vec<Lacking>,
    /// Reachable bytes that are an opcode in no fork. They stop the contract, as INVALID does.
    pub undefined: Vec<Undefined>,
    /// The reachable push whose data the end of the code cuts off; it pushes zeros for what is missing.
    pub truncated_push: Option<Use>,
}

/// A range of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Stretch {
    /// Where it begins in the given bytes.
    pub offset: usize,
    /// Its length in bytes.
    pub size: usize,
}

/// An opcode at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Use {
    /// The opcode's name.
    pub opcode: &'static str,
    /// Where it is in the given bytes.
    pub offset: usize,
}

/// An opcode that the fork does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Lacking {
    /// The opcode's name.
    pub opcode: &'static str,
    /// Where it is in the given bytes.
    pub offset: usize,
    /// The first fork that has it.
    pub since: Fork,
}

/// A byte that is no opcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Undefined {
    /// The byte.
    pub byte: u8,
    /// Where it is in the given bytes.
    pub offset: usize,
}

impl Report {
    /// The report as a JSON object.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Nothing in it can fail to be written: all keys are text.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The constructor, if there is one, and the contract.
    pub fn parts(&self) -> impl Iterator<Item = &Part> {
        self.constructor.iter().chain([&self.runtime])
    }

    /// Gives the selectors the signatures of a JSON ABI: the array itself, or an artefact that holds it under `abi`.
    ///
    /// # Errors
    /// When the ABI cannot be read.
    pub fn name_selectors(&mut self, abi: &str) -> Result<(), vm_core::CodeError> {
        let names = crate::abi::SolidityInterface::new(Some(abi))?;
        for selector in &mut self.selectors {
            selector.signature = names.signature(selector.bytes).map(str::to_owned);
        }
        Ok(())
    }
}

/// Analyses creation code, or the code of a contract, by the rules of `fork`. Never fails: any bytes are code to the EVM.
///
/// ```
/// use vm_evm::{Fork, analyze};
///
/// // PUSH0 PUSH0 RETURN
/// let report = analyze(&[0x5f, 0x5f, 0xf3], Fork::London);
/// let lacking = report.runtime.lacking.first().unwrap();
/// assert_eq!((lacking.opcode, lacking.offset, lacking.since), ("PUSH0", 0, Fork::Shanghai));
/// ```
#[must_use]
pub fn analyze(code: &[u8], fork: Fork) -> Report {
    let whole = Flow::of(code);
    let inner = whole.returned_code().filter(|stretch| stretch.offset > 0);
    let bytes = inner.and_then(|s| code.get(s.offset..s.offset + s.size)).unwrap_or(code);
    let metadata = metadata::find(bytes);
    let body = metadata.as_ref().map_or(bytes, |m| bytes.get(..m.offset).unwrap_or(bytes));
    match inner {
        Some(stretch) => {
            let flow = Flow::of(body);
            let outer = code.get(..stretch.offset).unwrap_or_default();
            let outer_flow = Flow::of_prefix(code, outer.len());
            Report {
                fork,
                size: code.len(),
                constructor: Some(part(outer.len(), 0, &outer_flow, fork)),
                runtime: part(bytes.len(), stretch.offset, &flow, fork),
                selectors: selectors::find(&flow),
                metadata: metadata.map(|m| m.at(stretch.offset)),
            }
        }
        None => {
            let flow = Flow::of(body);
            Report {
                fork,
                size: code.len(),
                constructor: None,
                runtime: part(code.len(), 0, &flow, fork),
                selectors: selectors::find(&flow),
                metadata,
            }
        }
    }
}

/// Tells what is in reachable code; `base` is where it begins in the given bytes.
fn part(size: usize, base: usize, flow: &Flow<'_>, fork: Fork) -> Part {
    let mut part = Part {
        offset: base,
        size,
        reachable: 0,
        unreachable: flow.unreached().into_iter().map(|s| Stretch { offset: base + s.offset, ..s }).collect(),
        needs: Fork::Frontier,
        opcodes: BTreeMap::new(),
        sensitive: Vec::new(),
        lacking: Vec::new(),
        undefined: Vec::new(),
        truncated_push: None,
    };
    for Instruction { opcode: byte, at, length, truncated, .. } in flow.reached() {
        part.reachable += length;
        let offset = base + at;
        let Some((opcode, since)) = opcodes::known(byte) else {
            part.undefined.push(Undefined { byte, offset });
            continue;
        };
        *part.opcodes.entry(opcode).or_default() += 1;
        part.needs = part.needs.max(since);
        if since > fork {
            part.lacking.push(Lacking { opcode, offset, since });
        }
        if SENSITIVE.contains(&byte) {
            part.sensitive.push(Use { opcode, offset });
        }
        if truncated {
            part.truncated_push = Some(Use { opcode, offset });
        }
    }
    part
}

/// The offsets at which reachable code has one of `refused`.
pub(crate) fn refused(report: &Report, code: &[u8], refused: &OpcodeSet) -> BTreeSet<(usize, &'static str)> {
    if refused.is_empty() {
        return BTreeSet::new();
    }
    let mut found = BTreeSet::new();
    for part in report.parts() {
        let end = match &report.metadata {
            Some(metadata) if metadata.offset > part.offset => metadata.offset.min(part.offset + part.size),
            _ => part.offset + part.size,
        };
        let Some(bytes) = code.get(part.offset..end) else { continue };
        for instruction in Flow::of(bytes).reached() {
            if let Some((name, _)) = opcodes::known(instruction.opcode).filter(|_| refused.has(instruction.opcode)) {
                found.insert((part.offset + instruction.at, name));
            }
        }
    }
    found
}
