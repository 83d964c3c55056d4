//! The rules of a call: undo, reads, read-only, depth, re-entrancy, permission, gas, value.

use bytes::Bytes;
use proptest::prelude::*;
use vm_core::{
    Access, Account, Action, Address, Amount, Authorizer, CallRequest, Denied, Gas, Limits, StateKey, Status, Trap, Vm,
    WriteSet,
};

use crate::script::{REVERT, Scripts, call, invoke, name, ok, owner, request};

fn key(contract: &str, key: &[u8]) -> StateKey {
    StateKey::contract(&name(contract), key)
}

#[test]
fn a_reverted_call_is_undone_and_its_reads_stay() {
    let vm = Scripts::default()
        .with("inner", |host, call_| {
            if &*call_.method == "init" {
                return ok();
            }
            host.get(b"looked-at")?;
            host.scan(b"a", b"b", 10)?;
            host.put(b"lost", b"1")?;
            host.emit(vec!["lost".into()], Bytes::new())?;
            Err(REVERT)
        })
        .with("outer", |host, call_| {
            if &*call_.method == "run" {
                host.put(b"kept", b"1")?;
                host.emit(vec!["first".into()], Bytes::new())?;
                let outcome = call(host, "inner", "run")?;
                assert_eq!((outcome.status, &outcome.output[..]), (Status::Revert, &b"no"[..]));
                host.emit(vec!["second".into()], Bytes::new())?;
            }
            ok()
        })
        .start();
    let receipt = invoke(&vm, "outer", "run");
    assert_eq!(receipt.status, Status::Success);
    let topics: Vec<_> = receipt.events.iter().map(|event| event.topics[0].clone()).collect();
    assert_eq!(topics, ["first", "second"]);
    assert_eq!(receipt.writes.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>(), [key("outer", b"kept")]);
    assert!(receipt.reads.points().any(|(read, value)| *read == key("inner", b"looked-at") && value.is_none()));
    assert_eq!(receipt.reads.ranges().len(), 1);
    assert!(receipt.reads.ranges()[0].contains(&key("inner", b"a1")));
}

#[test]
fn a_failed_transaction_changes_nothing() {
    let vm = Scripts::default()
        .with("c", |host, call| {
            host.put(b"k", b"v")?;
            host.emit(vec![], Bytes::new())?;
            match &*call.method {
                "revert" => Err(REVERT),
                "trap" => Err(vm_core::Stop::Trap(Trap::Unreachable).into()),
                "burn" => loop {
                    host.charge(Gas::new(1_000_000))?;
                },
                _ => host.delete(b"k").map_err(Into::into).and_then(|()| ok()),
            }
        })
        .start();
    let height = vm.view().unwrap().height();
    for (method, status) in
        [("revert", Status::Revert), ("trap", Status::Trap(Trap::Unreachable)), ("burn", Status::Trap(Trap::OutOfGas))]
    {
        let receipt = invoke(&vm, "c", method);
        assert_eq!(receipt.status, status);
        assert!(receipt.events.is_empty() && receipt.writes.is_empty());
    }
    assert_eq!(invoke(&vm, "c", "burn").gas_used, Limits::default().gas, "out of gas takes all of it");
    let view = vm.view().unwrap();
    assert_eq!((view.height(), view.get(&key("c", b"k")).unwrap()), (height, None));
}

#[test]
fn read_only_is_inherited_and_cannot_be_dropped() {
    let vm = Scripts::default()
        .with("writer", |host, call| {
            if &*call.method == "init" { ok() } else { host.put(b"k", b"v").map_err(Into::into).and_then(|()| ok()) }
        })
        .with("middle", |host, call_| {
            if &*call_.method != "run" {
                return ok();
            }
            let outcome = call(host, "writer", "run")?;
            Ok(outcome.status.to_string().into())
        })
        .with("top", |host, call_| {
            let mut request = CallRequest::new(name("middle"), "run", Bytes::new());
            request.is_static = &*call_.method == "static";
            Ok(host.call(request)?.output)
        })
        .start();
    assert_eq!(&invoke(&vm, "top", "free").output[..], b"success");
    assert_eq!(&invoke(&vm, "top", "static").output[..], b"trap: state change in a read-only call");
    let query = futures_executor::block_on(vm_core::VmProvider::query(&vm, request("writer", "run"))).unwrap();
    assert_eq!(query.status, Status::Trap(Trap::StaticViolation));
}

