//! Which bytes execution can reach.

use std::collections::{BTreeSet, VecDeque};

use revm::bytecode::opcode;

use super::{Stretch, opcodes};

/// How many copies a return may look back over; bounds the time for hostile code. Constructors have a few.
const MAX_COPIES: usize = 64;

/// Byte code with its reachable instructions.
pub(super) struct Flow<'c> {
    code: &'c [u8],
    /// Where reachable instructions begin.
    reached: BTreeSet<usize>,
}

/// An instruction at a place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Instruction<'c> {
    pub(super) opcode: u8,
    /// Its offset in the code.
    pub(super) at: usize,
    /// With its data, as far as there is any.
    pub(super) length: usize,
    /// What it pushes.
    pub(super) data: &'c [u8],
    /// True when the end of the code cuts its data off.
    pub(super) truncated: bool,
}

impl Instruction<'_> {
    /// What it pushes, if that fits.
    pub(super) fn pushed(&self) -> Option<usize> {
        if self.truncated || !(opcode::PUSH0..=opcode::PUSH32).contains(&self.opcode) {
            return None;
        }
        self.data.iter().try_fold(0_usize, |n, byte| Some(n.checked_mul(256)? | usize::from(*byte)))
    }
}

impl<'c> Flow<'c> {
    pub(super) fn of(code: &'c [u8]) -> Self {
        Self::of_prefix(code, code.len())
    }

    /// The flow of code whose first `length` bytes alone count; what lies behind them is data.
    pub(super) fn of_prefix(code: &'c [u8], length: usize) -> Self {
        let code = code.get(..length).unwrap_or(code);
        let targets = jump_targets(code);
        let mut flow = Self { code, reached: BTreeSet::new() };
        let mut open = vec![0];
        while let Some(mut at) = open.pop() {
            while let Some(instruction) = flow.at(at).filter(|_| !flow.reached.contains(&at)) {
                flow.reached.insert(at);
                if let Some(target) = instruction.pushed().filter(|target| targets.contains(target)) {
                    open.push(target);
                }
                if opcodes::ends(instruction.opcode) {
                    break;
                }
                at += instruction.length;
            }
        }
        flow
    }

    /// The reachable instructions in their order.
    pub(super) fn reached(&self) -> impl Iterator<Item = Instruction<'c>> {
        self.reached.iter().filter_map(|at| self.at(*at))
    }

    /// The stretches between reachable instructions. Metadata must have been cut off.
    pub(super) fn unreached(&self) -> Vec<Stretch> {
        let mut gaps = Vec::new();
        let mut end = 0;
        for instruction in self.reached() {
            if instruction.at > end {
                gaps.push(Stretch { offset: end, size: instruction.at - end });
            }
            end = end.max(instruction.at + instruction.length);
        }
        if self.code.len() > end {
            gaps.push(Stretch { offset: end, size: self.code.len() - end });
        }
        gaps
    }

    /// The part of the code that reachable code copies to memory and returns: a constructor's contract.
    ///
    /// Constant offset and length of a CODECOPY count when the length is also pushed for a RETURN behind it, or is the only
    /// candidate.
    pub(super) fn returned_code(&self) -> Option<Stretch> {
        let mut copies = VecDeque::new();
        let mut stack: Vec<Option<usize>> = Vec::new();
        let mut last: Option<(usize, Stretch)> = None;
        let mut follows = 0;
        for instruction in self.reached() {
            // Behind a gap or a jump target nothing is known of the stack.
            if instruction.at != follows || instruction.opcode == opcode::JUMPDEST {
                stack.clear();
            }
            follows = instruction.at + instruction.length;
            match instruction.opcode {
                opcode::CODECOPY => {
                    let (_, offset, size) = (pop(&mut stack), pop(&mut stack), pop(&mut stack));
                    if let (Some(offset), Some(size)) = (offset, size) {
                        let inside = offset.checked_add(size).is_some_and(|end| end <= self.code.len());
                        if inside && size > 0 && offset > instruction.at {
                            let copy = Stretch { offset, size };
                            copies.push_back(copy);
                            if copies.len() > MAX_COPIES {
                                copies.pop_front();
                            }
                            last = Some((follows, copy));
                        }
                    }
                }
                opcode::RETURN => {
                    // The optimiser writes the length anew, or keeps it on the stack; either way it is the copy's.
                    let (_, size) = (pop(&mut stack), pop(&mut stack));
                    if let Some(copy) = size.and_then(|size| copies.iter().rev().find(|copy| copy.size == size)) {
                        return Some(*copy);
                    }
                    if let Some((_, copy)) = last.filter(|_| size.is_none()) {
                        return Some(copy);
                    }
                }
                byte => step(byte, &instruction, &mut stack),
            }
        }
        None
    }

    fn at(&self, at: usize) -> Option<Instruction<'c>> {
        let opcode = *self.code.get(at)?;
        let wanted = opcodes::data_length(opcode);
        let rest = self.code.get(at + 1..).unwrap_or_default();
        let data = rest.get(..wanted).unwrap_or(rest);
        Some(Instruction { opcode, at, length: 1 + data.len(), data, truncated: data.len() < wanted })
    }
}

