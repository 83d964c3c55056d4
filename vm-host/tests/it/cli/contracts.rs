//! The sample contracts as the command line names them, one set a runtime.

use super::artifact;

/// How a runtime's token is deployed and called.
pub(super) struct Token {
    pub(super) runtime: &'static str,
    /// FILE and options of version 1.
    pub(super) v1: String,
    /// FILE and options of version 2.
    pub(super) v2: String,
    pub(super) balance_of: &'static str,
    pub(super) total_supply: &'static str,
    pub(super) schema_version: &'static str,
    /// What a transfer of more than there is tells: `have` and `need` stand for the numbers.
    pub(super) insufficient: &'static str,
    /// A configuration, where the default one does not do.
    pub(super) config: Option<String>,
}

impl Token {
    /// The token on every runtime that needs nothing outside this process.
    pub(super) fn all() -> [Self; 3] {
        let file = |name: &str| artifact(name).display().to_string();
        let solidity = |version: &str| {
            let (code, abi) = (format!("{version}.bin"), format!("{version}.abi.json"));
            format!("{} --abi {}", file(&code), file(&abi))
        };
        [
            Self::rust("native", "token".to_owned(), "token-v2".to_owned()),
            Self::rust("wasm", file("token-v1.wasm"), file("token-v2.wasm")),
            Self {
                runtime: "evm",
                v1: solidity("token-v1"),
                v2: solidity("token-v2"),
                balance_of: "balanceOf",
                total_supply: "totalSupply",
                schema_version: "schemaVersion",
                insufficient: "InsufficientBalance(have: {have}, need: {need})",
                config: None,
            },
        ]
    }

    /// The token on every runtime, containers among them where there is a containerd for tests.
    pub(super) fn everywhere() -> impl Iterator<Item = Self> {
        Self::all().into_iter().chain(Self::docker())
    }

    /// The configuration that it needs, with another one.
    pub(super) fn config(&self, more: &str) -> String {
        format!("{}\n{more}", self.config.as_deref().unwrap_or_default())
    }

    /// The token in a container, where there is a containerd for tests.
    pub(super) fn docker() -> Option<Self> {
        let Some(address) = std::env::var("VM_TEST_CONTAINERD").ok().filter(|_| cfg!(feature = "docker")) else {
            eprintln!(
                "skipped: containers need the feature docker, and VM_TEST_CONTAINERD with the path of a containerd's socket"
            );
            return None;
        };
        let file = |name: &str| artifact(name).display().to_string();
        let namespace = format!("vm-host-test-{}", std::process::id());
        let config = format!(
            "[[vm.providers]]\ntype = \"native\"\n[[vm.providers]]\ntype = \"docker\"\naddress = \"{address}\"\nnamespace = \"{namespace}\"\n[vm.limits]\nmemory = \"64MB\"\n"
        );
        Some(Self { config: Some(config), ..Self::rust("docker", file("token-v1.elf"), file("token-v2.elf")) })
    }

    fn rust(runtime: &'static str, v1: String, v2: String) -> Self {
        Self {
            runtime,
            v1,
            v2,
            balance_of: "balance_of",
            total_supply: "total_supply",
            schema_version: "schema_version",
            insufficient: "insufficient balance: have {have}, need {need}",
            config: None,
        }
    }

    /// The reason that a transfer fails with.
    pub(super) fn reason(&self, have: u32, need: u32) -> String {
        self.insufficient.replace("{have}", &have.to_string()).replace("{need}", &need.to_string())
    }
}
