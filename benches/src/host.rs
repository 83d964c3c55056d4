//! The least that a contract can run on: the journal, and the transaction around it, without the dispatcher.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use vm_core::{
    Access, Address, Basis, Block, Bounds, Call, CallRequest, Capabilities, Changes, Contract, ContractName, Denied,
    Env, Gas, GasSchedule, Height, Host, HostFault, Interrupt, Journal, KeyRange, LogLevel, Managed, Operated, Outcome,
    Overlay, Return, Space, StateError, StateKey, StateView, Status, Stop, Topic, TransactionHost,
};

/// A state in a hash map and without locks, which is where bare revm's is.
#[derive(Clone, Debug)]
pub struct Table {
    height: Height,
    values: HashMap<StateKey, Bytes, foldhash::fast::RandomState>,
}

impl Table {
    /// All that a view holds.
    ///
    /// # Errors
    /// When the view fails.
    pub fn of(view: &dyn StateView) -> Result<Self, StateError> {
        let (first, last) = (KeyRange::space(Space::System), KeyRange::space(Space::Contract));
        let values = view.scan(&KeyRange { start: first.start, end: last.end }, usize::MAX)?;
        Ok(Self { height: view.height(), values: values.into_iter().collect() })
    }
}

impl StateView for Table {
    fn height(&self) -> Height {
        self.height
    }

    fn get(&self, key: &StateKey) -> Result<Option<Bytes>, StateError> {
        Ok(self.values.get(key).cloned())
    }

    fn scan(&self, _: &KeyRange, _: usize) -> Result<Vec<(StateKey, Bytes)>, StateError> {
        Err(StateError::Storage { action: "scanning", message: "the bench's state has no order".into() })
    }
}

/// One transaction of one contract that calls no other runtime.
pub struct BareHost<'s> {
    env: Env,
    journal: Journal,
    overlay: Option<Box<dyn Overlay>>,
    interrupt: &'s Interrupt,
    schedule: &'s GasSchedule,
    gas: Gas,
    id: u64,
}

impl std::fmt::Debug for BareHost<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BareHost").field("env", &self.env).finish_non_exhaustive()
    }
}

/// Calls a contract on a state: the result, and the read set, write set and events of the call.
///
/// # Errors
/// When the contract's runtime or the state fails.
pub fn call(
    contract: &dyn Contract,
    view: Arc<dyn StateView>,
    env: Env,
    interrupt: &Interrupt,
    schedule: &GasSchedule,
    call: &Call,
) -> Result<(Return, Changes), HostFault> {
    // Containers tell transactions apart by it.
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut host = BareHost { env, journal: Journal::new(view), overlay: None, interrupt, schedule, gas: Gas::MAX, id };
    let output = contract.call(&mut host, call)?;
    if let Some(overlay) = host.overlay.take() {
        overlay.flush(&host.journal)?;
    }
    Ok((output, host.journal.finish()))
}

/// The surroundings of a call by `caller` of what lives at `this`.
pub fn env(this: vm_core::Address, caller: vm_core::Address) -> Env {
    Env {
        this,
        name: None,
        caller,
        origin: caller,
        value: vm_core::Amount::ZERO,
        is_static: false,
        depth: 0,
        block: Arc::new(Block::default()),
    }
}

impl BareHost<'_> {
    /// A key in the contract's part of the state.
    fn key(&self, key: &[u8]) -> Result<StateKey, Stop> {
        self.env.name.as_ref().map_or_else(absent, |name| Ok(StateKey::contract(name, key)))
    }
}

/// What no contract of the benches asks the dispatcher for.
fn absent<T>() -> Result<T, Stop> {
    Err(HostFault::Internal("the bench's host has no dispatcher".into()).into())
}

impl Host for BareHost<'_> {
    fn env(&self) -> &Env {
        &self.env
    }

    fn get(&mut self, key: &[u8]) -> Result<Option<Bytes>, Stop> {
        Ok(self.journal.get(&self.key(key)?)?)
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), Stop> {
        let key = self.key(key)?;
        self.journal.put(key, Bytes::copy_from_slice(value));
        Ok(())
    }

    fn delete(&mut self, _: &[u8]) -> Result<(), Stop> {
        absent()
    }

    fn scan(&mut self, _: &[u8], _: &[u8], _: usize) -> Result<Vec<(Bytes, Bytes)>, Stop> {
        absent()
    }

    fn emit(&mut self, _: Vec<Topic>, _: Bytes) -> Result<(), Stop> {
        absent()
    }

    fn call(&mut self, _: CallRequest) -> Result<Outcome, Stop> {
        absent()
    }

    fn charge(&mut self, gas: Gas) -> Result<(), Stop> {
        self.gas = self.gas.saturating_sub(gas);
        Ok(())
    }

    fn gas_left(&self) -> Gas {
        self.gas
    }

    fn log(&mut self, _: LogLevel, _: &str) -> Result<(), Stop> {
        Ok(())
    }

    fn transaction(&mut self) -> &mut dyn TransactionHost {
        self
    }
}

impl TransactionHost for BareHost<'_> {
    fn journal(&self) -> Journal {
        self.journal.clone()
    }

    fn take_overlay(&mut self) -> Option<Box<dyn Overlay>> {
        self.overlay.take()
    }

    fn put_overlay(&mut self, overlay: Box<dyn Overlay>) {
        self.overlay = Some(overlay);
    }

    fn interrupt(&self) -> &Interrupt {
        self.interrupt
    }

    fn schedule(&self) -> &GasSchedule {
        self.schedule
    }

    fn bounds(&self) -> Bounds {
        Bounds::NONE
    }

    fn manage(&mut self, _: &Managed) -> Result<Operated, Stop> {
        let output = "there is no manager".into();
        Ok(Operated::new(Outcome { status: Status::Revert, output, gas_used: Gas::ZERO }))
    }

    fn note_refused(&mut self, _: &Managed, _: String) {}

    fn note_lacking(&mut self, _: &ContractName, _: Capabilities, _: String) {}

    fn value_limit(&self) -> usize {
        usize::MAX
    }

    fn scan_limit(&self) -> usize {
        1_000
    }

    fn authorize(&mut self, _: &Access<'_>) -> Result<(), Denied> {
        Ok(())
    }

    fn endorsable(&mut self, _: &Managed, _: Address) -> Result<Result<(), String>, Stop> {
        Ok(Err("there are no policies here".into()))
    }

    fn basis(&mut self, _: &Managed) -> Result<Basis, Stop> {
        Ok(Basis { contracts: Vec::new(), policy: None })
    }

    fn id(&self) -> u64 {
        self.id
    }

    fn refund(&mut self, gas: Gas) {
        self.gas = self.gas.saturating_add(gas);
    }

    fn fail(&mut self, _: HostFault) {}
}
