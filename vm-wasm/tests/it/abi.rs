//! Each import does what the ABI's document says.

use vm_core::{Address, Block, ContractName, Status, VmProvider};

use super::machine::{contract, deploy, machine, on_invoke, output, request, run};

/// Writes `$n` at an address.
fn keep(address: u32, expression: &str) -> String {
    format!("(i64.store (i32.const {address}) {expression})")
}

#[test]
fn method_and_input() {
    let vm = machine();
    let body = r#"(call $method (i32.const 100))
        (call $input (i32.add (i32.const 100) (local.get $method_len)))
        (call $output (i32.const 100) (i32.add (local.get $method_len) (local.get $input_len)))
        (i32.const 0)"#;
    deploy(&vm, "echo", contract("", body));
    let receipt = vm.invoke_sync(request("echo").input(&b"-and-input"[..])).unwrap();
    assert_eq!(&receipt.output[..], b"run-and-input");
}

#[test]
fn the_last_output_wins() {
    let body = "(call $output (i32.const 0) (i32.const 5)) (call $output (i32.const 1) (i32.const 3)) (i32.const 0)";
    assert_eq!(output("hello", body), b"ell");
}

#[test]
fn values_are_put_read_and_deleted() {
    // Text: the key k, the key l, the value.
    let body = [
        "(call $put (i32.const 0) (i32.const 1) (i32.const 2) (i32.const 9))",
        "(call $put (i32.const 1) (i32.const 1) (i32.const 2) (i32.const 1))",
        "(call $delete (i32.const 1) (i32.const 1))",
        &keep(100, "(call $get (i32.const 1) (i32.const 1) (i32.const 0) (i32.const 0))"),
        &keep(108, "(call $get (i32.const 0) (i32.const 1) (i32.const 116) (i32.const 3))"),
        "(call $result (i32.const 119))",
        "(call $output (i32.const 100) (i32.const 28))",
        "(i32.const 0)",
    ]
    .join("\n");
    let expected = [&(-1i64).to_le_bytes()[..], &9i64.to_le_bytes(), b"val", b"value-two"].concat();
    assert_eq!(output("klvalue-two", &body), expected);
}

#[test]
fn scans_are_ordered_and_bounded() {
    let put = |at: u32| format!("(call $put (i32.const {at}) (i32.const 2) (i32.const {at}) (i32.const 1))");
    let puts = [put(4), put(2), put(0)].join(" ");
    let scan = |end: u32, limit: u32| {
        let scan =
            format!("(call $scan (i32.const 0) (i32.const 1) (i32.const 4) (i32.const {end}) (i32.const {limit}))");
        let body = format!(
            "{puts} (local.set $n {scan}) (call $result (i32.const 100))
             (call $output (i32.const 100) (i32.wrap_i64 (local.get $n))) (i32.const 0)"
        );
        borsh::from_slice::<Vec<(Vec<u8>, Vec<u8>)>>(&output("a1a2b1", &body)).unwrap()
    };
    let entry = |key: &str| (key.as_bytes().to_vec(), key.as_bytes()[..1].to_vec());
    assert_eq!(scan(1, 10), [entry("a1"), entry("a2")]);
    assert_eq!(scan(0, 10), [entry("a1"), entry("a2"), entry("b1")], "an empty end is the last key");
    assert_eq!(scan(0, 1), [entry("a1")]);
    assert_eq!(scan(0, 0), []);
}

#[test]
fn events() {
    let receipt =
        run("Transfer1234", "(call $emit (i32.const 0) (i32.const 8) (i32.const 8) (i32.const 4)) (i32.const 0)");
    let [event] = &receipt.events[..] else { panic!("{:?}", receipt.events) };
    assert_eq!((&event.topics[0][..], &event.data[..]), (&b"Transfer"[..], &b"1234"[..]));
    assert_eq!(event.address, Address::from_name("contract:it"));
}

