use bytes::Bytes;

use crate::core::Unresolved;
use crate::gas::Meter;
use crate::manager;
use crate::transaction::Transaction;
use crate::{
    Access, Action, Address, Basis, Bounds, CallRequest, Capabilities, CodeHash, ContractName, ContractRecord, Denial,
    Denied, Env, ErrorKind, Event, Gas, GasSchedule, Host, HostFault, HostOperation, Interrupt, Journal, KeyRange,
    LogLevel, Managed, Operated, Outcome, Overlay, Refusal, StateError, StateKey, Status, Stop, Topic, Tracer,
    TransactionHost, Trap, VmError, abridged, printable,
};

/// How many entries a scan reads before it is paid for them.
const SCAN_PAGE: usize = 16;

/// Most bytes of the keys and values that one scan finds: 16 MiB, what one message to a container holds.
const SCAN_SIZE: usize = 16 << 20;

/// Most characters of a line of the log that are told with a transaction's calls.
const LOG_TOLD: usize = 256;

/// What one running contract sees of its transaction.
pub(crate) struct Frame<'t, 'c> {
    transaction: &'t mut Transaction<'c>,
    env: Env,
    meter: Meter,
    /// What the contract is kept from.
    bounds: Bounds,
    /// The contract's code, where that keeps its state apart.
    apart: Option<CodeHash>,
    /// The contract's first trap. It decides the call, whatever the contract makes of it.
    trap: Option<Trap>,
    /// True while the overlay is out that was in the transaction before.
    overlay_out: bool,
}

impl<'t, 'c> Frame<'t, 'c> {
    pub(crate) fn new(
        transaction: &'t mut Transaction<'c>,
        env: Env,
        meter: Meter,
        bounds: Bounds,
        apart: Option<CodeHash>,
    ) -> Self {
        Self { transaction, env, meter, bounds, apart, trap: None, overlay_out: false }
    }

    /// What was spent, and the trap that the contract ran into, if it did.
    pub(crate) fn into_parts(self) -> (Meter, Option<Trap>) {
        (self.meter, self.trap)
    }

    /// Does an operation, unless the contract was stopped before.
    fn operate<T>(&mut self, operation: impl FnOnce(&mut Self) -> Result<T, Stop>) -> Result<T, Stop> {
        self.transaction.check()?;
        if let Some(trap) = self.trap {
            return Err(trap.into());
        }
        let result = operation(self).and_then(|value| match self.transaction.journal.size() {
            size if size > self.transaction.core.limits.journal_size => Err(Trap::MemoryLimit.into()),
            _ => Ok(value),
        });
        result.inspect_err(|stop| {
            if let Stop::Trap(trap) = stop {
                self.trap = Some(*trap);
            }
        })
    }

    /// As [`operate`](Self::operate), and tells of it where somebody wants to see that.
    fn operate_told<T>(
        &mut self,
        operation: impl FnOnce(&mut Self) -> Result<T, Stop>,
        told: impl FnOnce(Option<&T>) -> HostOperation,
    ) -> Result<T, Stop> {
        let before = self.meter.used();
        let result = self.operate(operation);
        if let Some(tracer) = &self.transaction.tracer {
            let stopped = result.as_ref().err().map(Stop::to_string);
            tracer.operation(told(result.as_ref().ok()), self.meter.used().saturating_sub(before), stopped);
        }
        result
    }

    fn pay(&mut self, gas: Gas) -> Result<(), Stop> {
        self.meter.charge(gas).map_err(|_| Trap::OutOfGas.into())
    }

    fn name(&self) -> Result<&ContractName, Stop> {
        // Only EVM accounts are nameless, and their runtime keeps storage in its own space.
        self.env.name.as_ref().ok_or(Stop::Trap(Trap::BadHostCall))
    }

