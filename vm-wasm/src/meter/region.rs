//! Where gas is charged: a body is split into regions whose operators run equally often, each charged once at its start.

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
}

impl Frame {
    fn new(kind: Kind, outer: usize, entered: bool) -> Self {
        Self { kind, outer, entered, then_falls: false, escapes: false, targeted: false }
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
pub(super) fn regions(ops: &[Operator<'_>], price: impl Fn(&Operator<'_>) -> u64) -> Result<Vec<Region>, Unbalanced> {
    let mut walk = Walk { out: Vec::new(), current: 0, live: true, frames: vec![Frame::new(Kind::Function, 0, true)] };
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
}

impl Walk {
    fn open(&mut self, at: usize, checked: bool, cost: u64) {
        self.out.push(Region { at, cost, checked });
        self.current = self.out.len() - 1;
    }

    fn branch(&mut self, depth: u32) -> Result<(), Unbalanced> {
        if !self.live {
            return Ok(());
        }
        let target = self.frames.len().checked_sub(1 + depth as usize).ok_or(Unbalanced)?;
        for frame in self.frames.iter_mut().skip(target + 1) {
            frame.escapes = true;
        }
        self.frames.get_mut(target).ok_or(Unbalanced)?.targeted = true;
        Ok(())
    }

    fn enter(&mut self, kind: Kind, next: usize) {
        self.frames.push(Frame::new(kind, self.current, self.live));
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
            Operator::BrIf { relative_depth } => {
                self.branch(*relative_depth)?;
                if self.live {
                    self.open(next, false, 0);
                }
            }
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
