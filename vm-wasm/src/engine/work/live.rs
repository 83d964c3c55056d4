//! How many locals are live where a function's control flow meets: what SSA form and the allocation of registers have to carry there.
//!
//! A local is live where it may be read before it is set. Code that compilers write has many locals and few of them live at a time;
//! that tells it apart from code that is made to be expensive. The word of gas is a local like others here.

/// How often a function is followed. Loops that compilers make of source need two more than they are deep, at most.
const ROUNDS: usize = 24;

/// The most words of sets of locals that are kept at a time, 64 MiB, and that a round may go through: far from what functions within the
/// default limits of shape can have, which an operator can raise.
const KEPT: usize = 8 << 20;
const VISITED: u64 = 256 << 20;

/// What a function does with its locals, in order; operators that neither use one nor branch are left out.
#[derive(Debug, Default)]
pub(super) struct Steps {
    steps: Vec<Step>,
    /// The labels of all branches, as depths.
    depths: Vec<u32>,
    /// Where each open block begins.
    open: Vec<usize>,
    /// How many loops there are.
    loops: usize,
    /// How many blocks are open at the most.
    nesting: usize,
    /// The number of locals that are used, at least: one more than the highest.
    locals: usize,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Get(u32),
    Set(u32),
    Block,
    If,
    Else,
    /// The loop's number.
    Loop(usize),
    /// The number of the loop that ends, if it is one.
    End(Option<usize>),
    /// So many labels of the list, from this one on; whether what follows can be reached.
    Branch(usize, usize, bool),
    /// Nothing is live in front of it for what comes behind.
    Leave,
}

/// The sums over a function.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Live {
    /// Over all edges of the control flow: the locals that are live at its end.
    pub(super) carried: u64,
    /// The most that are live anywhere.
    pub(super) most: u64,
}

impl Steps {
    pub(super) fn get(&mut self, local: u32) {
        self.locals = self.locals.max(local as usize + 1);
        self.steps.push(Step::Get(local));
    }

    pub(super) fn set(&mut self, local: u32) {
        self.locals = self.locals.max(local as usize + 1);
        self.steps.push(Step::Set(local));
    }

    pub(super) fn block(&mut self) {
        self.begin(Step::Block);
    }

    pub(super) fn if_(&mut self) {
        self.begin(Step::If);
    }

    pub(super) fn loop_(&mut self) {
        self.begin(Step::Loop(self.loops));
        self.loops += 1;
    }

    fn begin(&mut self, step: Step) {
        self.open.push(self.steps.len());
        self.nesting = self.nesting.max(self.open.len());
        self.steps.push(step);
    }

    pub(super) fn else_(&mut self) {
        self.steps.push(Step::Else);
    }

    pub(super) fn end(&mut self) {
        let begin = self.open.pop().and_then(|begin| self.steps.get(begin).copied());
        self.steps.push(Step::End(if let Some(Step::Loop(number)) = begin { Some(number) } else { None }));
    }

    /// A branch to labels; `falls` when what follows can be reached.
    pub(super) fn branch(&mut self, depths: impl IntoIterator<Item = u32>, falls: bool) {
        let first = self.depths.len();
        self.depths.extend(depths);
        self.steps.push(Step::Branch(first, self.depths.len() - first, falls));
    }

    pub(super) fn leave(&mut self) {
        self.steps.push(Step::Leave);
    }

    /// Follows the function backwards until what is live at the begins of its loops stays the same, because it is live at the branches back
    /// to them. Where that takes more than [`ROUNDS`], as no compiler's code does, or more room or time than is bearable, all locals
    /// count as live everywhere.
    pub(super) fn live(&self) -> Live {
        if self.is_bearable() {
            let mut headers = vec![Locals::none(self.locals); self.loops];
            for _ in 0..ROUNDS {
                let (live, stable) = self.round(&mut headers);
                if stable {
                    return live;
                }
            }
        }
        let locals = self.locals as u64;
        Live { carried: locals.saturating_mul(self.edges()), most: locals }
    }

    /// Whether the sets fit: one for each loop, two for each open block.
    fn is_bearable(&self) -> bool {
        let words = Locals::words(self.locals);
        let kept = self.loops.saturating_add(2 * self.nesting).saturating_mul(words);
        kept <= KEPT && self.edges().saturating_mul(words as u64) <= VISITED
    }

    /// How many edges the sum is over, at most.
    fn edges(&self) -> u64 {
        // An `if` has two ways in, and a branch one for each label and one that falls through.
        (2 * self.steps.len() + self.depths.len()) as u64
    }

