//! Where gas is charged: a body is split into regions whose operators run equally often, each charged once at its start.

use std::collections::BTreeSet;

use wasmparser::Operator;

/// A charge, made before the operator at `at`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Region {
    /// Index of the operator before which the charge stands.
    pub(super) at: usize,
    /// The price of all operators of the region.
    pub(super) cost: u64,
    /// True at the function entry and at loop headers: there it is also checked that the gas suffices.
    pub(super) checked: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Function,
    Block,
    Loop,
    If,
    Else,
}

struct Frame {
    kind: Kind,
    /// The region that the frame was entered from.
    outer: usize,
    /// Whether the frame's start is reachable.
    entered: bool,
    /// Whether the end of the `then` arm is reachable.
    then_falls: bool,
    /// Whether a reachable branch leaves the frame outward, so that code behind it may run less often than its start.
    escapes: bool,
    /// Whether a reachable branch targets the frame's end.
    targeted: bool,
    /// Whether a branch to the frame's end is a trap sooner or later.
    doomed: bool,
}

impl Frame {
    fn new(kind: Kind, outer: usize, entered: bool, doomed: bool) -> Self {
        Self { kind, outer, entered, then_falls: false, escapes: false, targeted: false, doomed }
    }
}

/// A body that does not nest properly. Validation excludes it.
#[derive(Debug)]
pub(super) struct Unbalanced;

/// Splits a valid body into regions, in the order of the code.
///
/// A region begins at the function entry, at a loop header, in both arms of an `if`, after a `br_if`, and after an `end`
/// that some path from inside its frame by-passes. After any other `end` the region from before the frame goes on, because
/// that code runs if and only if the frame was entered. Unreachable code is free. The entry and each loop header cost 1 more, so that nothing is free for ever.
///
/// A branch to where straight code leads to `unreachable`, as compilers check bounds, ends no region: what is charged then for
/// code that does not run makes no difference to a trap, which takes all the gas. It does where the host ends the call before
/// the trap by a revert, on every engine alike.
pub(super) fn regions(ops: &[Operator<'_>], price: impl Fn(&Operator<'_>) -> u64) -> Result<Vec<Region>, Unbalanced> {
    let function = Frame::new(Kind::Function, 0, true, false);
    let mut walk = Walk { out: Vec::new(), current: 0, live: true, frames: vec![function], doomed: doomed(ops) };
    walk.open(0, true, 1);
    for (at, op) in ops.iter().enumerate() {
        if walk.live {
            let cost = price(op);
            if let Some(region) = walk.out.get_mut(walk.current) {
                region.cost = region.cost.saturating_add(cost);
            }
        }
        walk.step(at + 1, op)?;
    }
    let mut out = walk.out;
    out.retain(|region| region.cost > 0);
    out.sort_by_key(|region| region.at);
    Ok(out)
}

struct Walk {
    out: Vec<Region>,
    current: usize,
    live: bool,
    frames: Vec<Frame>,
    /// The operators that open a block behind which there is a trap.
    doomed: BTreeSet<usize>,
}

impl Walk {
    fn open(&mut self, at: usize, checked: bool, cost: u64) {
        self.out.push(Region { at, cost, checked });
        self.current = self.out.len() - 1;
    }

    /// Notes a branch. Returns whether a region ends at it, if it is conditional.
    fn branch(&mut self, depth: u32) -> Result<bool, Unbalanced> {
        if !self.live {
            return Ok(false);
        }
        let target = self.frames.len().checked_sub(1 + depth as usize).ok_or(Unbalanced)?;
        let frame = self.frames.get_mut(target).ok_or(Unbalanced)?;
        frame.targeted = true;
        if frame.doomed {
            return Ok(false);
        }
        for frame in self.frames.iter_mut().skip(target + 1) {
            frame.escapes = true;
        }
        Ok(true)
    }

    fn enter(&mut self, kind: Kind, next: usize) {
        let doomed = self.doomed.contains(&(next - 1));
        self.frames.push(Frame::new(kind, self.current, self.live, doomed));
        match kind {
            Kind::Loop if self.live => self.open(next, true, 1),
            Kind::If if self.live => self.open(next, false, 0),
            _ => {}
        }
    }