#[test]
fn a_swallowed_stop_decides_all_the_same() {
    let vm = Scripts::default()
        .with("c", |host, call| {
            if &*call.method == "run" {
                let _ = host.put(&[0; 5000], b"too long a key");
                assert!(host.get(b"k").is_err(), "no operation after a stop");
            }
            ok()
        })
        .start();
    assert_eq!(invoke(&vm, "c", "run").status, Status::Trap(Trap::BadHostCall));
}

#[test]
fn a_transaction_cannot_fill_the_hosts_memory() {
    let vm = Scripts::default()
        .with("hog", |host, call| match &*call.method {
            "put" => loop {
                host.put(b"the same key", &[0; 60_000])?;
            },
            "emit" => loop {
                host.emit(vec![], vec![0; 60_000].into())?;
            },
            "read" => {
                for n in 0u32.. {
                    host.get(&n.to_le_bytes())?;
                }
                ok()
            }
            _ => ok(),
        })
        .start_with(Vm::builder().limits(Limits { journal_size: 10 << 20, ..Limits::default() }));
    for method in ["put", "emit", "read"] {
        let receipt = invoke(&vm, "hog", method);
        assert_eq!(receipt.status, Status::Trap(Trap::MemoryLimit), "{method}");
        assert!(receipt.gas_used < Limits::default().gas);
    }
}

#[test]
fn nobody_deploys_a_contract_at_an_accounts_address() {
    assert_ne!(name("bob").address(), Address::from_name("bob"));
    assert_eq!(name("bob").address(), Address::from_name("contract:bob"));
}

#[test]
fn depth_and_reentrancy() {
    let vm = Scripts::default()
        .reentrant("deep", |host, call_| {
            let outcome = if &*call_.method == "run" { call(host, "deep", "run")? } else { return ok() };
            Ok(if outcome.status.is_success() {
                outcome.output
            } else {
                format!("{} {}", host.env().depth, String::from_utf8_lossy(&outcome.output)).into()
            })
        })
        .with(
            "closed",
            |host, call_| if &*call_.method == "run" { Ok(call(host, "closed", "run")?.output) } else { ok() },
        )
        .start();
    assert_eq!(&invoke(&vm, "deep", "run").output[..], b"63 call depth of 64 exceeded");
    assert_eq!(&invoke(&vm, "closed", "run").output[..], b"contract 'closed' does not accept being re-entered");
}

#[test]
fn contracts_that_wait_have_bounded_memory() {
    let vm = Scripts::default()
        .reentrant("deep", |host, call_| {
            if &*call_.method != "run" {
                return ok();
            }
            let request = CallRequest { memory: 100, ..CallRequest::new(name("deep"), "run", Bytes::new()) };
            let depth = host.env().depth;
            if depth == 0 {
                // What waited for a call that is over counts no more.
                host.call(request.clone())?;
            }
            let outcome = host.call(request)?;
            Ok(if outcome.status.is_success() {
                outcome.output
            } else {
                format!("{depth} {}", String::from_utf8_lossy(&outcome.output)).into()
            })
        })
        .start_with(Vm::builder().limits(Limits { waiting_memory: 400, ..Limits::default() }));
    let expected = "4 the contracts that wait for this call occupy 500 bytes, above the limit of 400";
    assert_eq!(String::from_utf8_lossy(&invoke(&vm, "deep", "run").output), expected);
}

#[test]
fn permission_is_asked_for_calls_between_contracts() {
    struct NoStrangers;
    impl Authorizer for NoStrangers {
        fn authorize(&self, access: &Access<'_>) -> Result<(), Denied> {
            match access.action {
                Action::Call { method: "secret" } if access.actor != owner() => Err(access.denied("owner only")),
                _ => Ok(()),
            }
        }
    }
    let vm = Scripts::default()
        .with("vault", |_, _| Ok("opened".into()))
        .with(
            "thief",
            |host, call_| if &*call_.method == "run" { Ok(call(host, "vault", "secret")?.output) } else { ok() },
        )
        .start_with(Vm::builder().authorizer(NoStrangers));
    assert_eq!(&invoke(&vm, "vault", "secret").output[..], b"opened");
    let output = invoke(&vm, "thief", "run").output;
    assert!(
        String::from_utf8_lossy(&output).ends_with("may not call 'secret' of contract 'vault': owner only"),
        "{output:?}"
    );
}

