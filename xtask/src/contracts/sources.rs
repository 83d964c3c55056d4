//! One hash over everything that an artefact is made of.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use toml::Table;

use super::recipe::Recipe;
use crate::workspace;

/// Parts of the source folders that no artefact holds.
const LEFT_OUT: [&str; 4] = ["tests", "testing", "testing.rs", "node_modules"];

/// SHA-256, in hex, over path and content of all source files and over what decides how they are compiled.
pub(super) fn digest(recipe: &Recipe) -> Result<String> {
    let mut files = Vec::new();
    for folder in recipe.sources() {
        collect(Path::new(&folder), &mut files)?;
    }
    files.push(recipe.builder().into());
    files.sort();
    let mut hash = Sha256::new();
    if recipe.is_rust() {
        hash.update(profile()?);
    }
    for file in files {
        let content = fs::read(workspace::root().join(&file))?;
        hash.update(file.to_string_lossy().as_bytes());
        hash.update([0]);
        hash.update(Sha256::digest(content));
    }
    Ok(hex::encode(hash.finalize()))
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The profile that contracts are built with, as text.
fn profile() -> Result<String> {
    let manifest: Table = fs::read_to_string(workspace::root().join("Cargo.toml"))?.parse()?;
    let profile = manifest.get("profile").and_then(|profiles| profiles.get("contract"));
    Ok(profile.context("Cargo.toml has no [profile.contract]")?.to_string())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(workspace::root().join(folder));
    for entry in entries.with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        if LEFT_OUT.iter().any(|left_out| entry.file_name() == *left_out) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contracts::recipe::RECIPES;

    #[test]
    fn sources_are_found_and_tests_are_not_among_them() {
        let mut files = Vec::new();
        for source in RECIPES.iter().flat_map(Recipe::sources) {
            collect(Path::new(&source), &mut files).unwrap();
        }
        let has = |path: &str| files.iter().any(|file| file == Path::new(path));
        assert!(has("contracts/token/src/ledger.rs") && has("vm-sdk/src/wasm/host.rs"));
        assert!(has("vm-docker/protocol/src/frame.rs") && has("contracts/token-sol/Ledger.sol"));
        assert!(!files.iter().any(|file| file.to_string_lossy().contains("test")));
        assert!(RECIPES.iter().all(|recipe| workspace::root().join(recipe.builder()).is_file()));
        assert!(profile().unwrap().contains("opt-level"));
    }
}
