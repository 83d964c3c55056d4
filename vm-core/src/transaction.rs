//! The dispatcher: the call stack of one transaction, over all runtimes.

mod told;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use crate::access::decide;
use crate::account;
use crate::core::{Core, Ready, Unresolved};
use crate::denial::Denials;
use crate::frame::Frame;
use crate::gas::Meter;
use crate::manager::Base;
use crate::{
    Access, Action, Address, Amount, Block, Bounds, Call, CallRequest, Capabilities, Changes, CodeHash, Contract,
    ContractName, ContractRecord, Denial, Encoded, Entry, Env, Excess, Gas, HostFault, Interrupt, Journal, Outcome,
    Overlay, Refusal, Return, RuntimeKind, Status, TraceLevel, Tracer, Trap,
};

/// One transaction while it runs. It stays on its thread.
pub(crate) struct Transaction<'c> {
    pub(crate) core: &'c Core,
    pub(crate) journal: Journal,
    pub(crate) interrupt: Interrupt,
    pub(crate) id: u64,
    origin: Address,
    block: Arc<Block>,
    overlay: Option<Box<dyn Overlay>>,
    /// The depth of the frame that put the overlay in.
    overlay_depth: usize,
    /// The contracts on the call stack, outermost first.
    stack: Vec<Address>,
    /// The memory of those that wait for what they called, in bytes.
    waiting: usize,
    /// The first host fault. It decides the transaction, whatever contracts make of it.
    fault: Option<HostFault>,
    /// What is refused to contracts, whatever they make of it.
    pub(crate) denials: &'c Denials,
    /// True for a dry run: then nothing of it stays or counts.
    pub(crate) tried: bool,
    /// Where its calls are told, if anybody wants to see them.
    pub(crate) tracer: Option<Tracer>,
}

/// The longest reason, in characters, why a contract's arguments do not fit another one's interface.
const REASON: usize = 1024;

/// A call that passed all rules.
pub(crate) struct Entering {
    pub(crate) runtime: RuntimeKind,
    pub(crate) contract: Arc<dyn Contract>,
    /// Its code; none of an account without record.
    pub(crate) code: Option<CodeHash>,
    pub(crate) env: Env,
    pub(crate) call: Call,
    pub(crate) gas: Gas,
    pub(crate) value_moved: bool,
    pub(crate) bounds: Bounds,
    /// The method as the caller named it, which wants words; none for a caller that wants what the contract returns.
    pub(crate) asked: Option<Arc<str>>,
}

impl<'c> Transaction<'c> {
    /// A transaction of `origin` that has done nothing yet.
    pub(crate) fn new(base: &Base<'c>, origin: Address, block: Arc<Block>, trace: TraceLevel) -> Self {
        Self {
            core: base.core,
            journal: Journal::new(base.view.clone()),
            interrupt: base.interrupt.clone(),
            id: base.id,
            origin,
            block,
            overlay: None,
            overlay_depth: 0,
            stack: Vec::new(),
            waiting: 0,
            fault: None,
            denials: base.denials,
            tried: base.tried,
            tracer: Tracer::new(trace),
        }
    }

    pub(crate) fn block_number(&self) -> u64 {
        self.block.number
    }

    /// The environment of a call by the sender, of nobody yet.
    pub(crate) fn env(&self) -> Env {
        Env {
            this: Address::ZERO,
            name: None,
            caller: self.origin,
            origin: self.origin,
            value: Amount::ZERO,
            is_static: false,
            depth: 0,
            block: self.block.clone(),
        }
    }

