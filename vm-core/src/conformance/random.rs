//! Random trees of calls, with random failures.

use super::stage::{Form, KEYS, Stage};
use super::tree::{Body, Call, End, Op};
use crate::{Gas, Vm};

/// How deep trees are, at most, beside the contract at the top.
const DEPTH: usize = 4;

/// What was run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ran {
    /// Transactions.
    pub transactions: usize,
    /// How many of them succeeded.
    pub succeeded: usize,
    /// Calls inside them.
    pub calls: usize,
    /// What they used altogether: the same for the same trees, whichever engine a runtime has.
    pub gas: Gas,
}

/// So many transactions of random trees among two actors of each form, each on what the one before left. The same seed gives the same
/// trees.
///
/// # Errors
/// The first difference from the model, with the tree.
pub fn trees(vm: &Vm, forms: &[Form], seed: u64, transactions: usize) -> Result<Ran, String> {
    // Two of each, so that one runtime calls itself, too.
    let mut stage = Stage::deploy(vm, &format!("trees-{seed}"), forms.iter().chain(forms))?;
    let (mut dice, mut ran) = (Dice(seed), Ran { transactions, ..Ran::default() });
    for number in 0..transactions {
        let root = dice.below(2 * forms.len());
        let body = dice.body(2 * forms.len(), DEPTH, &mut vec![root], true);
        let told = |error| format!("transaction {number} of seed {seed}: {error}\nby actor {root}: {body:#?}");
        let receipt = stage.run(root, &body).map_err(told)?;
        ran.succeeded += usize::from(receipt.status.is_success());
        ran.gas = ran.gas.saturating_add(receipt.gas_used);
        ran.calls += calls(&body);
    }
    Ok(ran)
}

/// The same random trees, with each form in each place: whichever runtime a contract runs on, state and events are the same. Nobody is
/// re-entered in them, since runtimes differ in whether that is refused.
///
/// # Errors
/// The first difference, with the tree.
pub fn swapped(vm: &Vm, forms: &[Form], seed: u64, transactions: usize) -> Result<Ran, String> {
    let actors = forms.len();
    let mut stages = Vec::new();
    for turn in 0..actors {
        let order = forms.iter().cycle().skip(turn).take(actors);
        stages.push(Stage::deploy(vm, &format!("swapped-{seed}-{turn}"), order)?);
    }
    let (mut dice, mut ran) = (Dice(seed), Ran { transactions, ..Ran::default() });
    for number in 0..transactions {
        let root = dice.below(actors);
        let body = dice.body(actors, DEPTH, &mut vec![root], false);
        let mut first = None;
        for (turn, stage) in stages.iter_mut().enumerate() {
            let told = |error: String| {
                format!("transaction {number} of seed {seed}, turn {turn}: {error}\nby actor {root}: {body:#?}")
            };
            let receipt = stage.run(root, &body).map_err(told)?;
            let seen = (receipt.status.is_success(), stage.events(&receipt), stage.state());
            ran.succeeded += usize::from(turn == 0 && seen.0);
            ran.gas = ran.gas.saturating_add(receipt.gas_used);
            match &first {
                None => first = Some(seen),
                Some(first) if *first == seen => {}
                Some(first) => return Err(told(format!("found {seen:?}, and on the first turn {first:?}"))),
            }
        }
        ran.calls += calls(&body);
    }
    Ok(ran)
}

/// The calls in a body, those in what they do included.
fn calls(body: &Body) -> usize {
    let calls = body.ops.iter().map(|op| if let Op::Call(call) = op { 1 + calls(&call.body) } else { 0 });
    calls.sum()
}

/// Numbers that look random: splitmix64, <https://prng.di.unimi.it/splitmix64.c>.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `sides`, which is not 0.
    fn below(&mut self, sides: usize) -> usize {
        (self.next() % sides.max(1) as u64) as usize
    }

    fn byte(&mut self, from: u8, to: u8) -> u8 {
        from + self.below(usize::from(to - from)) as u8
    }

    /// What one of so many actors does, the last of `stack`. Those of the stack are called only where anybody `may_return`.
    fn body(&mut self, actors: usize, depth: usize, stack: &mut Vec<usize>, may_return: bool) -> Body {
        let callees: Vec<usize> = (0..actors).filter(|to| may_return || !stack.contains(to)).collect();
        let mut body = Body::new(Vec::new());
        for _ in 0..self.below(7) {
            let callee = if depth > 0 && self.below(5) < 2 { callees.get(self.below(callees.len())) } else { None };
            let op = match callee {
                Some(to) => {
                    stack.push(*to);
                    let inner = self.body(actors, depth - 1, stack, may_return);
                    stack.pop();
                    let (is_static, value) = match self.below(5) {
                        0 => (true, 0),
                        1 => (false, self.byte(0, 40)),
                        _ => (false, 0),
                    };
                    Call { is_static, value, ..Call::new(*to, inner) }.into()
                }
                None => self.op(),
            };
            body.ops.push(op);
        }
        let has_calls = body.ops.iter().any(|op| matches!(op, Op::Call(_)));
        body.ends(match self.below(13) {
            0..8 => End::Return,
            8..11 => End::Revert(self.byte(0, 128), 1),
            // What burns its gas gets little of it, so that it calls nobody.
            11 if !has_calls => End::Burn,
            _ => End::Trap,
        })
    }

    fn op(&mut self) -> Op {
        match self.below(12) {
            0..4 => Op::Put(self.byte(0, KEYS), self.byte(1, 200)),
            4 => Op::Delete(self.byte(0, KEYS)),
            5..7 => Op::Get(self.byte(0, KEYS)),
            7..9 => Op::Scan(self.byte(0, KEYS), self.byte(0, KEYS + 2)),
            9..11 => Op::Emit(self.byte(0, 200)),
            _ => Op::Who,
        }
    }
}
