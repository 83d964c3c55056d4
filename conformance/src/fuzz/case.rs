//! One case: a contract and what is done with it.

use vm_core::ContractName;

use super::machine::{Arguments, Call, Machine, Machines, Seen};
use super::random::Random;
use super::{expression, module, mutant};
use crate::text;

/// More gas than what ends by itself needs; little enough for what does not.
const PLENTY: u64 = 1_000_000;

/// A contract, random by its seed, and calls of it.
#[derive(Debug)]
pub struct Case {
    /// Where everything else comes from.
    pub seed: u64,
    /// The contract's code; empty if the seed gives none.
    pub code: Vec<u8>,
    init: Arguments,
    calls: Vec<(&'static str, Arguments)>,
}

impl Case {
    /// The case of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::cut(seed, usize::MAX)
    }

    /// The same made of at most so many random bytes, if it is a random module: fewer make a smaller one.
    fn cut(seed: u64, length: usize) -> Self {
        let mut random = Random::new(seed);
        match random.below(4) {
            0 => Self::mutant(seed, random),
            1 => Self::made(seed, random, expression::random, length),
            _ => Self::made(seed, random, module::random, length),
        }
    }

    /// A sample contract with changed bytes.
    fn mutant(seed: u64, mut random: Random) -> Self {
        let Some((code, sample)) = mutant::random(&mut random) else { return Self::empty(seed) };
        let call = |random: &mut Random| random.choose(sample.calls).copied();
        let calls = [call(&mut random), call(&mut random)].into_iter().flatten();
        let calls = calls.map(|(method, args)| (method, Arguments::Text(args))).collect();
        Self { seed, code, init: Arguments::Text(sample.init), calls }
    }

    /// A random module, of at most so many random bytes.
    fn made(seed: u64, mut random: Random, make: fn(&mut Random, usize) -> Option<Vec<u8>>, length: usize) -> Self {
        let Some(code) = make(&mut random, length) else { return Self::empty(seed) };
        let mut input = name("peer", seed).into_bytes();
        input.extend(random.bytes(44));
        Self { seed, code, init: Arguments::Input(Vec::new()), calls: vec![("run", Arguments::Input(input))] }
    }

    /// A smaller case, made of the same random bytes, in which machines differ as well.
    pub(super) fn smaller(&self) -> Option<(Self, String)> {
        let mut length = 64;
        while length < self.code.len() {
            let case = Self::cut(self.seed, length);
            // On fresh machines: the contract's name is taken on the others.
            let outcome = Machines::start().and_then(|machines| case.run(&machines));
            match outcome {
                Err(what) if case.code.len() < self.code.len() => return Some((case, what)),
                _ => length += length / 2,
            }
        }
        None
    }

    fn empty(seed: u64) -> Self {
        Self { seed, code: Vec::new(), init: Arguments::Input(Vec::new()), calls: Vec::new() }
    }

    /// Runs the case on all machines. Returns what was seen on each alike, or what differed.
    pub(super) fn run(&self, machines: &Machines) -> Result<Vec<Seen>, String> {
        let (first, others) = machines.0.split_first().ok_or("there is no machine")?;
        let mut budgets = Vec::new();
        let expected = self.observe(first, &mut budgets)?;
        for other in others {
            let found = self.observe(other, &mut budgets)?;
            for ((step, expected), (_, found)) in expected.iter().zip(&found) {
                if expected != found {
                    return Err(format!("{step}: {expected} on {}; {found} on {}", first.name, other.name));
                }
            }
            if expected.len() != found.len() {
                let (expected, found) = (expected.len(), found.len());
                return Err(format!("{expected} steps on {}, {found} on {}", first.name, other.name));
            }
        }
        Ok(expected.into_iter().map(|(_, seen)| seen).collect())
    }

