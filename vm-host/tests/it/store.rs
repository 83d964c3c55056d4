//! The persistent store: the same as the memory store, durable through any end of the process, one process at a time.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use bytes::Bytes;
use proptest::prelude::*;
use vm_core::{Height, KeyRange, MemoryBackend, Space, StateBackend, StateError, StateKey, StateView, WriteSet};
use vm_host::StoreError;
use vm_host::backends::FjallBackend;

fn key(id: &str, name: &[u8]) -> StateKey {
    StateKey::new(Space::Contract, id.as_bytes(), name)
}

fn writes<'a>(entries: impl IntoIterator<Item = (&'a [u8], Option<Vec<u8>>)>) -> WriteSet {
    let mut set = WriteSet::default();
    for (name, value) in entries {
        set.insert(key("c", name), value.map(Bytes::from));
    }
    set
}

fn commit(backend: &dyn StateBackend, at: u64, set: &WriteSet) -> Result<(), StateError> {
    backend.commit(Height::new(at), Height::new(at + 1), set)
}

/// Everything a view shows.
fn all(view: &dyn StateView) -> Vec<(StateKey, Bytes)> {
    view.scan(&KeyRange::space(Space::Contract), usize::MAX).unwrap()
}

#[test]
fn a_commit_on_another_height_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = FjallBackend::open(folder.path()).unwrap();
    commit(&store, 0, &writes([(&b"a"[..], Some(vec![1]))])).unwrap();
    for (previous, next) in [(0, 1), (2, 3), (1, 1), (1, 0)] {
        let set = writes([(&b"a"[..], Some(vec![9]))]);
        let error = store.commit(Height::new(previous), Height::new(next), &set).unwrap_err();
        assert!(matches!(error, StateError::HeightMismatch { .. }), "{error}");
    }
    let view = store.snapshot().unwrap();
    assert_eq!((view.height(), view.get(&key("c", b"a")).unwrap().unwrap()), (Height::new(1), vec![1].into()));
}

#[test]
fn only_one_of_concurrent_commits_on_a_height_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let store = FjallBackend::open(folder.path()).unwrap();
    let taken = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..8u8)
            .map(|n| {
                scope.spawn({
                    let store = &store;
                    move || commit(store, 0, &writes([(&[n][..], Some(vec![n]))])).is_ok()
                })
            })
            .collect();
        writers.into_iter().filter_map(|writer| writer.join().unwrap().then_some(())).count()
    });
    assert_eq!((taken, all(&*store.snapshot().unwrap()).len()), (1, 1));
}

#[test]
fn keys_that_the_engine_cannot_take_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = FjallBackend::open(folder.path()).unwrap();
    let mut set = WriteSet::default();
    set.insert(key("c", &vec![b'x'; 70_000]), Some(Bytes::new()));
    let error = commit(&store, 0, &set).unwrap_err();
    assert!(error.to_string().contains("a key has 70004 bytes; expected 1 to 65535"), "{error}");
    // It is the request that was wrong, not the store.
    commit(&store, 0, &writes([(&b"a"[..], Some(Vec::new()))])).unwrap();
    assert_eq!(store.snapshot().unwrap().get(&key("c", b"a")).unwrap(), Some(Bytes::new()));
}