#[test]
fn environment() {
    let vm = machine();
    let body = "(call $env (i32.const 100)) (call $output (i32.const 100) (i32.const 224)) (i32.const 0)";
    deploy(&vm, "it", contract("", body));
    let block =
        Block { chain_id: 7, number: 8, timestamp: 9, coinbase: Address::from_name("miner"), ..Block::default() };
    let alice = Address::from_name("alice");
    let request = request("it").from(alice).block(block.into());
    for (is_static, receipt) in [
        (false, vm.invoke_sync(request.clone()).unwrap()),
        (true, futures_executor::block_on(vm.query(request)).unwrap()),
    ] {
        let mut expected = Vec::new();
        for address in [Address::from_name("contract:it"), alice, alice, Address::from_name("miner")] {
            expected.extend_from_slice(address.as_bytes());
        }
        expected.extend_from_slice(&[0; 32]);
        for number in [7u64, 8, 9] {
            expected.extend_from_slice(&number.to_le_bytes());
        }
        expected.extend_from_slice(&u32::from(is_static).to_le_bytes());
        expected.resize(224, 0);
        assert_eq!(receipt.output[..], expected);
    }
}

#[test]
fn addresses_of_names() {
    let body = "(call $address_of (i32.const 0) (i32.const 5) (i32.const 100)) (call $output (i32.const 100) (i32.const 20)) (i32.const 0)";
    assert_eq!(output("alice", body), Address::from_name("alice").as_bytes());
    let contract = ContractName::new("it").unwrap().address();
    assert_eq!(output("contract:it", &body.replace("const 5", "const 11")), contract.as_bytes());
}

#[test]
fn logs_change_nothing() {
    let receipt = run("hello", "(call $log (i32.const 2) (i32.const 0) (i32.const 5)) (i32.const 0)");
    assert_eq!(receipt.status, Status::Success);
    assert!(receipt.writes.is_empty());
}

/// What is left is exact at every call of the host, although gas is handed out in slices.
#[test]
fn gas_left_is_exact() {
    let body = [
        &keep(100, "(call $gas_left)"),
        &keep(108, "(call $gas_left)"),
        "(loop $l (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000))))",
        &keep(116, "(call $gas_left)"),
        "(call $output (i32.const 100) (i32.const 24)) (i32.const 0)",
    ]
    .join("\n");
    let left = output("", &body);
    let left: Vec<u64> = left.chunks(8).map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap())).collect();
    // The region of a function without branches is paid at its begin, so nothing lies between the first two; a loop's is
    // paid at each turn: 1 for the header and 7 operators.
    assert_eq!(left[0], left[1]);
    assert_eq!(left[1] - left[2], 1_000 * 8);
}

/// An import that is used as a value works as when it is called, and costs a function more.
#[test]
fn imports_as_function_pointers() {
    let items = r#"(type $dst (func (param i32))) (type $nullary (func (result i64))) (table 4 funcref)
        (elem (i32.const 0) $own $input $gas_left) (elem declare func $method) (func $own)"#;
    let body = r#"(table.set (i32.const 3) (ref.func $method))
        (call_indirect (type $dst) (i32.const 100) (i32.const 3))
        (call_indirect (type $dst) (i32.const 103) (i32.const 1))
        (i64.store (i32.const 108) (call $gas_left))
        (i64.store (i32.const 116) (call_indirect (type $nullary) (i32.const 2)))
        (call $output (i32.const 100) (i32.const 24)) (i32.const 0)"#;
    let vm = machine();
    deploy(&vm, "it", on_invoke("", items, body));
    let output = vm.invoke_sync(request("it").input(&b"input"[..])).unwrap().output;
    assert_eq!(&output[..8], b"runinput");
    let number = |at: usize| u64::from_le_bytes(output[at..at + 8].try_into().unwrap());
    // The thunk's entry, no operands, and the host; the body itself is paid at its begin.
    assert_eq!(number(8) - number(16), 1 + 40);
}

#[test]
fn a_function_pointer_to_call() {
    let items = r#"(type $call (func (param i32 i32 i32 i32 i32 i32 i32 i64 i32) (result i64))) (table 1 funcref) (elem (i32.const 0) $call)"#;
    let operands = "(i32.const 0) ".repeat(7);
    let body = format!(
        "(local.set $n (call_indirect (type $call) {operands} (i64.const 0) (i32.const 0) (i32.const 0)))
        (i32.wrap_i64 (i64.shr_u (local.get $n) (i64.const 32)))"
    );
    let vm = machine();
    deploy(&vm, "it", on_invoke("", items, &body));
    assert_eq!(vm.invoke_sync(request("it")).unwrap().status, Status::Revert, "the empty name is refused");
}
