//! Every trap has its kind, costs all the gas, and changes nothing.

use vm_core::{Gas, Status, Trap, VmProvider};

use super::machine::{assert_trap, deploy, machine, on_invoke, request};

const WRITE: &str = "(call $put (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1))";

#[test]
fn engine_traps() {
    let items = r#"(table 2 funcref) (type $none (func)) (elem (i32.const 1) $one) (func $one (result i32) (i32.const 1))
        (func $down (call $down))"#;
    for (body, trap) in [
        ("unreachable", Trap::Unreachable),
        ("(drop (i32.load (i32.const 131072)))", Trap::OutOfBounds),
        ("(i64.store offset=4294967295 (i32.const 1) (i64.const 0))", Trap::OutOfBounds),
        ("(memory.fill (i32.const 131000) (i32.const 0) (i32.const 73))", Trap::OutOfBounds),
        ("(memory.copy (i32.const -1) (i32.const 0) (i32.const 1))", Trap::OutOfBounds),
        ("(drop (table.get (i32.const 2)))", Trap::OutOfBounds),
        ("(drop (i32.div_u (i32.const 1) (local.get $i)))", Trap::DivisionByZero),
        ("(drop (i64.rem_s (i64.const 1) (local.get $n)))", Trap::DivisionByZero),
        (
            "(local.set $i (i32.const -1)) (drop (i32.div_s (i32.const -2147483648) (local.get $i)))",
            Trap::IntegerOverflow,
        ),
        ("(call_indirect (type $none) (i32.const 0))", Trap::BadIndirectCall),
        ("(call_indirect (type $none) (i32.const 1))", Trap::BadIndirectCall),
        ("(call_indirect (type $none) (i32.const 2))", Trap::OutOfBounds),
        ("(call $down)", Trap::StackOverflow),
        ("(loop $l (br $l))", Trap::OutOfGas),
    ] {
        assert_trap(items, &format!("{WRITE} {body}"), trap);
    }
}

#[test]
fn bad_arguments_of_host_functions() {
    let outside = "(i32.const 131072)";
    for body in [
        format!("(call $method {outside})"),
        "(call $env (i32.const 130849))".into(),
        format!("(call $output {outside} (i32.const 1))"),
        "(call $output (i32.const 1) (i32.const -1))".into(),
        format!("(drop (call $get {outside} (i32.const 1) (i32.const 0) (i32.const 0)))"),
        format!("{WRITE} (drop (call $get (i32.const 0) (i32.const 1) {outside} (i32.const 1)))"),
        format!("{WRITE} (drop (call $get (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 0))) (call $result {outside})"),
        format!("(call $put {outside} (i32.const 1) (i32.const 0) (i32.const 0))"),
        format!("(call $put (i32.const 0) (i32.const 0) {outside} (i32.const 1))"),
        "(call $put (i32.const 0) (i32.const 1025) (i32.const 0) (i32.const 0))".into(),
        format!("(call $delete {outside} (i32.const 1))"),
        format!("(drop (call $scan {outside} (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 1)))"),
        "(call $emit (i32.const 0) (i32.const 256) (i32.const 0) (i32.const 0))".into(),
        "(i32.store8 (i32.const 0) (i32.const 255)) (call $emit (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 0))".into(),
        "(i32.store8 (i32.const 0) (i32.const 255)) (call $log (i32.const 0) (i32.const 0) (i32.const 1))".into(),
        "(call $address_of (i32.const 0) (i32.const 138) (i32.const 0))".into(),
        format!("(call $address_of (i32.const 0) (i32.const 1) {outside})"),
        call("(i32.const 0)", "(i32.const 4)"),
        call("(i32.const 0)", "(i32.const 2)"),
        call(outside, "(i32.const 0)"),
    ] {
        assert_trap("", &body, Trap::BadHostCall);
    }
}

/// A call of a name of one character, with this value and these flags.
fn call(value: &str, flags: &str) -> String {
    format!(
        "(i32.store8 (i32.const 0) (i32.const 98))
        (drop (call $call (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) {value} (i64.const 0) {flags}))"
    )
}

/// The contract itself says why it cannot go on.
#[test]
fn aborts() {
    for (reason, trap) in [
        (1, Trap::MemoryLimit),
        (2, Trap::Panic),
        (0, Trap::Unreachable),
        (3, Trap::Unreachable),
        (-1, Trap::Unreachable),
    ] {
        // Nothing that follows is executed.
        assert_trap("", &format!("{WRITE} (call $abort (i32.const {reason})) (return (i32.const 0))"), trap);
    }
    let items = "(type $reason (func (param i32))) (table 1 funcref) (elem (i32.const 0) $abort)";
    assert_trap(items, "(call_indirect (type $reason) (i32.const 1) (i32.const 0))", Trap::MemoryLimit);
}

#[test]
fn a_status_that_the_abi_does_not_know() {
    assert_trap("", &format!("{WRITE} (return (i32.const 2))"), Trap::BadReturn);
    assert_trap("", "(return (i32.const -1))", Trap::BadReturn);
}

#[test]
fn changes_in_a_query() {
    for body in [
        WRITE,
        "(call $delete (i32.const 0) (i32.const 1))",
        "(call $emit (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 0))",
    ] {
        let vm = machine();
        deploy(&vm, "it", on_invoke("", "", &format!("{body} (i32.const 0)")));
        let request = request("it").gas(Gas::new(100_000));
        let receipt = futures_executor::block_on(vm.query(request)).unwrap();
        assert_eq!(receipt.status, Status::Trap(Trap::StaticViolation));
        assert_eq!(receipt.gas_used, receipt.gas_limit);
    }
}

/// A trap of the contract's stack does not harm the host, also when all of the calls are on the stack of one thread.
#[test]
fn recursion_is_bounded_by_units_not_by_the_engine() {
    // 1 local and many values: the frames are large, so that few of them are allowed.
    let sums = "(local.set 0 (i64.add (local.get 0) (i64.mul (local.get 0) (i64.const 3))))".repeat(200);
    let items = format!("(func $down (param i64) {sums} (call $down (local.get 0)) {sums})");
    assert_trap(&items, "(call $down (i64.const 1))", Trap::StackOverflow);
}
