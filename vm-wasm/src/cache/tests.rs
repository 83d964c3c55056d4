//! The cache with an engine whose code can be looked at.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempDir;

use super::*;
use crate::abi::Frame;
use crate::engine::{Completion, Halt, Invocation};

/// Its code is the module in capitals, a few times over; it refuses to load what begins otherwise.
#[derive(Debug)]
struct Shouting {
    version: &'static str,
    compiled: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Shout(Vec<u8>);

impl Engine for Shouting {
    fn name(&self) -> &'static str {
        "shouting"
    }
    fn version(&self) -> &'static str {
        self.version
    }
    fn fingerprint(&self) -> String {
        format!("shouting {}", self.version)
    }
    fn compile(&self, module: &Instrumented) -> Result<Box<dyn Program>, String> {
        self.compiled.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(Shout(module.bytes.to_ascii_uppercase().repeat(100))))
    }
    #[allow(unsafe_code, reason = "as it is declared; nothing is executed")]
    unsafe fn load(&self, bytes: &[u8]) -> Result<Box<dyn Program>, String> {
        if bytes.starts_with(b"MODULE") { Ok(Box::new(Shout(bytes.to_vec()))) } else { Err("no code".into()) }
    }
}

impl Program for Shout {
    fn run(&self, _: &mut Frame<'_>, _: Invocation) -> Result<Completion, Halt> {
        Err(Halt::Stopped)
    }
    fn serialize(&self) -> Option<Vec<u8>> {
        Some(self.0.clone())
    }
    fn weight(&self) -> usize {
        self.0.len()
    }
}

struct Bench {
    folder: TempDir,
    limit: u64,
}

/// A process: its engine, and how often it compiled.
struct Process {
    engine: Box<dyn Engine>,
    cache: Arc<CodeCache>,
    compiled: Arc<AtomicU64>,
}

impl Bench {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap(), limit: 1 << 20 }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("code")
    }

    fn process(&self, version: &'static str) -> Process {
        let compiled = Arc::new(AtomicU64::new(0));
        let cache = Arc::new(CodeCache::open(&self.root(), self.limit).unwrap());
        let engine = Cached::engine(Shouting { version, compiled: compiled.clone() }, Some(&cache));
        Process { engine, cache, compiled }
    }

    fn entries(&self) -> Vec<PathBuf> {
        let mut paths: Vec<_> = fs::read_dir(self.root()).unwrap().map(|file| file.unwrap().path()).collect();
        paths.sort();
        paths
    }
}

impl Process {
    fn run(&self, module: &str) {
        let module = Instrumented { bytes: module.as_bytes().to_vec(), calls: false };
        let program = self.engine.compile(&module).unwrap();
        assert_eq!(program.serialize().unwrap(), module.bytes.to_ascii_uppercase().repeat(100));
    }

    fn compiled(&self) -> u64 {
        self.compiled.load(Ordering::SeqCst)
    }

    fn status(&self) -> String {
        self.cache.status()
    }
}

#[test]
fn another_process_does_not_compile() {
    let bench = Bench::new();
    let first = bench.process("1");
    ["module a", "module a", "module b"].into_iter().for_each(|module| first.run(module));
    assert_eq!((first.compiled(), bench.entries().len()), (2, 2));
    let second = bench.process("1");
    ["module a", "module b"].into_iter().for_each(|module| second.run(module));
    assert_eq!(second.compiled(), 0);
    assert_eq!(second.status(), "2 loaded, 0 compiled, 0 replaced, 0 not kept");
}

#[test]
fn only_this_user_can_use_it() {
    let bench = Bench::new();
    bench.process("1").run("module");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(&bench.root()), mode(&bench.entries()[0])), (0o700, 0o600));

    // An entry that others can write to is not executed.
    fs::set_permissions(&bench.entries()[0], fs::Permissions::from_mode(0o666)).unwrap();
    let process = bench.process("1");
    process.run("module");
    assert_eq!((process.compiled(), mode(&bench.entries()[0])), (1, 0o600));

    for bad in [0o770, 0o702, 0o777, 0o1777] {
        fs::set_permissions(bench.root(), fs::Permissions::from_mode(bad)).unwrap();
        let error = CodeCache::open(&bench.root(), 1).unwrap_err().to_string();
        assert!(error.contains(&format!("its mode is {bad:o}, so others can write to it")), "{error}");
    }
    let error = CodeCache::open(&bench.entries()[0], 1).unwrap_err().to_string();
    assert!(error.contains("not a directory"), "{error}");
}

