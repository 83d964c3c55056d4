mod audit;
mod builder;
mod task;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use async_trait::async_trait;

pub use builder::VmBuilder;
use task::{Answer, Request, Task};

use crate::access::cautions;
use crate::commit::Committer;
use crate::core::Core;
use crate::error::InPhase;
use crate::prepared::Purpose;
use crate::quota::{Gate, Ticket};
use crate::record::load_code;
use crate::worker::Workers;
use crate::{
    Account, Address, Amount, Block, ChangeRequest, Code, CodeHash, Contract, ContractName, ContractRecord,
    DeployRequest, DryRun, DryRunRequest, ErrorKind, GovernRequest, GrantRequest, HistoryEntry, HostFault, HostPolicy,
    InvokeRequest, Journal, KeyRange, Lifecycle, Managed, MetricsSnapshot, MigrateRequest, Phase, Policy, Receipt,
    Refusal, Regulated, RollbackRequest, RuntimeKind, RuntimeProvider, Space, StateBackend, StateError, StateKey,
    StateView, UpgradeRequest, VersionRecord, VmError, VmProvider, VmStatus,
};

/// A virtual machine: runtimes, a state, and the workers that execute requests. Clones are handles to the same one.
///
/// See [`RuntimeProvider`](crate::RuntimeProvider) for a complete example.
#[derive(Clone)]
pub struct Vm(Arc<Inner>);

struct Inner {
    core: Arc<Core>,
    backend: Arc<dyn StateBackend>,
    committer: Committer,
    block: Arc<Block>,
    numbered: bool,
    genesis: BTreeMap<Address, Amount>,
    policy: HostPolicy,
    /// None without bounds.
    gate: Option<Arc<Gate>>,
    worker_count: usize,
    warm: bool,
    workers: OnceLock<Workers>,
    stage: Mutex<Stage>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Created,
    Initialising,
    Ready,
    Starting,
    Running,
    Stopping,
    Stopped,
}

impl Stage {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Initialising => "initialising",
            Self::Ready => "ready",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }
}

impl Vm {
    /// A machine to be put together.
    pub fn builder() -> VmBuilder {
        VmBuilder::default()
    }

    /// As [`invoke`](VmProvider::invoke), on the calling thread, which must not be one of an async runtime. Saves the way to
    /// a worker and back; the caller's stack must have room for the deepest call (192 MiB are enough; with less than
    /// 3 MiB left, a call of compiled WASM takes some 40 µs longer, because a stack is added for it).
    ///
    /// # Errors
    /// As [`invoke`](VmProvider::invoke).
    pub fn invoke_sync(&self, request: InvokeRequest) -> Result<Receipt, VmError> {
        self.execute_here(Request::Invoke(request)).map(Answer::receipt)
    }

    /// As [`query`](VmProvider::query), on the calling thread; see [`invoke_sync`](Self::invoke_sync).
    ///
    /// # Errors
    /// As [`invoke`](VmProvider::invoke).
    pub fn query_sync(&self, request: InvokeRequest) -> Result<Receipt, VmError> {
        self.execute_here(Request::Query(request)).map(Answer::receipt)
    }

    /// All contracts, in the order of their names.
    ///
    /// # Errors
    /// When the state fails or a record is damaged.
    pub fn contracts(&self) -> Result<Vec<ContractRecord>, StateError> {
        let entries = self.view()?.scan(&KeyRange::space(Space::Record), usize::MAX)?;
        entries.iter().map(|(key, value)| ContractRecord::from_entry(key, value)).collect()
    }

    /// The record of a contract, if there is one.
    ///
    /// # Errors
    /// When the state fails or the record is damaged.
    pub fn record(&self, name: &ContractName) -> Result<Option<ContractRecord>, StateError> {
        ContractRecord::load(&Journal::new(self.view()?), name)
    }

    /// All versions that a contract has had, oldest first.
    ///
    /// # Errors
    /// When the state fails or a record is damaged.
    pub fn versions(&self, name: &ContractName) -> Result<Vec<VersionRecord>, StateError> {
        VersionRecord::all(&*self.view()?, name)
    }

