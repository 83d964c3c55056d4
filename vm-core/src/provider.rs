use async_trait::async_trait;

use crate::{
    ChangeRequest, ContractRecord, DeployRequest, DryRun, DryRunRequest, GovernRequest, GrantRequest, Height,
    HostPolicy, InvokeRequest, Lifecycle, Limits, MetricsSnapshot, MigrateRequest, ProviderStatus, Receipt, Regulated,
    RollbackRequest, RuntimeKind, UpgradeRequest, VmError,
};

/// The facade of a virtual machine: one lifecycle over all its runtimes. [`Vm`](crate::Vm) implements it.
///
/// Dropping a returned future does not stop what was asked for; its result is then lost, its effects are not.
#[async_trait]
pub trait VmProvider: Send + Sync {
    /// Checks the state against the gas schedule, and writes a new state's first entries: the schedule's hash and
    /// the balances of its genesis.
    ///
    /// # Errors
    /// When the state was created with another schedule, or does not answer.
    async fn init(&self) -> Result<(), VmError>;

    /// Starts the runtimes and begins to take requests; calls [`init`](Self::init) if that was not done. A runtime that does
    /// not start is logged and shown by [`status`](Self::status); the others work without it.
    ///
    /// # Errors
    /// As [`init`](Self::init).
    async fn start(&self) -> Result<(), VmError>;

    /// Takes no more requests, waits for those that workers execute, and releases the runtimes. For good.
    ///
    /// # Errors
    /// When a runtime could not release something.
    async fn stop(&self) -> Result<(), VmError>;

    /// Creates a contract: verify, compile, environment, initialise, store.
    ///
    /// # Errors
    /// With the phase; nothing is changed then. A constructor that fails is an error with its receipt.
    async fn deploy(&self, request: DeployRequest) -> Result<Receipt, VmError>;

    /// Calls a method: load, environment, validate, execute, update. A contract that fails has a receipt that says so, and
    /// has changed nothing.
    ///
    /// # Errors
    /// With the phase, when the request is refused or the host fails.
    async fn invoke(&self, request: InvokeRequest) -> Result<Receipt, VmError>;

    /// Calls a method that may not change anything, on the last committed state.
    ///
    /// # Errors
    /// As [`invoke`](Self::invoke).
    async fn query(&self, request: InvokeRequest) -> Result<Receipt, VmError>;

    /// Gives a contract new code: permission, keep, verify, compile, replace, migrate, store.
    ///
    /// # Errors
    /// With the phase; the contract is as before then. A migration that fails is an error with its receipt.
    async fn upgrade(&self, request: UpgradeRequest) -> Result<Receipt, VmError>;

    /// Has a contract's current code migrate its state once more: load, permission, keep, validate, migrate, store.
    ///
    /// # Errors
    /// With the phase; the contract is as before then. A migration that fails is an error with its receipt.
    async fn migrate(&self, request: MigrateRequest) -> Result<Receipt, VmError>;

    /// Gives a contract the code of an earlier version back: load, permission, keep, compile, migrate, replace, store.
    ///
    /// # Errors
    /// With the phase; the contract is as before then. A migration that fails is an error with its receipt.
    async fn rollback(&self, request: RollbackRequest) -> Result<Receipt, VmError>;

    /// Freezes, unfreezes or revokes a contract.
    ///
    /// # Errors
    /// When it is not permitted, or the state machine has no such step.
    async fn change(&self, request: ChangeRequest) -> Result<ContractRecord, VmError>;

    /// Changes a contract's policy. What is so already stays so, and the answer says it.
    ///
    /// # Errors
    /// When it is not permitted, or a rule does not fit.
    async fn grant(&self, request: GrantRequest) -> Result<Regulated<ContractRecord>, VmError>;

    /// Changes the host's policy, or bounds contracts. What is so already stays so, and the answer says it.
    ///
    /// # Errors
    /// When it is not permitted, or a rule does not fit.
    async fn govern(&self, request: GovernRequest) -> Result<Regulated<HostPolicy>, VmError>;

    /// Tries something on a fork of the state, and calls with and without it. Nothing is changed, and nobody is told.
    ///
    /// # Errors
    /// As what is tried.
    async fn dry_run(&self, request: DryRunRequest) -> Result<DryRun, VmError>;

    /// How the machine is.
    fn status(&self) -> VmStatus;

    /// What the machine has done since it was built.
    fn metrics(&self) -> MetricsSnapshot;
}

/// How a machine is.
#[derive(Debug, Clone, serde::Serialize)]
pub struct VmStatus {
    /// `created`, `initialising`, `ready`, `starting`, `running`, `stopping` or `stopped`.
    pub state: &'static str,
    /// The last committed height; `None` when the store does not answer.
    pub height: Option<Height>,
    /// The version and hash of the gas schedule.
    pub schedule: String,
    /// The runtimes.
    pub runtimes: Vec<(RuntimeKind, ProviderStatus)>,
    /// The number of contracts by state of life.
    pub contracts: Vec<(Lifecycle, usize)>,
    /// Worker threads that take requests.
    pub workers: usize,
    /// Worker threads that do not come back from a call, and were replaced.
    pub quarantined: usize,
    /// Requests that wait for a worker.
    pub queued: usize,
    /// Requests that a worker executes.
    pub in_flight: usize,
    /// The limits in force.
    pub limits: Limits,
}