/// What happens to both stores in the property test.
#[derive(Debug, Clone)]
enum Step {
    Commit(Vec<(Vec<u8>, Option<Vec<u8>>)>),
    Snapshot,
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let name = prop::collection::vec(prop::sample::select(vec![0u8, 1, b'a', 255]), 0..3);
    let value = prop::option::of(prop::collection::vec(any::<u8>(), 0..20));
    let step = prop_oneof![
        6 => prop::collection::vec((name, value), 0..6).prop_map(Step::Commit),
        2 => Just(Step::Snapshot),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn it_does_what_the_memory_store_does(steps in steps(), bounds in (prop::collection::vec(any::<u8>(), 0..2), prop::collection::vec(any::<u8>(), 0..2)), limit in 0usize..5) {
        let folder = tempfile::tempdir().unwrap();
        let memory = MemoryBackend::new();
        let mut store = FjallBackend::open(folder.path()).unwrap();
        let mut snapshots = Vec::new();
        let mut height = 0;
        for step in steps {
            match step {
                Step::Commit(entries) => {
                    let set = writes(entries.iter().map(|(name, value)| (&name[..], value.clone())));
                    commit(&memory, height, &set).unwrap();
                    commit(&store, height, &set).unwrap();
                    height += 1;
                }
                Step::Snapshot => snapshots.push((memory.snapshot().unwrap(), store.snapshot().unwrap())),
                Step::Reopen => {
                    // Snapshots hold the engine open.
                    snapshots.clear();
                    drop(store);
                    store = FjallBackend::open(folder.path()).unwrap();
                }
            }
        }
        snapshots.push((memory.snapshot().unwrap(), store.snapshot().unwrap()));
        let range = KeyRange { start: key("c", &bounds.0), end: key("c", &bounds.1) };
        for (expected, found) in snapshots {
            prop_assert_eq!(expected.height(), found.height());
            prop_assert_eq!(all(&*expected), all(&*found));
            prop_assert_eq!(expected.scan(&range, limit).unwrap(), found.scan(&range, limit).unwrap());
        }
    }
}

/// The variable that turns the test below into the process that is killed.
const VICTIM: &str = "VM_HOST_TEST_VICTIM";

/// Commits for ever: at height h the key of h and the key "last" get the value h. Says each height that was acknowledged.
fn commit_until_killed(directory: &Path) {
    let store = FjallBackend::open(directory).unwrap();
    for height in store.height().unwrap().get().. {
        let next = (height + 1).to_be_bytes().to_vec();
        commit(&store, height, &writes([(&next.clone()[..], Some(vec![7; 300])), (&b"last"[..], Some(next))])).unwrap();
        // The line is written in one piece, so it is never read by halves.
        println!("{}", height + 1);
    }
}

/// A process that commits in `directory` until it is killed.
fn victim(directory: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["store::what_was_acknowledged_survives_a_kill_at_any_moment", "--exact", "--nocapture"])
        .env(VICTIM, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn what_was_acknowledged_survives_a_kill_at_any_moment() {
    if let Some(directory) = std::env::var_os(VICTIM) {
        return commit_until_killed(Path::new(&directory));
    }
    let folder = tempfile::tempdir().unwrap();
    let mut reached = 0;
    for round in 0..12u32 {
        let mut victim = victim(folder.path());
        // The kill comes after as many acknowledgements as no other round waits for, or before the first (round 0).
        let mut heights = BufReader::new(victim.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok)
            .filter_map(|line| line.parse::<u64>().ok());
        let mut acknowledged = heights.by_ref().take((round * round) as usize).last();
        victim.kill().unwrap();
        victim.wait().unwrap();
        acknowledged = heights.last().or(acknowledged);

        let store = FjallBackend::open(folder.path()).unwrap();
        let height = store.height().unwrap().get();
        assert!(height >= acknowledged.unwrap_or(reached), "height {height} after {acknowledged:?} was acknowledged");
        let view = store.snapshot().unwrap();
        // A commit is there as a whole or not at all.
        let last = view.get(&key("c", b"last")).unwrap().map(|value| u64::from_be_bytes(value[..].try_into().unwrap()));
        assert_eq!(last.unwrap_or(0), height);
        let heights: Vec<u64> =
            all(&*view).iter().filter_map(|(key, _)| key.suffix()?.try_into().ok().map(u64::from_be_bytes)).collect();
        assert!(heights.iter().copied().eq(1..=height), "the heights are contiguous");
        reached = height;
    }
    assert!(reached > 500, "the victims made {reached} commits");
}

#[test]
fn a_kill_while_the_directory_is_made_leaves_one_that_opens() {
    for _ in 0..8 {
        let folder = tempfile::tempdir().unwrap();
        let mut victim = victim(folder.path());
        // The making of a directory takes a few milliseconds, so a look at it comes in between somewhere.
        while victim.try_wait().unwrap().is_none() && !folder.path().join("store.unfinished").exists() {
            if folder.path().join("store").exists() {
                break;
            }
            std::thread::yield_now();
        }
        victim.kill().unwrap();
        victim.wait().unwrap();
        let store = FjallBackend::open(folder.path()).unwrap();
        let height = store.height().unwrap().get();
        commit(&store, height, &writes([(&b"a"[..], Some(vec![1]))])).unwrap();
    }
}

#[test]
fn a_second_opening_is_refused_and_names_the_holder() {
    let folder = tempfile::tempdir().unwrap();
    let store = FjallBackend::open(folder.path()).unwrap();
    let error = FjallBackend::open(folder.path()).unwrap_err();
    let StoreError::Locked { holder, .. } = &error else { panic!("{error}") };
    assert!(holder.starts_with(&format!("process {} (", std::process::id())), "{holder}");
    drop(store);
    FjallBackend::open(folder.path()).unwrap();
}

#[test]
fn a_directory_of_another_format_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(FjallBackend::open(folder.path()).unwrap());
    {
        let database = fjall::Database::builder(folder.path().join("store")).open().unwrap();
        let meta = database.keyspace("meta", fjall::KeyspaceCreateOptions::default).unwrap();
        meta.insert("format", 9u32.to_be_bytes()).unwrap();
    }
    let error = FjallBackend::open(folder.path()).unwrap_err().to_string();
    assert!(
        error.contains("has format 9, and this version reads format 1; use the version of vm-host that wrote it"),
        "{error}"
    );
}

#[test]
fn a_half_made_directory_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("store.unfinished")).unwrap();
    std::fs::write(folder.path().join("store.unfinished/0.jnl"), "torn").unwrap();
    let store = FjallBackend::open(folder.path()).unwrap();
    assert_eq!(store.height().unwrap(), Height::new(0));
    assert!(!folder.path().join("store.unfinished").exists());
}

