//! What fails, and how it says so.

use vm_core::{Gas, Status, Trap};

use super::{FACT, ITERATOR, RUST, call, contract, deploy, failure, invoke, module};
use super::super::machine::machine;

#[test]
fn errors_are_sticky() {
    let vm = machine();
    deploy(&vm, "fact", contract(FACT));
    assert_eq!(failure(&vm, "fact", "refuse", &[]), "no; and no");
}

/// What the host does not have is named, and ends the call before the contract can hide it.
#[test]
fn sys_calls_that_are_not_there() {
    let vm = machine();
    deploy(&vm, "fact", contract(FACT));
    for (method, reason) in [
        ("ExecuteQuery", "ExecuteQuery: SQL is not supported by this host"),
        ("ExecuteDDL", "ExecuteDDL: SQL is not supported by this host"),
        ("GetPaillierOperationResultLen", "GetPaillierOperationResultLen: Paillier encryption is not supported by this host"),
        ("GetBulletproofsResult", "GetBulletproofsResult: Bulletproofs is not supported by this host"),
        ("Frobnicate", "Frobnicate: there is no such method of the host"),
        ("", "sys_call: the header names no method"),
    ] {
        let receipt = invoke(&vm, "fact", "sys_call", &[("method", method)]);
        assert_eq!((receipt.status.clone(), receipt.text.as_deref()), (Status::Revert, Some(reason)));
        assert!(receipt.gas_used < Gas::new(1_000_000), "a refusal gives back what is not used: {}", receipt.gas_used);
    }
}

#[test]
fn keys_fields_and_events_are_checked() {
    let vm = machine();
    deploy(&vm, "fact", contract(FACT));
    let long = "k".repeat(1_025);
    for (key, field, reason) in [
        ("", "f", "the key is empty"),
        ("a#b", "", "the key \"a#b\" has characters other than"),
        ("a", "b c", "the field \"b c\" has characters other than"),
        (&long, "", "the key has 1025 bytes, 1024 are allowed"),
    ] {
        let found = failure(&vm, "fact", "put", &[("key", key), ("field", field)]);
        assert!(found.starts_with("PutState: ") && found.contains(reason), "{found}");
    }
    assert_eq!(failure(&vm, "fact", "events", &[]), "EmitEvent: the data has 17 texts, 1 to 16 are allowed");
}

#[test]
fn iterators_are_bounded() {
    let vm = machine();
    deploy(&vm, "it", contract(ITERATOR));
    let found = failure(&vm, "it", "endless", &[]);
    assert_eq!(found, "KvPreIterator: 256 iterators are open; close those that are not needed");
    let found = failure(&vm, "it", "too_early", &[]);
    assert!(found.contains("the iterator is at no entry"), "{found}");
}

/// Pointers outside the memory trap, as with our own ABI.
#[test]
fn bad_pointers() {
    let methods = r#"(func (export "init_contract"))
        (func (export "far") (drop (call $sys_call (i32.const 131072) (i32.const 1) (i32.const 0) (i32.const 0))))
        (func (export "answer") (call $begin) (call $text 'key' 'k') (call $number 'value_ptr' (i32.const -2)) (call $call 'GetStateLen'))
        (func (export "garbage") (drop (call $sys_call (i32.const 0) (i32.const 100) (i32.const 0) (i32.const 0))))"#;
    let vm = machine();
    deploy(&vm, "bad", contract(methods));
    for method in ["far", "answer"] {
        assert_eq!(invoke(&vm, "bad", method, &[]).status, Status::Trap(Trap::BadHostCall), "{method}");
    }
    let found = failure(&vm, "bad", "garbage", &[]);
    assert!(found.contains("the data is not EasyCodec"), "{found}");
}

#[test]
fn arguments_have_names() {
    let vm = machine();
    deploy(&vm, "fact", contract(FACT));
    let refused = |request| vm.invoke_sync(request).unwrap_err().to_string();
    let found = refused(call("fact", "save", &[]).args(["ab12"]));
    assert!(found.contains("argument 'ab12' has no name; parameters of ChainMaker's contracts are given by name"), "{found}");
    let found = refused(call("fact", "save", &[("a", "1"), ("a", "2")]));
    assert!(found.contains("argument 'a' is given twice"), "{found}");
    let names: Vec<String> = (0..51).map(|n| format!("p{n}")).collect();
    let found = refused(call("fact", "save", &names.iter().map(|name| (name.as_str(), "")).collect::<Vec<_>>()));
    assert!(found.contains("50 arguments, but 51"), "{found}");
    for entry in ["init_contract", "upgrade", "_start"] {
        assert!(refused(call("fact", entry, &[])).contains("unknown method"), "{entry}");
    }
    let receipt = vm.invoke_sync(call("fact", "save", &[]).input(vec![9; 40])).unwrap();
    assert_eq!(receipt.status, Status::Revert);
    assert!(receipt.text.unwrap().contains("the parameters cannot be read"));
}

/// What belongs to the other ABI, or to none, is refused before anything runs.
#[test]
fn the_gate_tells_abis_apart() {
    let vm = machine();
    let refused = |module| super::try_deploy(&vm, "it", module, &[]).unwrap_err().to_string();
    let mixed = module(r#"(import "vm1" "input" (func (param i32)))"#, RUST, "2", "");
    let found = refused(mixed);
    assert!(found.contains("both `vm1.input` and `env.sys_call`") && found.contains("vm-sdk"), "{found}");
    let found = refused(module(r#"(import "env" "abort" (func))"#, RUST, "2", ""));
    assert!(found.contains("there is no import `env.abort`; known to ChainMaker's contracts are sys_call, log_message, fd_write"), "{found}");
    let found = refused(module(r#"(import "wasi_unstable" "fd_write" (func (param i32)))"#, RUST, "2", ""));
    assert!(found.contains("`wasi_unstable.fd_write` is declared as (i32) -> ()"), "{found}");
    let analysis = vm_wasm::analyze(&contract(FACT), &vm_wasm::WasmConfig::default());
    assert_eq!((analysis.accepted, analysis.abi), (true, Some("chainmaker")));
    assert!(analysis.methods.contains(&"find_by_file_hash".into()), "{:?}", analysis.methods);
    let found = refused(module("", "", "2", ""));
    assert!(found.contains("the export `runtime_type`, a function () -> (i32), is missing"), "{found}");
}

/// A branch to certain failure ends no stretch of code: what it skips was paid before. That shows where a sys_call ends the
/// call by a revert, which gives the rest back, on the way to the trap.
#[test]
fn what_a_failed_check_skips_is_paid() {
    let used = |skipped: usize, then: &str| {
        let skipped = "(drop (i32.const 1))".repeat(skipped);
        let check = format!(
            r#"(func (export "check") (block (br_if 0 (i32.const 1)) {skipped} (return)) (call $begin) (call $call 'ExecuteDDL') {then})"#
        );
        let vm = machine();
        deploy(&vm, "it", contract(&check));
        let receipt = invoke(&vm, "it", "check", &[]);
        assert_eq!(receipt.status, Status::Revert, "{:?}", receipt.text);
        receipt.gas_used.get()
    };
    // A hundred constants and a hundred drops.
    assert_eq!(used(100, "(unreachable)") - used(0, "(unreachable)"), 200);
    assert_eq!(used(100, "") - used(0, ""), 0);
}