    fn key(&self, key: &[u8]) -> Result<StateKey, Stop> {
        if key.len() > self.transaction.core.limits.key_size {
            return Err(Trap::BadHostCall.into());
        }
        let name = self.name()?;
        Ok(self.apart.as_ref().map_or_else(|| StateKey::contract(name, key), |code| StateKey::apart(name, code, key)))
    }

    fn range(&self, start: &[u8], end: &[u8]) -> Result<KeyRange, Stop> {
        let name = self.name()?;
        Ok(match &self.apart {
            Some(code) => KeyRange::apart(name, code, start, end),
            None => KeyRange::contract(name, start, end),
        })
    }

    fn changing(&self) -> Result<(), Stop> {
        if self.env.is_static { Err(Trap::StaticViolation.into()) } else { Ok(()) }
    }

    /// Refuses for now; the fault decides the transaction.
    fn unanswered(&mut self, access: &Access<'_>, fault: HostFault) -> Denied {
        access.denied(self.transaction.fail(fault).to_string())
    }

    fn state<T>(&mut self, result: Result<T, StateError>) -> Result<T, Stop> {
        result.map_err(|error| self.transaction.fail(error.into()).into())
    }

    fn prices(&self) -> &crate::HostPrices {
        &self.transaction.core.schedule.host
    }
}

impl Host for Frame<'_, '_> {
    fn env(&self) -> &Env {
        &self.env
    }

    fn get(&mut self, key: &[u8]) -> Result<Option<Bytes>, Stop> {
        let told = |value: Option<&Option<Bytes>>| HostOperation::Get {
            key: key.into(),
            value: value.and_then(Option::as_ref).map(Into::into),
        };
        self.operate_told(|frame| frame.do_get(key), told)
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), Stop> {
        let told = |_: Option<&()>| HostOperation::Put { key: key.into(), value: value.into() };
        self.operate_told(|frame| frame.do_put(key, value), told)
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), Stop> {
        let told = |_: Option<&()>| HostOperation::Delete { key: key.into() };
        self.operate_told(|frame| frame.do_delete(key), told)
    }

    fn scan(&mut self, start: &[u8], end: &[u8], limit: usize) -> Result<Vec<(Bytes, Bytes)>, Stop> {
        let told = |found: Option<&Vec<_>>| HostOperation::Scan {
            start: start.into(),
            end: end.into(),
            found: found.map_or(0, Vec::len),
        };
        self.operate_told(|frame| frame.do_scan(start, end, limit), told)
    }

    fn emit(&mut self, topics: Vec<Topic>, data: Bytes) -> Result<(), Stop> {
        // Only for who wants to see it: events are handed on.
        let (told_topics, told_data) = match self.transaction.tracer {
            Some(_) => (topics.iter().map(|topic| (**topic).into()).collect(), (&data).into()),
            None => Default::default(),
        };
        let told = |_: Option<&()>| HostOperation::Emit { topics: told_topics, data: told_data };
        self.operate_told(|frame| frame.do_emit(topics, data), told)
    }

    fn call(&mut self, request: CallRequest) -> Result<Outcome, Stop> {
        self.operate(|frame| frame.do_call(request))
    }

    fn charge(&mut self, gas: Gas) -> Result<(), Stop> {
        if self.trap.is_some() {
            // Runtimes whose traps cost all the gas charge what is left after the trap.
            let _ = self.pay(gas);
        }
        self.operate(|frame| frame.pay(gas))
    }

    fn gas_left(&self) -> Gas {
        self.meter.left()
    }

    fn log(&mut self, level: LogLevel, message: &str) -> Result<(), Stop> {
        let told = |_: Option<&()>| HostOperation::Log { message: abridged(message, LOG_TOLD) };
        self.operate_told(|frame| frame.do_log(level, message), told)
    }

    fn transaction(&mut self) -> &mut dyn TransactionHost {
        self
    }
}

