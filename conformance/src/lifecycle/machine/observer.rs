//! Whom the machine tells of what.

use std::sync::{Arc, Mutex, PoisonError};

use vm_core::{Address, AuditEvent, AuditResult, GovernanceEvent, InvokeRequest, Observer, Receipt};

use super::super::answer::{Refused, Text, Told};
use super::super::request::address;
use super::super::step::{ACTORS, NAMES};

/// Remembers what it is told.
#[derive(Debug, Clone, Default)]
pub(super) struct Listener(Arc<Mutex<Vec<Told>>>);

impl Listener {
    /// What it was told since the last time.
    pub(super) fn take(&self) -> Vec<Told> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn push(&self, told: Told) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(told);
    }
}

impl Observer for Listener {
    fn audit(&self, event: &AuditEvent<'_>) {
        let AuditEvent { contract, action, actor, reason, result, tried, exists } = *event;
        let (contract, action) = (contract.to_string(), action.to_string());
        let (actor, reason) = (name_of(actor), reason.to_owned());
        self.push(match result {
            AuditResult::Done(entry) => Told::Done { contract, action, actor, reason, entry: entry.number },
            AuditResult::Refused(why) => {
                let why = Text::Exactly(why.to_owned());
                Told::Refused(Refused { on: Some((contract, action)), actor, reason, why, tried, exists })
            }
            _ => return,
        });
    }

    fn governed(&self, event: &GovernanceEvent<'_>) {
        let (actor, reason) = (name_of(event.actor), event.reason.to_owned());
        self.push(match event.result {
            Ok(policy) => Told::Governed { actor, reason, version: policy.version },
            Err(why) => {
                let why = Text::Exactly(why.to_owned());
                Told::Refused(Refused { on: None, actor, reason, why, tried: false, exists: false })
            }
        });
    }

    fn called(&self, _request: &InvokeRequest, receipt: &Receipt) {
        self.push(Told::Called { contract: receipt.contract.as_ref().map(ToString::to_string).unwrap_or_default() });
    }
}

/// The name of an account or a contract.
fn name_of(of: Address) -> String {
    let accounts = ACTORS.into_iter().map(str::to_owned);
    let contracts = NAMES.into_iter().map(|name| format!("contract:{name}"));
    accounts.chain(contracts).find(|name| address(name) == of).unwrap_or_else(|| of.to_string())
}
