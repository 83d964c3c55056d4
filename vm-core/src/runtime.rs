use std::sync::Arc;

use async_trait::async_trait;

use crate::{Call, Code, GasSchedule, Host, HostFault, Interface, Return, RuntimeKind};

/// A backend: turns code of one kind into contracts that can be called.
///
/// ```
/// use std::sync::Arc;
/// use vm_core::*;
///
/// /// Contracts whose code is a text; every call returns it.
/// struct Constant;
///
/// #[async_trait::async_trait]
/// impl RuntimeProvider for Constant {
///     fn kind(&self) -> RuntimeKind {
///         RuntimeKind::Native
///     }
///     fn verify(&self, code: &Code) -> Result<(), CodeError> {
///         match std::str::from_utf8(&code.bytes) {
///             Ok(_) => Ok(()),
///             Err(e) => Err(CodeError::new("not-text", format!("the code is not UTF-8 at byte {}", e.valid_up_to()))),
///         }
///     }
///     async fn prepare(&self, code: &Code) -> Result<Arc<dyn Contract>, PrepareError> {
///         Ok(Arc::new(Text(code.bytes.clone())))
///     }
///     fn status(&self) -> ProviderStatus {
///         ProviderStatus::healthy("constant", "1")
///     }
/// }
///
/// struct Text(Vec<u8>);
///
/// impl Contract for Text {
///     fn call(&self, host: &mut dyn Host, _: &Call) -> Result<Return, HostFault> {
///         match host.charge(Gas::new(10)) {
///             Ok(()) => Ok(Return::success(self.0.clone())),
///             Err(stop) => stop.into_return(),
///         }
///     }
///     fn interface(&self) -> &dyn Interface {
///         &Opaque
///     }
/// }
///
/// # futures_executor::block_on(async {
/// let vm = Vm::builder().runtime(Constant).build()?;
/// vm.start().await?;
/// vm.deploy(DeployRequest::new("hello".parse()?, "1".parse()?, Code::new(RuntimeKind::Native, "hi"))).await?;
/// let receipt = vm.invoke(InvokeRequest::new(ContractName::new("hello")?, "any")).await?;
/// assert_eq!(&receipt.output[..], b"hi");
/// vm.stop().await?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[async_trait]
pub trait RuntimeProvider: Send + Sync {
    /// The kind of code that it executes.
    fn kind(&self) -> RuntimeKind;

    /// Called once before the first use: connects, checks the surroundings, cleans up after an earlier run.
    ///
    /// # Errors
    /// When what the runtime needs is missing.
    async fn start(&self) -> Result<(), HostFault> {
        Ok(())
    }

    /// Called once after the last use: releases everything.
    ///
    /// # Errors
    /// When something could not be released.
    async fn stop(&self) -> Result<(), HostFault> {
        Ok(())
    }

    /// Checks code statically, before any engine sees it. A pure function of code and configuration.
    ///
    /// Asked when code is deployed, and never again: what a configuration forbids today stays callable where it lies in the
    /// state.
    ///
    /// # Errors
    /// When the code is not acceptable: which rule, where, and what the author can do.
    fn verify(&self, code: &Code) -> Result<(), CodeError>;

    /// Makes code callable that passed [`verify`](Self::verify) now or, under settings that may have been other ones, when it
    /// was deployed: compiles it, or starts its process. Does what execution needs and judges nothing that a setting decides.
    /// The result is cached by code hash and shared by threads. Awaited by any executor: what needs a particular one must be
    /// spawned there.
    ///
    /// # Errors
    /// When nothing can execute the code, or the surroundings fail.
    async fn prepare(&self, code: &Code) -> Result<Arc<dyn Contract>, PrepareError>;

    /// The contract that executes calls to addresses that have no record: accounts that EVM contracts created, and plain
    /// value transfers. Only one runtime of a Vm offers it.
    fn accounts(&self) -> Option<Arc<dyn Contract>> {
        None
    }

    /// What policies know the methods by that a rule for contracts which are still to be deployed names, as
    /// [`Interface::guards`] tells it of a contract; nothing when no contract of this runtime can have such a method. Default:
    /// a method is its name, without parentheses and white space.
    fn guards(&self, method: &str) -> Option<Vec<String>> {
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '$');
        (method.chars().all(is_name) && !method.starts_with("0x")).then(|| vec![method.to_owned()])
    }

    /// True where preparing takes so long, and costs so little while nobody calls, that a machine shall do it for the contracts
    /// that it finds when it starts, ahead of their first call. Default: false.
    fn is_warmed_up(&self) -> bool {
        false
    }

    /// The schedule whose prices are built into prepared code, for runtimes that do that. It must be the Vm's.
    fn schedule(&self) -> Option<&GasSchedule> {
        None
    }

    /// How the runtime is.
    fn status(&self) -> ProviderStatus;
}

/// A prepared contract. Calls are independent: nothing of one is left for the next but what went through the host.
pub trait Contract: Send + Sync {
    /// Performs one call on the caller's thread.
    ///
    /// A contract's failure is a [`Return`] with its status; the dispatcher then undoes everything the call did.
    ///
    /// # Errors
    /// Only when the host or the surroundings fail: nothing is committed then, and there is no receipt.
    fn call(&self, host: &mut dyn Host, call: &Call) -> Result<Return, HostFault>;

    /// How text becomes input and output becomes text.
    fn interface(&self) -> &dyn Interface;

    /// False when an upgrade to this code enters it to be made only ([`Entry::Replace`](crate::Entry::Replace)), and leaves the state
    /// alone. Default: true.
    fn migrates(&self) -> bool {
        true
    }

    /// True when the contract accepts being called again while one of its calls is on the stack. Default: false.
    fn reentrant(&self) -> bool {
        false
    }

    /// True when this code relies on having written its state itself, such as who has approved what: no other code that the contract
    /// has had, or will have, reads or writes what it keeps. Only such code may ask for [operations](crate::TransactionHost::manage)
    /// in the name of others than itself and its caller. Default: false.
    fn keeps_apart(&self) -> bool {
        false
    }

    /// What the prepared form occupies in memory, in bytes: its weight in the cache. Default: 4096.
    fn weight(&self) -> usize {
        4096
    }
}

/// Code that a runtime does not accept. Deterministic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("code rejected ({rule}): {message}")]
pub struct CodeError {
    rule: &'static str,
    message: String,
}

impl CodeError {
    /// `rule` is a stable identifier in kebab case; `message` says what is wrong, where, and what to do.
    pub fn new(rule: &'static str, message: impl Into<String>) -> Self {
        Self { rule, message: message.into() }
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The rule's identifier.
    pub const fn rule(&self) -> &'static str {
        self.rule
    }
}

/// Why code could not be made callable.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PrepareError {
    /// The code is at fault: it will always be refused.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// The surroundings are at fault: it may be tried again.
    #[error(transparent)]
    Fault(#[from] HostFault),
}

/// How a runtime is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ProviderStatus {
    /// The engine, such as `wasmi` or `revm`.
    pub engine: String,
    /// The engine's version or settings in force.
    pub version: String,
    /// What is wrong; `None` when the runtime is healthy.
    pub problem: Option<String>,
    /// Further facts worth showing: pools, hard fork, loosened settings. In a fixed order.
    pub details: Vec<(String, String)>,
}

impl ProviderStatus {
    /// A healthy runtime.
    pub fn healthy(engine: impl Into<String>, version: impl Into<String>) -> Self {
        Self { engine: engine.into(), version: version.into(), problem: None, details: Vec::new() }
    }
}
