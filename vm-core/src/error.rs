use std::error::Error;
use std::fmt;

use crate::{
    ArgumentError, CodeError, ContractName, Denied, Excess, HostFault, IllegalTransition, InvalidGroup, Lifecycle,
    PrepareError, Receipt, RuntimeKind, StateError, Target, Version,
};

/// The named steps of deploy, invoke and upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Taking the request: names, limits, the Vm's own state.
    Admit,
    /// Who may do this.
    Permission,
    /// Deploy, upgrade: the static check of the code.
    Verify,
    /// Deploy, upgrade: making the code callable.
    Compile,
    /// Deploy: the contract's account and record. Invoke: the prepared contract.
    Environment,
    /// Deploy: the constructor.
    Initialise,
    /// Invoke, upgrade: finding the contract's record.
    Load,
    /// Method, arguments, and the gas they cost.
    Validate,
    /// Invoke: the contract itself.
    Execute,
    /// Upgrade, rollback: what is kept, and what may take its place.
    Keep,
    /// Upgrade, rollback: the other code takes its place.
    Replace,
    /// Upgrade, rollback: the contract's migration.
    Migrate,
    /// Deploy, upgrade, rollback, change: the new record, version and history.
    Store,
    /// The commit of what changed.
    Update,
}

impl Phase {
    /// The name used in errors, spans and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admit => "admit",
            Self::Permission => "permission",
            Self::Verify => "verify",
            Self::Compile => "compile",
            Self::Environment => "environment",
            Self::Initialise => "initialise",
            Self::Load => "load",
            Self::Validate => "validate",
            Self::Execute => "execute",
            Self::Keep => "keep",
            Self::Replace => "replace",
            Self::Migrate => "migrate",
            Self::Store => "store",
            Self::Update => "update",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A request that was not carried out. Nothing was changed.
#[derive(Debug, Clone)]
pub struct VmError {
    /// The step in which it failed.
    pub phase: Phase,
    /// Why.
    pub kind: ErrorKind,
}

impl fmt::Display for VmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.phase, self.kind)
    }
}

impl Error for VmError {
    /// What lies below the kind, whose text is part of this error's own.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.kind.source()
    }
}

/// Why a request was not carried out.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ErrorKind {
    /// The request is refused by a rule; asking again without change gives the same answer.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// The constructor or migration reverted or trapped. (An invocation that fails is a [`Receipt`], not an error.)
    #[error("the contract failed with {}{}", .0.status, reason(.0))]
    Failed(Box<Receipt>),
    /// The host failed; the request may be tried again.
    #[error(transparent)]
    Fault(#[from] HostFault),
}

fn change_of(from: RuntimeKind, to: RuntimeKind) -> &'static str {
    match (from, to) {
        (RuntimeKind::Evm, _) | (_, RuntimeKind::Evm) => {
            "the state of evm contracts has a form of its own, so it cannot change"
        }
        _ => "ask for the change of runtime (--change-runtime) if the code understands the contract's state",
    }
}

fn reason(receipt: &Receipt) -> String {
    match &receipt.text {
        Some(text) if !text.is_empty() => format!(": {text}"),
        _ if receipt.output.is_empty() => String::new(),
        _ => format!(": {} bytes of output", receipt.output.len()),
    }
}

