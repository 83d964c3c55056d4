//! What contracts that are ready to run occupy, and how often they are made.

use std::process::Command;
use std::sync::{Arc, Barrier};

use futures_executor::block_on;
use vm_core::{Limits, MemoryBackend, Status, Vm, VmProvider};
use vm_wasm::{WasmConfig, WasmRuntime};

use crate::machine::{contract, deploy, invoke, machine_with, on_invoke};

/// Tells a process of this test the size of its cache and how many modules to deploy.
const CHILD: &str = "VM_WASM_CACHE_TASK";

/// The n-th of many contracts that differ.
fn nth(n: usize) -> Vec<u8> {
    contract(
        "",
        &format!(
            "(i32.const {n}) (drop) {} (i32.const 0)",
            "(call $put (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1))".repeat(40)
        ),
    )
}

/// The memory that this process has in use, in KiB.
#[cfg(target_os = "linux")]
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// What the memory of this process grows by from the 200th module to the last, in KiB.
#[cfg(target_os = "linux")]
fn growth(cache_size: usize, modules: usize) -> u64 {
    let vm = machine_with(WasmConfig::default(), Limits { cache_size, ..Limits::default() });
    let mut before = 0;
    for n in 0..modules {
        deploy(&vm, &format!("c{n}"), nth(n));
        assert!(vm.metrics().cache_bytes <= cache_size as u64);
        if n == 200 {
            before = resident();
        }
    }
    resident().saturating_sub(before)
}

/// With a cache of 2 MiB a module adds what the state keeps of it, less than a third of what it adds without a limit.
#[cfg(target_os = "linux")]
#[test]
fn resident_memory_is_flat_over_two_thousand_modules() {
    if let Ok(task) = std::env::var(CHILD) {
        let (size, modules) = task.split_once(' ').unwrap();
        println!("growth={}", growth(size.parse().unwrap(), modules.parse().unwrap()));
        return;
    }
    // In processes of their own: other tests use memory, too.
    let this = std::thread::current().name().unwrap().to_owned();
    let child = |size: usize, modules: usize| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([&this, "--exact", "--nocapture"]).env(CHILD, format!("{size} {modules}"));
        let text = String::from_utf8(command.output().unwrap().stdout).unwrap();
        let told = text.lines().find_map(|line| line.split_once("growth=")).unwrap_or_else(|| panic!("{text}"));
        told.1.parse::<u64>().unwrap()
    };
    let (bounded, unbounded) = (child(2 << 20, 2_000), child(1 << 30, 500));
    println!("1,800 modules with 2 MiB add {bounded} KiB, 300 without limit {unbounded} KiB");
    assert!(bounded / 1_800 * 3 < unbounded / 300, "{bounded} KiB, {unbounded} KiB");
}

#[test]
fn two_hundred_first_calls_at_once_compile_once() {
    let backend = Arc::new(MemoryBackend::new());
    let start = || {
        let runtime = WasmRuntime::default();
        let vm = Vm::builder().runtime(runtime).backend(backend.clone()).build().unwrap();
        block_on(vm.start()).unwrap();
        vm
    };
    let vm = start();
    deploy(&vm, "it", on_invoke("", "", "(i32.const 0)"));
    block_on(vm.stop()).unwrap();
    let vm = start();
    let barrier = Barrier::new(200);
    std::thread::scope(|scope| {
        for _ in 0..200 {
            scope.spawn(|| {
                barrier.wait();
                assert_eq!(invoke(&vm, "it").status, Status::Success);
            });
        }
    });
    let metrics = vm.metrics();
    assert_eq!((metrics.cache_misses, metrics.cache_hits), (1, 199));
}

/// Code that was compiled once is loaded by the next process; damaged, it is compiled again and replaced; receipts are equal.
#[cfg(feature = "wasmtime")]
#[test]
fn compiled_code_is_loaded_from_disk() {
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        let mut config = WasmConfig::default();
        config.engine = vm_wasm::EngineKind::Wasmtime;
        config.cache_dir = Some(folder.path().join("code"));
        let vm = Vm::builder().runtime(WasmRuntime::new(config).unwrap()).build().unwrap();
        block_on(vm.start()).unwrap();
        deploy(&vm, "it", on_invoke("text", "", "(call $output (i32.const 0) (i32.const 4)) (i32.const 0)"));
        let receipt = invoke(&vm, "it");
        let details = &vm.status().runtimes[0].1.details;
        let did = details.iter().find(|(name, _)| name == "code_cache").unwrap().1.clone();
        (did, receipt.status, receipt.output, receipt.gas_used)
    };
    let first = start();
    assert_eq!(first.0, "0 loaded, 1 compiled, 0 replaced, 0 not kept");
    let second = start();
    assert_eq!(second.0, "1 loaded, 0 compiled, 0 replaced, 0 not kept");
    let entry = std::fs::read_dir(folder.path().join("code")).unwrap().next().unwrap().unwrap().path();
    let mut content = std::fs::read(&entry).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 4;
    std::fs::write(&entry, &content).unwrap();
    let third = start();
    assert_eq!(third.0, "0 loaded, 1 compiled, 1 replaced, 0 not kept");
    let fourth = start();
    assert_eq!(fourth.0, second.0);
    for other in [second, third, fourth] {
        assert_eq!((first.1.clone(), &first.2, first.3), (other.1, &other.2, other.3));
    }
}
