//! Which artefacts there are, and out of what they are made.

/// How one artefact, or several at once, are made.
#[derive(Debug)]
pub(super) struct Recipe {
    name: &'static str,
    pub(super) build: Build,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Build {
    /// A WASM module.
    Wasm { package: &'static str },
    /// A static executable for a container.
    Executable { package: &'static str },
    /// EVM creation code and its ABI.
    Solidity { folder: &'static str, contract: &'static str },
}

pub(super) const RECIPES: &[Recipe] = &[
    Recipe { name: "token-v1", build: Build::Wasm { package: "token" } },
    Recipe { name: "token-v2", build: Build::Wasm { package: "token-v2" } },
    Recipe { name: "probe", build: Build::Wasm { package: "probe" } },
    Recipe { name: "actor", build: Build::Wasm { package: "actor" } },
    Recipe { name: "token-v1", build: Build::Executable { package: "token" } },
    Recipe { name: "token-v2", build: Build::Executable { package: "token-v2" } },
    Recipe { name: "probe", build: Build::Executable { package: "probe" } },
    Recipe { name: "actor", build: Build::Executable { package: "actor" } },
    Recipe { name: "token-v1", build: Build::Solidity { folder: "token-sol", contract: "Token" } },
    Recipe { name: "token-v2", build: Build::Solidity { folder: "token-sol", contract: "TokenV2" } },
    Recipe { name: "vault", build: Build::Solidity { folder: "vault-sol", contract: "Vault" } },
    Recipe { name: "actor", build: Build::Solidity { folder: "actor-sol", contract: "Actor" } },
];

impl Recipe {
    /// The files that it makes.
    pub(super) fn artefacts(&self) -> Vec<String> {
        let endings: &[&str] = match self.build {
            Build::Wasm { .. } => &["wasm"],
            Build::Executable { .. } => &["elf"],
            Build::Solidity { .. } => &["bin", "abi.json"],
        };
        endings.iter().map(|ending| format!("{}.{ending}", self.name)).collect()
    }

    /// True if the profile of the workspace applies.
    pub(super) fn is_rust(&self) -> bool {
        !matches!(self.build, Build::Solidity { .. })
    }

    /// The file that knows how to compile it.
    pub(super) fn builder(&self) -> &'static str {
        if self.is_rust() { "xtask/src/contracts/rust.rs" } else { "xtask/src/contracts/solidity.rs" }
    }

    /// The folders that it depends on, relative to the workspace.
    pub(super) fn sources(&self) -> Vec<String> {
        let mut sources = match self.build {
            // The token's folder pins the compiler.
            Build::Solidity { folder: "token-sol", .. } => return vec!["contracts/token-sol".to_owned()],
            Build::Solidity { folder, .. } => {
                let sources = [&*format!("contracts/{folder}"), "sdk/solidity", "contracts/token-sol"];
                return sources.map(str::to_owned).to_vec();
            }
            Build::Wasm { package } | Build::Executable { package } => vec![format!("contracts/{package}")],
        };
        if self.name == "token-v2" {
            sources.push("contracts/token".to_owned());
        }
        sources.extend(["vm-sdk".to_owned(), "vm-sdk-macros".to_owned()]);
        if matches!(self.build, Build::Executable { .. }) {
            sources.push("vm-docker/protocol".to_owned());
        }
        sources
    }
}
