//! Every crate builds, free of warnings, with each feature alone and with all together.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result, ensure};
use toml::Table;

use crate::cargo::cargo;
use crate::{process, workspace};

/// Crates whose features are combined in pairs too, because they select among the others.
const PAIRED: [&str; 1] = ["vm-host"];

/// Crates for development, whose features only pass on those of others: they are checked without any and with all.
const PASSING_ON: [&str; 2] = ["vm-benches", "vm-conformance"];

/// Features that are left out of pairs: they choose among engines inside one runtime, and each pair would check the compilers'
/// crates anew.
const UNPAIRED: [&str; 2] = ["wasmer", "wasmtime"];

/// A selection of features of one crate, as arguments for cargo.
type Selection = Vec<String>;

/// Checks all crates of the workspace; goes on after a failure.
pub(super) fn run() -> Result<()> {
    let manifest = read_manifest("Cargo.toml")?;
    let members = manifest.get("workspace").and_then(|workspace| workspace.get("members"));
    let mut failed = Vec::new();
    for member in members.and_then(toml::Value::as_array).into_iter().flatten() {
        let folder = member.as_str().context("a member of the workspace is no string")?;
        let manifest = read_manifest(&format!("{folder}/Cargo.toml"))?;
        let (name, features) = describe(&manifest).with_context(|| format!("{folder} has no name"))?;
        let selections = match PASSING_ON.contains(&name.as_str()) {
            true => vec![Vec::new(), vec!["--all-features".to_owned()]],
            false => selections(&features, PAIRED.contains(&name.as_str())),
        };
        for selection in selections {
            let title = format!("{name} {}", selection.join(" "));
            eprintln!("    {title}");
            let mut clippy = cargo("clippy")?;
            clippy.args(["--quiet", "--package", &name]).args(&selection).args(["--", "-D", "warnings"]);
            if !process::run(&mut clippy)?.success() {
                failed.push(title);
            }
        }
    }
    ensure!(failed.is_empty(), "these do not build: {}", failed.join("; "));
    Ok(())
}

fn read_manifest(path: &str) -> Result<Table> {
    let text = fs::read_to_string(workspace::root().join(path)).with_context(|| format!("cannot read {path}"))?;
    text.parse().with_context(|| format!("{path} is not TOML"))
}

/// Name and features of a package.
fn describe(manifest: &Table) -> Option<(String, BTreeSet<String>)> {
    let name = manifest.get("package")?.get("name")?.as_str()?.to_owned();
    let features = manifest.get("features").and_then(toml::Value::as_table);
    Some((name, features.into_iter().flat_map(Table::keys).cloned().collect()))
}

/// The selections to try: defaults; nothing; each feature alone; pairs if wanted; all.
fn selections(features: &BTreeSet<String>, pairs: bool) -> Vec<Selection> {
    if features.is_empty() {
        return vec![Vec::new()];
    }
    let named: Vec<&String> = features.iter().filter(|feature| *feature != "default").collect();
    let only = |list: &str| vec!["--no-default-features".to_owned(), format!("--features={list}")];
    let mut selections = vec![Vec::new(), vec!["--no-default-features".to_owned()]];
    selections.extend(named.iter().map(|feature| only(feature)));
    if pairs {
        let paired: Vec<&String> = named.iter().copied().filter(|name| !UNPAIRED.contains(&name.as_str())).collect();
        for (index, first) in paired.iter().enumerate() {
            let others = paired.iter().skip(index + 1);
            selections.extend(others.map(|second| only(&format!("{first},{second}"))));
        }
    }
    if named.len() > if pairs { 2 } else { 1 } {
        selections.push(vec!["--all-features".to_owned()]);
    }
    selections
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(features: &[&str], pairs: bool) -> Vec<String> {
        let features = features.iter().map(|feature| (*feature).to_owned()).collect();
        selections(&features, pairs).iter().map(|selection| selection.join(" ")).collect()
    }

    #[test]
    fn a_crate_without_features_is_checked_once() {
        assert_eq!(rendered(&[], false), [""]);
    }

    #[test]
    fn each_feature_stands_alone_and_all_stand_together() {
        let expected = [
            "",
            "--no-default-features",
            "--no-default-features --features=evm",
            "--no-default-features --features=wasm",
            "--all-features",
        ];
        assert_eq!(rendered(&["default", "evm", "wasm"], false), expected);
    }

    #[test]
    fn pairs_are_tried_where_wanted() {
        let pairs = rendered(&["a", "b", "c"], true);
        assert_eq!(pairs.iter().filter(|selection| selection.contains(',')).count(), 3);
        assert_eq!(pairs.last().unwrap(), "--all-features");
        let engines = rendered(&["a", "wasmer", "wasmtime"], true);
        assert!(!engines.iter().any(|selection| selection.contains(',')), "{engines:?}");
    }

    #[test]
    fn name_and_features_come_from_the_manifest() {
        let manifest = "[package]\nname = \"x\"\n[features]\ndefault = []\ndocker = []\n".parse().unwrap();
        let (name, features) = describe(&manifest).unwrap();
        assert_eq!(name, "x");
        assert_eq!(features, BTreeSet::from(["default".to_owned(), "docker".to_owned()]));
    }
}
