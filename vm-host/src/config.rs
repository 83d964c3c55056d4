//! The configuration file: which runtimes take part, with what limits, and where the state lies.
//!
//! TOML and YAML mean the same; the file's extension tells which it is. A file with mistakes is refused as a whole,
//! and every mistake in it is reported with its line, what was expected and what to do ([`InvalidConfig`]).
//!
//! ```
//! use vm_host::{Config, Format};
//!
//! let config = Config::parse("[vm.limits]\nmemory = \"1GB\"\nexecution_timeout = \"30s\"\n", Format::Toml, "vm.toml")?;
//! assert_eq!(config.limits.memory, 1_000_000_000);
//!
//! let error = Config::parse("[vm.limits]\nmemroy = \"1GB\"\n", Format::Toml, "vm.toml").unwrap_err();
//! assert!(error.to_string().starts_with("vm.toml:2:1: unknown key `memroy`"));
//! # Ok::<(), vm_host::ConfigError>(())
//! ```

mod access;
mod block;
mod docker;
mod document;
mod error;
mod quotas;
mod schema;
mod section;
mod toml_format;
mod value;
mod yaml_format;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use vm_core::{Address, Amount, Block, ContractName, HostPolicy, Quotas};

pub use docker::{Docker, Isolation};
pub use error::{ConfigError, InvalidConfig, Mistake};

use crate::backends;

/// A configuration that this build can carry out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// The enabled runtimes, each kind at most once. Empty only in hand-made configurations.
    pub providers: Vec<Provider>,
    /// What a single call may use.
    pub limits: Limits,
    /// What contracts may reach.
    pub security: Security,
    /// Where the state lies.
    pub state: State,
    /// What is kept of contracts that are ready to run.
    pub cache: Cache,
    /// The balances of the native asset in a new state, by account. Default: none.
    pub genesis: BTreeMap<Address, Amount>,
    /// Who may do what, in a new state. Default: everybody deploys, and contracts are in the hands of their owners.
    pub access: HostPolicy,
    /// What callers may ask of this host. Default: no bounds.
    pub quotas: Quotas,
    /// What contracts see of the block that they run in. It is the same until the configuration changes, but for its number,
    /// which is that of the state's next height: no clock decides a result. Default: [`Block::default`].
    pub block: Block,
}

/// A runtime with its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Provider {
    /// Rust contracts that are linked into the host.
    Native,
    /// WebAssembly.
    Wasm {
        /// The engine. All engines give the same results and the same gas.
        runtime: WasmEngine,
        /// Whether contracts may use floating point. Default: false.
        floats: bool,
    },
    /// Ethereum bytecode.
    Evm {
        /// A hard fork's name ("london") or a geth version ("1.9.24"); `None` is the newest fork that is supported.
        version: Option<String>,
        /// Opcodes that contracts may not have, by name, such as `SELFDESTRUCT`.
        refuse_opcodes: Vec<String>,
    },
    /// Containers.
    Docker(Docker),
}

/// The WebAssembly engines. Results and gas are the same on all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum WasmEngine {
    /// An interpreter: starts at once, needs no compilation.
    #[default]
    Wasmi,
    /// A compiler with a pool of instances: the quickest for contracts that compute. Cargo feature `wasmtime`.
    Wasmtime,
    /// Another compiler. Cargo feature `wasmer`.
    Wasmer,
    /// wasmi first, and wasmtime in the background for contracts that are worth it. Cargo feature `wasmtime`.
    Auto,
}

impl WasmEngine {
    pub(crate) const ALL: [Self; 4] = [Self::Wasmi, Self::Wasmtime, Self::Wasmer, Self::Auto];

    /// The name used in configurations.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wasmi => "wasmi",
            Self::Wasmtime => "wasmtime",
            Self::Wasmer => "wasmer",
            Self::Auto => "auto",
        }
    }

    /// The cargo feature that brings it.
    pub(crate) const fn feature(self) -> &'static str {
        match self {
            Self::Wasmi => "wasm",
            Self::Wasmtime | Self::Auto => "wasmtime",
            Self::Wasmer => "wasmer",
        }
    }
}

/// What a single call may use.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Memory of one running contract, in bytes, and of all that wait for it in one transaction together. Default: 1 GB.
    /// Native contracts are trusted and not bounded; those in WebAssembly cannot address more than 4 GiB.
    pub memory: u64,
    /// Processors that one container may use, in thousandths. Default: 2000. The other runtimes run a call on one thread.
    pub cpu_millis: u32,
    /// Wall-clock time of one transaction; a file can say 1 ms to 1 day. Default: 30 s.
    pub execution_timeout: Duration,
    /// The most gas that one transaction may ask for; `None` leaves it to the gas schedule.
    pub gas: Option<u64>,
    /// A contract's code, in bytes. Default: 64 MiB; runtimes have their own, lower ones.
    pub code_size: u64,
    /// The encoded arguments of a call, in bytes; those of system contracts hold whole codes. Default: 1 MiB.
    pub input_size: u64,
    /// A value of a contract, in bytes; a proposal is one. Default: 1 MiB.
    pub value_size: u64,
    /// Requests that wait for a worker. Default: 4,096.
    pub queue: u64,
}

