//! Call trees: what is told of a transaction, that the parts add up, and that telling changes nothing.

use bytes::Bytes;
use proptest::prelude::*;
use vm_core::{
    CallKind, CallRequest, CallTree, ErrorKind, Gas, GasSchedule, InvokeRequest, Limits, LogLevel, Receipt,
    RuntimeKind, Status, TraceLevel, Traced, TracedCall, Trap, Vm, VmProvider,
};

use crate::script::{Failure, REVERT, Scripts, call, name, ok, owner, request, script};

fn traced(vm: &Vm, request: InvokeRequest) -> (Receipt, CallTree) {
    let mut receipt = futures_executor::block_on(vm.invoke(request.traced(TraceLevel::Calls))).unwrap();
    let tree = *receipt.trace.take().unwrap();
    (receipt, tree)
}

/// What a call did, in words.
fn inside(call: &TracedCall) -> Vec<String> {
    let told = call.inside.iter().map(|traced| match traced {
        Traced::Call(call) => format!("{} {}: {}", call.contract.as_ref().unwrap(), call.method, call.status),
        Traced::Operation(operation) => operation.what.to_string(),
        other => panic!("{other:?}"),
    });
    told.collect()
}

#[test]
fn a_tree_tells_who_called_whom_and_what_each_did() {
    let vm = Scripts::default()
        .with("inner", |host, call_| {
            if &*call_.method == "init" {
                return ok();
            }
            host.get(b"looked-at")?;
            host.put(b"lost", b"1")?;
            Err(REVERT)
        })
        .with("outer", |host, call_| {
            if &*call_.method == "init" {
                return ok();
            }
            host.put(b"a", b"1")?;
            host.put(b"b", b"2")?;
            host.delete(b"b")?;
            host.scan(b"a", b"", 5)?;
            host.emit(vec!["topic".into()], "data".into())?;
            host.log(LogLevel::Info, "a line")?;
            let mut asked = CallRequest::new(name("inner"), "run", "arguments");
            (asked.is_static, asked.gas) = (false, Some(Gas::new(1_000_000)));
            host.call(asked)?;
            call(host, "nobody", "run")?;
            call(host, "outer", "run")?;
            Ok("done".into())
        })
        .start();
    let (receipt, tree) = traced(&vm, request("outer", "run").input("whole"));
    let [root] = &*tree.calls else { panic!("{tree:?}") };
    assert_eq!((root.kind, root.runtime, root.caller), (CallKind::Call, Some(RuntimeKind::Native), owner()));
    assert_eq!((&*root.method, &root.input.bytes[..], &root.output.bytes[..]), ("run", &b"whole"[..], &b"done"[..]));
    assert_eq!(
        inside(root),
        [
            "put \"a\" = \"1\"",
            "put \"b\" = \"2\"",
            "delete \"b\"",
            "scan \"a\" to 0x -> 1 entries",
            "emit \"topic\" \"data\"",
            "log a line",
            "inner run: revert",
            "nobody run: revert",
            "outer run: revert"
        ]
    );
    let calls: Vec<_> = root.calls().collect();
    assert_eq!(inside(calls[0]), ["get \"looked-at\" -> nothing", "put \"lost\" = \"1\""]);
    assert_eq!((calls[0].caller, calls[0].gas), (name("outer").address(), Gas::new(1_000_000)));
    assert_eq!((&calls[0].input.bytes[..], &calls[0].output.bytes[..]), (&b"arguments"[..], &b"no"[..]));
    let refused: Vec<_> = calls[1..].iter().map(|call| (call.runtime, &call.output.bytes[..])).collect();
    assert_eq!(
        refused,
        [
            (None, &b"there is no contract 'nobody'"[..]),
            (None, &b"contract 'outer' does not accept being re-entered"[..])
        ]
    );
    adds_up(&receipt, &tree);

    let text = tree.to_string();
    assert!(text.starts_with("outer.run [native] \"whole\" by "), "{text}");
    assert!(
        text.contains("\n├─ inner.run [native] \"arguments\" by ") && text.contains("\n│  └─ put \"lost\" = \"1\" ("),
        "{text}"
    );
    assert!(text.contains("\n└─ outer.run [not entered] by "), "{text}");
}

