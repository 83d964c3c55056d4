//! Calls between contracts, and how they end.

use vm_core::{Address, ContractName, Gas, Limits, Receipt, Status, Vm};
use vm_wasm::WasmConfig;

use super::machine::{contract, deploy, machine, machine_with, on_invoke, request};

const STATIC: u32 = 1;
const BY_ADDRESS: u32 = 2;

/// Calls `callee`; outputs length and status, the gas left, and the result.
fn caller(callee: &str, flags: u32, gas: u64) -> Vec<u8> {
    let (text, len) = if flags & BY_ADDRESS == 0 {
        (callee.to_owned(), callee.len())
    } else {
        let address = ContractName::new(callee).unwrap().address();
        (address.as_bytes().iter().map(|byte| format!("\\{byte:02x}")).collect(), 20)
    };
    let body = format!(
        r#"(local.set $n (call $call (i32.const 0) (i32.const {len}) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 2)
            (i32.const 0) (i64.const {gas}) (i32.const {flags})))
        (i64.store (i32.const 200) (local.get $n))
        (i64.store (i32.const 208) (call $gas_left))
        (call $result (i32.const 216))
        (call $output (i32.const 200) (i32.add (i32.const 16) (i32.wrap_i64 (local.get $n))))
        (i32.const 0)"#
    );
    on_invoke(&text, "", &body)
}

struct Called {
    status: u64,
    left: u64,
    output: Vec<u8>,
    receipt: Receipt,
}

/// Invokes the caller, which succeeds whatever its callee does.
fn call(vm: &Vm, gas: u64) -> Called {
    let receipt = vm.invoke_sync(request("a").gas(Gas::new(gas))).unwrap();
    assert_eq!(receipt.status, Status::Success, "{:?}", receipt.text);
    let number = |at: usize| u64::from_le_bytes(receipt.output[at..at + 8].try_into().unwrap());
    let output = receipt.output[16..].to_vec();
    assert_eq!(number(0) & 0xffff_ffff, output.len() as u64);
    Called { status: number(0) >> 32, left: number(8), output, receipt }
}

const WRITE: &str = "(call $put (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1))";

#[test]
fn success_keeps_what_the_callee_wrote() {
    for flags in [0, BY_ADDRESS] {
        let vm = machine();
        let body = format!("{WRITE} (call $output (i32.const 0) (i32.const 3)) (i32.const 0)");
        deploy(&vm, "b", on_invoke("yes", "", &body));
        deploy(&vm, "a", caller("b", flags, 0));
        let called = call(&vm, 1_000_000);
        assert_eq!((called.status, &called.output[..]), (0, &b"yes"[..]));
        assert_eq!(called.receipt.writes.len(), 1);
    }
}

#[test]
fn a_revert_undoes_the_callee_only() {
    let vm = machine();
    let body = format!("{WRITE} (call $output (i32.const 0) (i32.const 2)) (i32.const 1)");
    deploy(&vm, "b", on_invoke("no", "", &body));
    deploy(&vm, "a", caller("b", 0, 0));
    let called = call(&vm, 1_000_000);
    assert_eq!((called.status, &called.output[..]), (1, &b"no"[..]));
    assert!(called.receipt.writes.is_empty());
    assert!(called.left > 900_000, "what a revert did not use comes back: {}", called.left);
}

#[test]
fn a_trap_costs_the_gas_that_the_callee_had() {
    let vm = machine();
    deploy(&vm, "b", on_invoke("", "", &format!("{WRITE} unreachable")));
    deploy(&vm, "a", caller("b", 0, 100_000));
    let called = call(&vm, 1_000_000);
    assert_eq!((called.status, &called.output[..]), (2, &b""[..]));
    assert!(called.receipt.writes.is_empty());
    assert!((880_000..900_000).contains(&called.left), "{}", called.left);
}

#[test]
fn an_endless_callee_leaves_one_64th() {
    let vm = machine();
    deploy(&vm, "b", on_invoke("", "", "(loop $l (br $l)) unreachable"));
    deploy(&vm, "a", caller("b", 0, 0));
    let gas = 64_000_000;
    let called = call(&vm, gas);
    assert_eq!(called.status, 2);
    assert!((gas / 64 - 20_000..=gas / 64).contains(&called.left), "{}", called.left);
}

