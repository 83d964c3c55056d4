//! How long the most expensive modules take to become contracts, and how much memory, on every engine of the build.
//!
//! `cargo bench -p vm-benches --bench compile --features wasmtime,wasmer -- [PARTS OF NAMES]... [FILES]...`. Modules are made of shapes that
//! keep compilers busy, of sections other than code that are as long as they may be, and of every operator that contracts may use, one after
//! the other. For each kind, the
//! longest that the gate accepts goes to wasmi, and the longest that is within the budget of compilers goes to those: of functions as
//! long as the gate lets them be, and of shorter ones, that share the budget. A file (`.wasm`) goes to all as it is; whether it is accepted
//! and compiled stands before its name. Each has a process of
//! its own, which is ended when it takes 30 s or 2 GiB. Time is the processor's.
//!
//! The bench fails, and names what it fails for, when a module takes more than 5 s or 512 MiB, which making a contract of a module must
//! never exceed, or on a compiler more than 50 ms and 1.25 times its estimate: with a budget of 4 s that is the same. More than
//! half of it is marked. Another process on the machine makes a module slower and never faster, so what takes too much is tried again.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a bench fails by panicking")]

#[allow(dropping_references, reason = "a sink returns itself, and the closures that fill it return nothing")]
mod bombs;

use std::fmt;
use std::io::Read;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use bombs::{BODIES, LONG, SECTIONS, SHORT};
use futures_executor::block_on;
use vm_core::{Code, RuntimeKind, RuntimeProvider};
use vm_wasm::{Analysis, EngineKind, WasmConfig, WasmRuntime, analyze};

/// What a module may take at all,
const MILLISECONDS: u64 = 5_000;
const MEBIBYTES: u64 = 512;
/// and on a compiler in hundredths of its estimate.
const OF_ESTIMATE: u64 = 125;
/// What is too short to compare with an estimate, in milliseconds: engines begin and end with every module.
const SHORTEST: u64 = 50;
/// How often a module is tried that takes more.
const TRIES: usize = 3;

/// When a compilation is given up: milliseconds, MiB.
const PATIENCE: u64 = 30_000;
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
    let mut table = Table::begin();
    for file in chosen().filter(|argument| argument.ends_with(".wasm")) {
        let module = std::fs::read(file).unwrap();
        let found = analyze(&module, &config());
        let becomes = match (found.accepted, found.compile) {
            (false, _) => "refused",
            (true, Some(compile)) if compile.compiled => "compiled",
            (true, _) => "interpreted",
        };
        table.row(&format!("{becomes} {file}"), &module, &module);
    }
    let wanted = |name: &str| chosen().count() == 0 || chosen().any(|part| name.contains(part.as_str()));
    for bomb in bombs::all().filter(|bomb| wanted(bomb.name)) {
        table.rows(bomb.name, &BODIES, &|bytes, body| bomb.module(bytes, body));
    }
    for section in SECTIONS.iter().filter(|section| wanted(section.name)) {
        table.rows(section.name, &[LONG], &|bytes, _| section.module(bytes));
    }
    for stream in bombs::streams().iter().filter(|stream| wanted(&stream.name)) {
        table.rows(&stream.name, &[LONG, SHORT], &|bytes, body| stream.module(bytes, body));
    }
    table.end()
}

/// What was measured, and is printed as it is.
struct Table {
    engines: Vec<EngineKind>,
    /// The most that each engine took: milliseconds, MiB, and hundredths of the estimate.
    most: Vec<[u64; 3]>,
    too_much: Vec<String>,
}

impl Table {
    fn begin() -> Self {
        let engines: Vec<_> = EngineKind::ALL.iter().copied().filter(|kind| kind.as_str() != "auto").collect();
        print!("{:<64} {:>9} {:>9} {:>10}", "module", "accepted", "compiled", "estimate");
        engines.iter().for_each(|engine| print!(" {:>18}", engine.as_str()));
        println!();
        Self { most: vec![[0; 3]; engines.len()], engines, too_much: Vec::new() }
    }

    /// Rows for a kind of module, made by bytes and the bytes of a function.
    fn rows(&mut self, name: &str, bodies: &[usize], module: &dyn Fn(usize, usize) -> Vec<u8>) {
        for (index, body) in bodies.iter().copied().enumerate() {
            let name = if index == 0 { name.to_owned() } else { format!("{name}, functions of {} KiB", body >> 10) };
            let accepted = longest(&|bytes| module(bytes, body), |analysis| analysis.accepted);
            let within = |analysis: &Analysis| analysis.compile.is_some_and(|compile| compile.compiled);
            self.row(&name, &accepted, &longest(&|bytes| module(bytes, body), within));
        }
    }