    /// Runs one call: checkpoint, value, contract, then keep or undo.
    fn enter(&mut self, entering: Entering) -> Result<Outcome, HostFault> {
        self.tell_entry(&entering);
        let Entering { runtime, contract, code, mut env, call, gas, value_moved, bounds, asked } = entering;
        // The EVM's block is that of all its frames, so it hides the time by itself.
        if !bounds.capabilities.contains(Capabilities::TIME) && runtime != RuntimeKind::Evm {
            env.block = Arc::new(Block { timestamp: 0, ..(*env.block).clone() });
        }
        let started = now();
        let mark = self.journal.mark();
        let checkpointed = self.overlay.as_mut().map(|overlay| overlay.checkpoint()).is_some();
        let mut meter = Meter::new(gas);

        let paid = value_moved || env.value.is_zero() || self.transfer(&env).map_err(|fault| self.fail(fault))?;
        let result = if paid {
            self.stack.push(env.this);
            let apart = code.filter(|_| contract.keeps_apart());
            let mut frame = Frame::new(self, env, meter, bounds, apart);
            let result = contract.call(&mut frame, &call);
            let trap;
            (meter, trap) = frame.into_parts();
            self.stack.pop();
            trap.map_or(result, |trap| Ok(Return::trap(trap)))
        } else {
            Ok(Return::revert(Refusal::Balance(env.caller).to_string()))
        };
        let Return { mut status, mut output } = self.settle(result)?;
        if output.len() <= self.core.limits.output_size
            && let Some(asked) = &asked
        {
            (status, output) = self.put_into_words(&*contract, asked, (status, output), &mut meter);
        }
        if output.len() > self.core.limits.output_size {
            (status, output) = (Status::Trap(Trap::BadReturn), Bytes::new());
        }
        // What an engine keeps until the end is counted there.
        if status.is_success()
            && self.stack.is_empty()
            && let Some(excess) = self.excess()?
        {
            (status, output) = (Status::Trap(Trap::NoRoom(excess)), Bytes::new());
        }

        self.close(status.is_success(), mark, checkpointed);
        let gas_used = meter.used();
        let duration = started.elapsed();
        if !self.tried {
            self.core.metrics.call(runtime, &status, gas_used, duration);
        }
        tracing::debug!(
            target: "vm::call",
            transaction = self.id, runtime = runtime.as_str(), method = &*call.method, outcome = %status, gas_used = gas_used.get(),
            nanoseconds = duration.as_nanos() as u64, depth = self.stack.len(), "call"
        );
        Ok(Outcome { status, output, gas_used })
    }

    /// What a contract returned as text, where its interface describes that; paid for before it is made.
    fn put_into_words(
        &self,
        contract: &dyn Contract,
        asked: &str,
        (status, output): (Status, Bytes),
        meter: &mut Meter,
    ) -> (Status, Bytes) {
        if matches!(status, Status::Trap(_)) {
            return (status, output);
        }
        if meter.charge(self.core.schedule.host.wording(output.len().div_ceil(32), output.len())).is_err() {
            return (Status::Trap(Trap::OutOfGas), Bytes::new());
        }
        let text = match status {
            Status::Success => contract.interface().decode_output(asked, &output),
            _ => contract.interface().decode_revert(&output),
        };
        (status, text.map_or(output, Bytes::from))
    }

    /// A sticky fault wins over whatever a contract returned.
    fn settle(&mut self, result: Result<Return, HostFault>) -> Result<Return, HostFault> {
        match (&self.fault, result) {
            (Some(fault), _) => Err(fault.clone()),
            (None, Err(fault)) => Err(self.fail(fault)),
            (None, Ok(output)) => Ok(output),
        }
    }

    fn close(&mut self, keep: bool, mark: crate::Mark, checkpointed: bool) {
        if !keep {
            self.journal.revert(mark);
        }
        match &mut self.overlay {
            Some(overlay) if checkpointed && keep => overlay.commit(),
            Some(overlay) if checkpointed => overlay.revert(),
            // It came in during this frame or below: all that it knows is undone.
            Some(_) if !keep && self.overlay_depth > self.stack.len() => self.overlay = None,
            _ => {}
        }
    }

    fn transfer(&mut self, env: &Env) -> Result<bool, HostFault> {
        match &mut self.overlay {
            Some(overlay) => overlay.transfer(env.caller, env.this, env.value),
            None => Ok(account::transfer(&self.journal, &env.caller, &env.this, env.value)?),
        }
    }

    /// A call from a contract.
    pub(crate) fn call(&mut self, from: &Env, request: CallRequest, gas: Gas) -> Result<Outcome, HostFault> {
        self.tell_call(from, &request, gas);
        let outcome = self.wait_for(from, request, gas)?;
        self.tell_end(&outcome);
        Ok(outcome)
    }

    /// A call for which the caller's memory waits.
    fn wait_for(&mut self, from: &Env, request: CallRequest, gas: Gas) -> Result<Outcome, HostFault> {
        let (before, limit) = (self.waiting, self.core.limits.waiting_memory);
        let waiting = before.saturating_add(request.memory);
        if waiting > limit {
            return refuse(format!(
                "the contracts that wait for this call occupy {waiting} bytes, above the limit of {limit}"
            ));
        }
        self.waiting = waiting;
        let mut asking = Gas::ZERO;
        let outcome = self.dispatch(from, request, gas, &mut asking);
        self.waiting = before;
        outcome.map(|outcome| Outcome { gas_used: outcome.gas_used.saturating_add(asking), ..outcome })
    }

