//! OpenZeppelin's contracts for the tests of vm-evm: fetched and compiled into the target folder, never committed.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf, absolute};
use std::process::Command;

use anyhow::{Context, Result};

use crate::terminal::{self, Step};
use crate::{process, workspace};

/// What the tests read: the output of `solc --standard-json`.
const OUTPUT: &str = "contracts.json";

/// Fetches and compiles unless that is done. Without npm or a network there is nothing, and the tests say so.
pub(crate) fn provide() -> Result<()> {
    let folder = workspace::target().join("openzeppelin");
    let inputs = inputs()?;
    let (output, stamp) = (folder.join(OUTPUT), folder.join("inputs"));
    if output.is_file() && fs::read_to_string(&stamp).is_ok_and(|done| done == inputs) {
        return Ok(());
    }
    let step = Step::new("fetching and compiling OpenZeppelin's contracts with npm");
    fs::create_dir_all(&folder)?;
    // A file for other sources must not be taken for the new ones'.
    let _absent = fs::remove_file(&output);
    match compile(&folder) {
        Ok(answer) => {
            fs::write(&output, answer)?;
            fs::write(&stamp, inputs)?;
            step.done();
        }
        Err(error) if process::interrupted().is_some() => return Err(error),
        Err(error) => terminal::warn(&format!("tests with OpenZeppelin's contracts will be skipped: {error:#}")),
    }
    Ok(())
}

/// The compiler's answer. It reads its task from standard input, and the imports from the folders.
fn compile(folder: &Path) -> Result<String> {
    for file in ["package.json", "package-lock.json"] {
        fs::copy(sources().join(file), folder.join(file))?;
    }
    let mut npm = Command::new("npm");
    npm.current_dir(folder).args(["ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]);
    process::output(&mut npm).context("cannot install npm packages; this needs npm and a network")?;
    let modules = folder.join("node_modules");
    let modules = modules.canonicalize().with_context(|| format!("npm made no {}", modules.display()))?;
    // To a file: the compiler ends before a pipe has taken more than its buffer holds.
    let answer = folder.join("answer");
    let mut node = Command::new("sh");
    let script =
        "exec node \"$0/solc/solc.js\" --standard-json --base-path . --include-path \"$0\" < compile.json > \"$1\"";
    node.current_dir(sources()).args(["-c", script]).arg(modules).arg(absolute(&answer)?);
    process::output(&mut node)?;
    let answer = fs::read_to_string(answer)?;
    // A remark on absent SMT solvers may precede the answer.
    let json = answer.find('{').and_then(|start| answer.get(start..));
    Ok(json.context("solc gave no answer")?.to_owned())
}

/// All that decides the output, one file behind the other.
fn inputs() -> Result<String> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(sources())?.map(|entry| Ok(entry?.path())).collect::<Result<_, std::io::Error>>()?;
    files.sort();
    let mut text = String::new();
    for file in files {
        writeln!(text, "{}\n{}", file.display(), fs::read_to_string(&file)?)?;
    }
    Ok(text)
}

fn sources() -> PathBuf {
    workspace::root().join("vm-evm/tests/openzeppelin")
}