#[test]
fn whoever_is_stopped_is_told_with_the_operation() {
    let vm = Scripts::default()
        .with("c", |host, call_| match &*call_.method {
            "init" => ok(),
            "deep" => Ok(call(host, "d", "run")?.output),
            _ => host.put(b"k", b"v").map_err(Failure::from).and_then(|()| ok()),
        })
        .with("d", |host, call_| {
            if &*call_.method == "init" { ok() } else { host.put(b"k", b"v").map_err(Into::into).and_then(|()| ok()) }
        })
        .start();
    let query = request("c", "run").traced(TraceLevel::Calls);
    let receipt = futures_executor::block_on(vm.query(query)).unwrap();
    let tree = receipt.trace.unwrap();
    assert_eq!(tree.calls[0].status, Status::Trap(Trap::StaticViolation));
    let [Traced::Operation(put)] = &*tree.calls[0].inside else { panic!("{tree}") };
    assert_eq!(put.stopped.as_deref(), Some("state change in a read-only call"));

    // Nor is the caller's own limit of gas forgotten.
    let (receipt, tree) = traced(&vm, request("c", "deep").gas(Gas::new(10_000)));
    adds_up(&receipt, &tree);
    assert_eq!(tree.calls[0].status, receipt.status);
}

#[test]
fn constructors_are_told_also_when_they_fail() {
    let vm = Scripts::default()
        .with("v2", |host, _| {
            host.put(b"k", b"v")?;
            Err(REVERT)
        })
        .start();
    let deploy = vm_core::DeployRequest::new(name("late"), "1".parse().unwrap(), script("v2"));
    let error = futures_executor::block_on(vm.deploy(deploy.traced(TraceLevel::Calls))).unwrap_err();
    let ErrorKind::Failed(receipt) = error.kind else { panic!("{error}") };
    let tree = receipt.trace.as_ref().unwrap();
    assert_eq!((tree.calls[0].kind, tree.calls[0].status.clone()), (CallKind::Deploy, Status::Revert));
    assert_eq!(inside(&tree.calls[0]), ["put \"k\" = \"v\""]);
    adds_up(&receipt, tree);
}

#[test]
fn what_is_too_much_is_counted() {
    let vm = Scripts::default()
        .with("c", |host, call_| {
            if &*call_.method == "run" {
                for _ in 0..250_100 {
                    host.log(LogLevel::Trace, "")?;
                }
                call(host, "d", "run")?;
            }
            ok()
        })
        .with("d", |host, _| host.log(LogLevel::Trace, "").map_err(Into::into).and_then(|()| ok()))
        .start_with(Vm::builder().limits(Limits { gas: Gas::new(1 << 50), ..Limits::default() }));
    let (receipt, tree) = traced(&vm, request("c", "run"));
    // The call of the contract itself is the first entry; the other one and what it does are no more told.
    assert_eq!((tree.calls[0].inside.len(), tree.omitted), (249_999, 103));
    assert_eq!(tree.gas_before.saturating_add(tree.calls[0].gas_used), receipt.gas_used);
    assert!(tree.to_string().ends_with("103 entries more were not kept: the tree has reached its limit\n"));
}

/// Native scripts compute for nothing: what a call uses itself is what its operations and the prices of its calls are.
fn adds_up(receipt: &Receipt, tree: &CallTree) {
    fn own(call: &TracedCall) -> Gas {
        let price = GasSchedule::v1().host.call;
        let mut operations = Gas::ZERO;
        for traced in &call.inside {
            operations = operations.saturating_add(match traced {
                Traced::Call(inner) => price.of(inner.method.len() + inner.input.length),
                Traced::Operation(operation) => operation.gas,
                _ => Gas::ZERO,
            });
        }
        assert!(call.gas_used <= call.gas || call.runtime.is_none(), "{call}");
        if call.status != Status::Trap(Trap::OutOfGas) {
            assert_eq!(call.gas_own(), operations, "{call}");
        }
        call.calls().map(own).fold(call.gas_own(), Gas::saturating_add)
    }
    let inside = tree.calls.iter().map(own).fold(Gas::ZERO, Gas::saturating_add);
    assert_eq!(tree.gas_before.saturating_add(inside), receipt.gas_used);
    assert_eq!(tree.omitted, 0);
}