/// The operations themselves: paid first, then checked, then done.
impl Frame<'_, '_> {
    fn do_get(&mut self, key: &[u8]) -> Result<Option<Bytes>, Stop> {
        let price = self.prices().get;
        self.pay(price.of(key.len()))?;
        let key = self.key(key)?;
        let value = self.transaction.journal.get(&key);
        let value = self.state(value)?;
        let words = value.as_ref().map_or(0, |value| value.len().div_ceil(32));
        self.pay(Gas::new(price.word).times(words as u64))?;
        Ok(value)
    }

    fn do_put(&mut self, key: &[u8], value: &[u8]) -> Result<(), Stop> {
        self.pay(self.prices().put.of(key.len().saturating_add(value.len())))?;
        self.changing()?;
        if value.len() > self.transaction.core.limits.value_size {
            return Err(Trap::BadHostCall.into());
        }
        let key = self.key(key)?;
        self.fits(&key, Some(value.len()))?;
        self.transaction.journal.put(key, Bytes::copy_from_slice(value));
        Ok(())
    }

    fn do_delete(&mut self, key: &[u8]) -> Result<(), Stop> {
        self.pay(self.prices().delete.of(key.len()))?;
        self.changing()?;
        let key = self.key(key)?;
        self.fits(&key, None)?;
        self.transaction.journal.delete(key);
        Ok(())
    }

    /// Counts a write, where the contract's state is bounded.
    fn fits(&mut self, key: &StateKey, new: Option<usize>) -> Result<(), Stop> {
        let Some(room) = self.bounds.room else { return Ok(()) };
        let excess = room.count(&self.transaction.journal, self.name()?, key, new);
        self.state(excess)?.map_or(Ok(()), |excess| Err(Trap::NoRoom(excess).into()))
    }

    fn do_scan(&mut self, start: &[u8], end: &[u8], limit: usize) -> Result<Vec<(Bytes, Bytes)>, Stop> {
        let price = self.prices().scan_entry;
        self.pay(self.prices().scan.of(start.len().saturating_add(end.len())))?;
        let limits = &self.transaction.core.limits;
        if start.len() > limits.key_size || end.len() > limits.key_size {
            return Err(Trap::BadHostCall.into());
        }
        let limit = limit.min(limits.scan_entries);
        let mut range = self.range(start, end)?;
        let hidden = self.apart.map_or(0, |code| code.as_bytes().len());
        let (mut found, mut size) = (Vec::new(), 0_usize);
        // Page by page, so that hardly more is read than the gas pays for.
        while found.len() < limit {
            let page = SCAN_PAGE.min(limit - found.len());
            let entries = self.transaction.journal.scan(&range, page);
            let entries = self.state(entries)?;
            let last = entries.len() < page;
            if let Some((key, _)) = entries.last() {
                range.start = key.successor();
            }
            for (key, value) in entries {
                let key = Bytes::copy_from_slice(key.suffix().and_then(|key| key.get(hidden..)).unwrap_or_default());
                let length = key.len().saturating_add(value.len());
                self.pay(price.of(length))?;
                size = size.saturating_add(length);
                if size > SCAN_SIZE {
                    return Err(Trap::MemoryLimit.into());
                }
                found.push((key, value));
            }
            if last {
                break;
            }
        }
        Ok(found)
    }

    fn do_emit(&mut self, topics: Vec<Topic>, data: Bytes) -> Result<(), Stop> {
        let size = topics.iter().map(|topic| topic.len()).fold(data.len(), usize::saturating_add);
        self.pay(self.prices().emit.of(size))?;
        self.changing()?;
        if !self.bounds.capabilities.contains(Capabilities::EVENTS) {
            if let Some(name) = self.env.name.clone() {
                self.note_lacking(&name, Capabilities::EVENTS, Trap::NoCapability.to_string());
            }
            return Err(Trap::NoCapability.into());
        }
        if size > self.transaction.core.limits.event_size {
            return Err(Trap::BadHostCall.into());
        }
        let event = Event { address: self.env.this, contract: self.env.name.clone(), topics, data };
        self.transaction.journal.emit(event);
        Ok(())
    }

