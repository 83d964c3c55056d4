//! Call trees with EVM frames in them: what contracts call, read, write and emit inside the EVM, and what it costs.

use serde_json::Value;
use vm_core::{
    CallKind, CallTree, Gas, GasSchedule, HostOperation, InvokeRequest, Receipt, RuntimeKind, Status, TraceLevel,
    Traced, TracedCall,
};

use crate::{
    machine::{Machine, alice, assembled, name},
    script::{Evm, Kind, native_call},
};

fn machine() -> Machine {
    Machine::holding(&[("Script", "a"), ("Script", "b"), ("native", "f"), ("Bridge", "bridge")])
}

fn at(text: &str) -> vm_core::Address {
    name(text).address()
}

fn traced(machine: &Machine, script: Evm, level: TraceLevel) -> (Receipt, CallTree) {
    let request = InvokeRequest::new(at("a"), "").input(Vec::from(script)).traced(level);
    let mut receipt = machine.send(request).unwrap();
    let tree = *receipt.trace.take().unwrap();
    (receipt, tree)
}

/// What is true of every tree: nobody uses more than what was handed down, and the parts are the whole.
pub fn adds_up(receipt: &Receipt, tree: &CallTree) {
    /// What the calls used themselves, and what was refunded to them.
    fn parts(call: &TracedCall) -> (u64, u64) {
        let callees = call.calls().map(|call| call.gas_used).fold(Gas::ZERO, Gas::saturating_add);
        assert!(callees <= call.gas_used.saturating_add(call.refund), "callees used more than the call:\n{call}");
        assert!(call.runtime.is_none() || call.gas_used <= call.gas, "{call}");
        let own = (call.gas_own().get(), call.refund.get());
        call.calls().map(parts).fold(own, |sum, part| (sum.0 + part.0, sum.1 + part.1))
    }
    let (used, refunded) = tree.calls.iter().map(parts).fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
    assert_eq!(tree.gas_before.get() + used - refunded, receipt.gas_used.get());
    assert_eq!(tree.omitted, 0);
}

