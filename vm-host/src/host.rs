//! From a configuration to a machine that runs contracts.

mod error;

use std::fmt;
use std::sync::Arc;

use vm_core::{
    ContractName, Gas, InvokeRequest, Limits, Managed, MemoryBackend, RuntimeProvider, StateBackend, Vm, VmBuilder,
};

use crate::backends;
use crate::config::{Config, Provider, State};

pub use error::{HostError, StoreError};

/// The names of the native contracts that [`HostBuilder::sample_contracts`] links.
pub const SAMPLE_CONTRACTS: &[&str] = backends::SAMPLE_NAMES;

/// Begins to build the machine that `config` describes.
///
/// ```
/// use vm_core::VmProvider;
/// use vm_host::{Config, Format};
///
/// let config = Config::parse("[vm.state]\nbackend = \"memory\"\n", Format::Toml, "vm.toml")?;
/// let vm = vm_host::builder(&config).build()?;
/// # futures_executor::block_on(async {
/// vm.start().await?;
/// assert_eq!(vm.status().state, "running");
/// vm.stop().await
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn builder(config: &Config) -> HostBuilder<'_> {
    HostBuilder { config, backend: None, native: Default::default(), tracing: Default::default() }
}

/// The call by which an operation is proposed through a deployment of `multi_sign`, until some block; [`u64::MAX`] is for as long as may be, 1,000,000 blocks. The
/// sender of the call is the proposer; that of the operation is no part of it.
///
/// ```
/// # #[cfg(feature = "native")]
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use vm_core::{Change, ChangeRequest, Managed};
///
/// let freeze = Managed::Change(ChangeRequest::new("token".parse()?, Change::Freeze).because("suspicion"));
/// let call = vm_host::proposal("multi_sign".parse()?, &freeze, u64::MAX)?.from("ann".parse()?);
/// assert_eq!(call.method, "propose");
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "native"))]
/// # fn main() {}
/// ```
///
/// # Errors
/// When the operation moves a value, or has arguments that are not in the contract's encoding; and in a build without the native
/// runtime.
pub fn proposal(through: ContractName, operation: &Managed, until: u64) -> Result<InvokeRequest, HostError> {
    backends::proposal(through, operation, until)
}

/// Adds to a configuration what a file cannot hold, and builds the machine.
pub struct HostBuilder<'c> {
    config: &'c Config,
    backend: Option<Arc<dyn StateBackend>>,
    pub(crate) native: backends::NativeContracts,
    pub(crate) tracing: backends::Tracing,
}

impl HostBuilder<'_> {
    /// Keeps the state in `backend`, whatever the configuration says.
    #[must_use]
    pub fn backend(mut self, backend: Arc<dyn StateBackend>) -> Self {
        self.backend = Some(backend);
        self
    }

    /// Links the sample contracts of this workspace and the system contracts, [`SAMPLE_CONTRACTS`], in place of those that were linked before. The
    /// command `vm-host` does. In a build without the native runtime there is nothing to link.
    ///
    /// # Errors
    /// When a sample cannot be registered.
    pub fn sample_contracts(mut self) -> Result<Self, HostError> {
        self.native = backends::samples()?;
        Ok(self)
    }

    /// Writes every instruction that EVM contracts execute to `sink`, as lines of JSON (EIP-3155). What cannot be written
    /// changes no result. Other runtimes, and builds without the EVM, write nothing.
    #[must_use]
    pub fn trace(mut self, sink: impl std::io::Write + Send + 'static) -> Self {
        self.tracing = backends::tracing(sink);
        self
    }

    /// Opens the state, and makes the machine with all enabled runtimes. It does not run before
    /// [`start`](vm_core::VmProvider::start).
    ///
    /// # Errors
    /// When the data directory cannot be opened, or a runtime does not accept its settings.
    pub fn build(self) -> Result<Vm, HostError> {
        Ok(self.into_vm_builder()?.build()?)
    }

    /// As [`build`](Self::build), but leaves the last word to the caller: authorizer, block, workers, further runtimes.
    /// Each transaction's block has the number of the height after the one that it builds on, unless it brings its own.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn into_vm_builder(self) -> Result<VmBuilder, HostError> {
        Ok(self.into_parts()?.0)
    }

    /// As [`into_vm_builder`](Self::into_vm_builder), and gives the runtimes as well, for a host that has to end at once: it
    /// can stop them while calls are in flight, which the machine's own [`stop`](vm_core::VmProvider::stop) waits for.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn into_parts(mut self) -> Result<(VmBuilder, Vec<Arc<dyn RuntimeProvider>>), HostError> {
        let config = self.config;
        let mut builder = Vm::builder().limits(limits(config)).genesis(config.genesis.clone());
        builder =
            builder.policy(config.access.clone()).quotas(config.quotas).pinned(config.cache.pinned.iter().cloned());
        warn_of_idle(config);
        let mut runtimes = Vec::new();
        // The state first: nothing else is made in a directory that it refuses.
        let backend = match (self.backend, &config.state) {
            (Some(backend), _) => backend,
            (None, State::Memory) => Arc::new(MemoryBackend::new()),
            (None, State::Fjall { path }) => backends::open_fjall(path)?,
        };
        for provider in &config.providers {
            let runtime = backends::runtime(config, provider, &mut self.native, &self.tracing)?;
            builder = builder.shared_runtime(runtime.clone());
            runtimes.push(runtime);
        }
        let builder = builder.backend(backend).block(config.block.clone()).numbered_by_height();
        Ok((builder, runtimes))
    }
}

impl fmt::Debug for HostBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostBuilder").field("config", self.config).field("native", &self.native).finish_non_exhaustive()
    }
}

fn limits(config: &Config) -> Limits {
    let cache_size = usize::try_from(config.cache.memory).unwrap_or(usize::MAX);
    let execution_timeout = config.limits.execution_timeout;
    let waiting_memory = usize::try_from(config.limits.memory).unwrap_or(usize::MAX);
    let size = |size: u64| usize::try_from(size).unwrap_or(usize::MAX);
    let (code_size, input_size) = (size(config.limits.code_size), size(config.limits.input_size));
    let (value_size, queue) = (size(config.limits.value_size), size(config.limits.queue));
    let mut limits = Limits {
        execution_timeout,
        cache_size,
        waiting_memory,
        code_size,
        input_size,
        value_size,
        queue,
        ..Limits::default()
    };
    if let Some(gas) = config.limits.gas {
        limits.gas = Gas::new(gas);
    }
    limits
}

/// Settings that let containers out do nothing where there are none.
fn warn_of_idle(config: &Config) {
    if config.providers.iter().any(|provider| matches!(provider, Provider::Docker(_))) {
        return;
    }
    let security = &config.security;
    for (set, setting) in [
        (!security.enable_sandbox, "enable_sandbox = false"),
        (security.allow_network, "allow_network = true"),
        (security.allow_file_system, "allow_file_system = true"),
    ] {
        if set {
            tracing::warn!(
                "vm.security.{setting} does nothing: it is for containers, and no provider of type docker is enabled"
            );
        }
    }
}
