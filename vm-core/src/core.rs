use std::sync::Arc;

use futures_executor::block_on;

use crate::metrics::Metrics;
use crate::prepared::{Failure, PreparedCache, Purpose, block_on_within};
use crate::record::load_code;
use crate::refused::RefusedCode;
use crate::{
    Account, Authorizer, Code, CodeHash, Contract, ContractName, ContractRecord, Gas, GasSchedule, HostFault,
    Interrupt, Journal, Limits, Observer, Policy, PrepareError, Refusal, RuntimeKind, RuntimeProvider, StateError,
    Target,
};

/// What all transactions of a machine share.
pub(crate) struct Core {
    pub(crate) runtimes: [Option<Arc<dyn RuntimeProvider>>; 4],
    /// Executes calls to addresses without record.
    pub(crate) accounts: Option<(RuntimeKind, Arc<dyn Contract>)>,
    pub(crate) prepared: PreparedCache,
    pub(crate) refused: RefusedCode,
    pub(crate) schedule: Arc<GasSchedule>,
    pub(crate) limits: Limits,
    pub(crate) authorizer: Option<Arc<dyn Authorizer>>,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) metrics: Metrics,
}

/// Why nobody was found.
pub(crate) enum Unresolved {
    Refused(Refusal),
    Fault(HostFault),
}

impl From<StateError> for Unresolved {
    fn from(error: StateError) -> Self {
        Self::Fault(error.into())
    }
}

impl From<HostFault> for Unresolved {
    fn from(fault: HostFault) -> Self {
        Self::Fault(fault)
    }
}

impl From<PrepareError> for Unresolved {
    fn from(error: PrepareError) -> Self {
        match error {
            // Deployed code was prepared before: now it is the host that differs.
            PrepareError::Code(error) => Self::Fault(HostFault::Internal(error.to_string())),
            PrepareError::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl Failure for Unresolved {
    fn fault(&self) -> Option<&HostFault> {
        match self {
            Self::Fault(fault) => Some(fault),
            Self::Refused(_) => None,
        }
    }
}

impl Core {
    pub(crate) fn runtime(&self, kind: RuntimeKind) -> Result<&Arc<dyn RuntimeProvider>, Refusal> {
        self.runtimes.get(kind.index()).and_then(Option::as_ref).ok_or(Refusal::NoRuntime(kind))
    }

    /// The runtime of code that is deployed. That it is missing is the host's fault: others, which have it, would go on.
    pub(crate) fn runtime_of(
        &self,
        name: &ContractName,
        kind: RuntimeKind,
    ) -> Result<&Arc<dyn RuntimeProvider>, HostFault> {
        self.runtime(kind)
            .map_err(|missing| HostFault::Load { contract: name.to_string(), message: missing.to_string() })
    }

    pub(crate) fn providers(&self) -> impl Iterator<Item = &Arc<dyn RuntimeProvider>> {
        self.runtimes.iter().flatten()
    }

    /// Makes new, verified code callable.
    pub(crate) fn prepare(
        &self,
        code: &Code,
        hash: CodeHash,
        purpose: Purpose<'_>,
    ) -> Result<Arc<dyn Contract>, PrepareError> {
        let provider = self.runtime(code.runtime).map_err(|refusal| HostFault::Internal(refusal.to_string()))?;
        self.prepared.get(hash, purpose, None, &self.metrics.cache, || {
            let prepared = block_on(provider.prepare(code));
            if let Err(PrepareError::Code(error)) = &prepared {
                self.refused.put(hash, error);
            }
            prepared
        })
    }

    /// Makes code callable that a contract had before. It was accepted then, so if it is not now, it is this host that differs.
    pub(crate) fn prepare_kept(
        &self,
        name: &ContractName,
        code: &Code,
        hash: CodeHash,
    ) -> Result<Arc<dyn Contract>, HostFault> {
        let provider = self.runtime_of(name, code.runtime)?;
        let prepared =
            self.prepared.get(hash, Purpose::Trial, None, &self.metrics.cache, || block_on(provider.prepare(code)));
        prepared.map_err(|error| match error {
            PrepareError::Code(error) => HostFault::Load { contract: name.to_string(), message: error.to_string() },
            PrepareError::Fault(fault) => fault,
        })
    }

    /// The record of a target; `None` for an address without one, which the accounts contract executes.
    pub(crate) fn find(&self, journal: &Journal, target: &Target) -> Result<Option<ContractRecord>, Unresolved> {
        let name = match target {
            Target::Name(name) => Some(name.clone()),
            Target::Address(address) => Account::load(journal, address)?.contract,
        };
        let unknown = || Unresolved::Refused(Refusal::UnknownContract(target.clone()));
        match name {
            Some(name) => ContractRecord::load(journal, &name)?.ok_or_else(unknown).map(Some),
            None if self.accounts.is_some() => Ok(None),
            None => Err(unknown()),
        }
    }

    /// What the question costs whether somebody may call a contract: its policy, and the host's where that is asked, are read and
    /// decoded, which is as much work for each word as a write.
    pub(crate) fn price_of_rules(&self, journal: &Journal, record: &ContractRecord) -> Result<Gas, StateError> {
        if !record.guarded {
            return Ok(Gas::ZERO);
        }
        Ok(self.schedule.host.put.of(Policy::asked_for_calls(journal, &record.name, record.policy)?))
    }

    /// Makes what was found callable, as long as `patience` allows, for ever without one. What is only `tried` need not stay so.
    pub(crate) fn ready(
        &self,
        journal: &Journal,
        record: Option<&ContractRecord>,
        patience: Option<&Interrupt>,
        tried: bool,
    ) -> Result<Ready, Unresolved> {
        let Some(record) = record else {
            let accounts = self.accounts.clone();
            return accounts.ok_or(Unresolved::Refused(Refusal::NoRuntime(RuntimeKind::Evm)));
        };
        let provider = self.runtime_of(&record.name, record.runtime)?;
        let purpose = if tried { Purpose::Trial } else { Purpose::Use(Some(&record.name)) };
        let contract = self.prepared.get(record.code, purpose, patience, &self.metrics.cache, || {
            let fault =
                |message: String| Unresolved::Fault(HostFault::Load { contract: record.name.to_string(), message });
            let code =
                load_code(journal, &record.code)?.ok_or_else(|| fault("its code is missing in the state".into()))?;
            // Not verified again: it was accepted when it was deployed, and stays callable under settings that became stricter.
            match block_on_within(provider.prepare(&code), patience) {
                Some(Err(PrepareError::Code(error))) => Err(fault(error.to_string())),
                Some(other) => other.map_err(Unresolved::from),
                None => Err(Unresolved::Fault(patience.map_or(HostFault::Stopping, Interrupt::fault))),
            }
        })?;
        Ok((record.runtime, contract))
    }
}

/// A contract that can be called, and its runtime.
pub(crate) type Ready = (RuntimeKind, Arc<dyn Contract>);
