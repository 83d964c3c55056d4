//! The sample contracts in their deployable forms, which are committed: built on demand, checked by a test.

mod manifest;
mod recipe;
mod rust;
mod solidity;
mod sources;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::terminal::Step;
use crate::workspace;
use manifest::{Entry, Manifest};
use recipe::{Build, RECIPES, Recipe};

/// Options of `cargo xtask contracts`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Build only these artefacts, such as token-v1.wasm
    artefacts: Vec<String>,
    /// Build also what is up to date
    #[arg(long)]
    force: bool,
    /// Build nothing: fail if something is not up to date
    #[arg(long, conflicts_with = "force")]
    check: bool,
}

/// Builds what is not up to date.
pub(crate) fn run(args: &Args) -> Result<()> {
    if args.check {
        let stale = stale()?;
        ensure!(stale.is_empty(), "{}", advice(&stale));
        return Ok(());
    }
    for name in &args.artefacts {
        let known = || RECIPES.iter().flat_map(Recipe::artefacts);
        ensure!(
            known().any(|artefact| artefact == *name),
            "no artefact '{name}'; there are {}",
            known().collect::<Vec<_>>().join(", ")
        );
    }
    fs::create_dir_all(directory())?;
    for recipe in RECIPES {
        let asked = |artefact: &String| args.artefacts.is_empty() || args.artefacts.contains(artefact);
        if recipe.artefacts().iter().any(asked) && (args.force || !problems(recipe)?.is_empty()) {
            build(recipe)?;
        }
    }
    let bytes: u64 = Manifest::read()?.entries().map(|entry| entry.bytes).sum();
    println!("{}: {} kB", directory().display(), bytes / 1000);
    Ok(())
}

/// What is not up to date, one line each; empty if sources and artefacts agree.
pub(crate) fn stale() -> Result<Vec<String>> {
    let mut stale = Vec::new();
    for recipe in RECIPES {
        stale.extend(problems(recipe)?);
    }
    Ok(stale)
}

fn advice(stale: &[String]) -> String {
    format!("{}\nrun `cargo xtask contracts` and commit contracts/artifacts", stale.join("\n"))
}

fn directory() -> PathBuf {
    workspace::root().join("contracts/artifacts")
}

fn problems(recipe: &Recipe) -> Result<Vec<String>> {
    let manifest = Manifest::read()?;
    let sources = sources::digest(recipe)?;
    let mut problems = Vec::new();
    for artefact in recipe.artefacts() {
        let Some(entry) = manifest.get(&artefact) else {
            problems.push(format!("{artefact} was never built"));
            continue;
        };
        if entry.sources != sources {
            problems.push(format!("{artefact} is older than its sources ({})", recipe.sources().join(", ")));
        }
        match fs::read(directory().join(&artefact)) {
            Ok(bytes) if sources::sha256(&bytes) == entry.sha256 => {}
            Ok(_) => problems.push(format!("{artefact} is not what the manifest says was built")),
            Err(error) => problems.push(format!("{artefact} cannot be read: {error}")),
        }
    }
    Ok(problems)
}

fn build(recipe: &Recipe) -> Result<()> {
    let step = Step::new(format!("building {}", recipe.artefacts().join(", ")));
    let sources = sources::digest(recipe)?;
    let (built, compiler) = match recipe.build {
        Build::Wasm { package } => rust::wasm(package)?,
        Build::Executable { package } => rust::executable(package)?,
        Build::Solidity { folder, contract } => solidity::compile(folder, contract)?,
    };
    let mut manifest = Manifest::read()?;
    for (artefact, bytes) in recipe.artefacts().into_iter().zip(built) {
        ensure!(!leaks(&bytes), "{artefact} names a path of this machine");
        let path = directory().join(&artefact);
        fs::write(&path, &bytes).with_context(|| format!("cannot write {}", path.display()))?;
        manifest.set(Entry {
            artefact,
            bytes: bytes.len() as u64,
            sha256: sources::sha256(&bytes),
            sources: sources.clone(),
            compiler: compiler.clone(),
        });
    }
    manifest.write()?;
    step.done();
    Ok(())
}

/// True if `bytes` tell where they were built.
fn leaks(bytes: &[u8]) -> bool {
    let home = std::env::var("HOME").unwrap_or_default();
    let private = [workspace::root().display().to_string(), format!("{home}/.cargo"), format!("{home}/.rustup")];
    private.iter().any(|path| bytes.windows(path.len()).any(|window| window == path.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artefacts_agree_with_their_sources() {
        let stale = stale().unwrap();
        assert!(stale.is_empty(), "{}", advice(&stale));
    }

    #[test]
    fn no_artefact_tells_where_it_was_built() {
        for artefact in RECIPES.iter().flat_map(Recipe::artefacts) {
            let bytes = fs::read(directory().join(&artefact)).unwrap();
            assert!(!leaks(&bytes), "{artefact}");
        }
    }
}