    /// What was done with a contract, oldest first; at most `limit` entries from number `first` on, which counts from 1.
    ///
    /// # Errors
    /// When the state fails or an entry is damaged.
    pub fn history(&self, name: &ContractName, first: u64, limit: usize) -> Result<Vec<HistoryEntry>, StateError> {
        let all = KeyRange::of(Space::History, name.as_str().as_bytes());
        let range = KeyRange { start: StateKey::history(name, first), end: all.end };
        let entries = self.view()?.scan(&range, limit)?;
        entries.iter().map(|(key, value)| HistoryEntry::from_entry(key, value)).collect()
    }

    /// The policy of a contract in force, if there is such a contract.
    ///
    /// # Errors
    /// When the state fails or the policy is damaged.
    pub fn policy(&self, name: &ContractName) -> Result<Option<Policy>, StateError> {
        let journal = Journal::new(self.view()?);
        let record = ContractRecord::load(&journal, name)?;
        record.map(|record| Policy::load(&journal, name, record.policy)).transpose()
    }

    /// A version of a contract's policy, if it had that: its history tells which operations were under which version.
    ///
    /// # Errors
    /// When the state fails or the policy is damaged.
    pub fn policy_version(&self, name: &ContractName, version: u32) -> Result<Option<Policy>, StateError> {
        let journal = Journal::new(self.view()?);
        let record = ContractRecord::load(&journal, name)?;
        let had = record.filter(|record| version <= record.policy);
        had.map(|_| Policy::load(&journal, name, version)).transpose()
    }

    /// A version of the host's policy, if there was one.
    ///
    /// # Errors
    /// When the state fails or the policy is damaged.
    pub fn host_policy_version(&self, version: u32) -> Result<Option<HostPolicy>, StateError> {
        HostPolicy::load_version(&Journal::new(self.view()?), version)
    }

    /// The policy of the host in force.
    ///
    /// # Errors
    /// When the state fails or the policy is damaged.
    pub fn host_policy(&self) -> Result<HostPolicy, StateError> {
        HostPolicy::load(&Journal::new(self.view()?))
    }

    /// The code of a version, with its interface and options.
    ///
    /// # Errors
    /// When the state fails or the code is damaged.
    pub fn code(&self, hash: &CodeHash) -> Result<Option<Code>, StateError> {
        load_code(&Journal::new(self.view()?), hash)
    }

    /// A contract in its callable form, for its [`Interface`](crate::Interface): to show its methods or decode its events.
    ///
    /// # Errors
    /// When there is no such contract, or it cannot be loaded.
    pub fn contract(&self, name: &ContractName) -> Result<Arc<dyn Contract>, VmError> {
        let journal = Journal::new(self.view().phase(Phase::Load)?);
        let ready = || {
            let record = self.0.core.find(&journal, &name.clone().into())?;
            self.0.core.ready(&journal, record.as_ref(), None, false)
        };
        Ok(ready().phase(Phase::Load)?.1)
    }

    /// What whoever looks after a contract should know of its rules for methods: what an upgrade to its current code would
    /// [warn](Receipt::warnings) of.
    ///
    /// # Errors
    /// When there is no such contract, or it cannot be loaded.
    pub fn cautions(&self, name: &ContractName) -> Result<Vec<String>, VmError> {
        let journal = Journal::new(self.view().phase(Phase::Load)?);
        let record = self.0.core.find(&journal, &name.clone().into()).map_err(ErrorKind::from).phase(Phase::Load)?;
        let Some(record) = record else { return Ok(Vec::new()) };
        let (_, contract) = self.0.core.ready(&journal, Some(&record), None, false).phase(Phase::Load)?;
        cautions(&journal, &record, &*contract).phase(Phase::Load)
    }

    /// Code in its callable form, as a deployment would make it, for its [`Interface`](crate::Interface): to encode the arguments
    /// of its constructor or migration. Nothing is stored.
    ///
    /// # Errors
    /// When no runtime accepts the code.
    pub fn prepare(&self, code: &Code) -> Result<Arc<dyn Contract>, VmError> {
        let hash = code.hash();
        let core = &self.0.core;
        core.runtime(code.runtime).and_then(|runtime| Ok(runtime.verify(code)?)).phase(Phase::Verify)?;
        core.prepare(code, hash, Purpose::Use(None)).phase(Phase::Compile)
    }

