//! Gas schedules never change once published: their hash is one of a chain's parameters.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// Folder of the schedules, and in it the file of their hashes as `sha256sum` writes it.
const FOLDER: &str = "gas-schedule";
const SUMS: &str = "SHA256SUMS";

/// Compares every schedule with its recorded hash.
pub(super) fn violations(root: &Path) -> Result<Vec<String>> {
    let folder = root.join(FOLDER);
    let sums = fs::read_to_string(folder.join(SUMS)).with_context(|| format!("cannot read {FOLDER}/{SUMS}"))?;
    let mut recorded: BTreeMap<&str, &str> =
        sums.lines().filter_map(|line| line.split_once("  ")).map(|(sum, name)| (name, sum)).collect();
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {FOLDER}"))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.ends_with(".toml") {
            continue;
        }
        let sum = hex::encode(Sha256::digest(fs::read(&path)?));
        match recorded.remove(name.as_str()) {
            Some(expected) if expected == sum => {}
            Some(_) => found.push(format!(
                "{FOLDER}/{name} changed: chains that use it would split; add a new version instead, \
                 or record the new hash {sum} in {FOLDER}/{SUMS} if it was never released"
            )),
            None => found.push(format!("{FOLDER}/{name} is new: add `{sum}  {name}` to {FOLDER}/{SUMS}")),
        }
    }
    found.extend(recorded.keys().map(|name| format!("{FOLDER}/{name} is gone, but {SUMS} lists it")));
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(schedules: &[(&str, &str)], sums: &str) -> Vec<String> {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join(FOLDER);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join(SUMS), sums).unwrap();
        for (name, text) in schedules {
            fs::write(folder.join(name), text).unwrap();
        }
        violations(root.path()).unwrap()
    }

    #[test]
    fn a_schedule_must_match_its_recorded_hash() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let sums = format!("{abc}  v1.toml\n");
        assert!(check(&[("v1.toml", "abc")], &sums).is_empty());
        assert!(check(&[("v1.toml", "abd")], &sums)[0].contains("v1.toml changed"));
        assert!(check(&[("v1.toml", "abc"), ("v2.toml", "")], &sums)[0].contains("v2.toml is new"));
        assert!(check(&[], &sums)[0].contains("v1.toml is gone"));
    }
}