fn pop(stack: &mut Vec<Option<usize>>) -> Option<usize> {
    stack.pop().flatten()
}

/// What an instruction other than those that end a block does to the known constants.
fn step(byte: u8, instruction: &Instruction<'_>, stack: &mut Vec<Option<usize>>) {
    if (opcode::PUSH0..=opcode::PUSH32).contains(&byte) {
        stack.push(instruction.pushed());
    } else if (opcode::DUP1..=opcode::DUP16).contains(&byte) {
        let depth = usize::from(byte - opcode::DUP1) + 1;
        let value = stack.len().checked_sub(depth).and_then(|index| stack.get(index).copied()).flatten();
        stack.push(value);
    } else if (opcode::SWAP1..=opcode::SWAP16).contains(&byte) {
        let depth = usize::from(byte - opcode::SWAP1) + 2;
        while stack.len() < depth {
            stack.insert(0, None);
        }
        let (top, other) = (stack.len() - 1, stack.len() - depth);
        stack.swap(top, other);
    } else if let Some(info) = opcode::OpCode::info_by_op(byte) {
        for _ in 0..info.inputs() {
            stack.pop();
        }
        stack.extend(std::iter::repeat_n(None, usize::from(info.outputs())));
    }
}

/// Where a jump may go: every JUMPDEST that is not the data of a push, counted from the start as the EVM does.
fn jump_targets(code: &[u8]) -> BTreeSet<usize> {
    let mut targets = BTreeSet::new();
    let mut at = 0;
    while let Some(byte) = code.get(at) {
        if *byte == opcode::JUMPDEST {
            targets.insert(at);
        }
        at += 1 + opcodes::data_length(*byte);
    }
    targets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reached(code: &str) -> Vec<usize> {
        Flow::of(&hex::decode(code).unwrap()).reached().map(|i| i.at).collect()
    }

    #[test]
    fn jumps_reach_their_targets_and_nothing_else() {
        // PUSH1 4 JUMP <ff> JUMPDEST STOP <ff>
        assert_eq!(reached("600456ff5b00ff"), [0, 2, 4, 5]);
        // The target is the data of a push, so it is none: PUSH1 4 JUMP PUSH1 5b
        assert_eq!(reached("600456605b"), [0, 2]);
        // PUSH1 4 JUMPI STOP JUMPDEST STOP: both ways.
        assert_eq!(reached("600557005b00"), [0, 2, 3]);
        assert_eq!(reached("600457005b00"), [0, 2, 3, 4, 5]);
        // An opcode that no fork has ends the contract.
        assert_eq!(reached("0c00"), [0]);
    }

    #[test]
    fn gaps_are_told() {
        let code = hex::decode("600456ff5b00fffe").unwrap();
        let gaps = Flow::of(&code).unreached();
        assert_eq!(gaps, [Stretch { offset: 3, size: 1 }, Stretch { offset: 6, size: 2 }]);
    }

    #[test]
    fn what_a_constructor_returns() {
        for (code, want) in [
            // PUSH1 3 DUP1 PUSH1 b PUSH1 0 CODECOPY PUSH1 0 RETURN + 3 bytes
            ("600380600b6000396000f3010203", Some(Stretch { offset: 11, size: 3 })),
            // The length pushed twice.
            ("6003600c60003960036000f3010203", Some(Stretch { offset: 12, size: 3 })),
            // Returns something else than it copied.
            ("6003600c60003960206000f3010203", None),
            // Copies beyond the end.
            ("600480600b6000396000f3010203", None),
            ("00", None),
        ] {
            assert_eq!(Flow::of(&hex::decode(code).unwrap()).returned_code(), want, "{code}");
        }
    }
}