    /// Prepares the active contracts of those runtimes that ask for it, in the background.
    fn warm_up(&self) {
        let asks = |provider: &&Arc<dyn RuntimeProvider>| provider.is_warmed_up();
        let runtimes: Vec<_> = self.0.core.providers().filter(asks).map(|provider| provider.kind()).collect();
        if runtimes.is_empty() || !self.0.warm {
            return;
        }
        let vm = Arc::downgrade(&self.0);
        let run = move || warm_up(&vm, &runtimes);
        if let Err(error) = std::thread::Builder::new().name("vm-warm".into()).spawn(run) {
            tracing::warn!(target: "vm", %error, "contracts are not made ready ahead of their first call");
        }
    }

    /// The state as of the last commit.
    ///
    /// # Errors
    /// When the state fails.
    pub fn view(&self) -> Result<Arc<dyn StateView>, StateError> {
        self.0.backend.snapshot()
    }

    fn stage(&self) -> Stage {
        *self.0.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes from one stage to the next, unless somebody else has changed it; then that stage is the error.
    fn advance(&self, from: Stage, to: Stage) -> Result<(), Stage> {
        let mut stage = self.0.stage.lock().unwrap_or_else(PoisonError::into_inner);
        if *stage != from {
            return Err(*stage);
        }
        *stage = to;
        Ok(())
    }

    fn running(&self) -> Result<&Workers, VmError> {
        match (self.stage(), self.0.workers.get()) {
            (Stage::Running, Some(workers)) => Ok(workers),
            (stage, _) => Err(not_running(stage)),
        }
    }

    async fn execute(&self, request: Request) -> Result<Answer, VmError> {
        self.running()?;
        let ticket = self.admit_or_tell(&request)?;
        let (task, answer) = Task::new(self.clone(), request, ticket);
        task.enqueue();
        answer.await.unwrap_or_else(|_| Err(unanswered()))
    }

    fn execute_here(&self, request: Request) -> Result<Answer, VmError> {
        self.running()?;
        let ticket = self.admit_or_tell(&request)?;
        let (task, answer) = Task::new(self.clone(), request, ticket);
        task.run(false);
        futures_executor::block_on(answer).unwrap_or_else(|_| Err(unanswered()))
    }

    fn admit_or_tell(&self, request: &Request) -> Result<Option<Ticket>, VmError> {
        self.admit(request).map_err(|error| {
            let reply = Err(error);
            audit::tell(self, request, &reply, &[]);
            let Err(error) = reply else { unreachable!("it is an error") };
            error
        })
    }

    /// Asks the quotas, if there are any, for requests that belong to no block.
    fn admit(&self, request: &Request) -> Result<Option<Ticket>, VmError> {
        let Some(gate) = &self.0.gate else { return Ok(None) };
        match request.demand().filter(|demand| demand.sender.block.is_none()) {
            Some(demand) => gate.admit(demand).map(Some).phase(Phase::Admit),
            None => Ok(None),
        }
    }

    async fn operate(&self, operation: Managed) -> Result<Answer, VmError> {
        self.execute(Request::Operation(operation)).await
    }

    /// Of all of this process, since runtimes may be shared.
    fn next_id(&self) -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        NEXT.fetch_add(1, Ordering::Relaxed)
    }

    /// Ends workers and runtimes.
    async fn release(&self) -> Result<(), VmError> {
        // Waiting for calls in flight may take until their deadline: not on a thread of the caller's executor.
        let (vm, (sender, stopped)) = (self.clone(), futures_channel::oneshot::channel::<()>());
        let wait = move || {
            vm.0.workers.get().inspect(|workers| workers.stop());
            drop(vm);
            drop(sender);
        };
        if std::thread::Builder::new().name("vm-stop".into()).spawn(wait).is_ok() {
            let _ = stopped.await;
        }
        self.0.core.prepared.clear(&self.0.core.metrics.cache);
        let mut result = Ok(());
        for provider in self.0.core.providers() {
            if let Err(fault) = provider.stop().await {
                tracing::warn!(target: "vm", runtime = provider.kind().as_str(), error = %fault, "runtime did not stop cleanly");
                result = Err(VmError::new(Phase::Admit, fault));
            }
        }
        result
    }