/// Cut anywhere, changed in any byte, or another file altogether: it is compiled again, and the entry is whole after that.
#[test]
fn damaged_entries_are_compiled_again_and_replaced() {
    let bench = Bench::new();
    bench.process("1").run("module");
    let path = bench.entries().remove(0);
    let whole = fs::read(&path).unwrap();
    let mut damaged: Vec<Vec<u8>> = (0..whole.len()).step_by(37).map(|end| whole[..end].to_vec()).collect();
    damaged.extend((0..whole.len()).step_by(11).map(|at| {
        let mut file = whole.clone();
        file[at] ^= 1 << (at % 8);
        file
    }));
    damaged.extend([Vec::new(), b"something else".to_vec(), [&whole[..], b"more"].concat()]);
    let process = bench.process("1");
    for (n, file) in (1..).zip(damaged) {
        fs::write(&path, file).unwrap();
        process.run("module");
        assert_eq!((process.compiled(), fs::read(&path).unwrap() == whole), (n, true));
    }
    let n = process.compiled();
    assert_eq!(process.status(), format!("0 loaded, {n} compiled, {n} replaced, 0 not kept"));
}

/// What another engine, version, processor or setting made has another key; under this one's name it is not used.
#[test]
fn other_fingerprints_and_modules_are_not_used() {
    let bench = Bench::new();
    bench.process("1").run("module");
    let own = bench.entries().remove(0);
    let other = bench.process("2");
    other.run("module");
    assert_eq!((other.compiled(), bench.entries().len()), (1, 2));
    let foreign = bench.entries().into_iter().find(|path| *path != own).unwrap();
    fs::copy(foreign, &own).unwrap();
    let process = bench.process("1");
    process.run("module");
    assert_eq!(process.status(), "0 loaded, 1 compiled, 1 replaced, 0 not kept");

    // An entry with all the right words whose code the engine does not take.
    let module = Instrumented { bytes: b"module".to_vec(), calls: false };
    fs::write(&own, entry::encode(&Key::new(&module, "shouting 1"), b"nonsense")).unwrap();
    let process = bench.process("1");
    process.run("module");
    assert_eq!(process.status(), "0 loaded, 1 compiled, 1 replaced, 0 not kept");
}

#[test]
fn what_was_used_least_recently_is_removed() {
    let mut bench = Bench::new();
    bench.limit = 10_000; // ten entries of 884 bytes, and not twelve
    let process = bench.process("1");
    process.run("module 0");
    let used_all_along = bench.entries().remove(0);
    for n in 1..100 {
        process.run(&format!("module {n}"));
        process.run("module 0");
        let files = bench.entries();
        let total: u64 = files.iter().map(|file| fs::metadata(file).unwrap().len()).sum();
        assert!(total <= 10_000 && files.contains(&used_all_along), "{total}");
    }
    assert!(bench.entries().len() > 8);
    assert_eq!(process.compiled(), 100);
    // What is longer than all may be is not kept, and not an error.
    process.run(&format!("module {}", "x".repeat(1_000)));
    assert!(bench.entries().len() > 8 && process.status().ends_with(" 0 not kept"));
}

#[test]
fn unfinished_entries_of_processes_that_died_are_removed() {
    let bench = Bench::new();
    let process = bench.process("1");
    process.run("module a");
    let (old, new) = (bench.root().join("old.1-0.unfinished"), bench.root().join("new.1-1.unfinished"));
    fs::write(&old, "x").unwrap();
    fs::write(&new, "x").unwrap();
    let two_days_ago = fs::metadata(&new).unwrap().modified().unwrap() - std::time::Duration::from_secs(48 * 60 * 60);
    fs::File::options().write(true).open(&old).unwrap().set_modified(two_days_ago).unwrap();
    process.run("module b");
    assert!(!old.exists() && new.exists());
}