    /// The rules of the dispatcher, then [`enter`](Self::enter). `asking` is what the contract's own rules cost beside it.
    fn dispatch(&mut self, from: &Env, request: CallRequest, gas: Gas, asking: &mut Gas) -> Result<Outcome, HostFault> {
        if self.stack.len() >= usize::from(self.core.limits.call_depth) {
            return refuse(format!("call depth of {} exceeded", self.core.limits.call_depth));
        }
        let found = self.core.find(&self.journal, &request.to);
        let record = match found {
            Ok(record) => record,
            Err(unresolved) => return self.unresolved(unresolved),
        };
        let (this, caller) = (request.to.address(), request.caller.unwrap_or(from.this));
        if let Some(record) = record.as_ref().filter(|record| !record.lifecycle.is_callable()) {
            return refuse(not_callable(record));
        }
        let restricted = record.as_ref().filter(|record| record.guarded || self.core.authorizer.is_some());
        if let Some(record) = restricted {
            let price = self.core.price_of_rules(&self.journal, record).map_err(|error| self.fail(error.into()))?;
            *asking = price.min(gas);
            if price > gas {
                return Ok(Outcome { status: Status::Trap(Trap::OutOfGas), output: Bytes::new(), gas_used: Gas::ZERO });
            }
        }
        let gas = gas.saturating_sub(*asking);
        // Before anything is prepared, where a method has one name only.
        if let Some(record) = restricted.filter(|record| !record.runtime.has_notations())
            && let Err(unresolved) = self.permit_call(caller, record, &request.method)
        {
            return self.unresolved(unresolved);
        }
        let (runtime, contract) = match self.ready(record.as_ref()) {
            Ok(ready) => ready,
            Err(unresolved) => return self.unresolved(unresolved),
        };
        let mut gas = gas;
        let asked = request.named.is_some().then(|| request.method.clone());
        let Encoded { method, input } = match &request.named {
            None => Encoded { method: request.method, input: request.input },
            Some(values) => {
                let price = self.core.schedule.host.wording(items(values), request.size());
                let Some(left) = gas.checked_sub(price) else {
                    *asking = asking.saturating_add(gas);
                    return Ok(Outcome {
                        status: Status::Trap(Trap::OutOfGas),
                        output: Bytes::new(),
                        gas_used: Gas::ZERO,
                    });
                };
                (gas, *asking) = (left, asking.saturating_add(price));
                match contract.interface().encode_named(&request.method, values) {
                    Ok(encoded) => encoded,
                    Err(error) => return refuse(shortened(&error.to_string())),
                }
            }
        };
        let (size, limit) = (method.len().saturating_add(input.len()), self.core.limits.input_size);
        if size > limit {
            return refuse(format!(
                "the call's method and encoded input have {size} bytes, above the limit of {limit}"
            ));
        }
        if let Some(record) = restricted.filter(|record| record.runtime.has_notations())
            && let Err(unresolved) = self.permit_call(caller, record, &contract.interface().guarded_as(&method, &input))
        {
            return self.unresolved(unresolved);
        }
        let bounds = record.as_ref().map_or(Bounds::NONE, ContractRecord::bounds);
        let (code, name) = record.map(|record| (record.code, record.name)).unzip();
        if let Some(name) = name.as_ref().filter(|_| self.stack.contains(&this) && !contract.reentrant()) {
            return refuse(format!("contract '{name}' does not accept being re-entered"));
        }
        let env = Env {
            this,
            name,
            caller,
            origin: from.origin,
            value: request.value,
            is_static: from.is_static || request.is_static,
            depth: from.depth.saturating_add(1),
            block: self.block.clone(),
        };
        let value_moved = request.value_moved;
        let call = Call { entry: Entry::Invoke, method, input };
        self.enter(Entering { runtime, contract, code, env, call, gas, value_moved, bounds, asked })
    }

    /// Makes a contract callable, for as long as this transaction may take.
    pub(crate) fn ready(&self, record: Option<&ContractRecord>) -> Result<Ready, Unresolved> {
        self.core.ready(&self.journal, record, Some(&self.interrupt), self.tried)
    }

    /// Asks the policy, of this version, and then the embedder. Tells whose endorsements counted, but of calls.
    pub(crate) fn permit(
        &self,
        access: &Access<'_>,
        policy: u32,
        endorsers: &[Address],
    ) -> Result<BTreeSet<Address>, Unresolved> {
        let decided = decide(&self.journal, access, policy, endorsers)?;
        let endorsers = decided.map_err(|denied| Unresolved::Refused(denied.into()))?;
        self.authorize(access)?;
        Ok(endorsers)
    }

