//! `contracts/artifacts/manifest.toml`: what was built out of what.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use toml::{Table, Value};

const HEADER: &str =
    "# What was built out of what. Written by `cargo xtask contracts`; a test compares it with the tree.\n";

#[derive(Debug, Default)]
pub(super) struct Manifest(BTreeMap<String, Entry>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The file's name.
    pub(super) artefact: String,
    /// Its size.
    pub(super) bytes: u64,
    /// Its SHA-256, in hex.
    pub(super) sha256: String,
    /// SHA-256 over all its source files.
    pub(super) sources: String,
    /// Name and version of the compiler.
    pub(super) compiler: String,
}

impl Manifest {
    /// The committed one; empty if there is none.
    pub(super) fn read() -> Result<Self> {
        match fs::read_to_string(path()) {
            Ok(text) => Self::parse(&text).with_context(|| format!("in {}", path().display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path().display())),
        }
    }

    pub(super) fn write(&self) -> Result<()> {
        fs::write(path(), self.text()?).with_context(|| format!("cannot write {}", path().display()))
    }

    pub(super) fn get(&self, artefact: &str) -> Option<&Entry> {
        self.0.get(artefact)
    }

    pub(super) fn set(&mut self, entry: Entry) {
        self.0.insert(entry.artefact.clone(), entry);
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.0.values()
    }

    fn parse(text: &str) -> Result<Self> {
        let table: Table = text.parse()?;
        let mut manifest = Self::default();
        for (artefact, value) in table {
            let field = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
            let bytes = value.get("bytes").and_then(Value::as_integer).and_then(|bytes| bytes.try_into().ok());
            let entry = (|| {
                Some(Entry {
                    artefact: artefact.clone(),
                    bytes: bytes?,
                    sha256: field("sha256")?,
                    sources: field("sources")?,
                    compiler: field("compiler")?,
                })
            })();
            manifest.set(entry.with_context(|| format!("the entry '{artefact}' is incomplete"))?);
        }
        Ok(manifest)
    }

    fn text(&self) -> Result<String> {
        let mut text = HEADER.to_owned();
        for Entry { artefact, bytes, sha256, sources, compiler } in self.entries() {
            writeln!(text, "\n[\"{artefact}\"]\nbytes = {bytes}\nsha256 = \"{sha256}\"")?;
            writeln!(text, "sources = \"{sources}\"\ncompiler = \"{compiler}\"")?;
        }
        Ok(text)
    }
}

fn path() -> PathBuf {
    super::directory().join("manifest.toml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut manifest = Manifest::default();
        manifest.set(Entry {
            artefact: "a.wasm".to_owned(),
            bytes: 12,
            sha256: "ab".to_owned(),
            sources: "cd".to_owned(),
            compiler: "rustc 1".to_owned(),
        });
        let read = Manifest::parse(&manifest.text().unwrap()).unwrap();
        assert_eq!(read.get("a.wasm"), manifest.get("a.wasm"));
        let error = Manifest::parse("[\"a.wasm\"]\nbytes = 1").unwrap_err();
        assert_eq!(error.to_string(), "the entry 'a.wasm' is incomplete");
    }
}
