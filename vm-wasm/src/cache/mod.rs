//! Compiled code on disk, so that it is compiled once for a machine and not once for a process.
//!
//! A module goes through the gate and the instrumenter every time; only what the engine makes of the result is kept. So an
//! entry's key is the hash of the instrumented module and of everything that its compiled form depends on: nothing that the
//! gate, the instrumenter, their settings or the gas schedule decide can be stale, and no verdict is ever taken from disk.
//!
//! Compiled code is executed as it is, so entries are as sensitive as the program itself: the directory belongs to
//! this user and nobody else can write to it, and each entry is checked for its key and its checksum before it is loaded. What
//! fails that is compiled again and replaced.

mod directory;
mod entry;
#[cfg(unix)]
mod permission;
#[cfg(not(unix))]
#[path = "permission_absent.rs"]
mod permission;
#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;
use std::sync::Arc;

use metrics::counter;
use sha2::{Digest, Sha256};

use self::directory::Directory;
use self::entry::Unusable;
use crate::count::Count;
use crate::engine::{Engine, Program};
use crate::meter::Instrumented;

/// What identifies compiled code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key([u8; 32]);

impl Key {
    /// The key of a module for the engine with this fingerprint.
    fn new(module: &Instrumented, fingerprint: &str) -> Self {
        let mut hasher = Sha256::new();
        for part in [b"vm.wasm.code.v1", fingerprint.as_bytes(), &module.bytes] {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        Self(hasher.finalize().into())
    }
}

/// An engine whose compiled code is kept in a directory. Engines that have no form to keep compile as before.
#[derive(Debug)]
pub(crate) struct Cached {
    engine: Box<dyn Engine>,
    cache: Arc<CodeCache>,
}

impl Cached {
    /// The engine, with the cache around it if there is one.
    pub(crate) fn engine(engine: impl Engine + 'static, cache: Option<&Arc<CodeCache>>) -> Box<dyn Engine> {
        let engine: Box<dyn Engine> = Box::new(engine);
        match cache {
            Some(cache) => Box::new(Self { engine, cache: cache.clone() }),
            None => engine,
        }
    }
}

impl Engine for Cached {
    fn name(&self) -> &'static str {
        self.engine.name()
    }

    fn version(&self) -> &'static str {
        self.engine.version()
    }

    fn fingerprint(&self) -> String {
        self.engine.fingerprint()
    }

    fn compile(&self, module: &Instrumented) -> Result<Box<dyn Program>, String> {
        self.cache.program(&*self.engine, module)
    }

    #[cfg(feature = "wasmtime")]
    fn kept(&self, module: &Instrumented) -> Option<Box<dyn Program>> {
        self.cache.kept(&*self.engine, module)
    }

    fn details(&self) -> Vec<(String, String)> {
        let mut details = self.engine.details();
        details.push(("code_cache".into(), self.cache.status()));
        details
    }
}

/// Compiled code in a directory, and what was done with it since it was opened.
#[derive(Debug)]
pub(crate) struct CodeCache {
    directory: Directory,
    loaded: Count,
    compiled: Count,
    replaced: Count,
    not_kept: Count,
}

impl CodeCache {
    /// The cache in this directory, which is made if need be. Entries that were used least recently are removed when all
    /// together are longer than `limit` bytes.
    pub(crate) fn open(path: &Path, limit: u64) -> io::Result<Self> {
        let directory = Directory::open(path, limit)?;
        let count = |outcome: &'static str| Count::new(counter!("vm_wasm_disk_cache_total", "outcome" => outcome));
        let [loaded, compiled, replaced, not_kept] = ["loaded", "compiled", "replaced", "not_kept"].map(count);
        Ok(Self { directory, loaded, compiled, replaced, not_kept })
    }

    /// What it has done.
    pub(crate) fn status(&self) -> String {
        let Self { loaded, compiled, replaced, not_kept, .. } = self;
        let [loaded, compiled, replaced, not_kept] = [loaded, compiled, replaced, not_kept].map(Count::get);
        format!("{loaded} loaded, {compiled} compiled, {replaced} replaced, {not_kept} not kept")
    }

    /// The compiled form of a module, if it is on disk. An entry that is damaged is told of when it is replaced.
    #[cfg(feature = "wasmtime")]
    fn kept(&self, engine: &dyn Engine, module: &Instrumented) -> Option<Box<dyn Program>> {
        let program = self.load(engine, &Key::new(module, &engine.fingerprint())).ok()?;
        self.loaded.add();
        Some(program)
    }

    /// What is on disk under a key of this engine's.
    #[allow(unsafe_code, reason = "code that was kept is native code")]
    fn load(&self, engine: &dyn Engine, key: &Key) -> Result<Box<dyn Program>, Unusable> {
        let code = self.directory.read(key)?;
        // SAFETY: the directory gives what was written under this key, which holds the engine's fingerprint, and only if its
        // checksum is right; only this user can write there.
        unsafe { engine.load(&code) }.map_err(Unusable::Engine)
    }

    /// The compiled form of a module: from disk, or from the engine, and kept then.
    fn program(&self, engine: &dyn Engine, module: &Instrumented) -> Result<Box<dyn Program>, String> {
        let key = Key::new(module, &engine.fingerprint());
        match self.load(engine, &key) {
            Ok(program) => {
                self.loaded.add();
                return Ok(program);
            }
            Err(Unusable::Absent) => {}
            Err(unusable) => {
                self.replaced.add();
                let entry = self.directory.path(&key);
                tracing::warn!(target: "vm", entry = %entry.display(), why = %unusable, "compiled code is not used, it is compiled again");
            }
        }
        let program = engine.compile(module)?;
        self.compiled.add();
        if let Some(Err(error)) = program.serialize().map(|code| self.directory.write(&key, &code)) {
            self.not_kept.add();
            tracing::warn!(target: "vm", directory = %self.directory.root().display(), %error, "compiled code cannot be kept");
        }
        Ok(program)
    }
}