    /// Binds a new state to the gas schedule and gives it its balances and its policy; refuses a state that is bound to another schedule.
    fn bind_state(&self) -> Result<(), ErrorKind> {
        let key = StateKey::system("gas-schedule");
        let view = self.view()?;
        let expected = self.0.core.schedule.hash();
        match view.get(&key)? {
            Some(found) if found == expected.as_slice() => Ok(()),
            Some(found) => Err(Refusal::Schedule { expected: hex::encode(expected), found: hex::encode(found) }.into()),
            None => {
                let journal = Journal::new(view);
                journal.put(key, expected.to_vec().into());
                for (address, balance) in &self.0.genesis {
                    let account = Account { balance: *balance, ..Account::load(&journal, address)? };
                    account.store(&journal, address)?;
                }
                if self.0.policy != HostPolicy::default() {
                    self.0.policy.check_government()?;
                    HostPolicy { version: 1, ..self.0.policy.clone() }.store(&journal)?;
                }
                Ok(self.0.committer.write(journal.finish().writes)?)
            }
        }
    }
}

/// One contract after the other, as long as the machine runs. What fails is told, and tried again by the first call.
fn warm_up(vm: &Weak<Inner>, runtimes: &[RuntimeKind]) {
    let Some(machine) = vm.upgrade().map(Vm) else { return };
    let contracts = machine.contracts().unwrap_or_else(|error| {
        tracing::warn!(target: "vm", %error, "contracts are not made ready ahead of their first call");
        Vec::new()
    });
    drop(machine);
    let wanted = |record: &ContractRecord| record.lifecycle == Lifecycle::Active && runtimes.contains(&record.runtime);
    let mut done = BTreeSet::new();
    for record in contracts.into_iter().filter(wanted) {
        let Some(machine) = vm.upgrade().map(Vm).filter(|machine| machine.stage() == Stage::Running) else { return };
        // Room is for what is called: what does not fit would only displace what was made ready before.
        if done.iter().any(|code| !machine.0.core.prepared.contains(code)) {
            tracing::warn!(target: "vm", contract = %record.name, "no room for more contracts ahead of their first call");
            return;
        }
        if !done.insert(record.code) {
            continue;
        }
        match machine.contract(&record.name) {
            Ok(_) => tracing::info!(target: "vm", contract = %record.name, "ready before its first call"),
            Err(error) => {
                done.remove(&record.code);
                if machine.stage() == Stage::Running {
                    tracing::warn!(target: "vm", contract = %record.name, %error, "not ready before its first call, which tries again");
                }
            }
        }
    }
}

fn unanswered() -> VmError {
    VmError::new(Phase::Execute, HostFault::Internal("the request was dropped without an answer".into()))
}

fn not_running(stage: Stage) -> VmError {
    VmError::new(Phase::Admit, Refusal::NotRunning(stage.as_str()))
}

#[async_trait]
impl VmProvider for Vm {
    async fn init(&self) -> Result<(), VmError> {
        match self.advance(Stage::Created, Stage::Initialising) {
            Ok(()) => {}
            Err(Stage::Ready | Stage::Running) => return Ok(()),
            Err(stage) => return Err(not_running(stage)),
        }
        let bound = self.bind_state().phase(Phase::Admit);
        let next = if bound.is_ok() { Stage::Ready } else { Stage::Created };
        self.advance(Stage::Initialising, next).map_err(not_running)?;
        bound
    }

    async fn start(&self) -> Result<(), VmError> {
        self.init().await?;
        match self.advance(Stage::Ready, Stage::Starting) {
            Ok(()) => {}
            Err(Stage::Running) => return Ok(()),
            Err(stage) => return Err(not_running(stage)),
        }
        for provider in self.0.core.providers() {
            if let Err(error) = provider.start().await {
                tracing::warn!(target: "vm", runtime = provider.kind().as_str(), %error, "runtime did not start; the others go on");
            }
        }
        let started = Workers::start(self.0.worker_count, self.0.core.limits.queue)
            .map_err(|error| HostFault::Internal(format!("cannot start worker threads: {error}")))
            .phase(Phase::Admit)
            .map(|workers| self.0.workers.set(workers));
        let running = self.advance(Stage::Starting, Stage::Running).map_err(not_running);
        if running.is_err() {
            // It was stopped in the meantime.
            self.release().await?;
        }
        let done = started.and(running);
        if done.is_ok() {
            self.warm_up();
        }
        done
    }

