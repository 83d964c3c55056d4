//! Recursion of many shapes ends by the module's own units, never by an engine's stack: an overflow of that would be a fault
//! here, and another result on another engine.

use std::fmt::Write;

use vm_core::{Gas, Status, Trap};

use super::machine::{contract_with, deploy, machine, request};

/// `$down` calls itself without end with these items, after `call`.
fn overflows(what: &str, items: &str, call: &str) {
    let vm = machine();
    deploy(&vm, "it", contract_with("", items, &format!("(if (i32.eq (local.get $entry) (i32.const 1)) (then {call})) (i32.const 0)")));
    let receipt = vm.invoke_sync(request("it").gas(Gas::new(1 << 32))).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(receipt.status, Status::Trap(Trap::StackOverflow), "{what}");
}

fn each(count: usize, item: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut text, index| {
        write!(text, "{} ", item(index)).unwrap();
        text
    })
}

#[test]
fn frames_with_nothing() {
    overflows("itself", "(func $down (call $down))", "(call $down)");
    overflows("two in turn", "(func $down (call $up)) (func $up (call $down))", "(call $down)");
}

#[test]
fn parameters_and_results() {
    for count in [1, 6, 20, 63] {
        let params = "i64 ".repeat(count);
        let pass = each(count, |index| format!("(local.get {index})"));
        let zeros = "(i64.const 1) ".repeat(count);
        let items = format!("(func $down (param {params}) (call $down {pass}))");
        overflows("parameters", &items, &format!("(call $down {zeros})"));
        let swapped = each(count, |index| format!("(i64.add (local.get {}) (i64.const {index}))", (index + 1) % count));
        let items = format!("(func $down (param {params}) (call $down {swapped}) {})", each(count, |index| {
            format!("(i64.store (i32.const {}) (local.get {index}))", 8 * index)
        }));
        overflows("parameters that are used again", &items, &format!("(call $down {zeros})"));
    }
    for count in [2, 5, 16] {
        let results = "i64 ".repeat(count);
        let items = format!("(func $down (param i64) (result {results}) (call $down (local.get 0)))");
        overflows("results", &items, &format!("(call $down (i64.const 1)) {}", "(drop)".repeat(count)));
    }
}

#[test]
fn values_that_live_across_calls() {
    for count in [10, 300, 1_000] {
        let locals = "i64 ".repeat(count);
        let load = each(count, |index| format!("(local.set {index} (i64.load (i32.const {})))", 8 * index));
        let store = each(count, |index| format!("(i64.store (i32.const {}) (local.get {index}))", 8 * index));
        overflows("locals", &format!("(func $down (local {locals}) {load} (call $down) {store})"), "(call $down)");

        let push = each(count, |index| format!("(i64.load (i32.const {}))", 8 * index));
        let sum = "i64.add ".repeat(count);
        let items = format!("(func $down (result i64) {push} (call $down) {sum})");
        overflows("operands", &items, "(drop (call $down))");

        let constants = each(count, |index| format!("(i64.store (i32.const {}) (i64.const {}))", 8 * index, u64::MAX / (index as u64 + 3)));
        overflows("constants", &format!("(func $down {constants} (call $down) {constants})"), "(call $down)");

        let products = each(count, |index| format!("(i64.store (i32.const {}) (i64.mul (local.get 0) (i64.const {})))", 8 * index, 3 * index + 7));
        let items = format!("(func $down (param i64) {products} (call $down (local.get 0)) {products})");
        overflows("common products", &items, "(call $down (i64.const 5))");
    }
}

#[test]
fn calls_through_the_table() {
    for count in [1, 30] {
        let params = "i64 ".repeat(count);
        let pass = each(count, |index| format!("(local.get {index})"));
        let items = format!(
            "(type $t (func (param {params}))) (table 1 funcref) (elem (i32.const 0) $down)
            (func $down (type $t) (call_indirect (type $t) {pass} (i32.const 0)))"
        );
        overflows("indirect", &items, &format!("(call $down {})", "(i64.const 1) ".repeat(count)));
    }
}

/// Functions on no cycle do not count: what they take is set aside, above, between and below those that do.
#[test]
fn chains_that_do_not_count() {
    for (length, locals) in [(200, 100), (500, 20), (1_500, 5)] {
        let load = each(locals, |index| format!("(local.set {index} (i64.load (i32.const {})))", 8 * index));
        let store = each(locals, |index| format!("(i64.store (i32.const {}) (local.get {index}))", 8 * index));
        let chain = |name: &str, end: &str| {
            each(length, |index| {
                let next = if index + 1 == length { end.to_owned() } else { format!("(call ${name}{})", index + 1) };
                format!("(func ${name}{index} (local {}) {load} {next} {store})", "i64 ".repeat(locals))
            })
        };
        let items = format!("{} {} (func $down (call $b0) (call $down))", chain("a", "(call $down)"), chain("b", ""));
        overflows("chains", &items, "(call $a0)");
    }
}
