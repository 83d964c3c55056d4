//! How long the most expensive modules that the gate accepts take to compile, and how much memory, on every engine of the build.
//!
//! `cargo bench -p vm-benches --bench compile --features wasmtime,wasmer -- [PART OF A NAME]`. Each compilation has a process of its
//! own, which is ended when it takes 30 s or 2 GiB. The bench fails when one takes more than half of 5 s or of 512 MiB, which is what
//! compiling a contract should never exceed.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a bench fails by panicking")]

#[allow(dropping_references, reason = "a sink returns itself, and the closures that fill it return nothing")]
mod bombs;

use std::io::Read;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use bombs::Bomb;
use futures_executor::block_on;
use vm_core::{Code, RuntimeKind, RuntimeProvider};
use vm_wasm::{EngineKind, WasmConfig, WasmRuntime};

/// Half of what a compilation may take.
const MILLISECONDS: u64 = 2_500;
const MEBIBYTES: u64 = 256;

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
    let wanted = arguments.iter().skip(1).find(|argument| !argument.starts_with("--")).cloned().unwrap_or_default();
    let engines: Vec<_> = EngineKind::ALL.iter().filter(|engine| engine.as_str() != "auto").collect();
    print!("{:<42} {:>9} {:>8}", "module", "bytes", "gate");
    engines.iter().for_each(|engine| print!(" {:>18}", engine.as_str()));
    println!();
    let path = std::env::temp_dir().join(format!("vm-benches-compile-{}.wasm", std::process::id()));
    let mut too_much = 0;
    for bomb in bombs::BOMBS.iter().filter(|bomb| bomb.name.contains(&wanted)) {
        let module = worst(bomb);
        #[allow(clippy::disallowed_methods, reason = "a bench measures time")]
        let started = Instant::now();
        let accepted = WasmRuntime::default().inspect(&module).is_ok();
        print!("{:<42} {:>9} {:>5} ms", bomb.name, module.len(), started.elapsed().as_millis());
        std::fs::write(&path, &module).unwrap();
        for engine in engines.iter().filter(|_| accepted) {
            let (milliseconds, mebibytes) = measure(engine.as_str(), &path);
            let beyond = milliseconds > MILLISECONDS || mebibytes > MEBIBYTES;
            too_much += usize::from(beyond);
            print!(" {milliseconds:>7} ms {mebibytes:>4} MiB{}", if beyond { "!" } else { "" });
        }
        println!();
    }
    let _ = std::fs::remove_file(&path);
    if too_much == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Compiles a file in a process of its own: time in milliseconds and memory in MiB, as far as it got.
#[allow(clippy::disallowed_methods, reason = "a bench measures time")]
fn measure(engine: &str, path: &Path) -> (u64, u64) {
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

/// The longest module of a kind that the gate accepts.
fn worst(bomb: &Bomb) -> Vec<u8> {
    let runtime = WasmRuntime::default();
    let accepted = |bytes: usize| runtime.inspect(&bomb.module(bytes)).is_ok();
    let (mut low, mut high) = (0, LONGEST);
    if accepted(high) {
        return bomb.module(high);
    }
    while high - low > LONGEST / 128 {
        let middle = low.midpoint(high);
        if accepted(middle) { low = middle } else { high = middle }
    }
    bomb.module(low)
}

/// Prints the time in milliseconds and the most memory that this process had, in MiB.
fn compile(engine: EngineKind, module: Vec<u8>) {
    let mut config = WasmConfig::default();
    config.engine = engine;
    let runtime = WasmRuntime::new(config).unwrap();
    let code = Code::new(RuntimeKind::Wasm, module);
    #[allow(clippy::disallowed_methods, reason = "a bench measures time")]
    let started = Instant::now();
    let contract = block_on(runtime.prepare(&code)).map(drop);
    let elapsed = started.elapsed();
    contract.unwrap();
    println!("{} {}", elapsed.as_millis(), most_memory("self"));
}

/// The most memory that a process had, in MiB; 0 where the system does not tell.
fn most_memory(process: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).map_or(0, |kib| kib / 1_024)
}
