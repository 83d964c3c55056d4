//! What a transaction did, call by call, for people who look for a reason.
//!
//! A tree is recorded when the [sender](crate::Sender::trace) asks for it, by all runtimes in one form, and lies in the
//! [receipt](crate::Receipt::trace). It is no part of any result: with it or without, a transaction does and costs the same.

mod excerpt;
mod text;
mod tracer;

use crate::{Address, Amount, ContractName, Gas, RuntimeKind, Status};

pub use excerpt::Excerpt;
pub use tracer::Tracer;

/// How much of a transaction is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TraceLevel {
    /// Nothing, which costs nothing.
    #[default]
    Off,
    /// The calls, and what each did with state, events and the log.
    Calls,
    /// Every instruction as well, of engines that tell them: the EVM. Such a call takes many times as long.
    Steps,
}

/// The calls of a transaction, as they ran.
///
/// What one call used contains what its callees used, and the parts add up: [`gas_before`](Self::gas_before) and
/// [`TracedCall::gas_own`] over all calls, less all refunds, are the receipt's gas.
///
/// At most 250,000 entries and 64 MiB are kept; what came later is counted in [`omitted`](Self::omitted). Instructions have half of
/// that, so that they leave room for the calls.
///
/// ```
/// # use std::sync::Arc;
/// # use vm_core::*;
/// # struct Notes;
/// # #[async_trait::async_trait]
/// # impl RuntimeProvider for Notes {
/// #     fn kind(&self) -> RuntimeKind { RuntimeKind::Native }
/// #     fn verify(&self, _: &Code) -> Result<(), CodeError> { Ok(()) }
/// #     async fn prepare(&self, _: &Code) -> Result<Arc<dyn Contract>, PrepareError> { Ok(Arc::new(Self)) }
/// #     fn status(&self) -> ProviderStatus { ProviderStatus::healthy("notes", "1") }
/// # }
/// # impl Contract for Notes {
/// #     fn call(&self, host: &mut dyn Host, _: &Call) -> Result<Return, HostFault> {
/// #         host.put(b"note", b"hello").map_or_else(Stop::into_return, |()| Ok(Return::success("")))
/// #     }
/// #     fn interface(&self) -> &dyn Interface { &Opaque }
/// # }
/// # futures_executor::block_on(async {
/// # let vm = Vm::builder().runtime(Notes).build()?;
/// # vm.start().await?;
/// # vm.deploy(DeployRequest::new("notes".parse()?, "1".parse()?, Code::new(RuntimeKind::Native, ""))).await?;
/// let request = InvokeRequest::new(ContractName::new("notes")?, "write").traced(TraceLevel::Calls);
/// let receipt = vm.invoke(request).await?;
/// let tree = receipt.trace.expect("it was asked for");
/// assert_eq!(tree.gas_before.saturating_add(tree.calls[0].gas_used), receipt.gas_used);
/// assert!(tree.to_string().contains("put \"note\" = \"hello\""), "{tree}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct CallTree {
    /// The calls at the top: one, or none for an operation that entered no contract.
    pub calls: Vec<TracedCall>,
    /// What the transaction paid before and beside them: its own price, and that of code and arguments.
    pub gas_before: Gas,
    /// How many calls, operations and instructions were too many to be kept.
    pub omitted: u64,
}

/// A call of a contract, with what happened inside.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TracedCall {
    /// What kind of call it was.
    pub kind: CallKind,
    /// Who called.
    pub caller: Address,
    /// Whose code ran, or would have.
    pub callee: Address,
    /// The callee's name, unless it is a nameless account or was not found.
    pub contract: Option<ContractName>,
    /// The runtime; none where nothing ran, because a rule refused the call.
    pub runtime: Option<RuntimeKind>,
    /// The method; of calls between EVM accounts the selector, such as `0xa9059cbb`.
    pub method: String,
    /// The encoded arguments.
    pub input: Excerpt,
    /// What was transferred with it.
    pub value: Amount,
    /// True when it could change nothing.
    pub is_static: bool,
    /// What it could use at most.
    pub gas: Gas,
    /// What it used, all its callees included, refunds subtracted.
    pub gas_used: Gas,
    /// What was refunded: EVM contracts get gas back for storage that they clear, at the end of each entry into the EVM.
    pub refund: Gas,
    /// How it ended. What happened inside took effect only if this and all calls around it are a success.
    pub status: Status,
    /// The encoded result, or the reason of a revert.
    pub output: Excerpt,
    /// What happened inside, in its order.
    pub inside: Vec<Traced>,
}

impl TracedCall {
    /// The calls inside, in their order.
    pub fn calls(&self) -> impl Iterator<Item = &Self> {
        self.inside.iter().filter_map(|traced| match traced {
            Traced::Call(call) => Some(&**call),
            _ => None,
        })
    }

    /// What it used without its callees, before refunds: operations, instructions, and the price of each call it made.
    #[must_use]
    pub fn gas_own(&self) -> Gas {
        let callees = self.calls().map(|call| call.gas_used).fold(Gas::ZERO, Gas::saturating_add);
        self.gas_used.saturating_add(self.refund).saturating_sub(callees)
    }
}

/// What kind of call it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CallKind {
    /// An ordinary call.
    Call,
    /// The initialisation of a new contract.
    Deploy,
    /// The migration of a contract's state.
    Upgrade,
    /// An operation on contracts or the host that a contract asked for; the method tells which.
    Operation,
    /// DELEGATECALL: the callee's code on the caller's account, where it sees the caller's caller.
    DelegateCall,
    /// CALLCODE: the callee's code on the caller's account.
    CallCode,
    /// CREATE or CREATE2.
    Create,
}

impl CallKind {
    /// The name in text and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Deploy => "deploy",
            Self::Upgrade => "upgrade",
            Self::Operation => "operation",
            Self::DelegateCall => "delegate_call",
            Self::CallCode => "call_code",
            Self::Create => "create",
        }
    }
}

/// Something that happened inside a call.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Traced {
    /// A call of another contract.
    Call(Box<TracedCall>),
    /// Something that the contract did with its host.
    Operation(TracedOperation),
    /// An instruction, as its engine tells it: one JSON object, of the EVM that of EIP-3155.
    Step(String),
}

/// Something that a contract did with its host.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TracedOperation {
    /// What it did.
    #[serde(flatten)]
    pub what: HostOperation,
    /// What it cost.
    pub gas: Gas,
    /// Why it was not done; the contract was stopped there.
    pub stopped: Option<String>,
}

/// What a contract does with its host. Keys are the contract's own, or the slots of an EVM account.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum HostOperation {
    /// A read.
    Get {
        /// The key.
        key: Excerpt,
        /// What was there; nothing where nothing was.
        value: Option<Excerpt>,
    },
    /// A write.
    Put {
        /// The key.
        key: Excerpt,
        /// The value.
        value: Excerpt,
    },
    /// A deletion.
    Delete {
        /// The key.
        key: Excerpt,
    },
    /// A scan.
    Scan {
        /// The first key.
        start: Excerpt,
        /// The key after the last one; empty: to the contract's last.
        end: Excerpt,
        /// How many entries were found.
        found: usize,
    },
    /// An event.
    Emit {
        /// What it is found by.
        topics: Vec<Excerpt>,
        /// The encoded content.
        data: Excerpt,
    },
    /// A line for the log.
    Log {
        /// The line; the start of a long one.
        message: String,
    },
}