#[test]
fn a_static_call_cannot_write() {
    for (flags, status) in [(STATIC, 2), (0, 0)] {
        let vm = machine();
        deploy(&vm, "b", on_invoke("x", "", &format!("{WRITE} (i32.const 0)")));
        deploy(&vm, "a", caller("b", flags, 50_000));
        let called = call(&vm, 1_000_000);
        assert_eq!(called.status, status);
        assert_eq!(called.receipt.writes.len(), usize::from(status == 0));
    }
}

#[test]
fn a_refused_call_says_why() {
    for (callee, reason) in [
        ("nobody", "there is no contract 'nobody'"),
        ("no body", "invalid contract name 'no body'"),
        ("a", "contract 'a' does not accept being re-entered"),
    ] {
        let vm = machine();
        deploy(&vm, "a", caller(callee, 0, 0));
        let called = call(&vm, 1_000_000);
        assert_eq!(called.status, 1);
        let text = String::from_utf8(called.output).unwrap();
        assert!(text.starts_with(reason), "{text}");
    }
}

#[test]
fn value_is_transferred_or_refused() {
    let vm = machine();
    deploy(&vm, "b", on_invoke("", "", "(i32.const 0)"));
    // Text: the name, and the value 1 in 32 big-endian bytes.
    let body = r#"(local.set $n (call $call (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
            (i32.const 1) (i64.const 0) (i32.const 0)))
        (call $result (i32.const 200))
        (call $output (i32.const 200) (i32.wrap_i64 (local.get $n)))
        (i32.wrap_i64 (i64.shr_u (local.get $n) (i64.const 32)))"#;
    deploy(&vm, "a", on_invoke(&format!("b{}\\01", "\\00".repeat(31)), "", body));
    let receipt = vm.invoke_sync(request("a")).unwrap();
    assert_eq!(receipt.status, Status::Revert);
    assert!(receipt.text.as_deref().unwrap().contains("balance"), "{:?}", receipt.text);
}

#[test]
fn the_callee_sees_its_caller_and_depth() {
    let vm = machine();
    let env = "(call $env (i32.const 100)) (call $output (i32.const 100) (i32.const 224)) (i32.const 0)";
    deploy(&vm, "b", contract("", env));
    deploy(&vm, "a", caller("b", 0, 0));
    let env = call(&vm, 1_000_000).output;
    assert_eq!(env[..20], Address::from_name("contract:b").as_bytes()[..]);
    assert_eq!(env[20..40], Address::from_name("contract:a").as_bytes()[..]);
    assert_eq!(env[140..144], 1u32.to_le_bytes());
}

/// Four contracts of two pages, of which each grows, calls the next, and ends as that one did.
#[test]
fn contracts_that_wait_have_bounded_memory() {
    const PAGE: usize = 1 << 16;
    let link = |callee: &str, growth: u32| {
        let body = format!(
            r#"(drop (memory.grow (i32.const {growth})))
            (local.set $n (call $call (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
                (i32.const 0) (i64.const 0) (i32.const 0)))
            (call $result (i32.const 200))
            (call $output (i32.const 200) (i32.wrap_i64 (local.get $n)))
            (i32.wrap_i64 (i64.shr_u (local.get $n) (i64.const 32)))"#
        );
        on_invoke(callee, "", &body)
    };
    for (pages, status) in [(6, Status::Revert), (7, Status::Success)] {
        let vm = machine_with(WasmConfig::default(), Limits { waiting_memory: pages * PAGE, ..Limits::default() });
        deploy(&vm, "a", link("b", 1));
        deploy(&vm, "b", link("c", 0));
        deploy(&vm, "c", link("d", 0));
        deploy(&vm, "d", on_invoke("", "", "(drop (memory.grow (i32.const 8))) (i32.const 0)"));
        let receipt = vm.invoke_sync(request("a")).unwrap();
        assert_eq!(receipt.status, status, "{pages} pages");
        let refused = "the contracts that wait for this call occupy 458752 bytes, above the limit of 393216";
        assert_eq!(String::from_utf8_lossy(&receipt.output), if status.is_success() { "" } else { refused });
    }
}