    /// Asks the embedder alone.
    pub(crate) fn authorize(&self, access: &Access<'_>) -> Result<(), Unresolved> {
        let asked = self.core.authorizer.as_ref().map_or(Ok(()), |authorizer| authorizer.authorize(access));
        asked.map_err(|denied| Unresolved::Refused(denied.into()))
    }

    /// As [`permit`](Self::permit), for a call between contracts: nobody has endorsed it, and a denial is noted.
    fn permit_call(&mut self, caller: Address, record: &ContractRecord, method: &str) -> Result<(), Unresolved> {
        let access = Access::of(caller, Action::Call { method }, record);
        self.permit_access(&access, method, record.policy)
    }

    /// As [`permit_call`](Self::permit_call), for a question that an engine asks.
    pub(crate) fn permit_access(&mut self, access: &Access<'_>, method: &str, policy: u32) -> Result<(), Unresolved> {
        self.permit(access, policy, &[]).map(drop).inspect_err(|unresolved| {
            if let Unresolved::Refused(Refusal::Denied(denied)) = unresolved {
                self.denials.note(Denial::Call { method: method.into(), denied: denied.clone() });
            }
        })
    }

    /// True while this contract runs: then nobody may change it.
    pub(crate) fn is_running(&self, contract: &ContractName) -> bool {
        self.stack.contains(&contract.address())
    }

    /// True while a contract runs.
    pub(crate) const fn is_nested(&self) -> bool {
        !self.stack.is_empty()
    }

    /// True while an engine keeps accounts of its own.
    pub(crate) const fn has_overlay(&self) -> bool {
        self.overlay.is_some()
    }

    fn unresolved(&mut self, unresolved: Unresolved) -> Result<Outcome, HostFault> {
        match unresolved {
            Unresolved::Refused(refusal) => refuse(refusal.to_string()),
            Unresolved::Fault(fault) => Err(self.fail(fault)),
        }
    }

    /// Records the first fault and returns it.
    pub(crate) fn fail(&mut self, fault: HostFault) -> HostFault {
        self.fault.get_or_insert(fault).clone()
    }

    /// The deadline, and earlier faults.
    pub(crate) fn check(&mut self) -> Result<(), HostFault> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        self.interrupt.check().map_err(|fault| self.fail(fault))
    }

    pub(crate) fn take_overlay(&mut self) -> Option<Box<dyn Overlay>> {
        self.overlay.take()
    }

    pub(crate) fn put_overlay(&mut self, overlay: Box<dyn Overlay>, new: bool) {
        if new {
            self.overlay_depth = self.stack.len();
        }
        self.overlay = Some(overlay);
    }

    /// What of an engine's own does not fit into the room of its contracts.
    pub(crate) fn excess(&mut self) -> Result<Option<Excess>, HostFault> {
        let Some(overlay) = &mut self.overlay else { return Ok(None) };
        overlay.excess(&self.journal).map_err(|fault| self.fault.get_or_insert(fault).clone())
    }

    /// Writes what an engine keeps of its own into the journal, once its calls are over.
    pub(crate) fn flush(&mut self) -> Result<(), HostFault> {
        self.overlay.take().map_or(Ok(()), |overlay| overlay.flush(&self.journal))
    }

    /// Everything that the transaction did, once its calls are over.
    pub(crate) fn finish(mut self) -> Result<Changes, HostFault> {
        self.flush()?;
        Ok(self.journal.finish())
    }
}

/// How many values there are in arguments as text, at most: each begins behind a comma or a bracket, or by itself.
fn items(values: &[(String, Bytes)]) -> usize {
    let begins = |byte: &&u8| matches!(byte, b',' | b'[' | b'(' | b'{');
    values.iter().map(|(_, value)| value.iter().filter(begins).count().saturating_add(1)).sum()
}

/// What a contract is told, who reads no more than that.
fn shortened(reason: &str) -> String {
    match reason.char_indices().nth(REASON) {
        Some((end, _)) => format!("{}…", reason.get(..end).unwrap_or_default()),
        None => reason.to_owned(),
    }
}

/// The outcome of a call that a rule refuses.
fn refuse(reason: String) -> Result<Outcome, HostFault> {
    Ok(Outcome { status: Status::Revert, output: reason.into(), gas_used: Gas::ZERO })
}

fn not_callable(record: &ContractRecord) -> String {
    Refusal::NotCallable { name: record.name.clone(), lifecycle: record.lifecycle }.to_string()
}

#[allow(clippy::disallowed_methods, reason = "durations are measured for metrics and logs only")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