    fn do_call(&mut self, request: CallRequest) -> Result<Outcome, Stop> {
        let size = request.size();
        self.pay(self.prices().call.of(size))?;
        if let Some(reason) = self.lacks_for(&request) {
            return Ok(self.refused(&request, reason));
        }
        if !request.value.is_zero() {
            self.pay(self.prices().transfer.of(0))?;
            if self.env.is_static || request.is_static {
                return Err(Trap::StaticViolation.into());
            }
        }
        let limit = self.transaction.core.limits.input_size;
        if size > limit {
            // Refused and no trap: the EVM calls for inner accounts too, whose failure must not be the whole frame's.
            let reason = format!("the call's method and input have {size} bytes, above the limit of {limit}");
            return Ok(self.refused(&request, reason));
        }
        let most = self.meter.left().all_but_one_64th();
        let gas = request.gas.map_or(most, |gas| gas.min(most));
        self.pay(gas)?;
        let outcome = self.transaction.call(&self.env, request, gas)?;
        self.meter.give_back(gas.saturating_sub(outcome.gas_used));
        Ok(outcome)
    }

    /// A call that does not even get as far as the dispatcher.
    fn refused(&self, request: &CallRequest, reason: String) -> Outcome {
        let outcome = Outcome { status: Status::Revert, output: reason.into(), gas_used: Gas::ZERO };
        self.transaction.tell_refusal(&self.env, request, &outcome);
        outcome
    }

    /// Why the contract may not call others, if it may not. Then that is told, too.
    fn lacks_for(&mut self, request: &CallRequest) -> Option<String> {
        let reads = self.env.is_static || request.is_static;
        let why = self.bounds.capabilities.lack(self.env.name.as_ref(), reads)?;
        if let Some(name) = self.env.name.clone() {
            self.note_lacking(&name, if reads { Capabilities::STATE } else { Capabilities::CALLS }, why.clone());
        }
        Some(why)
    }

    fn do_log(&mut self, level: LogLevel, message: &str) -> Result<(), Stop> {
        self.pay(self.prices().log.of(message.len()))?;
        let contract = self.env.name.as_ref().map_or("", ContractName::as_str);
        let transaction = self.transaction.id;
        // A line of a contract stays one, and directs no terminal.
        let message = printable(message);
        match level {
            LogLevel::Trace => tracing::trace!(target: "vm::contract", contract, transaction, "{message}"),
            LogLevel::Debug => tracing::debug!(target: "vm::contract", contract, transaction, "{message}"),
            LogLevel::Info => tracing::info!(target: "vm::contract", contract, transaction, "{message}"),
            LogLevel::Warn => tracing::warn!(target: "vm::contract", contract, transaction, "{message}"),
            LogLevel::Error => tracing::error!(target: "vm::contract", contract, transaction, "{message}"),
        }
        Ok(())
    }
}

impl TransactionHost for Frame<'_, '_> {
    fn journal(&self) -> Journal {
        self.transaction.journal.clone()
    }

    fn take_overlay(&mut self) -> Option<Box<dyn Overlay>> {
        let overlay = self.transaction.take_overlay();
        self.overlay_out |= overlay.is_some();
        overlay
    }

    fn put_overlay(&mut self, overlay: Box<dyn Overlay>) {
        // The first time it is put in without having been taken out, it is new.
        self.transaction.put_overlay(overlay, !self.overlay_out);
        self.overlay_out = true;
    }

    fn interrupt(&self) -> &Interrupt {
        &self.transaction.interrupt
    }

    fn schedule(&self) -> &GasSchedule {
        &self.transaction.core.schedule
    }

    fn bounds(&self) -> Bounds {
        self.bounds
    }

    fn scan_limit(&self) -> usize {
        self.transaction.core.limits.scan_entries
    }

