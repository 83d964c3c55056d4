//! Deployment, interface and upgrade.

use futures_executor::block_on;
use vm_core::{DeployRequest, InvokeRequest, Status, UpgradeRequest, VmProvider};

use super::machine::{code, contract, contract_with, deploy, invoke, machine, on_invoke, try_deploy};

const INTERFACE: &str = r#"(@custom "vm.interface" "init(start: u64)\nview run() -> u64\nadd(amount: u64) -> u64")"#;

/// A counter: `init` and `add` take a number of 8 bytes, `run` returns the sum.
const COUNTER: &str = r#"
    (call $input (i32.const 100))
    (if (i32.eqz (local.get $input_len)) (then
        (drop (call $get (i32.const 0) (i32.const 1) (i32.const 108) (i32.const 8)))
        (call $output (i32.const 108) (i32.const 8)) (return (i32.const 0))))
    (drop (call $get (i32.const 0) (i32.const 1) (i32.const 108) (i32.const 8)))
    (i64.store (i32.const 108) (i64.add (i64.load (i32.const 108)) (i64.load (i32.const 100))))
    (call $put (i32.const 0) (i32.const 1) (i32.const 108) (i32.const 8))
    (if (local.get $entry) (then (call $output (i32.const 108) (i32.const 8))))
    (i32.const 0)"#;

#[test]
fn a_contract_is_called_by_its_interface() {
    let vm = machine();
    let module = contract_with("k", INTERFACE, COUNTER);
    let request = DeployRequest::new("it".parse().unwrap(), "1".parse().unwrap(), code(module)).args(["40"]);
    block_on(vm.deploy(request)).unwrap();
    let invoke = |method: &str| InvokeRequest::new(vm_core::ContractName::new("it").unwrap(), method);
    let receipt = vm.invoke_sync(invoke("add").arg("amount", "2")).unwrap();
    assert_eq!(receipt.text.as_deref(), Some("42"));
    assert_eq!(block_on(vm.query(invoke("run"))).unwrap().text.as_deref(), Some("42"));
    let error = vm.invoke_sync(invoke("ad").args(["2"])).unwrap_err();
    assert!(error.to_string().contains("did you mean 'add'?"), "{error}");
    let error = vm.invoke_sync(invoke("add").args(["-2"])).unwrap_err();
    assert!(error.to_string().contains("is not a number"), "{error}");
}

#[test]
fn a_constructor_that_fails_leaves_nothing() {
    let vm = machine();
    let write = "(call $put (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1))";
    let error = try_deploy(
        &vm,
        "it",
        contract("no", &format!("{write} (call $output (i32.const 0) (i32.const 2)) (i32.const 1)")),
    );
    assert!(error.unwrap_err().to_string().contains("no"));
    assert!(try_deploy(&vm, "it", contract("", &format!("{write} unreachable"))).is_err());
    assert!(vm.contracts().unwrap().is_empty());
    deploy(&vm, "it", contract("", "(i32.const 0)"));
}

#[test]
fn an_upgrade_passes_both_versions_to_the_hook() {
    let vm = machine();
    deploy(&vm, "it", on_invoke("k", "", "(i32.const 0)"));
    // The hook keeps its input under the key k; an invocation returns it.
    let body = r#"(if (i32.eq (local.get $entry) (i32.const 2)) (then
            (call $input (i32.const 100))
            (call $put (i32.const 0) (i32.const 1) (i32.const 100) (local.get $input_len))
            (return (i32.const 0))))
        (local.set $n (call $get (i32.const 0) (i32.const 1) (i32.const 100) (i32.const 1000)))
        (call $output (i32.const 100) (i32.wrap_i64 (local.get $n))) (i32.const 0)"#;
    let request = UpgradeRequest::new("it".parse().unwrap(), "2.0".parse().unwrap(), code(contract("k", body)));
    block_on(vm.upgrade(request.input(&b"arguments"[..]))).unwrap();
    let receipt = invoke(&vm, "it");
    assert_eq!(receipt.status, Status::Success);
    let mut expected = borsh::to_vec(&("1", "2.0")).unwrap();
    expected.extend_from_slice(b"arguments");
    assert_eq!(receipt.output[..], expected);
}

#[test]
fn a_migration_that_fails_keeps_the_old_version() {
    let vm = machine();
    deploy(&vm, "it", on_invoke("old", "", "(call $output (i32.const 0) (i32.const 3)) (i32.const 0)"));
    let request = UpgradeRequest::new("it".parse().unwrap(), "2".parse().unwrap(), code(contract("", "unreachable")));
    assert!(block_on(vm.upgrade(request)).is_err());
    assert_eq!(&invoke(&vm, "it").output[..], b"old");
}

#[test]
fn options_and_a_second_interface_are_refused() {
    let vm = machine();
    let deploy = |code| block_on(vm.deploy(DeployRequest::new("it".parse().unwrap(), "1".parse().unwrap(), code)));
    let error = deploy(code(contract("", "(i32.const 0)")).with_option("speed", "high")).unwrap_err();
    assert!(error.to_string().contains("contracts with the ABI vm1 have no option 'speed'"), "{error}");
    let error = deploy(code(contract_with("", INTERFACE, "(i32.const 0)")).with_abi("run()")).unwrap_err();
    assert!(error.to_string().contains("another interface was given"), "{error}");
    let error = deploy(code(contract("", "(i32.const 0)")).with_abi("run(")).unwrap_err();
    assert!(error.to_string().contains("does not describe a method"), "{error}");
    deploy(code(contract("", "(i32.const 0)")).with_abi("init()\nrun()")).unwrap();
}
