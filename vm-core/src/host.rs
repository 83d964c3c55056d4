use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::{
    Access, Address, Amount, Basis, Bounds, Capabilities, ContractName, Denied, Env, Gas, GasSchedule, Journal,
    Managed, Operated, Outcome, Overlay, Return, StateError, Target, Topic, Tracer, Trap,
};

/// All that a running contract can do. The dispatcher implements it; runtimes hand it to their contracts in the form of
/// their engine.
///
/// Every operation is charged by the gas schedule before it is done, and looks at the deadline. On [`Stop`] the runtime
/// must leave the contract at once: [`Stop::into_return`] gives what [`Contract::call`](crate::Contract::call) then returns.
/// A stop is sticky: further operations are refused, a trap decides the call and a host fault the whole transaction, whatever
/// the contract or its runtime make of it.
///
/// Keys and values are the contract's own bytes; the dispatcher puts them into the contract's part of the state.
pub trait Host {
    /// What surrounds the call.
    fn env(&self) -> &Env;

    /// The value of a key of this contract.
    fn get(&mut self, key: &[u8]) -> Result<Option<Bytes>, Stop>;

    /// Sets a key of this contract.
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), Stop>;

    /// Deletes a key of this contract.
    fn delete(&mut self, key: &[u8]) -> Result<(), Stop>;

    /// Up to `limit` entries of this contract from `start` (included) to `end` (excluded; empty: to the last), in order. More than
    /// 16 MiB of keys and values are a trap: ask for fewer.
    fn scan(&mut self, start: &[u8], end: &[u8], limit: usize) -> Result<Vec<(Bytes, Bytes)>, Stop>;

    /// Emits an event of this contract.
    fn emit(&mut self, topics: Vec<Topic>, data: Bytes) -> Result<(), Stop>;

    /// Calls another contract, of whichever runtime. What it does is undone if it does not succeed. A call that a rule
    /// refuses (unknown, frozen, re-entered, too deep, not permitted, balance too low) is an outcome with
    /// [`Status::Revert`](crate::Status::Revert) and the reason as output.
    fn call(&mut self, request: CallRequest) -> Result<Outcome, Stop>;

    /// Charges gas for work that the runtime did, and looks at the deadline.
    fn charge(&mut self, gas: Gas) -> Result<(), Stop>;

    /// The gas that this frame has left.
    fn gas_left(&self) -> Gas;

    /// A line for the log. Changes nothing and is not part of any result.
    fn log(&mut self, level: LogLevel, message: &str) -> Result<(), Stop>;

    /// The transaction around this frame: for runtimes that keep state of their own while they run.
    fn transaction(&mut self) -> &mut dyn TransactionHost;
}

/// What a runtime needs that keeps accounts and storage in its engine's own journal during a transaction (the EVM), or
/// that waits outside this thread (containers).
pub trait TransactionHost {
    /// A handle to the transaction's journal, for keys in spaces other than the contract's own. The caller charges for it.
    fn journal(&self) -> Journal;

    /// Takes the overlay out, to work on it. Put it back before calling out and before returning.
    fn take_overlay(&mut self) -> Option<Box<dyn Overlay>>;

    /// Puts the overlay back, or a new one in.
    fn put_overlay(&mut self, overlay: Box<dyn Overlay>);

    /// The transaction's deadline.
    fn interrupt(&self) -> &Interrupt;

    /// The prices in force.
    fn schedule(&self) -> &GasSchedule;

    /// What this frame's contract is kept from. The dispatcher sees to it for what goes through [`Host`]; an engine that does
    /// by itself what a contract may be kept from must, too.
    fn bounds(&self) -> Bounds;

    /// Most entries that one [`scan`](Host::scan) gives, however many are asked for.
    fn scan_limit(&self) -> usize;

    /// The longest value that [`put`](Host::put) takes, in bytes.
    fn value_limit(&self) -> usize;