/// What contracts may reach besides their own state. Only containers can be let out at all.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Security {
    /// Whether containers run hardened: no capabilities, system call filter, own user. Default: true.
    pub enable_sandbox: bool,
    /// Whether containers see the host's network. Default: false.
    pub allow_network: bool,
    /// Whether containers may write to their own root file system. Default: false.
    pub allow_file_system: bool,
}

/// Where the state lies.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// In memory; gone when the process ends.
    Memory,
    /// In an embedded database under this directory, which one process at a time can open.
    Fjall {
        /// The data directory. Default: `vm-data` beside the configuration file.
        path: PathBuf,
    },
}

/// What is kept of contracts that are ready to run. Nothing here changes results.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cache {
    /// Memory for prepared contracts, in bytes; those that were used least recently go first. Default: 256 MiB.
    pub memory: u64,
    /// Whether compiled code is kept in the data directory, for engines that compile. Default: true.
    pub disk: bool,
    /// Contracts that stay prepared once they were called, beside those that `memory` has room for. Default: none.
    pub pinned: Vec<ContractName>,
}

/// The format of a configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// TOML.
    Toml,
    /// YAML 1.2.
    Yaml,
}

impl Config {
    /// The commented configuration that `vm-host init` writes. In a build with the default features, loading it gives
    /// [`Config::default`].
    #[must_use]
    pub const fn template(format: Format) -> &'static str {
        match format {
            Format::Toml => include_str!("config/template.toml"),
            Format::Yaml => include_str!("config/template.yaml"),
        }
    }

    /// Loads a file. A relative data directory in it is meant relative to the file.
    ///
    /// # Errors
    /// The file cannot be read, has an unknown extension, or holds a mistake.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        let format = Format::of(path).ok_or_else(|| ConfigError::UnknownFormat { path: path.to_owned() })?;
        let text =
            std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        let mut config = Self::parse(&text, format, path)?;
        if let (State::Fjall { path: data }, Some(folder)) = (&mut config.state, path.parent()) {
            *data = folder.join(&*data);
        }
        Ok(config)
    }

    /// Parses `text`; `file` is its name in error messages.
    ///
    /// # Errors
    /// The text holds a mistake.
    pub fn parse(text: &str, format: Format, file: impl AsRef<Path>) -> Result<Self, ConfigError> {
        schema::read(text, format).map_err(|mistakes| InvalidConfig::new(file.as_ref(), text, mistakes).into())
    }
}

impl Default for Config {
    /// Every runtime of this build but containers, which need a containerd; persistent state where this build has it.
    fn default() -> Self {
        let evm = Provider::Evm { version: None, refuse_opcodes: Vec::new() };
        let all = [Provider::Native, Provider::Wasm { runtime: WasmEngine::Wasmi, floats: false }, evm];
        Self {
            providers: all.into_iter().filter(backends::has_runtime).collect(),
            limits: Limits::default(),
            security: Security::default(),
            state: State::default(),
            cache: Cache::default(),
            genesis: BTreeMap::new(),
            access: HostPolicy::default(),
            quotas: Quotas::default(),
            block: Block::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        let vm_core::Limits { code_size, input_size, value_size, queue, .. } = vm_core::Limits::default();
        Self {
            memory: 1_000_000_000,
            cpu_millis: 2_000,
            execution_timeout: Duration::from_secs(30),
            gas: None,
            code_size: code_size as u64,
            input_size: input_size as u64,
            value_size: value_size as u64,
            queue: queue as u64,
        }
    }
}

impl Default for Security {
    fn default() -> Self {
        Self { enable_sandbox: true, allow_network: false, allow_file_system: false }
    }
}

impl Default for Cache {
    fn default() -> Self {
        Self { memory: 256 << 20, disk: true, pinned: Vec::new() }
    }
}

impl Default for State {
    fn default() -> Self {
        if backends::HAS_FJALL { Self::Fjall { path: PathBuf::from("vm-data") } } else { Self::Memory }
    }
}

impl Provider {
    /// The `type` in a configuration, and the name of the cargo feature.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Wasm { .. } => "wasm",
            Self::Evm { .. } => "evm",
            Self::Docker(_) => "docker",
        }
    }
}

impl Format {
    /// The format that the file's extension names.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "toml" => Some(Self::Toml),
            "yaml" | "yml" => Some(Self::Yaml),
            _ => None,
        }
    }
}
