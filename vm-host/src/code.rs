//! Files that hold code, as their runtimes read and analyse them.

use std::path::{Path, PathBuf};

use vm_core::{Code, RuntimeKind};

use crate::{Config, HostError, backends};

/// A file, and how it is to be read.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct CodeFile {
    /// Where it is; sources look for what they import from here.
    pub path: PathBuf,
    /// What is in it.
    pub bytes: Vec<u8>,
    /// An interface description that is not part of it, such as a Solidity JSON ABI.
    pub abi: Option<String>,
    /// Where that is, for messages.
    pub abi_path: Option<PathBuf>,
    /// The contract that it describes, where a file of Solidity's tools has several.
    pub abi_contract: Option<String>,
    /// The contract, where a file of Solidity's tools has several: `Name` or `File.sol:Name`.
    pub contract: Option<String>,
    /// `prefix=path` for the imports of Solidity sources.
    pub remappings: Vec<String>,
    /// Folders for the imports of Solidity sources.
    pub include_paths: Vec<PathBuf>,
}

/// Code that was read.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Loaded {
    /// The code.
    pub code: Code,
    /// What a compiler had to say, for people.
    pub notes: Vec<String>,
}

/// What a runtime tells of code without running it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Analysis {
    /// False when the runtime would refuse to deploy the code.
    pub accepted: bool,
    /// For people.
    pub text: String,
    /// For programs: a JSON object.
    pub json: String,
}

impl CodeFile {
    /// A file with this content.
    #[must_use]
    pub fn new(path: &Path, bytes: Vec<u8>) -> Self {
        Self { path: path.to_owned(), bytes, ..Self::default() }
    }

    /// Reads it for a runtime: Solidity's artefacts and sources become creation code, everything else is taken as it is.
    ///
    /// # Errors
    /// When it holds no code that can be deployed, or no compiler is found for a source.
    pub fn load(self, config: &Config, runtime: RuntimeKind) -> Result<Loaded, HostError> {
        if runtime == RuntimeKind::Evm {
            return backends::evm_code(config, &self);
        }
        let Self { bytes, abi, .. } = self;
        Ok(Loaded { code: Code { abi, ..Code::new(runtime, bytes) }, notes: Vec::new() })
    }
}

/// Analyses code by the rules that the configuration gives its runtime.
///
/// # Errors
/// When the runtime cannot, or is not part of this build.
pub fn analyze(config: &Config, code: &Code) -> Result<Analysis, HostError> {
    match code.runtime {
        RuntimeKind::Evm => backends::evm_analysis(config, code),
        RuntimeKind::Wasm => backends::wasm_analysis(config, code),
        runtime => Err(HostError::NoAnalysis { runtime }),
    }
}