    fn row(&mut self, name: &str, accepted: &[u8], compiled: &[u8]) {
        // None of what is refused.
        let estimate = analyze(compiled, &config()).compile.map(|compile| compile.microseconds / 1_000);
        print!("{name:<64.64} {:>9} {:>9} {:>7} ms", accepted.len(), compiled.len(), estimate.unwrap_or(0));
        for (engine, most) in self.engines.iter().zip(&mut self.most) {
            let interprets = engine.as_str() == "wasmi";
            let (module, estimate) = if interprets { (accepted, None) } else { (compiled, estimate) };
            let found = measure(*engine, module, estimate);
            print!(" {found}");
            let numbers = [found.milliseconds, found.mebibytes, found.of_estimate()];
            most.iter_mut().zip(numbers).for_each(|(most, found)| *most = found.max(*most));
            if found.share() > 100 {
                self.too_much.push(format!("{name}, {} bytes, on {engine}: {found}", module.len()));
            }
        }
        println!();
    }

    /// Prints the most that was found, and names what is too much.
    fn end(self) -> ExitCode {
        for (engine, [milliseconds, mebibytes, of_estimate]) in self.engines.iter().zip(&self.most) {
            println!("{engine}: at most {milliseconds} ms, {mebibytes} MiB, {of_estimate} % of the estimate");
        }
        self.too_much.iter().for_each(|found| println!("too much: {found}"));
        if self.too_much.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// What a module took.
#[derive(Clone, Copy)]
struct Measured {
    milliseconds: u64,
    mebibytes: u64,
    /// What a compiler was estimated to take, in milliseconds.
    estimate: Option<u64>,
}

impl Measured {
    /// In hundredths of the estimate.
    fn of_estimate(&self) -> u64 {
        let compared = self.estimate.filter(|_| self.milliseconds > SHORTEST);
        compared.map_or(0, |estimate| self.milliseconds * 100 / estimate.max(1))
    }

    /// In hundredths of what it may take.
    fn share(&self) -> u64 {
        let time = (self.milliseconds * 100 / MILLISECONDS).max(self.of_estimate() * 100 / OF_ESTIMATE);
        time.max(self.mebibytes * 100 / MEBIBYTES)
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.share() {
            0..=50 => ' ',
            51..=100 => '*',
            _ => '!',
        };
        write!(f, "{:>6} ms {:>4} MiB{mark}", self.milliseconds, self.mebibytes)
    }
}

/// What a module takes, the least of a few tries if the first is too much.
fn measure(engine: EngineKind, module: &[u8], estimate: Option<u64>) -> Measured {
    let path = std::env::temp_dir().join(format!("vm-benches-compile-{}.wasm", std::process::id()));
    std::fs::write(&path, module).unwrap();
    let mut best: Option<Measured> = None;
    for _ in 0..TRIES {
        let (milliseconds, mebibytes) = time(engine.as_str(), &path);
        let found = Measured { milliseconds, mebibytes, estimate };
        best = Some(best.filter(|best| best.share() <= found.share()).unwrap_or(found));
        if found.share() <= 100 {
            break;
        }
    }
    std::fs::remove_file(&path).unwrap();
    best.unwrap()
}

/// Compiles a file in a process of its own: time in milliseconds and memory in MiB, as far as it got.
#[allow(clippy::disallowed_methods, reason = "what another process has used cannot be waited for")]
fn time(engine: &str, path: &Path) -> (u64, u64) {
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new(program);
    let mut child = command.arg("--child").arg(engine).arg(path).stdout(Stdio::piped()).spawn().unwrap();
    while child.try_wait().unwrap().is_none() {
        let (milliseconds, memory) = (so_far(child.id()), most_memory(&child.id().to_string()));
        if milliseconds > PATIENCE || memory > ROOM {
            child.kill().unwrap();
            child.wait().unwrap();
            return (milliseconds, memory);
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

/// The processor's time that a process has had, in milliseconds; 0 where the system does not tell. The system counts it in hundredths of a second.
fn so_far(process: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // Behind the name, which may have spaces: the 12th and 13th are the process's own code and the system's.
    let (_, fields) = text.rsplit_once(')').unwrap_or_default();
    fields.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>() * 10
}

/// The longest module of a kind, made by bytes, of which this holds.
fn longest(module: &dyn Fn(usize) -> Vec<u8>, holds: impl Fn(&Analysis) -> bool) -> Vec<u8> {
    let config = config();
    let holds = |module: &[u8]| holds(&analyze(module, &config));
    let longest = module(LONGEST);
    if holds(&longest) {
        return longest;
    }
    let (mut low, mut high) = (0, LONGEST);
    while high - low > low / 32 + 256 {
        let middle = low.midpoint(high);
        if holds(&module(middle)) { low = middle } else { high = middle }
    }
    module(low)
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
