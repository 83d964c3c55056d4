//! `auto`: a contract moves from wasmi to wasmtime, and nothing but the speed tells.

use std::path::PathBuf;

use vm_core::{Limits, Receipt, Status, Vm, VmProvider};
use vm_wasm::{EngineKind, WasmConfig};

use crate::machine::{deploy, invoke, machine_of, on_invoke};

/// Calls after which something is wrong: some ten are enough.
const MANY: usize = 100_000;

fn start() -> Vm {
    start_with(None)
}

fn start_with(cache_dir: Option<PathBuf>) -> Vm {
    let mut config = WasmConfig::default();
    (config.engine, config.cache_dir) = (EngineKind::Auto, cache_dir);
    machine_of(config, Limits::default())
}

fn tiers(vm: &Vm) -> String {
    let (_, status) = &vm.status().runtimes[0];
    status.details.iter().find(|(name, _)| name == "tiers").unwrap().1.clone()
}

/// What a receipt says but when.
fn said(receipt: &Receipt) -> (Status, u64, Vec<u8>, usize) {
    (receipt.status.clone(), receipt.gas_used.get(), receipt.output.to_vec(), receipt.events.len())
}

#[test]
fn a_contract_moves_and_its_receipts_stay_the_same() {
    let vm = start();
    let body = r#"(loop $l (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 20000))))
        (call $emit (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1))
        (i32.store (i32.const 8) (local.get $i)) (call $output (i32.const 8) (i32.const 4)) (i32.const 0)"#;
    deploy(&vm, "busy", on_invoke("k", "", body));
    deploy(&vm, "idle", on_invoke("", "", "(i32.const 0)"));
    assert_eq!(tiers(&vm), "2 on wasmi, 0 on wasmtime");
    let first = said(&invoke(&vm, "busy"));
    assert_eq!((first.0.clone(), &first.2[..]), (Status::Success, &20_000u32.to_le_bytes()[..]));
    let moved = (0..MANY).any(|_| {
        assert_eq!(said(&invoke(&vm, "busy")), first);
        tiers(&vm) == "1 on wasmi, 1 on wasmtime"
    });
    assert!(moved, "{}", tiers(&vm));
    assert_eq!(said(&invoke(&vm, "busy")), first);
    invoke(&vm, "idle");
    assert_eq!(tiers(&vm), "1 on wasmi, 1 on wasmtime", "what is not worth it stays");
    futures_executor::block_on(vm.stop()).unwrap();
}

/// Code that one process compiled is there from the first call of the next; damaged, it is interpreted and compiled again.
#[test]
fn a_contract_whose_code_is_on_disk_starts_compiled() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("code");
    let body = "(loop $l (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 20000))))
        (i32.store (i32.const 8) (local.get $i)) (call $output (i32.const 8) (i32.const 4)) (i32.const 0)";
    let begin = || {
        let vm = start_with(Some(cache.clone()));
        deploy(&vm, "busy", on_invoke("", "", body));
        let tiers = tiers(&vm);
        let receipt = said(&invoke(&vm, "busy"));
        (vm, tiers, receipt)
    };
    let moves = |vm: &Vm| (0..MANY).any(|_| (invoke(vm, "busy"), tiers(vm)).1 == "0 on wasmi, 1 on wasmtime");
    let (vm, before, first) = begin();
    assert!(before == "1 on wasmi, 0 on wasmtime" && moves(&vm), "{before}, {}", tiers(&vm));
    drop(vm);

    let (vm, before, receipt) = begin();
    assert_eq!((before.as_str(), &receipt), ("0 on wasmi, 1 on wasmtime", &first));
    drop(vm);

    let entry = std::fs::read_dir(&cache).unwrap().next().unwrap().unwrap().path();
    std::fs::write(entry, "damaged").unwrap();
    let (vm, before, receipt) = begin();
    assert_eq!((before.as_str(), &receipt), ("1 on wasmi, 0 on wasmtime", &first));
    assert!(moves(&vm), "{}", tiers(&vm));
}

/// The engines' own threads end with the runtime, also when contracts wait to be compiled.
#[test]
fn a_machine_can_be_dropped_at_any_time() {
    for calls in [0, 1, 20] {
        let vm = start();
        deploy(
            &vm,
            "it",
            on_invoke(
                "",
                "",
                "(loop $l (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 50000)))) (i32.const 0)",
            ),
        );
        for _ in 0..calls {
            assert_eq!(invoke(&vm, "it").status, Status::Success);
        }
    }
}