/// A disk that is full, or a directory that is gone, costs the entry and nothing else.
#[test]
fn what_cannot_be_kept_runs() {
    let bench = Bench::new();
    let process = bench.process("1");
    fs::remove_dir_all(bench.root()).unwrap();
    process.run("module");
    assert_eq!(process.status(), "0 loaded, 1 compiled, 0 replaced, 1 not kept");
}

/// Processes with one directory keep out of each other's way, also where the system gives them the same process id: each entry
/// is written, and nobody's work is removed.
#[test]
fn processes_that_write_the_same_entries_at_once_keep_them_all() {
    const ENTRIES: usize = 40;
    let bench = Bench::new();
    let processes = [bench.process("1"), bench.process("1"), bench.process("1"), bench.process("1")];
    let barrier = Barrier::new(processes.len());
    std::thread::scope(|scope| {
        for process in &processes {
            scope.spawn(|| {
                for n in 0..ENTRIES {
                    barrier.wait();
                    process.run(&format!("module {n}"));
                }
            });
        }
    });
    for process in &processes {
        assert!(process.status().ends_with(" 0 replaced, 0 not kept"), "{}", process.status());
    }
    assert_eq!(bench.entries().len(), ENTRIES, "one entry for each module, and nothing unfinished");
}

/// A pipe, a folder or a link to nowhere under an entry's name: the module is compiled, and replaces what can be replaced.
#[test]
fn what_is_no_file_is_no_entry() {
    let bench = Bench::new();
    bench.process("1").run("module");
    let entry = bench.entries().remove(0);
    let pipe = |path: &Path| rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RWXU).unwrap();
    let link = |path: &Path| std::os::unix::fs::symlink("nowhere", path).unwrap();
    let folder = |path: &Path| fs::create_dir(path).unwrap();
    for (make, status) in [
        (&pipe as &dyn Fn(&Path), "0 loaded, 1 compiled, 1 replaced, 0 not kept"),
        (&link, "0 loaded, 1 compiled, 0 replaced, 0 not kept"),
        (&folder, "0 loaded, 1 compiled, 1 replaced, 1 not kept"),
    ] {
        fs::remove_file(&entry).unwrap();
        make(&entry);
        let process = bench.process("1");
        process.run("module");
        assert_eq!(process.status(), status);
    }
}

/// What is no file, and what cannot be removed, does not keep the others from being removed.
#[test]
fn room_is_made_beside_what_is_no_entry() {
    let mut bench = Bench::new();
    bench.limit = 5_000;
    let process = bench.process("1");
    fs::create_dir(bench.root().join("folder.code")).unwrap();
    fs::create_dir(bench.root().join("folder.unfinished")).unwrap();
    for n in 0..100 {
        process.run(&format!("module {n}"));
    }
    let files = bench.entries().into_iter().filter(|path| path.is_file());
    let total: u64 = files.map(|file| fs::metadata(file).unwrap().len()).sum();
    assert!((1..=5_000).contains(&total), "{total}");
    assert!(process.status().ends_with(" 0 not kept"), "{}", process.status());
}

/// Processes that write, read and remove the same entries at once never see a part of one.
#[test]
fn processes_at_once() {
    let mut bench = Bench::new();
    bench.limit = 5_000;
    let processes = [bench.process("1"), bench.process("1"), bench.process("1"), bench.process("1")];
    let barrier = Barrier::new(processes.len());
    std::thread::scope(|scope| {
        for process in &processes {
            scope.spawn(|| {
                barrier.wait();
                for n in 0..100 {
                    process.run(&format!("module {}", n % 10));
                }
            });
        }
    });
    for process in &processes {
        assert!(process.status().ends_with(" 0 replaced, 0 not kept"), "{}", process.status());
    }
}