    /// Asks the contract's policy and the Vm's authorizer whether a call is permitted. The dispatcher does so for every call
    /// that it dispatches; an engine that enters named contracts by itself (the EVM) must, too.
    ///
    /// # Errors
    /// When the call is refused.
    fn authorize(&mut self, access: &Access<'_>) -> Result<(), Denied>;

    /// Does an operation on contracts or the host inside this transaction, paid from this frame. What is refused, or fails, is an
    /// outcome that says why and has changed nothing; so is all that a contract without [`Capabilities::CALLS`](crate::Capabilities::CALLS) asks for. Only linked code, which is trusted, gets here. It asks in its own name or its
    /// caller's, without endorsers: others, whom it has authenticated, count only where it [keeps its state
    /// apart](crate::Contract::keeps_apart), so that nobody else can have written who they are.
    ///
    /// # Errors
    /// When the frame has to stop: out of gas, a read-only call, a host fault.
    fn manage(&mut self, operation: &Managed) -> Result<Operated, Stop>;

    /// Asks the rules that an operation is under, as they are now, whether somebody's endorsement would count: nothing, or why not. Paid
    /// from this frame, as all reading of policies is.
    ///
    /// # Errors
    /// When the frame has to stop: out of gas, a host fault.
    fn endorsable(&mut self, operation: &Managed, endorser: Address) -> Result<Result<(), String>, Stop>;

    /// Has it told to observers and in the receipt that an operation was refused to its sender by a rule, as [`manage`](Self::manage)
    /// does by itself: for contracts that refuse somebody a part in one.
    fn note_refused(&mut self, operation: &Managed, why: String);

    /// Has it told as [`note_refused`](Self::note_refused) does that a contract was refused what it was deployed without. The dispatcher
    /// does so for what goes through [`Host`]; an engine that refuses it by itself must, too.
    fn note_lacking(&mut self, contract: &ContractName, capability: Capabilities, why: String);

    /// What an operation builds on as things are. Paid from this frame.
    ///
    /// # Errors
    /// When the frame has to stop: out of gas, a host fault.
    fn basis(&mut self, operation: &Managed) -> Result<Basis, Stop>;

    /// Where calls are told that an engine makes by itself (the EVM), and what it does with state and events of its own; none unless
    /// somebody wants to see them. The dispatcher tells what goes through it and through [`Host`]. Default: none.
    fn tracer(&self) -> Option<&Tracer> {
        None
    }

    /// A number that tells transactions of this process apart: for logs, and for who waits for whom. Not the same on other hosts.
    fn id(&self) -> u64;

    /// Gives back gas of this frame that was charged before (refunds; gas handed to an engine and not used).
    fn refund(&mut self, gas: Gas);

    /// Records a host fault: the transaction fails with it whatever the contract does.
    fn fail(&mut self, fault: HostFault);
}

/// A call from one contract to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRequest {
    /// Who is called.
    pub to: Target,
    /// The method; see [`Call::method`](crate::Call::method).
    pub method: Arc<str>,
    /// The encoded arguments; see [`Call::input`](crate::Call::input).
    pub input: Bytes,
    /// Arguments by name in the place of `input`, from a contract whose ABI has names and no types. The callee's interface
    /// encodes them, and gives the output as text where it describes it. Default: none.
    pub named: Option<Vec<(String, Bytes)>>,
    /// What is transferred from the caller.
    pub value: Amount,
    /// What the callee may use at most; at most all but one 64th of what is left, which is the default.
    pub gas: Option<Gas>,
    /// True to forbid the callee, and all that it calls, any change.
    pub is_static: bool,
    /// True when the overlay has moved the value already, so that the dispatcher must not.
    pub value_moved: bool,
    /// On whose behalf, when it is not the frame's own contract: an engine with frames of its own (the EVM) names the inner
    /// account. Default: the frame's contract.
    pub caller: Option<Address>,
    /// What the caller occupies of the host's memory while it waits, in bytes, where this is a result of its input alone:
    /// [`Limits::waiting_memory`](crate::Limits::waiting_memory) bounds it. Default: 0.
    pub memory: usize,
}

impl CallRequest {
    /// A call without value, with as much gas as the rules allow.
    pub fn new(to: impl Into<Target>, method: impl Into<Arc<str>>, input: impl Into<Bytes>) -> Self {
        let (to, method, input) = (to.into(), method.into(), input.into());
        Self {
            to,
            method,
            input,
            named: None,
            value: Amount::ZERO,
            gas: None,
            is_static: false,
            value_moved: false,
            caller: None,
            memory: 0,
        }
    }

    /// A call with arguments by name.
    pub fn named(to: impl Into<Target>, method: impl Into<Arc<str>>, arguments: Vec<(String, Bytes)>) -> Self {
        Self { named: Some(arguments), ..Self::new(to, method, Bytes::new()) }
    }

    /// The bytes of the method and its arguments.
    pub(crate) fn size(&self) -> usize {
        let named = self.named.iter().flatten().map(|(name, value)| name.len().saturating_add(value.len()));
        named.fold(self.method.len().saturating_add(self.input.len()), usize::saturating_add)
    }
}