/// A small file system of its own under a temporary directory, unmounted at the end; needs root.
struct Tmpfs(tempfile::TempDir);

impl Tmpfs {
    fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(folder.path())
            .stderr(Stdio::null())
            .status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(folder));
        }
        eprintln!("skipped: mounting a tmpfs needs root and the right to mount");
        None
    }

    fn remount(&self, options: &str) {
        let status = Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(self.0.path()).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_read_only_directory_is_refused_and_intact() {
    let Some(disk) = Tmpfs::mount("64m") else { return };
    let path = disk.0.path().join("data");
    let store = FjallBackend::open(&path).unwrap();
    commit(&store, 0, &writes([(&b"a"[..], Some(vec![1]))])).unwrap();
    drop(store);
    disk.remount("ro");
    let error = FjallBackend::open(&path).unwrap_err();
    assert!(matches!(error, StoreError::NotWritable { .. }), "{error}");
    assert!(error.to_string().contains("check its owner and whether its file system is mounted read-only"), "{error}");
    disk.remount("rw");
    assert_eq!(FjallBackend::open(&path).unwrap().height().unwrap(), Height::new(1));
}

#[test]
fn nothing_is_made_on_a_full_disk() {
    let Some(disk) = Tmpfs::mount("1m") else { return };
    let filler = disk.0.path().join("filler");
    let full = std::fs::write(&filler, vec![0; 2 << 20]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    let error = FjallBackend::open(disk.0.path().join("data")).unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }), "{error}");
    std::fs::remove_file(filler).unwrap();
    disk.remount("size=64m");
    assert_eq!(FjallBackend::open(disk.0.path().join("data")).unwrap().height().unwrap(), Height::new(0));
}

#[test]
fn a_full_disk_is_told_and_loses_nothing() {
    let Some(disk) = Tmpfs::mount("4m") else { return };
    let path = disk.0.path().join("data");
    let store = FjallBackend::open(&path).unwrap();
    let mut height = 0;
    let error = loop {
        let value =
            (0..100_000u32).map(|n| (n.wrapping_mul(2_654_435_761).wrapping_add(height as u32) >> 13) as u8).collect();
        match commit(&store, height, &writes([(&height.to_be_bytes()[..], Some(value))])) {
            Ok(()) => height += 1,
            Err(error) => break error,
        }
    };
    assert!(height > 10, "{height} commits fitted");
    assert!(error.to_string().contains("the disk of data directory"), "{error}");
    // The store takes no more until it is opened anew, and what it shows is what it acknowledged.
    let refused = commit(&store, height, &writes([])).unwrap_err().to_string();
    assert!(refused.contains("no other is accepted until"), "{refused}");
    assert_eq!(store.height().unwrap().get(), height);
    drop(store);
    disk.remount("size=200m");
    let store = FjallBackend::open(&path).unwrap();
    let found = store.height().unwrap().get();
    assert!(found == height || found == height + 1, "height {found} after {height} was acknowledged");
    assert_eq!(all(&*store.snapshot().unwrap()).len() as u64, found);
    commit(&store, found, &writes([(&b"more"[..], Some(vec![1]))])).unwrap();
}