/// Which rule refused a request.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The Vm does not run.
    #[error("the vm is {0}; start it first")]
    NotRunning(&'static str),
    /// No such contract.
    #[error("there is no contract '{0}'")]
    UnknownContract(Target),
    /// The name is taken.
    #[error("a contract named '{0}' exists already; upgrade it, or choose another name")]
    NameTaken(ContractName),
    /// The contract had this version before.
    #[error("contract '{name}' had a version '{version}' before; a version's name is never used twice")]
    VersionTaken {
        /// The contract.
        name: ContractName,
        /// The version.
        version: Version,
    },
    /// The contract never had this version.
    #[error("contract '{name}' never had a version '{version}'; its versions are {kept}")]
    UnknownVersion {
        /// The contract.
        name: ContractName,
        /// The version.
        version: Version,
        /// The versions that it had.
        kept: String,
    },
    /// A rollback to the current version.
    #[error("contract '{name}' is at version '{version}' already")]
    CurrentVersion {
        /// The contract.
        name: ContractName,
        /// The version.
        version: Version,
    },
    /// A migration was asked for that does not exist, or arguments were given that nobody takes.
    #[error("contract '{name}': {why}")]
    Migration {
        /// The contract.
        name: ContractName,
        /// What does not fit, and what to do.
        why: &'static str,
    },
    /// The contract cannot be called now.
    #[error("contract '{name}' is {lifecycle} and cannot be called")]
    NotCallable {
        /// The contract.
        name: ContractName,
        /// Its state.
        lifecycle: Lifecycle,
    },
    /// The state machine has no such step.
    #[error("contract '{name}': {error}")]
    Transition {
        /// The contract.
        name: ContractName,
        /// Which step.
        error: IllegalTransition,
    },
    /// Not permitted.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// A contract deploys another with more capabilities than its own.
    #[error(
        "contract '{deployer}' has the capabilities '{has}', so it cannot deploy a contract with '{asked}'; ask for no others"
    )]
    Capabilities {
        /// Which contract asked.
        deployer: ContractName,
        /// What it has.
        has: crate::Capabilities,
        /// What it asked for.
        asked: crate::Capabilities,
    },
    /// Not permitted to change the host's policy.
    #[error("{actor} may not change the host's policy: {rule}")]
    Ungoverned {
        /// Who asked.
        actor: crate::Address,
        /// Which rule refused it.
        rule: String,
    },
    /// The contract would have more state than it may.
    #[error("the contract's state has no more room: {0}")]
    Room(Excess),
    /// An operation that a contract cannot ask for.
    #[error("{0}")]
    Managed(&'static str),
    /// A policy that makes no sense.
    #[error("{0}")]
    Policy(&'static str),
    /// A rule for a method that cannot have one.
    #[error("no rule can be given for method '{method}': {why}")]
    Method {
        /// The method, as it was named.
        method: String,
        /// Why not, and what to do.
        why: String,
    },
    /// The name of an organisation or role is invalid.
    #[error(transparent)]
    Group(#[from] InvalidGroup),
    /// The arguments do not fit.
    #[error(transparent)]
    Arguments(#[from] ArgumentError),
    /// The code is not acceptable.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// The Vm has no such runtime.
    #[error("this vm has no {0} runtime; add it to the configuration, and to the features of the build")]
    NoRuntime(RuntimeKind),
    /// An upgrade to another runtime.
    #[error("contract '{name}' runs on {from}, and the code is for {to}; {}", change_of(*.from, *.to))]
    RuntimeChange {
        /// The contract.
        name: ContractName,
        /// Its runtime.
        from: RuntimeKind,
        /// The new code's runtime.
        to: RuntimeKind,
    },
    /// Something is larger than its limit.
    #[error("{what}: {found} bytes, above the limit of {limit} ({key})")]
    TooLarge {
        /// What.
        what: &'static str,
        /// Its size, in bytes.
        found: u64,
        /// The limit, in bytes.
        limit: u64,
        /// The setting that raises it.
        key: &'static str,
    },
    /// The state belongs to another gas schedule.
    #[error(
        "the state was created with gas schedule {found}, but this vm has {expected}; start it with the state's schedule"
    )]
    Schedule {
        /// The hash that this machine has.
        expected: String,
        /// The hash that is stored.
        found: String,
    },
    /// A query that moves value.
    #[error("a query changes nothing, so it cannot transfer a value; invoke instead")]
    QueryValue,
    /// The sender cannot pay the value.
    #[error("the balance of {0} does not cover the value")]
    Balance(crate::Address),
    /// The gas does not cover what has to be paid before the contract runs.
    #[error("{limit} gas do not cover the {needed} gas that are charged before the contract runs")]
    Gas {
        /// What was allowed.
        limit: crate::Gas,
        /// What is needed at least.
        needed: crate::Gas,
    },
}

impl VmError {
    pub(crate) fn new(phase: Phase, kind: impl Into<ErrorKind>) -> Self {
        Self { phase, kind: kind.into() }
    }

    /// The refusal, if it is one.
    pub fn refusal(&self) -> Option<&Refusal> {
        match &self.kind {
            ErrorKind::Refused(refusal) => Some(&**refusal),
            _ => None,
        }
    }

    /// The fault, if it is one.
    pub const fn fault(&self) -> Option<&HostFault> {
        match &self.kind {
            ErrorKind::Fault(fault) => Some(fault),
            _ => None,
        }
    }
}

macro_rules! refusals {
    ($($type:ty),*) => {$(
        impl From<$type> for ErrorKind {
            fn from(error: $type) -> Self {
                Self::from(Refusal::from(error))
            }
        }
    )*};
}

impl From<Refusal> for ErrorKind {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

refusals!(Denied, ArgumentError, CodeError, InvalidGroup);

impl From<StateError> for ErrorKind {
    fn from(error: StateError) -> Self {
        Self::Fault(error.into())
    }
}

impl From<PrepareError> for ErrorKind {
    fn from(error: PrepareError) -> Self {
        match error {
            PrepareError::Code(error) => error.into(),
            PrepareError::Fault(fault) => fault.into(),
        }
    }
}

/// Names the phase of a failure.
pub(crate) trait InPhase<T> {
    fn phase(self, phase: Phase) -> Result<T, VmError>;
}

impl<T, E: Into<ErrorKind>> InPhase<T> for Result<T, E> {
    fn phase(self, phase: Phase) -> Result<T, VmError> {
        self.map_err(|error| VmError::new(phase, error))
    }
}
