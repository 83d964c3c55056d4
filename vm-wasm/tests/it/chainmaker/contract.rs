//! Contracts as ChainMaker's documents show them.

use futures_executor::block_on;
use vm_core::{Address, Block, Status, VmProvider};

use super::{CALLER, COUNTER, FACT, RUST, call, contract, deploy, deploy_request, failure, invoke, module, text, try_deploy, upgrade_request};
use super::super::machine::{contract_with, machine};

#[test]
fn a_counter_counts_and_is_upgraded() {
    let vm = machine();
    deploy(&vm, "counter", contract(COUNTER));
    for _ in 0..2 {
        assert_eq!(invoke(&vm, "counter", "increase", &[]).status, Status::Success);
    }
    assert_eq!(text(&vm, "counter", "query", &[]), "2");
    let writes = invoke(&vm, "counter", "increase", &[]).writes;
    let written: Vec<_> = writes.iter().map(|(key, value)| (key.suffix().unwrap(), value.clone().unwrap())).collect();
    assert_eq!(written, [(&b"count#counter1"[..], 3i32.to_le_bytes().to_vec().into())]);

    let error = vm.invoke_sync(call("counter", "add_two", &[])).unwrap_err().to_string();
    assert!(error.contains("unknown method 'add_two'; methods: increase, query"), "{error}");
    let second = format!("{COUNTER}\n(func (export \"add_two\") (call $add (i32.const 2)))");
    let receipt = block_on(vm.upgrade(upgrade_request("counter", contract(&second)))).unwrap();
    assert_eq!(receipt.text.as_deref(), Some("upgraded"));
    invoke(&vm, "counter", "add_two", &[]);
    assert_eq!(text(&vm, "counter", "query", &[]), "5");
}