#[test]
fn gas_is_handed_down_by_the_63_64_rule_and_returned() {
    let vm = Scripts::default()
        .with("leaf", |host, call| match &*call.method {
            "left" => Ok(host.gas_left().get().to_be_bytes().to_vec().into()),
            "burn" => {
                let all = host.gas_left();
                host.charge(all.saturating_add(Gas::new(1)))?;
                ok()
            }
            _ => ok(),
        })
        .with("root", |host, call_| match &*call_.method {
            "left" => {
                let before = host.gas_left().get() - 1002;
                let outcome = call(host, "leaf", "left")?;
                let got = u64::from_be_bytes(outcome.output[..].try_into().unwrap());
                assert_eq!(got, before - before / 64);
                assert_eq!(host.gas_left().get(), before - outcome.gas_used.get(), "what is not used comes back");
                ok()
            }
            "burn" => {
                let outcome = call(host, "leaf", "burn")?;
                assert_eq!(outcome.status, Status::Trap(Trap::OutOfGas));
                Ok(host.gas_left().get().to_be_bytes().to_vec().into())
            }
            _ => ok(),
        })
        .start();
    assert_eq!(invoke(&vm, "root", "left").status, Status::Success);
    let receipt = invoke(&vm, "root", "burn");
    let left = u64::from_be_bytes(receipt.output[..].try_into().unwrap());
    assert_eq!(receipt.gas_used.get() + left, Limits::default().gas.get());
}

#[test]
fn value_moves_with_the_call_and_back_with_its_revert() {
    let alice = Address::from_name("alice");
    let vm = Scripts::default()
        .with("bank", |_, call| if &*call.method == "refuse" { Err(REVERT) } else { ok() })
        .with("payer", |host, call_| {
            if &*call_.method == "init" {
                return ok();
            }
            let mut request = CallRequest::new(name("bank"), call_.method.clone(), Bytes::new());
            request.value = Amount::from(7);
            Ok(host.call(request)?.status.to_string().into())
        })
        .start_with(Vm::builder().genesis([(alice, Amount::from(100))].into()));
    let balance =
        |address: Address| Account::load(&vm_core::Journal::new(vm.view().unwrap()), &address).unwrap().balance;
    let pay = |contract: &str, method: &str, value: u128| {
        futures_executor::block_on(vm_core::VmProvider::invoke(
            &vm,
            request(contract, method).from(alice).value(Amount::from(value)),
        ))
        .unwrap()
    };
    assert_eq!(&pay("payer", "take", 10).output[..], b"success");
    assert_eq!(&pay("payer", "refuse", 5).output[..], b"revert");
    assert_eq!(pay("bank", "refuse", 5).status, Status::Revert);
    let poor = pay("bank", "take", 1000);
    assert!(poor.status == Status::Revert && poor.text.unwrap().contains("does not cover the value"));
    assert_eq!(
        [balance(alice), balance(name("payer").address()), balance(name("bank").address())],
        [85, 8, 7].map(Amount::from)
    );
}

#[test]
fn scans_see_own_writes_and_stay_in_the_contract() {
    let vm = Scripts::default()
        .with("a", |host, call| {
            if &*call.method == "init" {
                for key in [b"1", b"2", b"3"] {
                    host.put(key, b"a")?;
                }
                return ok();
            }
            host.delete(b"2")?;
            host.put(b"25", b"new")?;
            let keys: Vec<_> = host.scan(b"", b"", 10)?.into_iter().map(|(key, _)| key).collect();
            assert_eq!(keys, ["1", "25", "3"]);
            assert_eq!(host.scan(b"2", b"3", 10)?.len(), 1);
            assert_eq!(host.scan(b"", b"", 2)?.len(), 2);
            ok()
        })
        .with("b", |host, _| host.put(b"1", b"b").map_err(Into::into).and_then(|()| ok()))
        .start();
    let receipt = invoke(&vm, "a", "run");
    assert_eq!(receipt.status, Status::Success);
    assert_eq!(receipt.reads.ranges().len(), 3);
    assert!(!receipt.reads.ranges()[2].contains(&key("a", b"3")), "a scan that stopped early covers what it saw");
}

