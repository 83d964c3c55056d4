//! Modules of up to 1 MiB that are made to keep a compiler busy: refused, interpreted, or harmless.

use std::process::Command;
use std::time::Duration;

use futures_executor::block_on;
use vm_core::{Code, RuntimeKind, RuntimeProvider};
use vm_wasm::{EngineKind, Rule, ShapeLimits, WasmConfig, WasmError, WasmRuntime, analyze};

/// A contract with these items, whose memory has so many pages.
fn contract(pages: usize, items: &str) -> Vec<u8> {
    let wat = format!(
        r#"(module (memory (export "memory") {pages}) {items}
            (func (export "vm_call") (param i32 i32 i32) (result i32) (i32.const 0)))"#
    );
    wat::parse_str(wat).unwrap()
}

fn nested_loops(count: usize) -> String {
    format!("(func {} {})", "loop ".repeat(count), "end ".repeat(count))
}

fn locals(count: usize) -> String {
    format!("(func (local {}) (local.set {} (i64.const 1)))", "i64 ".repeat(count), count - 1)
}

/// Nothing of it reaches a compiler, or even the instrumentation.
#[test]
fn bombs_are_refused_by_name() {
    let data = format!("(data (i32.const 0) \"{}\")", "x".repeat(1 << 20));
    for (module, rule) in [
        (contract(1, &nested_loops(80_000)), Rule::BodySize),
        (contract(1, &nested_loops(40_000)), Rule::Nesting),
        (contract(1, &locals(50_000)), Rule::LocalCount),
        (contract(1, &"(func)".repeat(10_000)), Rule::FunctionCount),
        (contract(17, &data), Rule::ModuleSize),
        (contract(1, &"(data (i32.const 0) \"x\")".repeat(10_000)), Rule::SegmentCount),
    ] {
        let Err(WasmError::Rejected(rejection)) = WasmRuntime::default().inspect(&module) else { panic!("{rule:?}") };
        assert_eq!(rejection.first().rule, rule, "{rejection}");
    }
}

/// Nearly a MiB of data, in one segment and in as many as there may be.
#[test]
fn giant_data_segments_are_accepted_by_every_engine() {
    let one = format!("(data (i32.const 0) \"{}\")", "x".repeat(1_040_000));
    let many = format!("(data (i32.const 8) \"{}\")", "x".repeat(1_000)).repeat(1_000);
    for engine in EngineKind::ALL {
        let mut config = WasmConfig::default();
        config.engine = *engine;
        let runtime = WasmRuntime::new(config).unwrap();
        for data in [&one, &many] {
            let code = Code::new(RuntimeKind::Wasm, contract(17, data));
            let prepared = block_on(runtime.prepare(&code));
            assert!(prepared.is_ok(), "{engine}: {:?}", prepared.err());
        }
    }
}

/// Tells a process of the test below that it is the one that analyses.
const CHILD: &str = "VM_WASM_ANALYSES";

/// What compiling may take, which finding out that it would take more must not: a tenth of it in memory.
const PATIENCE: Duration = Duration::from_secs(5);
const MEBIBYTES: u64 = 128;

/// The budget holds where the operator raised the limits, and finding out takes neither the memory nor the time that compiling would.
#[test]
fn raised_limits_leave_the_budget() {
    if std::env::var_os(CHILD).is_none() {
        // In a process of its own: other tests use memory, too.
        let this = std::thread::current().name().unwrap().to_owned();
        let mut command = Command::new(std::env::current_exe().unwrap());
        let output = command.args([&this, "--exact", "--nocapture"]).env(CHILD, "1").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    let mut config = WasmConfig::default();
    let mut shape = ShapeLimits::default();
    shape.body_bytes = 1 << 20;
    shape.nesting = 100_000;
    shape.locals = 50_000;
    config.shape = shape;
    let many = format!(
        "(func (local {}) {} (local.set 49999 (i64.const 1)))",
        "i64 ".repeat(50_000),
        "(loop)".repeat(300_000)
    );
    for module in [contract(1, &nested_loops(80_000)), contract(1, &many)] {
        let before = most_memory();
        let started = processor_time();
        let analysis = analyze(&module, &config);
        let (elapsed, added) = (processor_time().saturating_sub(started), most_memory() - before);
        let compile = analysis.compile.unwrap_or_else(|| panic!("{analysis}"));
        assert!(analysis.accepted && !compile.compiled, "{analysis}");
        println!("analysed in {elapsed:?}, {added} MiB");
        assert!(elapsed < PATIENCE && added < MEBIBYTES, "{elapsed:?}, {added} MiB");
    }
}

/// The processor's time that this process has had, which others on the machine make no longer; 0 where the system does not tell.
fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let (_, fields) = text.rsplit_once(')').unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok());
    Duration::from_millis(ticks.sum::<u64>() * 10)
}

/// The most memory that this process has had, in MiB; 0 where the system does not tell.
fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).map_or(0, |kib| kib >> 10)
}