#[test]
fn facts_are_saved_with_an_event() {
    let vm = machine();
    deploy(&vm, "fact", contract(FACT));
    let fact = [("time", "1600000000"), ("file_hash", "ab12"), ("file_name", "a \"file\"")];
    let receipt = invoke(&vm, "fact", "save", &fact);
    let [event] = &receipt.events[..] else { panic!("{:?}", receipt.events) };
    assert_eq!(event.topics, [&b"topic_vx"[..]]);
    assert_eq!(&event.data[..], br#"["ab12","a \"file\"","1600000000"]"#);
    let contract = vm.contract(&"fact".parse().unwrap()).unwrap();
    let shown = contract.interface().decode_event(event);
    assert_eq!(shown.as_deref(), Some(r#"topic_vx ["ab12","a \"file\"","1600000000"]"#));
    assert_eq!(text(&vm, "fact", "find_by_file_hash", &[("file_hash", "ab12")]), "a \"file\"");
    invoke(&vm, "fact", "remove", &[("file_hash", "ab12")]);
    assert_eq!(text(&vm, "fact", "find_by_file_hash", &[("file_hash", "ab12")]), "");
}

/// ChainMaker's host declares `fd_seek` by four numbers of 32 bits, WASI with a distance of 64.
#[test]
fn both_types_of_fd_seek() {
    let vm = machine();
    let seek = |ty: &str| format!("(import \"wasi_snapshot_preview1\" \"fd_seek\" (func $fd_seek (param {ty}) (result i32)))");
    for (name, ty, distance) in [("wasi", "i32 i64 i32 i32", "i64"), ("host", "i32 i32 i32 i32", "i32")] {
        let method = format!(
            r#"(func (export "init_contract")) (func (export "seek")
                (if (i32.eqz (call $fd_seek (i32.const 1) ({distance}.const 1) (i32.const 1) (i32.const 1))) (then (call $success 'sought'))))"#
        );
        deploy(&vm, name, module(&seek(ty), RUST, "2", &method));
        assert_eq!(text(&vm, name, "seek", &[]), "sought");
    }
    let other = try_deploy(&vm, "other", module(&seek("i64 i32 i32 i32"), RUST, "2", ""), &[]).unwrap_err().to_string();
    assert!(other.contains("declared as (i64, i32, i32, i32) -> (i32), it is (i32, i64, i32, i32) -> (i32)"), "{other}");
}

/// TinyGo's runtime is set up before anything else, and finds the WASI functions that it refers to.
#[test]
fn tinygo() {
    let imports = r#"(import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
        (import "wasi_unstable" "fd_seek" (func $fd_seek (param i32 i64 i32 i32) (result i32)))
        (import "wasi_unstable" "proc_exit" (func $proc_exit (param i32)))"#;
    let items = r#"(global $ready (mut i32) (i32.const 0))
        (func (export "_start") (global.set $ready (i32.const 4))) (func (export "resume")) (func (export "go_scheduler"))
        (func (export "runtime_type") (result i32) (global.get $ready))"#;
    let methods = r#"(func (export "init_contract"))
        (func (export "print") (drop (call $fd_seek (i32.const 1) (i64.const 1) (i32.const 1) (i32.const 1)))
            (if (i32.eqz (call $fd_write (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 4))) (then (call $success 'printed'))))
        (func (export "exit") (call $proc_exit (i32.const 0)))"#;
    let vm = machine();
    deploy(&vm, "tinygo", module(imports, items, "2", methods));
    assert_eq!(text(&vm, "tinygo", "print", &[]), "printed");
    let receipt = invoke(&vm, "tinygo", "exit", &[]);
    assert_eq!(receipt.status.to_string(), "trap: unreachable code executed");
    let contract = vm.contract(&"tinygo".parse().unwrap()).unwrap();
    assert_eq!(contract.interface().methods(), ["exit", "print"], "the runtime's own functions are no methods");
    let long = "x".repeat(65_536);
    let reason = failure(&vm, "tinygo", "print", &[("long", &long)]);
    assert!(reason.contains("a contract in TinyGo takes 65536"), "{reason}");
}

#[test]
fn a_contract_of_another_kind() {
    let vm = machine();
    let items = RUST.replace("i32.const 2", "i32.const 5");
    let error = block_on(vm.deploy(deploy_request("c", module("", &items, "2", COUNTER)))).unwrap_err().to_string();
    assert!(error.contains("the contract broke its ABI"), "{error}");
}

/// What the host adds to the parameters, at the top and one frame below.
#[test]
fn reserved_parameters() {
    let vm = machine();
    let (alice, bob) = (Address::from_name("alice"), Address::from_name("bob"));
    block_on(vm.deploy(deploy_request("fact", contract(FACT)).from(bob))).unwrap();
    deploy(&vm, "caller", contract(CALLER));
    let block = std::sync::Arc::new(Block { number: 8, timestamp: 1_600_000_000, ..Block::default() });
    let direct = |name: &str| {
        vm.invoke_sync(call("fact", "parameter", &[("name", name)]).from(alice).block(block.clone())).unwrap()
    };
    let nested = |name: &str| {
        let parameters = [("contract", "fact"), ("method", "parameter"), ("name", "name"), ("value", name)];
        vm.invoke_sync(call("caller", "forward", &parameters).from(alice).block(block.clone())).unwrap()
    };
    for (name, value) in [
        ("__sender_pk__", alice.to_string()),
        ("__creator_pk__", bob.to_string()),
        ("__sender_org_id__", String::new()),
        ("__block_height__", "8".into()),
        ("__tx_time_stamp__", "1600000000".into()),
        ("__tx_id__", String::new()),
        ("__context_ptr__", "0".into()),
    ] {
        assert_eq!(direct(name).text.as_deref(), Some(value.as_str()), "{name}");
        assert_eq!(nested(name).text.as_deref(), Some(value.as_str()), "{name}");
    }
    assert_eq!(direct("__cross_caller__").status.to_string(), "trap: unreachable code executed", "it is not there");
    let caller = vm_core::ContractName::new("caller").unwrap().address();
    assert_eq!(nested("__cross_caller__").text, Some(caller.to_string()));
    let forged = vm.invoke_sync(call("fact", "parameter", &[("__sender_pk__", "mallory")])).unwrap_err().to_string();
    assert!(forged.contains("argument '__sender_pk__' is set by the host"), "{forged}");
}

#[test]
fn calls_of_other_contracts() {
    let vm = machine();
    deploy(&vm, "fact", contract(FACT));
    deploy(&vm, "caller", contract(CALLER));
    let forward = |contract, method, value| [("contract", contract), ("method", method), ("name", "method"), ("value", value)];
    let refused = failure(&vm, "caller", "forward", &forward("fact", "sys_call", "Nonsense"));
    assert_eq!(refused, "CallContractLen: sys_call of contract 'fact': Nonsense: there is no such method of the host");
    let refused = failure(&vm, "caller", "forward", &forward("nobody", "m", ""));
    assert!(refused.contains("nobody"), "{refused}");
    for entry in ["init_contract", "upgrade"] {
        let refused = failure(&vm, "caller", "forward", &forward("fact", entry, ""));
        assert!(refused.contains(&format!("unknown method '{entry}'")), "{refused}");
    }
    let refused = failure(&vm, "caller", "forward", &forward("caller", "forward", ""));
    assert!(refused.contains("does not accept being re-entered"), "{refused}");
}

/// Parameters reach contracts with another ABI by the names and types of their interface, and results come back as text.
#[test]
fn calls_of_contracts_with_our_own_abi() {
    let vm = machine();
    deploy(&vm, "caller", contract(CALLER));
    let echo = "(call $input (i32.const 100)) (call $output (i32.const 100) (local.get $input_len)) (i32.const 0)";
    let interface = r#"(@custom "vm.interface" "echo(amount: u64) -> u64")"#;
    super::super::machine::deploy(&vm, "echo", contract_with("", interface, echo));
    super::super::machine::deploy(&vm, "silent", contract_with("", "", echo));
    let forward = |contract, name, value| [("contract", contract), ("method", "echo"), ("name", name), ("value", value)];
    assert_eq!(text(&vm, "caller", "forward", &forward("echo", "amount", "42")), "42");
    for (contract, name, value, reason) in [
        ("echo", "amount", "-1", "parameter 'amount' is of type u64"),
        ("echo", "sum", "1", "argument 'sum' is not one of its parameters"),
        ("silent", "amount", "1", "the contract does not describe its methods"),
    ] {
        let found = failure(&vm, "caller", "forward", &forward(contract, name, value));
        assert!(found.contains(reason), "{found}");
    }
}

/// First call and last, and twice the same calls in another machine: all gas is equal.
#[test]
fn gas_is_the_same_every_time() {
    let run = || {
        let vm = machine();
        deploy(&vm, "counter", contract(COUNTER));
        (0..20).map(|_| invoke(&vm, "counter", "query", &[]).gas_used).collect::<Vec<_>>()
    };
    let first = run();
    assert!(first.iter().all(|gas| *gas == first[0]));
    assert_eq!(first, run());
}
