//! How a contract gets other code: what upgrade and rollback have in common.

use std::sync::Arc;

use super::operation::{Actor, step};
use super::{Top, enter, phase};
use crate::transaction::Transaction;
use crate::{
    Contract, ContractName, ContractRecord, Encoded, Entry, ErrorKind, Gas, Lifecycle, Outcome, Phase, Refusal,
    RuntimeKind, Situation, Transition, VmError,
};

/// A contract whose code is about to be replaced.
pub(super) struct Replacing {
    pub(super) record: ContractRecord,
    pub(super) before: Situation,
}

impl Replacing {
    /// Begins, unless the state machine forbids it.
    pub(super) fn begin(mut record: ContractRecord) -> Result<Self, Refusal> {
        let before = Situation::from(&record);
        step(&mut record, Transition::BeginUpgrade)?;
        Ok(Self { record, before })
    }

    /// Returns to the state of life from before.
    pub(super) fn end(&mut self) -> Result<(), Refusal> {
        let resume = match self.before.lifecycle {
            Lifecycle::Frozen => Transition::Freeze,
            _ => Transition::Activate,
        };
        step(&mut self.record, resume)
    }

    /// Enters a contract's migration, on the state of this one.
    pub(super) fn migrate(
        &self,
        transaction: &mut Transaction<'_>,
        actor: &Actor<'_>,
        by: (RuntimeKind, &Arc<dyn Contract>),
        call: (Entry, Encoded),
        gas: Gas,
    ) -> Result<Outcome, VmError> {
        let ((runtime, contract), (entry, encoded)) = (by, call);
        let (this, record) = (self.record.name.address(), Some(&self.record));
        let top = Top { runtime, contract, record, this, entry, encoded, actor, gas, is_static: false };
        phase(Phase::Migrate, || enter(transaction, top))
    }
}

/// Refuses other runtimes, unless the change was asked for and both keep state in the same form.
pub(super) fn check_runtime(
    name: &ContractName,
    from: RuntimeKind,
    to: RuntimeKind,
    asked: bool,
) -> Result<(), Refusal> {
    let same_form = from != RuntimeKind::Evm && to != RuntimeKind::Evm;
    if from == to || (asked && same_form) {
        return Ok(());
    }
    Err(Refusal::RuntimeChange { name: name.clone(), from, to })
}

/// A refusal of what does not fit a migration.
pub(super) fn unfit(name: &ContractName, why: &'static str) -> ErrorKind {
    Refusal::Migration { name: name.clone(), why }.into()
}
