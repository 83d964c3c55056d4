//! How long the most expensive modules take to become contracts, and how much memory, on every engine of the build.
//!
//! `cargo bench -p vm-benches --bench compile --features wasmtime,wasmer -- [PARTS OF NAMES]... [FILES]...`. For each kind of module, the
//! longest that the gate accepts goes to wasmi, and the longest that is within the budget of compilers goes to those: of functions as
//! long as the gate lets them be, and of shorter ones, that share the budget. A file (`.wasm`) goes to all as it is. Each has a process of
//! its own, which is ended when it takes 30 s or 2 GiB. Time is the processor's. The bench fails when one takes more than 5 s or 512
//! MiB, which making a contract of a module must never exceed; more than half of that is marked.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a bench fails by panicking")]

#[allow(dropping_references, reason = "a sink returns itself, and the closures that fill it return nothing")]
mod bombs;

use std::io::Read;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use bombs::{BODIES, Bomb};
use futures_executor::block_on;
use vm_core::{Code, RuntimeKind, RuntimeProvider};
use vm_wasm::{Analysis, EngineKind, WasmConfig, WasmRuntime, analyze};

/// What a module may take.
const MILLISECONDS: u64 = 5_000;
const MEBIBYTES: u64 = 512;

/// When a compilation is given up.
const PATIENCE: Duration = Duration::from_secs(30);
const ROOM: u64 = 2 << 10;

/// The longest module.
const LONGEST: usize = 1 << 20;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, child, engine, path] = &arguments[..]
        && child == "--child"
    {
        compile(engine.parse().unwrap(), std::fs::read(path).unwrap());
        return ExitCode::SUCCESS;
    }
    let chosen = || arguments.iter().skip(1).filter(|argument| !argument.starts_with("--"));
    let compilers: Vec<_> = EngineKind::ALL.iter().filter(|kind| !matches!(kind.as_str(), "auto" | "wasmi")).collect();
    print!("{:<56} {:>9} {:>18} {:>9} {:>10}", "module", "accepted", "wasmi", "compiled", "estimate");
    compilers.iter().for_each(|engine| print!(" {:>18}", engine.as_str()));
    println!();
    let mut too_much = 0;
    let mut row = |name: &str, accepted: &[u8], compiled: &[u8]| {
        print!("{name:<56} {:>9}", accepted.len());
        too_much += usize::from(!measure("wasmi", accepted));
        let estimate = analyze(compiled, &config()).compile.map_or(0, |compile| compile.microseconds / 1_000);
        print!(" {:>9} {estimate:>7} ms", compiled.len());
        too_much += compilers.iter().filter(|engine| !measure(engine.as_str(), compiled)).count();
        println!();
    };
    for file in chosen().filter(|argument| argument.ends_with(".wasm")) {
        let module = std::fs::read(file).unwrap();
        row(file, &module, &module);
    }
    let wanted = |bomb: &&Bomb| chosen().count() == 0 || chosen().any(|part| bomb.name.contains(part));
    for bomb in bombs::all().filter(wanted) {
        for (index, body) in BODIES.into_iter().enumerate() {
            let name = if index == 0 { bomb.name.to_owned() } else { format!("  functions of {} KiB", body >> 10) };
            let accepted = longest(bomb, body, |analysis| analysis.accepted);
            let compiled = longest(bomb, body, |analysis| analysis.compile.is_some_and(|compile| compile.compiled));
            row(&name, &accepted, &compiled);
        }
    }
    if too_much == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints what a module takes, and tells whether it may.
fn measure(engine: &str, module: &[u8]) -> bool {
    let path = std::env::temp_dir().join(format!("vm-benches-compile-{}.wasm", std::process::id()));
    std::fs::write(&path, module).unwrap();
    let (milliseconds, mebibytes) = time(engine, &path);
    std::fs::remove_file(&path).unwrap();
    let share = (milliseconds * 100 / MILLISECONDS).max(mebibytes * 100 / MEBIBYTES);
    let mark = match share {
        0..=50 => ' ',
        51..=100 => '*',
        _ => '!',
    };
    print!(" {milliseconds:>6} ms {mebibytes:>4} MiB{mark}");
    share <= 100
}

/// Compiles a file in a process of its own: time in milliseconds and memory in MiB, as far as it got.
#[allow(clippy::disallowed_methods, reason = "a bench measures time")]
fn time(engine: &str, path: &Path) -> (u64, u64) {
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new(program);
    let mut child = command.arg("--child").arg(engine).arg(path).stdout(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        let (elapsed, memory) = (started.elapsed(), most_memory(&child.id().to_string()));
        if elapsed > PATIENCE || memory > ROOM {
            child.kill().unwrap();
            child.wait().unwrap();
            return (u64::try_from(elapsed.as_millis()).unwrap(), memory);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut told = String::new();
    child.stdout.take().unwrap().read_to_string(&mut told).unwrap();
    let numbers: Vec<u64> = told.split_whitespace().map_while(|word| word.parse().ok()).collect();
    let &[milliseconds, mebibytes] = &numbers[..] else {
        panic!("{engine} did not compile {}: {told}", path.display())
    };
    (milliseconds, mebibytes)
}

/// The longest module of a kind, with functions of at most `body` bytes, of which this holds.
fn longest(bomb: &Bomb, body: usize, holds: impl Fn(&Analysis) -> bool) -> Vec<u8> {
    let config = config();
    let holds = |bytes: usize| holds(&analyze(&bomb.module(bytes, body), &config));
    let (mut low, mut high) = (0, LONGEST);
    if holds(high) {
        return bomb.module(high, body);
    }
    while high - low > low / 32 + 256 {
        let middle = low.midpoint(high);
        if holds(middle) { low = middle } else { high = middle }
    }
    bomb.module(low, body)
}

/// As it is by default, and with floats.
fn config() -> WasmConfig {
    let mut config = WasmConfig::default();
    config.floats = true;
    config
}

/// Prints the time in milliseconds and the most memory that this process had, in MiB. The time is the processor's, of all threads:
/// other processes on the machine make no module expensive.
fn compile(engine: EngineKind, module: Vec<u8>) {
    let mut config = config();
    config.engine = engine;
    let runtime = WasmRuntime::new(config).unwrap();
    let code = Code::new(RuntimeKind::Wasm, module);
    let started = processor_time();
    let contract = block_on(runtime.prepare(&code)).map(drop);
    let elapsed = processor_time() - started;
    contract.unwrap();
    println!("{} {}", elapsed.as_millis(), most_memory("self"));
}

fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}

/// The most memory that a process had, in MiB; 0 where the system does not tell.
fn most_memory(process: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).map_or(0, |kib| kib / 1_024)
}