    async fn stop(&self) -> Result<(), VmError> {
        let stage = {
            let mut stage = self.0.stage.lock().unwrap_or_else(PoisonError::into_inner);
            let before = *stage;
            *stage = match before {
                Stage::Running => Stage::Stopping,
                Stage::Stopping => return Err(not_running(before)),
                _ => Stage::Stopped,
            };
            before
        };
        if stage != Stage::Running {
            // Nothing runs yet, or what is being started is released by the one who starts it.
            return Ok(());
        }
        let result = self.release().await;
        self.advance(Stage::Stopping, Stage::Stopped).map_err(not_running)?;
        result
    }

    async fn deploy(&self, request: DeployRequest) -> Result<Receipt, VmError> {
        self.operate(Managed::Deploy(request)).await.map(Answer::receipt)
    }

    async fn invoke(&self, request: InvokeRequest) -> Result<Receipt, VmError> {
        self.execute(Request::Invoke(request)).await.map(Answer::receipt)
    }

    async fn query(&self, request: InvokeRequest) -> Result<Receipt, VmError> {
        self.execute(Request::Query(request)).await.map(Answer::receipt)
    }

    async fn upgrade(&self, request: UpgradeRequest) -> Result<Receipt, VmError> {
        self.operate(Managed::Upgrade(request)).await.map(Answer::receipt)
    }

    async fn migrate(&self, request: MigrateRequest) -> Result<Receipt, VmError> {
        self.operate(Managed::Migrate(request)).await.map(Answer::receipt)
    }

    async fn rollback(&self, request: RollbackRequest) -> Result<Receipt, VmError> {
        self.operate(Managed::Rollback(request)).await.map(Answer::receipt)
    }

    async fn change(&self, request: ChangeRequest) -> Result<ContractRecord, VmError> {
        self.operate(Managed::Change(request)).await.map(Answer::record)
    }

    async fn grant(&self, request: GrantRequest) -> Result<Regulated<ContractRecord>, VmError> {
        self.operate(Managed::Grant(request)).await.map(Answer::granted)
    }

    async fn govern(&self, request: GovernRequest) -> Result<Regulated<HostPolicy>, VmError> {
        self.operate(Managed::Govern(request)).await.map(Answer::policy)
    }

    async fn dry_run(&self, request: DryRunRequest) -> Result<DryRun, VmError> {
        self.execute(Request::DryRun(Box::new(request))).await.map(Answer::dry_run)
    }

    fn status(&self) -> VmStatus {
        let contracts = self.contracts().unwrap_or_default();
        let count = |lifecycle| contracts.iter().filter(|record| record.lifecycle == lifecycle).count();
        let workers = self.0.workers.get();
        let (core, schedule) = (&self.0.core, &self.0.core.schedule);
        VmStatus {
            state: self.stage().as_str(),
            height: self.view().ok().map(|view| view.height()),
            schedule: format!("version {}, sha256 {}", schedule.version, hex::encode(schedule.hash())),
            runtimes: core.providers().map(|provider| (provider.kind(), provider.status())).collect(),
            contracts: Lifecycle::ALL.map(|lifecycle| (lifecycle, count(lifecycle))).to_vec(),
            workers: workers.map_or(0, Workers::count),
            quarantined: workers.map_or(0, Workers::quarantined),
            queued: workers.map_or(0, Workers::queued),
            in_flight: workers.map_or(0, Workers::in_flight),
            limits: core.limits,
        }
    }

    fn metrics(&self) -> MetricsSnapshot {
        self.0.core.metrics.snapshot()
    }
}

impl fmt::Debug for Vm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vm").field("stage", &self.stage()).finish_non_exhaustive()
    }
}