/// A call without its costs: who, what, how it ended, and the same of what is inside.
fn shape(call: &TracedCall) -> String {
    let who = |address| ["a", "b", "f", "bridge"].into_iter().find(|name| at(name) == address);
    let inside = call.inside.iter().map(|traced| match traced {
        Traced::Call(call) => shape(call),
        Traced::Operation(operation) => match &operation.what {
            HostOperation::Get { key, value } => {
                format!("get {} {}", last(key), value.as_ref().map_or_else(|| "-".to_owned(), last))
            }
            HostOperation::Put { key, value } => format!("put {} {}", last(key), last(value)),
            HostOperation::Delete { key } => format!("delete {}", last(key)),
            HostOperation::Emit { topics, .. } => format!("emit {}", last(&topics[0])),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    });
    let (caller, callee) = (who(call.caller).unwrap_or("?"), who(call.callee).unwrap_or("?"));
    let kind = if call.kind == CallKind::Call { String::new() } else { format!("{} ", call.kind.as_str()) };
    format!("{kind}{caller}->{callee} {}[{}]", call.status, inside.collect::<Vec<_>>().join(", "))
}

fn last(excerpt: &vm_core::Excerpt) -> String {
    excerpt.bytes.last().unwrap().to_string()
}

#[test]
fn frames_inside_the_evm_are_told_with_those_around_them() {
    let machine = machine();
    let nested = native_call(at("b"), 0, false, 0, Evm::new().load(4).store(4, 0).log(9));
    let inner = Evm::new().store(2, 22).call(at("f"), [b"pk\x01e\x06".to_vec(), nested].concat()).require().revert();
    let script = Evm::new()
        .store(1, 11)
        .load(1)
        .load(7)
        .log(4)
        .call(at("b"), inner)
        .call_with(Kind::Static, at("b"), 0, 50_000, Evm::new().store(3, 33))
        .call_with(Kind::Delegate, at("f"), 0, 0, b"pk\x01")
        .call_with(Kind::Delegate, at("b"), 0, 0, Evm::new().store(5, 55))
        .call_with(Kind::Call, at("f"), 0, 10, b"G")
        .log(8);
    let (receipt, tree) = traced(&machine, script, TraceLevel::Calls);
    assert_eq!(receipt.status, Status::Success);
    assert_eq!(
        shape(&tree.calls[0]),
        "?->a success[put 1 11, get 1 11, get 7 -, emit 4, \
         a->b revert[put 2 22, b->f success[put 107 1, emit 6, f->b success[get 4 -, delete 4, emit 9]]], \
         a->b trap: state change in a read-only call[], \
         delegate_call a->f revert[], \
         delegate_call a->b success[put 5 55], \
         a->f trap: out of gas[], emit 8]"
    );
    adds_up(&receipt, &tree);
    let calls: Vec<_> = tree.calls[0].calls().collect();
    assert_eq!(tree.calls[0].caller, alice());
    assert_eq!((calls[0].runtime, calls[0].contract.clone()), (Some(RuntimeKind::Evm), Some(name("b"))));
    assert!(calls[1].is_static && !calls[0].is_static);
    let foreign = calls[0].calls().next().unwrap();
    assert_eq!(foreign.runtime, Some(RuntimeKind::Native));
    assert_eq!((calls[2].runtime, calls[4].runtime), (None, None), "refused before anybody was entered");
    assert!(String::from_utf8_lossy(&calls[2].output.bytes).contains("delegatecall to a contract of another runtime"));
}

#[test]
fn methods_are_told_by_selector_inside_the_evm_and_by_name_outside() {
    let machine = machine();
    let request = InvokeRequest::new(name("bridge"), "inTry").args(["contract:f", "run", "0x706b01"]);
    let receipt = machine.send(request.traced(TraceLevel::Calls)).unwrap();
    let tree = receipt.trace.as_ref().unwrap();
    let root = &tree.calls[0];
    let inner = root.calls().next().unwrap();
    let foreign = inner.calls().next().unwrap();
    assert!(root.method.starts_with("inTry("), "{}", root.method);
    let selector = &alloy_primitives::keccak256("thenFail(address,string,bytes)")[..4];
    assert_eq!(inner.method, format!("0x{}", hex::encode(selector)));
    assert_eq!((&*foreign.method, &foreign.input.bytes[..]), ("run", &b"pk\x01"[..]));
    assert_eq!((inner.status.clone(), foreign.status.clone()), (Status::Revert, Status::Success));
    adds_up(&receipt, tree);
}

#[test]
fn creations_and_refunds_are_told() {
    let machine = machine();
    // CREATE(0, call data) and return the address.
    machine.deploy("factory", assembled("3660006000373660006000f060005260206000f3"), &[]).unwrap();
    // PUSH1 1 PUSH1 0 SSTORE, and no code.
    let request = InvokeRequest::new(at("factory"), "").input(vec![0x60, 1, 0x60, 0, 0x55]).traced(TraceLevel::Calls);
    let receipt = machine.send(request).unwrap();
    let tree = receipt.trace.as_ref().unwrap();
    let created = tree.calls[0].calls().next().unwrap();
    assert_eq!((created.kind, created.caller), (CallKind::Create, at("factory")));
    assert_eq!(created.callee.as_bytes(), &receipt.output[12..]);
    assert_eq!(created.inside.len(), 1);
    adds_up(&receipt, tree);

    machine.raw(at("a"), Evm::new().store(1, 1).into());
    let (receipt, tree) = traced(&machine, Evm::new().store(1, 0).call(at("b"), Evm::new()), TraceLevel::Calls);
    assert!(tree.calls[0].refund > Gas::ZERO, "{tree}");
    adds_up(&receipt, &tree);
}

#[test]
fn instructions_lie_under_their_frame_and_are_what_it_used() {
    let machine = machine();
    let script = Evm::new().store(1, 11).call(at("b"), Evm::new().log(4)).call(at("f"), b"pk\x01");
    let (receipt, tree) = traced(&machine, script, TraceLevel::Steps);
    adds_up(&receipt, &tree);
    let steps = |call: &TracedCall| -> Vec<Value> {
        let steps = call.inside.iter().filter_map(|traced| match traced {
            Traced::Step(object) => Some(serde_json::from_str(object).unwrap()),
            _ => None,
        });
        steps.collect()
    };
    let (root, calls) = (&tree.calls[0], tree.calls[0].calls().collect::<Vec<_>>());
    let (outer, inner) = (steps(root), steps(calls[0]));
    assert!(outer.iter().all(|step| step["depth"] == 1) && inner.iter().all(|step| step["depth"] == 2));
    assert!(outer.iter().filter(|step| step["opName"] == "CALL").count() == 2 && steps(calls[1]).is_empty());
    // Each stands right behind the instruction that it began with.
    let began = root.inside.iter().position(|traced| matches!(traced, Traced::Call(_))).unwrap();
    assert!(matches!(&root.inside[began - 1], Traced::Step(step) if step.contains("\"CALL\"")));
    let number = |step: &Value, key: &str| u64::from_str_radix(&step[key].as_str().unwrap()[2..], 16).unwrap();
    let cost: u64 = inner.iter().map(|step| number(step, "gasCost")).sum();
    let factor = GasSchedule::v1().evm.factor;
    assert_eq!(calls[0].gas_used, Gas::new(cost * factor));
    assert_eq!(calls[0].gas, Gas::new(number(&inner[0], "gas") * factor));
    let emitted = calls[0].inside.iter().find_map(|traced| match traced {
        Traced::Operation(operation) => Some(operation.gas),
        _ => None,
    });
    let log = inner.iter().find(|step| step["opName"] == "LOG1").unwrap();
    assert_eq!(emitted, Some(Gas::new(number(log, "gasCost") * factor)));
}