#[test]
fn a_scan_gathers_no_more_than_may_be() {
    let vm = Scripts::default()
        .with("a", |host, call| {
            if &*call.method == "init" {
                for key in 0..20_u8 {
                    host.put(&[key], &[0; 1 << 20])?;
                }
                return ok();
            }
            let entries = if &*call.method == "few" { 15 } else { 20 };
            assert_eq!(host.scan(b"", b"", entries)?.len(), entries);
            ok()
        })
        .start();
    let few = invoke(&vm, "a", "few");
    assert_eq!(few.status, Status::Success);
    let many = invoke(&vm, "a", "many");
    assert_eq!(many.status, Status::Trap(Trap::MemoryLimit));
    // The sixteenth is one byte too long already, with its key; nothing behind it is paid for.
    assert!(many.gas_used < few.gas_used.saturating_add(Gas::new(2 * 65_636)), "{} {}", many.gas_used, few.gas_used);
}

/// A call tree as data: what each node does, and how it ends.
#[derive(Debug, Clone)]
struct Node {
    writes: Vec<(u8, Option<u8>)>,
    children: Vec<Node>,
    fails: bool,
}

fn tree() -> impl Strategy<Value = Node> {
    let writes = prop::collection::vec((0u8..4, prop::option::of(0u8..4)), 0..4);
    let leaf = (writes.clone(), any::<bool>()).prop_map(|(writes, fails)| Node { writes, children: vec![], fails });
    leaf.prop_recursive(5, 40, 4, move |inner| {
        (writes.clone(), prop::collection::vec(inner, 0..4), prop::bool::weighted(0.3))
            .prop_map(|(writes, children, fails)| Node { writes, children, fails })
    })
}

impl Node {
    /// The reference: clones the state for every call.
    fn model(&self, state: &mut WriteSet, events: &mut Vec<u8>) {
        let (before, emitted) = (state.clone(), events.len());
        for (at, value) in &self.writes {
            state.insert(key("n", &[*at]), value.map(|value| vec![value].into()));
            events.push(*at);
        }
        self.children.iter().for_each(|child| child.model(state, events));
        if self.fails {
            *state = before;
            events.truncate(emitted);
        }
    }

    fn run(&self, host: &mut dyn vm_core::Host) -> Result<(), crate::script::Failure> {
        for (at, value) in &self.writes {
            match value {
                Some(value) => host.put(&[*at], &[*value])?,
                None => host.delete(&[*at])?,
            }
            host.emit(vec![], vec![*at].into())?;
        }
        for child in 0..self.children.len() {
            host.call(CallRequest::new(name("n"), "", vec![u8::try_from(child).unwrap()]))?;
        }
        if self.fails { Err(REVERT) } else { Ok(()) }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn random_trees_agree_with_a_model_that_clones(root in tree()) {
        use std::cell::RefCell;
        thread_local! { static PATH: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) }; }
        let tree = root.clone();
        let vm = Scripts::default().reentrant("n", move |host, call| {
            if &*call.method == "init" {
                return ok();
            }
            let nested = host.env().depth > 0;
            PATH.with_borrow_mut(|path| if nested { path.push(usize::from(call.input[0])) } else { path.clear() });
            let node = PATH.with_borrow(|path| path.iter().fold(&tree, |node, child| &node.children[*child]).clone());
            let result = node.run(host);
            if nested {
                PATH.with_borrow_mut(Vec::pop);
            }
            result.and_then(|()| ok())
        }).start_with(Vm::builder().workers(1));
        let (mut writes, mut events) = (WriteSet::default(), Vec::new());
        root.model(&mut writes, &mut events);
        let receipt = invoke(&vm, "n", "");
        prop_assert_eq!(receipt.status.is_success(), !root.fails);
        prop_assert_eq!(&receipt.writes, &writes);
        prop_assert_eq!(receipt.events.iter().map(|event| event.data[0]).collect::<Vec<_>>(), events);
    }
}
