//! What is told of a transaction to those who want to see its calls.

use super::{Entering, Transaction};
use crate::{
    Address, Amount, CallKind, CallRequest, CallTree, ContractName, Entry, Env, Excerpt, Gas, HostFault, Managed,
    Outcome, Status, Target, TracedCall, abridged,
};

/// The most characters that are told of a method's name, or of an operation.
const METHOD: usize = 256;

/// Of this caller's, to that address; the rest is to be filled in.
fn call(caller: Address, callee: Address, gas: Gas) -> TracedCall {
    TracedCall {
        kind: CallKind::Call,
        caller,
        callee,
        contract: None,
        runtime: None,
        method: String::new(),
        input: Excerpt::default(),
        value: Amount::ZERO,
        is_static: false,
        gas,
        gas_used: Gas::ZERO,
        refund: Gas::ZERO,
        status: Status::Success,
        output: Excerpt::default(),
        inside: Vec::new(),
    }
}

impl Transaction<'_> {
    /// As [`enter`](Self::enter), told: for who enters a contract from outside of the dispatcher's own calls.
    pub(crate) fn enter_told(&mut self, entering: Entering) -> Result<Outcome, HostFault> {
        if let Some(tracer) = &self.tracer {
            let kind = match entering.call.entry {
                Entry::Invoke => CallKind::Call,
                Entry::Deploy => CallKind::Deploy,
                Entry::Upgrade { .. } | Entry::Replace { .. } => CallKind::Upgrade,
            };
            tracer.open(TracedCall { kind, ..call(entering.env.caller, entering.env.this, entering.gas) });
        }
        let outcome = self.enter(entering)?;
        self.tell_end(&outcome);
        Ok(outcome)
    }

    /// A contract asks for a call.
    pub(super) fn tell_call(&self, from: &Env, request: &CallRequest, gas: Gas) {
        let Some(tracer) = &self.tracer else { return };
        let contract = match &request.to {
            Target::Name(name) => Some(name.clone()),
            Target::Address(_) => None,
        };
        tracer.open(TracedCall {
            contract,
            method: abridged(&request.method, METHOD),
            input: (&request.input).into(),
            value: request.value,
            is_static: from.is_static || request.is_static,
            ..call(request.caller.unwrap_or(from.this), request.to.address(), gas)
        });
    }

    /// The call that was told last passed all rules.
    pub(super) fn tell_entry(&self, entering: &Entering) {
        let Some(tracer) = &self.tracer else { return };
        let Entering { env, call, runtime, .. } = entering;
        tracer.amend(|told| {
            told.contract.clone_from(&env.name);
            told.runtime = Some(*runtime);
            told.method = abridged(&call.method, METHOD);
            told.input = (&call.input).into();
            (told.value, told.is_static) = (env.value, env.is_static);
        });
    }

    /// The call or operation that was told last has ended.
    pub(crate) fn tell_end(&self, outcome: &Outcome) {
        if let Some(tracer) = &self.tracer {
            tracer.close(outcome);
        }
    }

    /// A call that does not even get as far as the dispatcher's rules.
    pub(crate) fn tell_refusal(&self, from: &Env, request: &CallRequest, outcome: &Outcome) {
        self.tell_call(from, request, Gas::ZERO);
        self.tell_end(outcome);
    }

    /// A contract asks for an operation.
    pub(crate) fn tell_operation(&self, from: &Env, operation: &Managed, gas: Gas) {
        let Some(tracer) = &self.tracer else { return };
        tracer.open(TracedCall {
            kind: CallKind::Operation,
            contract: operation.name().cloned(),
            method: abridged(&operation.to_string(), METHOD),
            ..call(from.this, operation.name().map_or(Address::ZERO, ContractName::address), gas)
        });
    }

    /// What was told of a transaction that used so much gas altogether.
    pub(crate) fn trace(&self, gas_used: Gas) -> Option<Box<CallTree>> {
        self.tracer.as_ref().map(|tracer| Box::new(tracer.finish(gas_used)))
    }
}