    fn step(&mut self, next: usize, op: &Operator<'_>) -> Result<(), Unbalanced> {
        match op {
            Operator::Block { .. } => self.enter(Kind::Block, next),
            Operator::Loop { .. } => self.enter(Kind::Loop, next),
            Operator::If { .. } => self.enter(Kind::If, next),
            Operator::Else => {
                let live = self.live;
                let frame = self.frames.last_mut().ok_or(Unbalanced)?;
                frame.kind = Kind::Else;
                frame.then_falls = live;
                self.live = frame.entered;
                if self.live {
                    self.open(next, false, 0);
                }
            }
            Operator::End => {
                let frame = self.frames.pop().ok_or(Unbalanced)?;
                self.live = match frame.kind {
                    Kind::Function => return Ok(()),
                    Kind::Loop => self.live,
                    Kind::Block => self.live || frame.targeted,
                    Kind::If => frame.entered,
                    Kind::Else => self.live || frame.then_falls || frame.targeted,
                };
                if self.live {
                    if frame.escapes {
                        self.open(next, false, 0);
                    } else {
                        self.current = frame.outer;
                    }
                }
            }
            Operator::Br { relative_depth } => {
                self.branch(*relative_depth)?;
                self.live = false;
            }
            Operator::BrIf { relative_depth } if self.branch(*relative_depth)? => self.open(next, false, 0),
            Operator::BrTable { targets } => {
                for target in targets.targets() {
                    self.branch(target.map_err(|_| Unbalanced)?)?;
                }
                self.branch(targets.default())?;
                self.live = false;
            }
            Operator::Return => {
                let outermost = u32::try_from(self.frames.len()).map_err(|_| Unbalanced)?.saturating_sub(1);
                self.branch(outermost)?;
                self.live = false;
            }
            Operator::Unreachable => self.live = false,
            _ => {}
        }
        Ok(())
    }
}

/// The operators that open a block behind whose end there is nothing but straight code, and at its end `unreachable`: as a
/// compiler calls a function that does not return.
fn doomed(ops: &[Operator<'_>]) -> BTreeSet<usize> {
    let (mut open, mut found) = (Vec::new(), BTreeSet::new());
    for (at, op) in ops.iter().enumerate() {
        match op {
            Operator::Block { .. } => open.push(Some(at)),
            Operator::Loop { .. } | Operator::If { .. } => open.push(None),
            Operator::End => {
                let block = open.pop().flatten();
                found.extend(block.filter(|_| ends_in_a_trap(ops.get(at + 1..).unwrap_or_default())));
            }
            _ => {}
        }
    }
    found
}

/// Whether straight code leads to `unreachable`.
fn ends_in_a_trap(ops: &[Operator<'_>]) -> bool {
    use Operator as O;
    let turn = ops.iter().find(|op| {
        matches!(
            op,
            O::Block { .. }
                | O::Loop { .. }
                | O::If { .. }
                | O::Else
                | O::End
                | O::Br { .. }
                | O::BrIf { .. }
                | O::BrTable { .. }
                | O::Return
                | O::Unreachable
        )
    });
    matches!(turn, Some(O::Unreachable))
}

#[cfg(test)]
mod tests {
    use wasmparser::{Parser, Payload};

    use super::*;

    /// Where the regions of a body begin, and what they cost at one unit an operator.
    fn found(body: &str) -> Vec<(usize, u64)> {
        let wasm = wat::parse_str(format!("(module (func $f (param i32) {body}))")).unwrap();
        let mut payloads = Parser::new(0).parse_all(&wasm);
        let body = payloads.find_map(|payload| match payload.unwrap() {
            Payload::CodeSectionEntry(body) => Some(body),
            _ => None,
        });
        let ops: Vec<_> = body.unwrap().get_operators_reader().unwrap().into_iter().map(Result::unwrap).collect();
        let price = |op: &Operator<'_>| u64::from(!matches!(op, Operator::Block { .. } | Operator::End));
        regions(&ops, price).unwrap().into_iter().map(|region| (region.at, region.cost)).collect()
    }

    #[test]
    fn a_conditional_branch_ends_a_region() {
        let body = "(block (br_if 0 (local.get 0)) (drop (i32.const 1))) (drop (i32.const 2))";
        assert_eq!(found(body), [(0, 1 + 2 + 2), (3, 2)]);
    }

    #[test]
    fn a_check_that_ends_in_a_trap_does_not() {
        let body =
            "(block (br_if 0 (local.get 0)) (drop (i32.const 1)) (return)) (call $f (i32.const 2)) (unreachable)";
        assert_eq!(found(body), [(0, 1 + 2 + 3), (7, 3)]);
        let nested = "(block (block (br_if 1 (local.get 0)) (br_if 0 (local.get 0)) (drop (i32.const 1)) (return)) (nop)) (unreachable)";
        assert_eq!(found(nested), [(0, 1 + 2 + 2), (6, 3), (10, 1), (12, 1)]);
    }
}
