//! Random call trees over both runtimes against a model that copies everything at each call.

use std::collections::BTreeMap;

use proptest::prelude::*;
use vm_core::{Address, Gas, InvokeRequest, Limits, TraceLevel, TracedCall};
use vm_evm::EvmConfig;

use crate::{
    call_tree::adds_up,
    machine::{Machine, compiled, name},
    script::{Evm, native_call},
};

const ACTORS: [&str; 4] = ["a", "b", "f", "g"];
const KEYS: u8 = 3;
/// An invalid instruction takes all gas that it was given, so only a few of them leave enough for the rest.
const HALTS: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Return,
    Revert,
    Halt,
}

#[derive(Clone, Debug)]
enum Op {
    Put(u8, u8),
    Log(u8),
    Call(usize, Body),
}

#[derive(Clone, Debug)]
struct Body {
    ops: Vec<Op>,
    end: End,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    state: BTreeMap<(usize, u8), u8>,
    events: Vec<(Address, u8)>,
}

/// A body that calls about one other, down to `depth` levels.
fn body(depth: u32) -> BoxedStrategy<Body> {
    let end = prop_oneof![6 => Just(End::Return), 3 => Just(End::Revert), 1 => Just(End::Halt)];
    (prop::collection::vec(op(depth), 0..5), end).prop_map(|(ops, end)| Body { ops, end }).boxed()
}

fn op(depth: u32) -> BoxedStrategy<Op> {
    let leaf =
        prop_oneof![(0..KEYS, 0..3u8).prop_map(|(key, value)| Op::Put(key, value)), (1..200u8).prop_map(Op::Log),];
    match depth {
        0 => leaf.boxed(),
        depth => {
            let call = (0..ACTORS.len(), body(depth - 1)).prop_map(|(to, body)| Op::Call(to, body));
            prop_oneof![1 => leaf, 1 => call].boxed()
        }
    }
}

fn address(actor: usize) -> Address {
    name(ACTORS[actor]).address()
}

fn is_evm(actor: usize) -> bool {
    actor < 2
}

/// Performs the body on the model and writes it as the actor's script; true when it succeeds.
fn perform(model: &mut Model, actor: usize, body: &Body, halts: &mut usize) -> (Vec<u8>, bool) {
    let before = model.clone();
    let (mut evm, mut native) = (Evm::new(), Vec::new());
    for op in &body.ops {
        match op {
            Op::Put(key, value) => {
                evm = evm.store(u64::from(*key), u64::from(*value));
                // Zero in the EVM and nothing in the key space are the same for the model.
                match value {
                    0 => native.extend([b'd', *key]),
                    _ => native.extend([b'p', *key, *value]),
                }
                model.state.insert((actor, *key), *value);
            }
            Op::Log(n) => {
                evm = evm.log(u64::from(*n));
                native.extend([b'e', *n]);
                model.events.push((address(actor), *n));
            }
            Op::Call(to, inner) => {
                let (data, _) = perform(model, *to, inner, halts);
                evm = evm.call(address(*to), data.clone());
                native.extend(native_call(address(*to), 0, false, 0, data));
            }
        }
    }
    match body.end {
        End::Return => {}
        End::Halt if *halts < HALTS => {
            *halts += 1;
            evm = evm.invalid();
            native.push(b'o');
        }
        End::Revert | End::Halt => {
            evm = evm.revert();
            native.push(b'x');
        }
    }
    let ok = body.end == End::Return;
    if !ok {
        *model = before;
    }
    (if is_evm(actor) { evm.into() } else { native }, ok)
}

/// The calls in a body: a body goes on after a call that failed.
fn calls(body: &Body) -> usize {
    let calls = body.ops.iter().map(|op| if let Op::Call(_, inner) = op { 1 + calls(inner) } else { 0 });
    calls.sum()
}

fn told(call: &TracedCall) -> usize {
    call.calls().map(|call| 1 + told(call)).sum()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn both_journals_roll_back_together(bodies in prop::collection::vec((0..ACTORS.len(), body(5)), 1..4)) {
        let limits = Limits { gas: Gas::new(1 << 50), ..Limits::default() };
        let machine = Machine::with(EvmConfig::default(), limits);
        for (actor, as_name) in ACTORS.iter().enumerate() {
            let native = vm_core::Code::new(vm_core::RuntimeKind::Native, "script");
            let code = if is_evm(actor) { compiled("Script") } else { native };
            machine.deploy(as_name, code, &[]).unwrap();
        }
        let mut model = Model::default();
        for (actor, body) in &bodies {
            model.events.clear();
            let (data, ok) = perform(&mut model, *actor, body, &mut 0);
            prop_assume!(data.len() < 30_000);
            let method = if is_evm(*actor) { "" } else { "run" };
            let request = InvokeRequest::new(address(*actor), method).input(data).traced(TraceLevel::Calls);
            let receipt = machine.send(request).unwrap();
            prop_assert_eq!(receipt.status.is_success(), ok, "{:?}", receipt.status);
            let tree = receipt.trace.as_ref().unwrap();
            adds_up(&receipt, tree);
            prop_assert_eq!(told(&tree.calls[0]), calls(body));
            prop_assert_eq!(Machine::numbered(&receipt.events), model.events.clone());
            for (actor, as_name) in ACTORS.iter().enumerate() {
                for key in 0..KEYS {
                    let want = model.state.get(&(actor, key)).copied().filter(|v| *v > 0);
                    let found = match is_evm(actor) {
                        true => machine.slot(address(actor), key).map(|v| u8::try_from(v).unwrap()),
                        false => machine.key(as_name, key),
                    };
                    prop_assert_eq!(found, want, "{} key {}", as_name, key);
                }
            }
        }
    }
}
