//! Gas: at every budget, on every call, in every slice.

use vm_core::{Gas, Limits, Status, Trap, Vm};
use vm_wasm::WasmConfig;

use super::machine::{deploy, machine, machine_with, on_invoke, request};

/// Reads, writes, loops and emits.
const BODY: &str = r#"
    (drop (call $get (i32.const 0) (i32.const 1) (i32.const 100) (i32.const 8)))
    (loop $l
        (i64.store (i32.const 100) (i64.add (i64.load (i32.const 100)) (i64.const 1)))
        (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 10))))
    (call $put (i32.const 0) (i32.const 1) (i32.const 1) (i32.const 8))
    (call $emit (i32.const 0) (i32.const 1) (i32.const 100) (i32.const 8))
    (i32.const 0)"#;

fn start(slice: u64) -> Vm {
    let mut config = WasmConfig::default();
    config.gas_slice = slice;
    let vm = machine_with(config, Limits::default());
    deploy(&vm, "it", on_invoke("k", "", BODY));
    vm
}

/// What the contract needs, found without committing anything.
fn enough(vm: &Vm) -> u64 {
    let request = request("it");
    let receipt = futures_executor::block_on(vm_core::VmProvider::invoke(vm, request)).unwrap();
    assert_eq!(receipt.status, Status::Success);
    receipt.gas_used.get()
}

#[test]
fn every_budget() {
    for slice in [1_000, 1_000_000] {
        let vm = start(slice);
        enough(&vm); // the first call finds no value
        let enough = enough(&vm);
        let height = vm.view().unwrap().height();
        for budget in 0..enough {
            // What does not cover the transaction itself is refused before the contract runs.
            let Ok(receipt) = vm.invoke_sync(request("it").gas(Gas::new(budget))) else {
                assert!(budget < 2_000, "{budget}");
                continue;
            };
            assert_eq!(receipt.status, Status::Trap(Trap::OutOfGas), "{budget}");
            assert_eq!(receipt.gas_used.get(), budget);
            assert!(receipt.writes.is_empty() && receipt.events.is_empty(), "{budget}");
        }
        assert_eq!(vm.view().unwrap().height(), height, "nothing was committed");
        let receipt = vm.invoke_sync(request("it").gas(Gas::new(enough))).unwrap();
        assert_eq!((receipt.status, receipt.gas_used.get()), (Status::Success, enough));
    }
}

#[test]
fn the_first_call_and_the_thousandth_cost_the_same() {
    let vm = start(1_000_000);
    let first = {
        enough(&vm);
        enough(&vm)
    };
    for _ in 0..1_000 {
        assert_eq!(enough(&vm), first);
    }
}

/// Slices decide when the deadline is looked at, never what is charged.
#[test]
fn slices_do_not_change_gas() {
    let used: Vec<u64> = [1_000, 4_096, 1 << 40].into_iter().map(|slice| enough(&start(slice))).collect();
    assert_eq!(used[0], used[1]);
    assert_eq!(used[1], used[2]);
}

/// The price of a fresh instance: each page, segment, table entry, function and global.
#[test]
fn an_instance_costs_by_what_is_created() {
    let used = |items: &str| {
        let vm = machine();
        deploy(&vm, "it", on_invoke("", items, "(i32.const 0)"));
        enough(&vm)
    };
    let nothing = used("");
    assert_eq!(used("(func)") - nothing, 20);
    assert_eq!(used("(global i32 (i32.const 0))") - nothing, 20);
    assert_eq!(used("(table 100 funcref)") - nothing, 100);
    assert_eq!(used("(func $f) (table 100 funcref) (elem (i32.const 0) $f $f)") - nothing, 20 + 100 + 2);
    assert_eq!(used(&format!(r#"(data (i32.const 8) "{}")"#, "x".repeat(1_600))) - nothing, 100);
}
