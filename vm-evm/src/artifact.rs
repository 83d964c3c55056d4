//! What Solidity's tools write, turned into code that can be deployed.
//!
//! [`read`] recognises a file by its content: hex text (`.bin`), an artefact of Foundry or Hardhat, Hardhat's build info, and
//! what `solc --bin`, `solc --standard-json` and `solc --combined-json` write. [`solidity`] compiles sources.
//!
//! ```
//! let foundry = r#"{"abi": [], "bytecode": {"object": "0x5f5ff3", "linkReferences": {}}}"#;
//! let artifact = vm_evm::artifact::read(foundry.as_bytes(), None)?;
//! assert_eq!(artifact.format, vm_evm::artifact::Format::Foundry);
//! let code = artifact.into_code(); // for a DeployRequest
//! assert_eq!(code.bytes, b"5f5ff3");
//! # Ok::<(), vm_evm::artifact::ArtifactError>(())
//! ```

mod bytecode;
mod error;
mod json;
pub mod solidity;
mod text;

use serde_json::Value;
use vm_core::{Code, RuntimeKind};

pub use error::ArtifactError;

/// Creation code and what came with it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Artifact {
    /// What wrote the file.
    pub format: Format,
    /// The contract, as `File.sol:Name`, or `Name` where the file's name is not told.
    pub contract: Option<String>,
    /// The creation code.
    pub bytecode: Vec<u8>,
    /// The JSON ABI.
    pub abi: Option<String>,
}

/// The kinds of files that are recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// Hex text with or without `0x`.
    Hex,
    /// `out/File.sol/Name.json` of forge.
    Foundry,
    /// `artifacts/…/Name.json` of Hardhat; Truffle's have the same shape.
    Hardhat,
    /// The output of `solc --standard-json`, also inside Hardhat's build info.
    StandardJson,
    /// The output of `solc --combined-json`.
    CombinedJson,
    /// The output of `solc --bin`, with or without `--abi`, as it is printed.
    SolcText,
}

impl Format {
    /// The name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hex => "hex text",
            Self::Foundry => "Foundry artefact",
            Self::Hardhat => "Hardhat artefact",
            Self::StandardJson => "solc standard JSON output",
            Self::CombinedJson => "solc combined JSON output",
            Self::SolcText => "solc output",
        }
    }
}

/// Reads a file that a tool wrote. Where it holds several contracts, `contract` chooses one: `Name` or `File.sol:Name`.
///
/// # Errors
/// When the file is none of the known kinds, lacks or has too many contracts, or its code is not linked.
pub fn read(bytes: &[u8], contract: Option<&str>) -> Result<Artifact, ArtifactError> {
    let text = std::str::from_utf8(bytes).map_err(|_| ArtifactError::Unknown)?;
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.starts_with('[') {
        return Err(ArtifactError::NoArtefact);
    }
    if text.starts_with('{') {
        let value: Value = serde_json::from_str(text).map_err(|error| ArtifactError::Json(error.to_string()))?;
        return json::read(&value, contract);
    }
    text::read(text, contract)
}

/// The ABI, a JSON list, out of a file that is one, or that a tool wrote: code is not needed. Where there are several contracts,
/// `contract` chooses one, as for [`read`].
///
/// # Errors
/// When the file holds no ABI, lacks or has too many contracts.
pub fn interface(text: &str, contract: Option<&str>) -> Result<String, ArtifactError> {
    let text = text.trim_start_matches('\u{feff}').trim();
    if let Some(output) = text::output(text) {
        return json::interface(&output, contract);
    }
    let value: Value = serde_json::from_str(text).map_err(|error| ArtifactError::Json(error.to_string()))?;
    json::interface(&value, contract)
}

impl Artifact {
    /// As code for a deployment or an upgrade.
    #[must_use]
    pub fn into_code(self) -> Code {
        let code = Code::new(RuntimeKind::Evm, hex::encode(self.bytecode));
        match self.abi {
            Some(abi) => code.with_abi(abi),
            None => code,
        }
    }

    /// Describes the contract by another ABI beside its own: a proxy that answers for its implementation. What both have is
    /// the contract's own, and so is the constructor. Without an ABI of its own, the other one is simply taken.
    ///
    /// # Errors
    /// When `abi` is neither a JSON ABI nor a file of which [`interface()`] makes one.
    pub fn with_interface(mut self, abi: &str) -> Result<Self, ArtifactError> {
        let given: Vec<Value> =
            serde_json::from_str(&interface(abi, None)?).map_err(|error| ArtifactError::Json(error.to_string()))?;
        let own = self.abi.as_deref().and_then(|own| serde_json::from_str::<Vec<Value>>(own).ok());
        let merged: Vec<Value> = match own {
            None => given,
            Some(own) => {
                let kind = |entry: &Value| entry.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
                let name = |entry: &Value| entry.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
                let same = |one: &Value, other: &Value| {
                    kind(one) == kind(other) && name(one) == name(other) && types(one) == types(other)
                };
                let others = given.into_iter().filter(|entry| kind(entry) != "constructor");
                let fresh: Vec<_> = others.filter(|entry| !own.iter().any(|known| same(known, entry))).collect();
                own.into_iter().chain(fresh).collect()
            }
        };
        self.abi = Some(Value::Array(merged).to_string());
        Ok(self)
    }
}

/// The types of an entry's parameters, with what is inside them.
fn types(entry: &Value) -> Vec<(String, Vec<String>, bool)> {
    let inputs = entry.get("inputs").and_then(Value::as_array).into_iter().flatten();
    let text = |value: &Value| value.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let inner = |value: &Value| value.get("components").map(ToString::to_string).into_iter().collect();
    let indexed = |value: &Value| value.get("indexed").and_then(Value::as_bool).unwrap_or_default();
    inputs.map(|input| (text(input), inner(input), indexed(input))).collect()
}
