//! The contract manager: deploy, invoke, query, upgrade, migrate, roll back and change, each as one transaction in named phases.
//!
//! Nothing here commits. A phase that fails drops the transaction with all that it did.

mod basis;
mod change;
mod deploy;
mod dry_run;
mod endorse;
mod govern;
mod grant;
mod invoke;
mod managed;
mod migrate;
mod operation;
mod replace;
mod rollback;
mod upgrade;

use std::sync::Arc;
use std::time::Duration;

pub(crate) use basis::basis;
pub(crate) use change::change;
pub(crate) use deploy::deploy;
pub(crate) use dry_run::dry_run;
pub(crate) use endorse::endorsable;
pub(crate) use govern::govern;
pub(crate) use grant::grant;
pub(crate) use invoke::invoke;
pub(crate) use managed::{manage, refused};
pub(crate) use migrate::migrate;
pub(crate) use rollback::rollback;
pub(crate) use upgrade::upgrade;

use operation::Actor;
pub(crate) use operation::check_reason;

use crate::core::Core;
use crate::denial::Denials;
use crate::error::InPhase;
use crate::transaction::{Entering, Transaction};
use crate::{
    Address, Arguments, Block, Bounds, Call, Changes, Code, CodeHash, Contract, ContractName, ContractRecord, Encoded,
    Entry, Env, ErrorKind, Gas, Height, HostFault, Interrupt, Journal, Outcome, Phase, Price, ReadSet, Receipt,
    Refusal, RuntimeKind, Sender, StateView, Status, Target, VmError, WriteSet,
};

/// What a transaction builds on.
pub(crate) struct Base<'c> {
    pub(crate) core: &'c Core,
    pub(crate) view: Arc<dyn StateView>,
    pub(crate) block: &'c Arc<Block>,
    /// True where the block's number is that of the height after the view's.
    pub(crate) numbered: bool,
    pub(crate) interrupt: Interrupt,
    pub(crate) id: u64,
    /// What those may use who ask for no gas in particular, if that is less than anybody may.
    pub(crate) gas: Option<Gas>,
    /// Asks whether the call that is about to enter its contract may, now that nothing else refuses it: the quotas, where they count it.
    pub(crate) entering: Option<&'c dyn Fn() -> Result<(), HostFault>>,
    /// What is refused to contracts.
    pub(crate) denials: &'c Denials,
    /// True for a dry run: then nothing of it stays or counts.
    pub(crate) tried: bool,
}

/// A transaction that ran to its end: what to commit, and what to answer.
pub(crate) struct Executed {
    receipt: Receipt,
    changes: Changes,
}

impl Executed {
    /// What a failed transaction wrote and emitted is gone; what it read decided its result.
    fn new(receipt: Receipt, mut changes: Changes) -> Self {
        if !receipt.status.is_success() {
            changes.writes = WriteSet::default();
            changes.events = Vec::new();
        }
        Self { receipt, changes }
    }

    pub(crate) fn into_parts(self) -> (Receipt, Changes) {
        (self.receipt, self.changes)
    }
}

impl Receipt {
    /// Puts the changes into their receipt.
    pub(crate) fn with(mut self, changes: Changes) -> Self {
        (self.reads, self.writes, self.events) = (changes.reads, changes.writes, changes.events);
        self
    }
}

impl<'c> Base<'c> {
    fn gas_limit(&self, sender: &Sender) -> Gas {
        self.core.gas_limit(sender.gas.or(self.gas))
    }

    fn begin(&self, sender: &Sender) -> Transaction<'c> {
        let block = match &sender.block {
            Some(block) => block.clone(),
            None if self.numbered => {
                Arc::new(Block { number: self.view.height().next().get(), ..(**self.block).clone() })
            }
            None => self.block.clone(),
        };
        Transaction::new(self, sender.caller, block, sender.trace)
    }
}

/// Runs a phase in its span and names it in its error.
fn phase<T, E: Into<ErrorKind>>(phase: Phase, run: impl FnOnce() -> Result<T, E>) -> Result<T, VmError> {
    let span = tracing::debug_span!(target: "vm::phase", "phase", name = phase.as_str());
    span.in_scope(run).phase(phase)
}

/// The longest interface that code is deployed with, in bytes.
const INTERFACE_SIZE: usize = 1 << 20;

impl Core {
    /// The record of a contract that is to be changed.
    fn load(journal: &Journal, name: &ContractName) -> Result<ContractRecord, ErrorKind> {
        match ContractRecord::load(journal, name)? {
            Some(record) => Ok(record),
            None => Err(Refusal::UnknownContract(name.clone().into()).into()),
        }
    }

    /// What a transaction may use that asks for so much, or for nothing in particular.
    pub(crate) fn gas_limit(&self, asked: Option<Gas>) -> Gas {
        asked.map_or(self.limits.gas, |gas| gas.min(self.limits.gas))
    }

    /// What is left for the contract when the transaction itself is paid.
    pub(crate) fn admit_gas(limit: Gas, needed: Gas) -> Result<Gas, Refusal> {
        limit.checked_sub(needed).ok_or(Refusal::Gas { limit, needed })
    }

