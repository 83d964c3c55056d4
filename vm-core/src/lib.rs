//! The core of the contract VM layer: what a runtime implements, what a contract can do, and the machine that brings both
//! together. There is no engine in here; runtimes are crates of their own and depend on this one.
//!
//! | To | start at |
//! |---|---|
//! | run contracts | [`Vm`], [`VmProvider`] |
//! | write a runtime | [`RuntimeProvider`], [`Contract`], [`Host`] |
//! | bring a store | [`StateBackend`], [`StateView`] |
//! | decide who may do what | [`Policy`], [`HostPolicy`], [`Authorizer`] |
//! | bound what callers ask for | [`Limits`], [`Quotas`] |
//! | know who did what | [`Vm::history`], [`Observer`] |
//! | see what a transaction does inside | [`TraceLevel`], [`CallTree`] |
//! | test a runtime with all others | `conformance`, with the feature of that name |
//!
//! A call goes through the dispatcher for every contract it enters: depth, re-entrancy, read-only flag, permission, value,
//! checkpoint, gas, then the runtime, then keep or undo. One [`Journal`] holds what the whole transaction did.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "tests fail by panicking"
    )
)]

mod access;
mod account;
mod address;
mod amount;
mod audit;
mod call;
mod commit;
#[cfg(feature = "conformance")]
pub mod conformance;
mod contract;
mod core;
mod denial;
mod dry_run;
mod entries;
mod error;
mod event;
mod fork;
mod frame;
mod gas;
mod governance;
mod history;
mod host;
mod interface;
mod journal;
mod key;
mod lifecycle;
mod limits;
mod managed;
mod manager;
mod memory;
mod metrics;
mod overlay;
mod prepared;
mod provider;
mod quota;
mod receipt;
mod record;
mod refused;
mod request;
mod room;
mod runtime;
mod schedule;
mod shown;
mod state;
mod trace;
mod transaction;
mod vm;
mod worker;

pub use access::{
    Access, Action, Authorizer, Capabilities, Denied, HostPolicy, InvalidCapabilities, InvalidGroup, InvalidRight,
    InvalidRule, Organisations, Policy, Right, Rule,
};
pub use account::Account;
pub use address::{Address, InvalidAddress};
pub use amount::{Amount, InvalidAmount};
pub use audit::{AuditEvent, AuditResult, GovernanceEvent, Observer};
pub use call::{Block, Call, Entry, Env, Outcome, Return, Status, Target, Trap};
pub use contract::{Code, CodeHash, ContractName, InvalidName, RuntimeKind, UnknownRuntime, Version};
pub use denial::{Denial, DeniedOperation};
pub use dry_run::{Difference, DryRun, DryRunRequest, Replayed, Trial};
pub use error::{ErrorKind, Phase, Refusal, VmError};
pub use event::{Event, Topic};
pub use gas::Gas;
pub use governance::{Governance, InvalidGovernance};
pub use history::{HistoryEntry, Migration, Operation, Situation};
pub use host::{CallRequest, Host, HostFault, Interrupt, LogLevel, Stop, TransactionHost};
pub use interface::{
    Argument, ArgumentError, Arguments, Encoded, Interface, InvalidSignature, Opaque, Parameter, Signature,
    TextInterface, Type, closest,
};
pub use journal::{Changes, Journal, Mark};
pub use key::{KeyRange, Space, StateKey};
pub use lifecycle::{Change, IllegalTransition, Lifecycle, Transition};
pub use limits::Limits;
pub use managed::{Basis, Managed, Operated, Regulated};
pub use memory::MemoryBackend;
pub use metrics::{MetricsSnapshot, RuntimeMetrics};
pub use overlay::Overlay;
pub use provider::{VmProvider, VmStatus};
pub use quota::{Quota, Quotas, Rate};
pub use receipt::Receipt;
pub use record::{ContractRecord, Standing, VersionRecord};
pub use request::{
    ChangeRequest, DeployRequest, GovernRequest, GrantRequest, InvokeRequest, MigrateRequest, RollbackRequest, Sender,
    UpgradeRequest,
};
pub use room::{Bounds, Excess, Measure, Room};
pub use runtime::{CodeError, Contract, PrepareError, ProviderStatus, RuntimeProvider};
pub use schedule::{
    DockerPrices, EvmPrices, GasSchedule, HostPrices, InvalidSchedule, PreparePrices, Price, TransactionPrices,
    WasmPrices,
};
pub use shown::{abridged, printable};
pub use state::{Height, ReadSet, StateBackend, StateError, StateView, WriteSet};
pub use trace::{CallKind, CallTree, Excerpt, HostOperation, TraceLevel, Traced, TracedCall, TracedOperation, Tracer};
pub use vm::{Vm, VmBuilder};
