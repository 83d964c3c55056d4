use std::path::PathBuf;

/// Why a file gives no code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArtifactError {
    /// It is nothing that is known.
    #[error(
        "not an EVM artefact: expected creation code as hex text, a Foundry or Hardhat artefact, or the JSON output of solc"
    )]
    Unknown,
    /// It is JSON, but not as it should be.
    #[error("the JSON cannot be used: {0}")]
    Json(String),
    /// Neither artefact nor compiler output.
    #[error(
        "the JSON is no artefact of Foundry or Hardhat and no output of solc: it has neither 'bytecode' nor 'contracts'"
    )]
    Shape,
    /// Compiler output without any contract.
    #[error("there is no contract: the source is empty, or has nothing but comments, imports and free functions")]
    NoContracts,
    /// The compiler's errors.
    #[error("the Solidity compiler found errors:\n{0}")]
    Compiler(String),
    /// Compiler output without the contract.
    #[error("there is no contract '{wanted}'; there are: {}", .known.join(", "))]
    NoContract {
        /// What was asked for.
        wanted: String,
        /// What there is.
        known: Vec<String>,
    },
    /// More than one contract, and none was chosen.
    #[error("there are several contracts; choose one by its name (--contract; for the file of an ABI --abi-contract): {}", .known.join(", "))]
    Several {
        /// What there is.
        known: Vec<String>,
    },
    /// A name for code that has none.
    #[error("hex text holds one contract and no name; leave '{wanted}' (--contract) out")]
    Unnamed {
        /// What was asked for.
        wanted: String,
    },
    /// A list, as an ABI is.
    #[error(
        "the JSON is a list, such as an ABI, and no artefact with code; give the code, and this as its ABI (--abi)"
    )]
    NoArtefact,
    /// Nothing that can be deployed.
    #[error(
        "{contract} has no code: it is an interface, an abstract contract, or the compiler was not asked for evm.bytecode"
    )]
    NoCode {
        /// The contract.
        contract: String,
    },
    /// Libraries whose addresses are not in the code.
    #[error(
        "{contract} uses libraries that are not linked: {}; deploy them first, and compile with their addresses (forge --libraries, Hardhat's linking, solc --libraries)",
        .libraries.join(", ")
    )]
    Unlinked {
        /// The contract.
        contract: String,
        /// The libraries, as `File.sol:Name`, or the placeholders where the artefact does not name them.
        libraries: Vec<String>,
    },
    /// Code that is not hexadecimal.
    #[error("the code of {contract} is not hexadecimal: {why}")]
    Hex {
        /// The contract.
        contract: String,
        /// What is wrong with it.
        why: String,
    },
    /// A source file, and nothing to compile it with.
    #[error(
        "no Solidity compiler was found: install solc so that it is on the PATH, or run 'npm install solc' beside the sources"
    )]
    NoCompiler,
    /// A remapping that leads nowhere.
    #[error("the remapping '{remapping}' {why}")]
    Remapping {
        /// The remapping.
        remapping: String,
        /// What is wrong with it.
        why: String,
    },
    /// The compiler, or a source, cannot be used.
    #[error("cannot {action} {}: {why}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why it failed.
        why: String,
    },
}