    /// What is left for the contract when its code is stored and prepared.
    fn admit_code(&self, code: &Code, limit: Gas, storing: Price) -> Result<Gas, Refusal> {
        too_large("the code", code.bytes.len(), self.limits.code_size, "vm.limits.code_size")?;
        too_large("the interface", code.abi.as_ref().map_or(0, String::len), INTERFACE_SIZE, "a fixed limit")?;
        let size = code.size();
        let preparing = self.schedule.prepare.of(code.runtime).of(size);
        Self::admit_gas(limit, storing.of(size).saturating_add(preparing))
    }

    /// What is left for the contract when code that is stored already is prepared.
    fn admit_kept(&self, code: &Code, limit: Gas) -> Result<Gas, Refusal> {
        let preparing = self.schedule.prepare.of(code.runtime).of(code.size());
        Self::admit_gas(limit, self.schedule.transaction.upgrade.of(0).saturating_add(preparing))
    }

    /// What is left for an operation that neither stores nor prepares code: it costs what the smallest call does.
    fn admit_simple(&self, limit: Gas) -> Result<Gas, Refusal> {
        Self::admit_gas(limit, self.schedule.transaction.invoke.of(0))
    }

    fn verify(&self, code: &Code, hash: &CodeHash) -> Result<(), Refusal> {
        let runtime = self.runtime(code.runtime)?;
        if let Some(error) = self.refused.get(hash) {
            self.metrics.cache.known_refusal();
            return Err(error.into());
        }
        Ok(runtime.verify(code).inspect_err(|error| self.refused.put(*hash, error))?)
    }

    fn encode(
        &self,
        contract: &dyn Contract,
        entry: &Entry,
        method: &str,
        arguments: &Arguments,
    ) -> Result<Encoded, Refusal> {
        let encoded = contract.interface().encode(entry, method, arguments)?;
        let size = encoded.method.len().saturating_add(encoded.input.len());
        too_large("the encoded arguments", size, self.limits.input_size, "vm.limits.input_size")?;
        Ok(encoded)
    }
}

fn too_large(what: &'static str, found: usize, limit: usize, key: &'static str) -> Result<(), Refusal> {
    if found <= limit {
        return Ok(());
    }
    Err(Refusal::TooLarge { what, found: found as u64, limit: limit as u64, key })
}

/// Code that is prepared for an operation that may still fail, or that is only tried: then it is forgotten, unless others use it.
struct Provisional<'c> {
    core: &'c Core,
    hash: CodeHash,
}

impl<'c> Provisional<'c> {
    fn new(core: &'c Core, hash: CodeHash) -> Self {
        core.prepared.begin_trial(hash);
        Self { core, hash }
    }

    fn keep(self) {
        self.core.prepared.keep(&self.hash);
    }
}

impl Drop for Provisional<'_> {
    fn drop(&mut self) {
        self.core.prepared.end_trial(&self.hash, &self.core.metrics.cache);
    }
}

/// What a receipt says apart from the outcome.
struct About<'r> {
    target: Target,
    record: Option<ContractRecord>,
    runtime: RuntimeKind,
    method: String,
    /// The method as the caller wrote it, which may tell more about the result; none for an operation on the contract.
    asked: Option<&'r str>,
    gas_limit: Gas,
    height: Height,
}

impl About<'_> {
    /// The receipt of an outcome, still without the changes.
    fn receipt(self, contract: &dyn Contract, outcome: Outcome) -> Receipt {
        let Self { target, record, runtime, method, asked, gas_limit, height } = self;
        let interface = contract.interface();
        let text = match &outcome.status {
            // What an EVM constructor returns is code, also where a function has the operation's name.
            Status::Success if asked.is_none() && runtime == RuntimeKind::Evm => None,
            Status::Success => {
                let decode = |method: &str| interface.decode_output(method, &outcome.output);
                decode(&method).or_else(|| asked.filter(|asked| *asked != method).and_then(decode))
            }
            Status::Revert => interface.decode_revert(&outcome.output),
            Status::Trap(_) => None,
        };
        Receipt {
            target,
            contract: record.map(|record| record.name),
            runtime,
            method,
            status: outcome.status,
            output: outcome.output,
            text,
            gas_used: outcome.gas_used,
            gas_limit,
            events: Vec::new(),
            reads: ReadSet::default(),
            writes: WriteSet::default(),
            height,
            warnings: Vec::new(),
            denials: Vec::new(),
            trace: None,
            duration: Duration::ZERO,
        }
    }
}

/// Enters a contract at the top of a transaction.
struct Top<'r> {
    runtime: RuntimeKind,
    contract: &'r Arc<dyn Contract>,
    record: Option<&'r ContractRecord>,
    this: Address,
    entry: Entry,
    encoded: Encoded,
    actor: &'r Actor<'r>,
    gas: Gas,
    is_static: bool,
}

fn enter(transaction: &mut Transaction<'_>, top: Top<'_>) -> Result<Outcome, HostFault> {
    let name = top.record.map(|record| record.name.clone());
    let Actor { caller, value, depth, .. } = *top.actor;
    let (this, is_static) = (top.this, top.is_static);
    let env = Env { this, name, caller, value, is_static, depth, ..transaction.env() };
    let call = Call { entry: top.entry, method: top.encoded.method, input: top.encoded.input };
    transaction.enter_told(Entering {
        runtime: top.runtime,
        contract: top.contract.clone(),
        code: top.record.map(|record| record.code),
        env,
        call,
        gas: top.gas,
        value_moved: false,
        bounds: top.record.map_or(Bounds::NONE, ContractRecord::bounds),
        asked: None,
    })
}