/// Why a contract must not go on.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Stop {
    /// Its own fault: deterministic, ends in a receipt.
    #[error(transparent)]
    Trap(#[from] Trap),
    /// The host's fault: nothing is committed and there is no receipt.
    #[error(transparent)]
    Fault(#[from] HostFault),
}

impl Stop {
    /// What a contract returns that was stopped.
    ///
    /// # Errors
    /// The host's fault, if it is one.
    pub fn into_return(self) -> Result<Return, HostFault> {
        match self {
            Self::Trap(trap) => Ok(Return::trap(trap)),
            Self::Fault(fault) => Err(fault),
        }
    }
}

impl From<StateError> for Stop {
    fn from(error: StateError) -> Self {
        Self::Fault(HostFault::State(error))
    }
}

/// A fault of the host or its surroundings. Not deterministic: it never decides a result, nothing is committed, and the
/// transaction may be tried again.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum HostFault {
    /// The wall-clock limit was reached.
    #[error("deadline exceeded: the call was stopped after {}; raise vm.limits.execution_timeout if it needs longer", Seconds(*.0))]
    Deadline(Duration),
    /// The host is shutting down.
    #[error("the vm is stopping; try again after it has restarted")]
    Stopping,
    /// Too many requests wait already.
    #[error("{queue} requests wait already; try again later, or raise vm.limits.queue")]
    Busy {
        /// The limit of the queue.
        queue: usize,
    },
    /// A caller or a contract has used up what this host gives it.
    #[error("{who}: {limit}{}", Later(*.retry_after))]
    Quota {
        /// Whose quota: `caller 0x…` or `contract 0x…`.
        who: String,
        /// Which limit, and what to do where waiting for a time is of no use.
        limit: String,
        /// When another call is admitted, if time is all that it takes.
        retry_after: Option<Duration>,
    },
    /// The state could not be read or written.
    #[error(transparent)]
    State(#[from] StateError),
    /// Other transactions kept changing what this one read until its deadline.
    #[error("gave up after {attempts} attempts: other transactions keep changing what this one reads; try again")]
    Conflict {
        /// How often it was executed.
        attempts: u32,
    },
    /// What the runtime needs is not there: a container, its daemon, an engine.
    #[error("the {runtime} runtime is not available: {message}")]
    Unavailable {
        /// The runtime.
        runtime: crate::RuntimeKind,
        /// What is missing and what to do.
        message: String,
    },
    /// The contract's process broke off or broke the protocol.
    #[error("the contract's {runtime} process failed: {message}")]
    Process {
        /// The runtime.
        runtime: crate::RuntimeKind,
        /// What was seen.
        message: String,
    },
    /// The code of a deployed contract can no longer be prepared.
    #[error("contract '{contract}' cannot be loaded: {message}")]
    Load {
        /// The contract.
        contract: String,
        /// Why.
        message: String,
    },
    /// A call that a dry run was to compare met a fault, so there is nothing to compare.
    #[error("call {call} of {of} could not be made, so the dry run says nothing: {fault}")]
    Replay {
        /// Which call, counted from 1.
        call: usize,
        /// How many there were to be.
        of: usize,
        /// What it met.
        fault: Box<HostFault>,
    },
    /// A defect in this workspace or an engine.
    #[error("internal error: {0}")]
    Internal(String),
}

impl HostFault {
    /// What happened, whatever it happened in.
    pub fn root(&self) -> &Self {
        match self {
            Self::Replay { fault, .. } => fault.root(),
            fault => fault,
        }
    }
}

struct Seconds(Duration);

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} s", self.0.as_secs_f64())
    }
}

struct Later(Option<Duration>);

impl std::fmt::Display for Later {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(after) => write!(f, "; try again in {:.3} s", after.as_secs_f64()),
            None => Ok(()),
        }
    }
}

/// The severity of a contract's log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum LogLevel {
    /// Details.
    Trace = 0,
    /// For the author.
    Debug = 1,
    /// For the operator.
    Info = 2,
    /// Something odd.
    Warn = 3,
    /// Something wrong.
    Error = 4,
}

impl LogLevel {
    /// From its number; larger ones are errors.
    pub const fn from_number(level: u32) -> Self {
        match level {
            0 => Self::Trace,
            1 => Self::Debug,
            2 => Self::Info,
            3 => Self::Warn,
            _ => Self::Error,
        }
    }
}

/// The deadline of a transaction. Clones are handles to the same one.
///
/// A flag that another thread raises makes looking cheap (one relaxed load); runtimes that wait outside this thread use
/// [`remaining`](Self::remaining) as their time-out.
#[derive(Debug, Clone)]
pub struct Interrupt {
    raised: Arc<AtomicBool>,
    started: Instant,
    limit: Duration,
}

impl Interrupt {
    /// A deadline `limit` from now.
    #[allow(clippy::disallowed_methods, reason = "a deadline is a host fault and never decides a result")]
    pub fn after(limit: Duration) -> Self {
        Self { raised: Arc::default(), started: Instant::now(), limit }
    }

    /// Stops the transaction at its next look.
    pub fn raise(&self) {
        self.raised.store(true, Ordering::Relaxed);
    }

    /// True when the transaction must stop. Cheap enough for a loop.
    #[inline]
    pub fn is_raised(&self) -> bool {
        self.raised.load(Ordering::Relaxed)
    }

    /// The time left; zero when the deadline is over or the flag is raised.
    #[allow(clippy::disallowed_methods, reason = "a deadline is a host fault and never decides a result")]
    pub fn remaining(&self) -> Duration {
        if self.is_raised() { Duration::ZERO } else { self.limit.saturating_sub(self.started.elapsed()) }
    }

    /// The fault that a stopped transaction ends with.
    pub const fn fault(&self) -> HostFault {
        HostFault::Deadline(self.limit)
    }

    /// Fails when the flag is raised.
    ///
    /// # Errors
    /// [`HostFault::Deadline`].
    #[inline]
    pub fn check(&self) -> Result<(), HostFault> {
        if self.is_raised() { Err(self.fault()) } else { Ok(()) }
    }

    /// The flag itself, for engines that look at it from their own code.
    pub fn flag(&self) -> Arc<AtomicBool> {
        self.raised.clone()
    }
}
