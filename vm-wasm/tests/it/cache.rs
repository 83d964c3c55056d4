//! What contracts that are ready to run occupy, and how often they are made.

use std::process::Command;

use vm_core::{Limits, Status, Trap, VmProvider};
use vm_wasm::{EngineKind, WasmConfig};

use crate::machine::{deploy, invoke, machine_of, on_invoke};

/// Tells a process of this test the engine, the size of its cache and how many modules to deploy.
const CHILD: &str = "VM_WASM_CACHE_TASK";

/// The modules before the first measurement: what an engine has once is there then, such as the slots of wasmtime's pools.
const FIRST: usize = 100;

/// How many threads call each contract at the same time.
const THREADS: usize = 2;

/// The n-th of many contracts that differ. Called, it uses up its stack.
fn nth(n: usize) -> Vec<u8> {
    let puts = "(call $put (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1))".repeat(40);
    let body = format!("(call $deep) (drop (i32.const {n})) {puts} (i32.const 0)");
    on_invoke("", "(func $deep (call $deep))", &body)
}

/// The memory that this process has in use, in bytes.
#[cfg(target_os = "linux")]
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// What each of many modules adds, in bytes: to the memory of this process, and by the cache's own account.
#[cfg(target_os = "linux")]
fn growth(engine: EngineKind, cache_size: usize, modules: usize) -> (u64, u64) {
    let mut config = WasmConfig::default();
    config.engine = engine;
    let vm = machine_of(config, Limits { cache_size, ..Limits::default() });
    let mut before = (0, 0);
    for n in 0..FIRST + modules {
        if n == FIRST {
            before = (resident(), vm.metrics().cache_bytes);
        }
        let name = format!("c{n}");
        deploy(&vm, &name, nth(n));
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| assert_eq!(invoke(&vm, &name).status, Status::Trap(Trap::StackOverflow)));
            }
        });
        assert!(vm.metrics().cache_bytes <= cache_size as u64);
    }
    let each = |after: u64, before: u64| after.saturating_sub(before) / modules as u64;
    (each(resident(), before.0), each(vm.metrics().cache_bytes, before.1))
}

/// The growth in a process of its own: other tests use memory, too.
#[cfg(target_os = "linux")]
fn child(engine: EngineKind, cache_size: usize, modules: usize) -> (u64, u64) {
    let this = std::thread::current().name().unwrap().to_owned();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([&this, "--exact", "--nocapture"]).env(CHILD, format!("{engine} {cache_size} {modules}"));
    let text = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let told = text.lines().find_map(|line| line.split_once("growth=")).unwrap_or_else(|| panic!("{text}"));
    let (resident, counted) = told.1.split_once(' ').unwrap();
    (resident.parse().unwrap(), counted.parse().unwrap())
}

/// With a cache of 2 MiB a module adds what the state keeps of it, less than a third of what it adds without a limit; and what
/// it adds without a limit is what the cache counts, whatever its calls did.
#[cfg(target_os = "linux")]
#[test]
fn resident_memory_is_flat_over_two_thousand_modules() {
    if let Ok(task) = std::env::var(CHILD) {
        let [engine, size, modules] = task.split(' ').collect::<Vec<_>>()[..] else { panic!("{task}") };
        let (resident, counted) = growth(engine.parse().unwrap(), size.parse().unwrap(), modules.parse().unwrap());
        println!("growth={resident} {counted}");
        return;
    }
    for engine in EngineKind::ALL {
        // Compilers take their time. What an allocator takes at once, some megabytes at most, must not count for much.
        let (few, many) = if *engine == EngineKind::Wasmi { (500, 2_000) } else { (300, 400) };
        let (bounded, _) = child(*engine, 2 << 20, many);
        let (unbounded, counted) = child(*engine, 1 << 30, few);
        let text = format!(
            "{engine}: a module adds {bounded} bytes with a cache of 2 MiB; without limit {unbounded}, of which the cache counts {counted}"
        );
        println!("{text}");
        assert!(bounded * 3 < unbounded, "{text}");
        let prepared = unbounded - bounded;
        // What has two tiers counts for both, from the first call on.
        let most = if engine.as_str() == "auto" { prepared * 5 } else { prepared * 3 };
        assert!(prepared < counted + counted / 2 && counted < most, "{text}");
    }
}

/// Code that was compiled once is loaded by the next process; damaged, it is compiled again and replaced; receipts are equal.
#[cfg(any(feature = "wasmtime", feature = "wasmer"))]
#[test]
fn compiled_code_is_loaded_from_disk() {
    let compilers = EngineKind::ALL.iter().filter(|kind| !matches!(kind.as_str(), "wasmi" | "auto"));
    let receipts: Vec<_> = compilers.map(|engine| loaded_from_disk(*engine)).collect();
    assert!(receipts.iter().all(|receipt| *receipt == receipts[0]), "{receipts:?}");
}

/// What a contract's receipt says, whether it was compiled or loaded.
#[cfg(any(feature = "wasmtime", feature = "wasmer"))]
fn loaded_from_disk(engine: EngineKind) -> (Status, Vec<u8>, u64) {
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        let mut config = WasmConfig::default();
        config.engine = engine;
        config.cache_dir = Some(folder.path().join("code"));
        let vm = machine_of(config, Limits::default());
        // It calls itself, the host and through its table, traps where it is asked to, and grows its memory.
        let items = "(table 2 funcref) (elem (i32.const 0) $twice $twice) (global $g (mut i64) (i64.const 3))
            (func $twice (param i64) (result i64) (i64.mul (local.get 0) (i64.const 2)))";
        let body = r#"(drop (memory.grow (i32.const 1)))
            (i64.store (i32.const 100000) (call_indirect (param i64) (result i64) (global.get $g) (i32.const 1)))
            (if (local.get $input_len) (then (drop (i32.div_u (i32.const 1) (i32.const 0)))))
            (call $put (i32.const 0) (i32.const 4) (i32.const 100000) (i32.const 8))
            (call $output (i32.const 100000) (i32.const 8)) (i32.const 0)"#;
        deploy(&vm, "it", on_invoke("text", items, body));
        let receipt = invoke(&vm, "it");
        let trapped = vm.invoke_sync(crate::machine::request("it").input(vec![1])).unwrap();
        assert_eq!(trapped.status, Status::Trap(Trap::DivisionByZero), "{engine}");
        let details = &vm.status().runtimes[0].1.details;
        let did = details.iter().find(|(name, _)| name == "code_cache").unwrap().1.clone();
        (did, (receipt.status, receipt.output.to_vec(), receipt.gas_used.get()))
    };
    let entry = || std::fs::read_dir(folder.path().join("code")).unwrap().next().unwrap().unwrap().path();
    let (did, first) = start();
    assert_eq!(did, "0 loaded, 1 compiled, 0 replaced, 0 not kept", "{engine}");
    assert_eq!((&first.0, &first.1[..]), (&Status::Success, &6u64.to_le_bytes()[..]), "{engine}");
    for (damaged, expected) in [
        (false, "1 loaded, 0 compiled, 0 replaced, 0 not kept"),
        (true, "0 loaded, 1 compiled, 1 replaced, 0 not kept"),
        (false, "1 loaded, 0 compiled, 0 replaced, 0 not kept"),
    ] {
        if damaged {
            let mut content = std::fs::read(entry()).unwrap();
            let middle = content.len() / 2;
            content[middle] ^= 4;
            std::fs::write(entry(), &content).unwrap();
        }
        assert_eq!(start(), (expected.to_owned(), first.clone()), "{engine}");
    }
    first
}