/// What a call does: an operation for each number, or a call of the contract with that number.
#[derive(Debug, Clone)]
enum Act {
    Put(u8),
    Get(u8),
    Emit(u8),
    Call(u8, Vec<Act>),
    Fail,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let leaf = prop_oneof![
        4 => any::<u8>().prop_map(Act::Put),
        4 => any::<u8>().prop_map(Act::Get),
        2 => any::<u8>().prop_map(Act::Emit),
        1 => Just(Act::Fail)
    ];
    let act = leaf.prop_recursive(4, 24, 6, |inner| {
        (0..2u8, prop::collection::vec(inner, 0..6)).prop_map(|(to, acts)| Act::Call(to, acts))
    });
    prop::collection::vec(act, 0..6)
}

fn perform(host: &mut dyn vm_core::Host, acts: &[Act]) -> Result<Bytes, Failure> {
    for act in acts {
        match act {
            Act::Put(n) => host.put(&[*n], &[*n; 40])?,
            Act::Get(n) => drop(host.get(&[*n])?),
            Act::Emit(n) => host.emit(vec![], vec![*n].into())?,
            Act::Call(to, acts) => {
                let to = name(if *to == 0 { "a" } else { "b" });
                host.call(CallRequest::new(to, "run", written(acts)))?;
            }
            Act::Fail => return Err(REVERT),
        }
    }
    ok()
}

fn written(acts: &[Act]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for act in acts {
        match act {
            Act::Put(n) => bytes.extend([0, *n]),
            Act::Get(n) => bytes.extend([1, *n]),
            Act::Emit(n) => bytes.extend([2, *n]),
            Act::Call(to, acts) => {
                let inner = written(acts);
                bytes.extend([3, *to]);
                bytes.extend(u16::try_from(inner.len()).unwrap().to_be_bytes());
                bytes.extend(inner);
            }
            Act::Fail => bytes.push(4),
        }
    }
    bytes
}

fn read(mut bytes: &[u8]) -> Vec<Act> {
    let mut acts = Vec::new();
    while let [op, rest @ ..] = bytes {
        if *op == 4 {
            acts.push(Act::Fail);
            bytes = rest;
            continue;
        }
        let n = rest[0];
        bytes = &rest[1..];
        acts.push(match op {
            0 => Act::Put(n),
            1 => Act::Get(n),
            2 => Act::Emit(n),
            _ => {
                let (inner, rest) = bytes[2..].split_at(usize::from(u16::from_be_bytes([bytes[0], bytes[1]])));
                bytes = rest;
                Act::Call(n, read(inner))
            }
        });
    }
    acts
}

/// How many calls there are in what was done, until each failed.
fn calls(acts: &[Act]) -> usize {
    let done = acts.iter().take_while(|act| !matches!(act, Act::Fail));
    done.map(|act| if let Act::Call(_, inner) = act { 1 + calls(inner) } else { 0 }).sum()
}

fn told(call: &TracedCall) -> usize {
    call.calls().map(|call| 1 + told(call)).sum()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_parts_of_random_trees_add_up_and_telling_changes_nothing(acts in acts()) {
        let run = |level: TraceLevel| {
            let body = |host: &mut dyn vm_core::Host, call_: &vm_core::Call| match &*call_.method {
                "init" => ok(),
                _ => perform(host, &read(&call_.input)),
            };
            let vm = Scripts::default().reentrant("a", body).reentrant("b", body).start();
            let request = request("a", "run").input(written(&acts)).traced(level);
            futures_executor::block_on(vm.invoke(request)).unwrap()
        };
        let plain = run(TraceLevel::Off);
        prop_assert!(plain.trace.is_none());
        let receipt = run(TraceLevel::Steps);
        prop_assert_eq!(receipt.digest(), plain.digest());
        let tree = receipt.trace.as_ref().unwrap();
        adds_up(&receipt, tree);
        prop_assert_eq!(told(&tree.calls[0]), calls(&acts));
    }
}
