use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;

use super::{Inner, Stage, Vm};
use crate::commit::Committer;
use crate::core::Core;
use crate::error::InPhase;
use crate::metrics::Metrics;
use crate::prepared::PreparedCache;
use crate::quota::Gate;
use crate::refused::RefusedCode;
use crate::{
    Address, Amount, Authorizer, Block, ContractName, GasSchedule, HostFault, HostPolicy, Limits, MemoryBackend,
    Observer, Phase, Quotas, RuntimeProvider, StateBackend, VmError,
};

/// Puts a [`Vm`] together. Everything has a default but the runtimes.
pub struct VmBuilder {
    runtimes: Vec<Arc<dyn RuntimeProvider>>,
    backend: Arc<dyn StateBackend>,
    limits: Limits,
    schedule: Arc<GasSchedule>,
    authorizer: Option<Arc<dyn Authorizer>>,
    policy: HostPolicy,
    quotas: Quotas,
    observer: Option<Arc<dyn Observer>>,
    block: Block,
    numbered: bool,
    workers: usize,
    genesis: BTreeMap<Address, Amount>,
    pinned: BTreeSet<ContractName>,
    warm: bool,
}

impl Default for VmBuilder {
    fn default() -> Self {
        Self {
            runtimes: Vec::new(),
            backend: Arc::new(MemoryBackend::new()),
            limits: Limits::default(),
            schedule: GasSchedule::v1(),
            authorizer: None,
            policy: HostPolicy::default(),
            quotas: Quotas::default(),
            observer: None,
            block: Block::default(),
            numbered: false,
            workers: thread::available_parallelism().map_or(1, usize::from),
            genesis: BTreeMap::new(),
            pinned: BTreeSet::new(),
            warm: true,
        }
    }
}

impl VmBuilder {
    /// Adds a runtime. One of a kind.
    #[must_use]
    pub fn runtime(self, provider: impl RuntimeProvider + 'static) -> Self {
        self.shared_runtime(Arc::new(provider))
    }

    /// Adds a runtime that is shared with others.
    #[must_use]
    pub fn shared_runtime(mut self, provider: Arc<dyn RuntimeProvider>) -> Self {
        self.runtimes.push(provider);
        self
    }

    /// Sets where the state is. Default: in memory.
    #[must_use]
    pub fn backend(mut self, backend: Arc<dyn StateBackend>) -> Self {
        self.backend = backend;
        self
    }

    /// Sets the limits.
    #[must_use]
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets how much callers and contracts may ask of this host. Requests with a block of their own are not asked. Default: no
    /// bounds.
    #[must_use]
    pub const fn quotas(mut self, quotas: Quotas) -> Self {
        self.quotas = quotas;
        self
    }

    /// Sets the prices. Default: [`GasSchedule::v1`].
    #[must_use]
    pub fn schedule(mut self, schedule: Arc<GasSchedule>) -> Self {
        self.schedule = schedule;
        self
    }

    /// Sets what is refused beside what the policies refuse. Default: nothing.
    #[must_use]
    pub fn authorizer(mut self, authorizer: impl Authorizer + 'static) -> Self {
        self.authorizer = Some(Arc::new(authorizer));
        self
    }

    /// Sets the host's policy in a new state. A state that exists already keeps its own, and a new one does not begin where
    /// nobody could meet the rule of the administrators, unless it is [`Rule::Nobody`](crate::Rule::Nobody). Default: everybody deploys, nobody
    /// is an administrator, and contracts are in the hands of their owners.
    #[must_use]
    pub fn policy(mut self, policy: HostPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets who is told what was done and what was refused. Default: the log only.
    #[must_use]
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// Sets the block of requests that bring none. A chain gives each request its own.
    #[must_use]
    pub fn block(mut self, block: Block) -> Self {
        (self.block, self.numbered) = (block, false);
        self
    }

    /// Gives the block of requests that bring none the number of the height after the one that they build on. For hosts that make no
    /// blocks: one height has what was committed together, so the numbers depend on what else was going on. Default: its own.
    #[must_use]
    pub fn numbered_by_height(mut self) -> Self {
        self.numbered = true;
        self
    }

    /// Sets the number of worker threads, at least 1. Default: one for each processor.
    #[must_use]
    pub const fn workers(mut self, workers: usize) -> Self {
        self.workers = if workers == 0 { 1 } else { workers };
        self
    }

    /// Sets the balances that accounts have in a new state. A state that exists already keeps its own.
    #[must_use]
    pub fn genesis(mut self, balances: BTreeMap<Address, Amount>) -> Self {
        self.genesis = balances;
        self
    }

    /// Sets the contracts whose prepared form is never dropped to make room for others, once they were called: those that
    /// everything else calls. Beside them, [`Limits::cache_size`] holds. Default: none.
    #[must_use]
    pub fn pinned(mut self, contracts: impl IntoIterator<Item = ContractName>) -> Self {
        self.pinned = contracts.into_iter().collect();
        self
    }

    /// Sets whether contracts of runtimes that ask for it ([`RuntimeProvider::is_warmed_up`]) are prepared as soon as the machine
    /// has started, in the background. A machine that is there for one request needs none. Default: true.
    #[must_use]
    pub const fn warm(mut self, warm: bool) -> Self {
        self.warm = warm;
        self
    }

    /// The machine, not yet started.
    ///
    /// # Errors
    /// When two runtimes are of one kind, a runtime has other prices built in, or the state does not answer.
    pub fn build(self) -> Result<Vm, VmError> {
        let invalid = |message: String| VmError::new(Phase::Admit, HostFault::Internal(message));
        let mut runtimes = [const { None }; 4];
        let mut accounts = None;
        for provider in self.runtimes {
            let kind = provider.kind();
            if provider.schedule().is_some_and(|schedule| schedule != &*self.schedule) {
                return Err(invalid(format!("the {kind} runtime was built with another gas schedule than the vm")));
            }
            if let Some(contract) = provider.accounts() {
                accounts = Some((kind, contract));
            }
            if runtimes.get_mut(kind.index()).is_some_and(|slot| slot.replace(provider).is_some()) {
                return Err(invalid(format!("two runtimes are of kind {kind}; a vm takes one of each")));
            }
        }
        self.policy.check().phase(Phase::Admit)?;
        let core = Arc::new(Core {
            runtimes,
            accounts,
            prepared: PreparedCache::new(self.limits.cache_size, self.pinned),
            refused: RefusedCode::new(),
            schedule: self.schedule,
            limits: self.limits,
            authorizer: self.authorizer,
            observer: self.observer,
            metrics: Metrics::new(),
        });
        core.check_methods(&self.policy.contracts).phase(Phase::Admit)?;
        let committer = Committer::new(self.backend.clone(), core.clone()).phase(Phase::Admit)?;
        Ok(Vm(Arc::new(Inner {
            core,
            backend: self.backend,
            committer,
            block: Arc::new(self.block),
            numbered: self.numbered,
            genesis: self.genesis,
            policy: self.policy,
            gate: (self.quotas != Quotas::default()).then(|| Gate::new(self.quotas)),
            worker_count: self.workers,
            warm: self.warm,
            workers: OnceLock::new(),
            stage: Mutex::new(Stage::Created),
        })))
    }
}

impl fmt::Debug for VmBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds: Vec<_> = self.runtimes.iter().map(|provider| provider.kind()).collect();
        f.debug_struct("VmBuilder").field("runtimes", &kinds).field("limits", &self.limits).finish_non_exhaustive()
    }
}