    /// What a machine does. It finds out the budgets of each call, if no machine did before.
    fn observe(&self, machine: &Machine, budgets: &mut Vec<Vec<u64>>) -> Result<Vec<(String, Seen)>, String> {
        let (peer, contract) = (contract("peer", self.seed)?, contract("case", self.seed)?);
        let mut seen = Vec::new();
        let mut see = |step: String, found: Seen| match found.fault {
            true => Err(format!("{step}: {found} on {}", machine.name)),
            false => {
                seen.push((step, found));
                Ok(())
            }
        };
        see("the other contract".into(), machine.deploy(&peer, &text::binary(PEER)?, &Arguments::Input(Vec::new()))?)?;
        let deployed = machine.deploy(&contract, &self.code, &self.init)?;
        let calls = if deployed.done { &*self.calls } else { &[] };
        see("deployment".into(), deployed)?;
        for (index, (method, arguments)) in calls.iter().enumerate() {
            let call = |gas, query| machine.call(&contract, &Call { method, arguments, gas, query });
            let (first, second) = (call(PLENTY, true), call(PLENTY, true));
            if first != second {
                return Err(format!("query of {method}: {first}, then {second}, on {}", machine.name));
            }
            see(format!("query of {method}"), first)?;
            let called = call(PLENTY, false);
            let used = called.gas;
            see(format!("call of {method}"), called)?;
            if budgets.len() == index {
                budgets.push(self.budgets(used));
            }
            for gas in budgets.get(index).into_iter().flatten() {
                see(format!("call of {method} with {gas} gas"), call(*gas, false))?;
            }
            see(format!("another call of {method}"), call(PLENTY, false))?;
        }
        Ok(seen)
    }

    /// Gas that suffices just so, just not, and some way.
    fn budgets(&self, used: u64) -> Vec<u64> {
        let mut random = Random::new(!self.seed);
        vec![used, used.saturating_sub(1), random.below(used), random.below(used), random.below(used)]
    }
}

fn name(kind: &str, seed: u64) -> String {
    format!("{kind}{seed:016x}")
}

fn contract(kind: &str, seed: u64) -> Result<ContractName, String> {
    ContractName::new(&name(kind, seed)).map_err(|error| error.to_string())
}

/// What random contracts can call: by the length of its input it succeeds, reverts, traps, or uses up its gas.
const PEER: &str = r#"(module
    (import "vm1" "get" (func $get (param i32 i32 i32 i32) (result i64)))
    (import "vm1" "put" (func $put (param i32 i32 i32 i32)))
    (import "vm1" "emit" (func $emit (param i32 i32 i32 i32)))
    (import "vm1" "output" (func $output (param i32 i32)))
    (memory (export "memory") 1)
    (func (export "vm_call") (param $entry i32) (param $method i32) (param $input i32) (result i32)
        (if (i32.eqz (local.get $entry)) (then (return (i32.const 0))))
        (drop (call $get (i32.const 0) (i32.const 1) (i32.const 8) (i32.const 8)))
        (i64.store (i32.const 8) (i64.add (i64.load (i32.const 8)) (i64.const 1)))
        (call $put (i32.const 0) (i32.const 1) (i32.const 8) (i32.const 8))
        (call $emit (i32.const 0) (i32.const 1) (i32.const 8) (i32.const 8))
        (call $output (i32.const 8) (i32.const 8))
        (block $ok
            (block $revert
                (block $trap
                    (br_table $ok $ok $ok $ok $revert $trap $ok (i32.and (local.get $input) (i32.const 7))))
                (unreachable))
            (return (i32.const 1)))
        (if (i32.eq (i32.and (local.get $input) (i32.const 7)) (i32.const 6)) (then (loop (br 0))))
        (i32.const 0)))"#;

#[cfg(test)]
mod tests {
    use vm_wasm::{EngineKind, WasmConfig};

    use super::*;

    /// Each of them has hundreds of operators whose operands are other operators.
    #[test]
    fn machines_agree_on_dense_expressions() {
        let machines = Machines::start().unwrap();
        let mut succeeded = 0;
        for seed in 0..DENSE {
            let case = Case::made(seed, Random::new(seed), expression::random, usize::MAX);
            let seen = case.run(&machines).unwrap_or_else(|what| panic!("seed {seed}: {what}"));
            succeeded += u64::from(seen.last().is_some_and(|seen| seen.done));
        }
        assert!(succeeded > DENSE / 3, "{succeeded}");
    }

    const DENSE: u64 = 30;

    /// Machines that are set differently are found out.
    #[test]
    fn differences_are_found() {
        let mut small = WasmConfig::default();
        small.stack_units = 1_000;
        let configs = [WasmConfig::default(), small];
        let machines = configs.map(|config| Machine::with(EngineKind::default(), 1_000, config).unwrap());
        let machines = Machines(machines.into());
        let outcomes: Vec<_> = (0..100).map(|seed| Case::new(seed).run(&machines)).collect();
        assert!(outcomes.iter().any(Result::is_ok));
        let found = outcomes.iter().find_map(|outcome| outcome.as_ref().err()).unwrap();
        assert!(found.contains("wasmi in slices of 1000"), "{found}");
    }
}
