//! EVM contracts, by the npm package solc in the version that `contracts/token-sol` pins.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{process, workspace};

/// Creation code as hex text, the JSON ABI, and the compiler's name.
pub(super) fn compile(folder: &str, contract: &str) -> Result<(Vec<Vec<u8>>, String)> {
    let modules = compiler()?;
    // The compiler reads its task from standard input and the files that it imports from the folder, or the SDK's.
    let mut node = Command::new("sh");
    let command = "exec node \"$0\" --standard-json --base-path . --include-path ../../sdk/solidity < compile.json";
    node.current_dir(workspace::root().join("contracts").join(folder)).args(["-c", command]);
    let answer = process::output(node.arg(modules.join("solc/solc.js")))?;
    // A remark on absent SMT solvers may precede the answer.
    let json = answer.find('{').and_then(|start| answer.get(start..)).unwrap_or_default();
    let answer: Value = serde_json::from_str(json).context("solc's answer is no JSON")?;
    if let Some(errors) = answer.get("errors").and_then(Value::as_array)
        && !errors.is_empty()
    {
        let messages = errors.iter().filter_map(|error| error.get("formattedMessage")?.as_str());
        bail!("solc: {}", messages.collect::<Vec<_>>().join("\n"));
    }
    let compiled = answer.pointer(&format!("/contracts/{contract}.sol/{contract}"));
    let compiled = compiled.with_context(|| format!("solc did not compile {contract}"))?;
    let code = compiled.pointer("/evm/bytecode/object").and_then(Value::as_str);
    let code = code.with_context(|| format!("solc gave no code for {contract}"))?;
    let abi = serde_json::to_string_pretty(&compiled.get("abi"))?;
    let version = fs::read_to_string(modules.join("solc/package.json"))?;
    let version: Value = serde_json::from_str(&version)?;
    let version = version.get("version").and_then(Value::as_str).unwrap_or("of unknown version");
    Ok((vec![format!("{code}\n").into(), format!("{abi}\n").into()], format!("solc {version}")))
}

/// The folder of installed npm packages.
fn compiler() -> Result<PathBuf> {
    let folder = workspace::target().join("contracts/npm");
    fs::create_dir_all(&folder)?;
    for file in ["package.json", "package-lock.json"] {
        fs::copy(workspace::root().join("contracts/token-sol").join(file), folder.join(file))?;
    }
    let mut npm = Command::new("npm");
    npm.current_dir(&folder).args(["ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]);
    process::output(&mut npm).context("cannot install the Solidity compiler; it needs node and npm")?;
    Ok(folder.join("node_modules"))
}