    /// The sums, and whether they are final.
    fn round(&self, headers: &mut [Locals]) -> (Live, bool) {
        let (mut sums, mut stable) = (Live::default(), true);
        let mut now = Locals::none(self.locals);
        let mut open: Vec<Frame> = Vec::new();
        for step in self.steps.iter().rev() {
            match *step {
                Step::Get(local) => {
                    now.insert(local);
                    sums.most = sums.most.max(now.count);
                }
                Step::Set(local) => now.remove(local),
                Step::End(of_loop) => {
                    sums.carried += now.count;
                    open.push(Frame { of_loop, behind: now.clone(), other: None });
                }
                Step::Else => {
                    if let Some(frame) = open.last_mut() {
                        let behind = frame.behind.clone();
                        frame.other = Some(std::mem::replace(&mut now, behind));
                    }
                    sums.carried += now.count;
                }
                Step::Block => drop(open.pop()),
                Step::If => {
                    sums.carried += now.count;
                    if let Some(frame) = open.pop() {
                        let other = frame.other.unwrap_or(frame.behind);
                        sums.carried += other.count;
                        now.add(&other);
                    }
                }
                Step::Loop(number) => {
                    open.pop();
                    sums.carried += now.count;
                    if let Some(header) = headers.get_mut(number)
                        && *header != now
                    {
                        stable = false;
                        header.clone_from(&now);
                    }
                }
                Step::Branch(first, count, falls) => {
                    let behind = std::mem::replace(&mut now, Locals::none(self.locals));
                    for depth in self.depths.iter().skip(first).take(count) {
                        let frame = open.len().checked_sub(1 + *depth as usize).and_then(|at| open.get(at));
                        let Some(frame) = frame else { continue };
                        let target = frame.of_loop.and_then(|number| headers.get(number)).unwrap_or(&frame.behind);
                        sums.carried += target.count;
                        now.add(target);
                    }
                    if falls {
                        now.add(&behind);
                        sums.carried += now.count;
                    }
                }
                Step::Leave => now = Locals::none(self.locals),
            }
            sums.most = sums.most.max(now.count);
        }
        (sums, stable)
    }
}

/// An open block, seen from its end.
struct Frame {
    of_loop: Option<usize>,
    /// What is live behind it.
    behind: Locals,
    /// What is live where its `else` begins.
    other: Option<Locals>,
}

/// A set of locals, and how many it has.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Locals {
    words: Vec<u64>,
    count: u64,
}

impl Locals {
    fn none(locals: usize) -> Self {
        Self { words: vec![0; Self::words(locals)], count: 0 }
    }

    /// How many words a set of so many has.
    fn words(locals: usize) -> usize {
        locals.div_ceil(64)
    }

    fn insert(&mut self, local: u32) {
        if let Some(word) = self.words.get_mut(local as usize / 64) {
            let bit = 1 << (local % 64);
            self.count += u64::from(*word & bit == 0);
            *word |= bit;
        }
    }

    fn remove(&mut self, local: u32) {
        if let Some(word) = self.words.get_mut(local as usize / 64) {
            let bit = 1 << (local % 64);
            self.count -= u64::from(*word & bit != 0);
            *word &= !bit;
        }
    }

    fn add(&mut self, others: &Self) {
        self.count = 0;
        for (word, other) in self.words.iter_mut().zip(&others.words) {
            *word |= other;
            self.count += u64::from(word.count_ones());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two values that meet behind a branch, of which one is set on the way.
    #[test]
    fn what_is_set_before_it_is_read_is_not_live() {
        let mut steps = Steps::default();
        steps.block();
        steps.get(0);
        steps.branch([0], true);
        steps.set(1);
        steps.end();
        steps.get(1);
        steps.end();
        // At the block's end and as the branch's target local 1; behind the branch nothing else, since it is set there.
        assert_eq!(steps.live(), Live { carried: 3, most: 2 });
    }

    /// What is read at the begin of a loop is live all the way round.
    #[test]
    fn loops_carry_what_they_read() {
        let of = |reads: u32| {
            let mut steps = Steps::default();
            steps.loop_();
            (0..reads).for_each(|local| steps.get(local));
            steps.get(0);
            steps.branch([0], true);
            steps.end();
            steps.end();
            steps.live()
        };
        // The begin, the way back, and what follows the branch, where the loop's begin is one of two ways.
        assert_eq!(of(1), Live { carried: 3, most: 1 });
        assert_eq!(of(9), Live { carried: 27, most: 9 });
    }

    /// Loops in each other, each with a branch to the one around it in front of the next: what the first one reads is live in all.
    #[test]
    fn what_the_outermost_loop_reads_is_live_in_all_of_them() {
        let of = |depth: u64, reads: u32| {
            let mut steps = Steps::default();
            for level in 0..depth {
                steps.loop_();
                if level == 0 {
                    (0..reads).for_each(|local| steps.get(local));
                } else {
                    steps.branch([1], true);
                }
            }
            (0..=depth).for_each(|_| steps.end());
            steps.live()
        };
        let reads = 100;
        for depth in [2, 5, 20] {
            // Each loop but the innermost, which nothing leads back from, begins and is branched to with all of them live.
            let live = of(depth, reads);
            assert!(live.carried >= 2 * (depth - 1) * u64::from(reads), "{depth}: {live:?}");
            assert!(live.carried <= 4 * depth * u64::from(reads), "{depth}: {live:?}");
        }
        let deep = of(200, reads);
        assert!(deep.carried >= 200 * u64::from(reads) && deep.most == u64::from(reads), "{deep:?}");
    }

    /// Under raised limits of shape: a set for each of these loops would take 2 GiB.
    #[test]
    fn what_would_take_too_much_to_find_out_counts_as_live() {
        let mut steps = Steps::default();
        for _ in 0..350_000 {
            steps.loop_();
            steps.end();
        }
        steps.set(49_999);
        steps.end();
        assert!(!steps.is_bearable());
        let live = steps.live();
        assert!(live.most == 50_000 && live.carried > 350_000 * 50_000, "{live:?}");
    }

    #[test]
    fn both_ways_of_an_if_count() {
        let mut steps = Steps::default();
        steps.if_();
        steps.get(0);
        steps.else_();
        steps.get(1);
        steps.end();
        steps.get(2);
        steps.leave();
        steps.end();
        // The end 1, the end of the first way 1, and into both ways 2 each.
        assert_eq!(steps.live(), Live { carried: 6, most: 3 });
    }
}