    fn value_limit(&self) -> usize {
        self.transaction.core.limits.value_size
    }

    fn authorize(&mut self, access: &Access<'_>) -> Result<(), Denied> {
        if !access.guarded && self.transaction.core.authorizer.is_none() {
            return Ok(());
        }
        let Action::Call { method } = access.action else { return Err(access.denied("only calls are asked for here")) };
        let (core, journal) = (self.transaction.core, &self.transaction.journal);
        let asked = ContractRecord::load(journal, access.contract).and_then(|record| match record {
            Some(record) => Ok((record.policy, core.price_of_rules(journal, &record)?)),
            None => Ok((0, Gas::ZERO)),
        });
        let (policy, price) = match asked {
            Ok(asked) => asked,
            Err(error) => return Err(self.unanswered(access, error.into())),
        };
        // The engine notices at its end that there is less gas left than it gave its frames.
        if self.pay(price).is_err() {
            return Err(access.denied("the gas does not cover reading its policy"));
        }
        match self.transaction.permit_access(access, method, policy) {
            Ok(()) => Ok(()),
            Err(Unresolved::Refused(Refusal::Denied(denied))) => Err(denied),
            Err(Unresolved::Refused(refusal)) => Err(access.denied(refusal.to_string())),
            Err(Unresolved::Fault(fault)) => Err(self.unanswered(access, fault)),
        }
    }

    fn manage(&mut self, operation: &Managed) -> Result<Operated, Stop> {
        self.operate(|frame| {
            frame.changing()?;
            if let Some(why) = frame.bounds.capabilities.lack(frame.env.name.as_ref(), false) {
                frame.note_refused(operation, why.clone());
                return Ok(Operated::new(Outcome { status: Status::Revert, output: why.into(), gas_used: Gas::ZERO }));
            }
            let most = frame.meter.left().all_but_one_64th();
            frame.pay(most)?;
            let depth = frame.env.depth.saturating_add(1);
            let asking = frame.apart.is_none().then_some(&frame.env);
            frame.transaction.tell_operation(&frame.env, operation, most);
            let operated = manager::manage(frame.transaction, operation, asking, depth, most)?;
            frame.transaction.tell_end(&operated.outcome);
            frame.meter.give_back(most.saturating_sub(operated.outcome.gas_used));
            Ok(operated)
        })
    }

    fn endorsable(&mut self, operation: &Managed, endorser: Address) -> Result<Result<(), String>, Stop> {
        self.operate(|frame| {
            frame.pay(frame.prices().get.of(0))?;
            match manager::endorsable(frame.transaction, operation, endorser) {
                Ok((answer, price)) => frame.pay(price).map(|()| answer),
                Err(VmError { kind: ErrorKind::Fault(fault), .. }) => Err(frame.transaction.fail(fault).into()),
                Err(refused) => Ok(Err(refused.kind.to_string())),
            }
        })
    }

    fn note_refused(&mut self, operation: &Managed, why: String) {
        self.transaction.denials.note(manager::refused(operation, true, why));
    }

    fn note_lacking(&mut self, contract: &ContractName, capability: Capabilities, why: String) {
        let (contract, capability) = (contract.clone(), capability.to_string());
        self.transaction.denials.note(Denial::Capability { contract, capability, why });
    }

    fn basis(&mut self, operation: &Managed) -> Result<Basis, Stop> {
        self.operate(|frame| {
            let basis = manager::basis(frame.transaction, operation);
            let (basis, price) = frame.state(basis)?;
            frame.pay(price).map(|()| basis)
        })
    }

    fn tracer(&self) -> Option<&Tracer> {
        self.transaction.tracer.as_ref()
    }

    fn id(&self) -> u64 {
        self.transaction.id
    }

    fn refund(&mut self, gas: Gas) {
        self.meter.give_back(gas);
    }

    fn fail(&mut self, fault: HostFault) {
        self.transaction.fail(fault);
    }
}
