//! The compiler wasmtime: native code by Cranelift, instances from a pool.
//!
//! Memories and tables come from slots that are reserved once and cleaned between calls. When all slots are taken (calls within
//! calls on many threads) the same code runs with memory of its own, at ten times the cost and with the same result.

mod pool;

use std::sync::Arc;

use vm_core::Trap;
use wasmtime::{Caller, Config, Error, InstancePre, Memory, Module, PoolConcurrencyLimitError, ResourceLimiter, Store};

use self::pool::{Hosts, SLOTS};
use super::host::{Left, host_functions};
use super::lane::{self, Lanes, Made};
use super::lent::Lent;
use super::{Completion, Engine, Halt, Invocation, Program, stack};
use crate::abi::{Frame, Stopped};
use crate::meter::{Bounds, CALL, Instrumented, MEMORY};

const VERSION: &str = "48.0.8";

#[derive(Debug)]
pub(crate) struct Wasmtime {
    hosts: Arc<Hosts>,
    fingerprint: String,
}

impl Wasmtime {
    /// An engine for modules within these bounds. The text of an error is the engine's own.
    pub(crate) fn new(bounds: Bounds) -> Result<Self, String> {
        Self::with_slots(bounds, SLOTS)
    }

    fn with_slots(bounds: Bounds, slots: u32) -> Result<Self, String> {
        let hosts = Hosts::new(bounds, slots);
        let fingerprint = fingerprint(&hosts.pools()?.small.engine);
        Ok(Self { hosts: Arc::new(hosts), fingerprint })
    }

    /// A module of the lane's engine for small memories.
    fn program(&self, module: Result<Module, Error>) -> Result<Box<dyn Program>, String> {
        let module = module.map_err(|error| format!("{error:#}"))?;
        let compiled = Compiled { hosts: self.hosts.clone(), module, pooled: Lanes::new(), on_demand: Made::new() };
        compiled.pooled()?;
        Ok(Box::new(compiled))
    }
}

impl Engine for Wasmtime {
    fn name(&self) -> &'static str {
        "wasmtime"
    }

    fn version(&self) -> &'static str {
        VERSION
    }

    fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }

    fn compile(&self, module: &Instrumented) -> Result<Box<dyn Program>, String> {
        self.program(Module::new(&self.hosts.pools()?.small.engine, &module.bytes))
    }

    unsafe fn load(&self, bytes: &[u8]) -> Result<Box<dyn Program>, String> {
        // SAFETY: the caller says that the bytes are what `Module::serialize` of an engine with the same fingerprint gave.
        self.program(unsafe { Module::deserialize(&self.hosts.pools()?.small.engine, bytes) })
    }
}

fn fingerprint(engine: &wasmtime::Engine) -> String {
    use std::hash::{Hash, Hasher};
    #[allow(clippy::disallowed_types, reason = "another compiler's hash makes another key, and code is compiled again")]
    let mut hasher = std::hash::DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("wasmtime {VERSION} {:016x}", hasher.finish())
}

/// The settings of every engine, but for where its instances come from.
pub(crate) fn config() -> Config {
    let mut config = Config::new();
    config
        .max_wasm_stack(stack::CONTRACT)
        // Copying a contract's data is cheaper than mapping it, the more so on several threads.
        .memory_init_cow(false)
        .wasm_backtrace_max_frames(None)
        .native_unwind_info(false)
        .generate_address_map(false)
        .wasm_simd(false)
        .wasm_relaxed_simd(false)
        .wasm_tail_call(false)
        .wasm_multi_memory(false)
        .wasm_memory64(false)
        .wasm_extended_const(false);
    config
}

struct Compiled {
    hosts: Arc<Hosts>,
    /// As it was compiled or loaded.
    module: Module,
    pooled: Lanes<InstancePre<State>>,
    on_demand: Made<InstancePre<State>>,
}

impl std::fmt::Debug for Compiled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compiled").finish_non_exhaustive()
    }
}

impl Compiled {
    /// The code in the calling thread's lane.
    fn pooled(&self) -> Result<&InstancePre<State>, String> {
        self.pooled.get(|| self.hosts.pools()?.host(&self.module).prepare(&self.module))
    }

    /// The same code in the engine without a pool.
    fn on_demand(&self) -> Result<&InstancePre<State>, String> {
        self.on_demand.get(|| self.hosts.on_demand()?.prepare(&self.module))
    }
}

impl Program for Compiled {
    fn run(&self, frame: &mut Frame<'_>, invocation: Invocation) -> Result<Completion, Halt> {
        let fault = |error| Halt::Fault(format!("wasmtime: {error}"));
        let pooled = self.pooled().map_err(fault)?;
        stack::with_room(|| {
            let result = match enter(pooled, frame, invocation) {
                Err(error) if error.is::<PoolConcurrencyLimitError>() => {
                    enter(self.on_demand().map_err(fault)?, frame, invocation)
                }
                result => result,
            };
            result.map_err(|error| halt(&error))
        })
    }

    fn serialize(&self) -> Option<Vec<u8>> {
        self.module.serialize().ok()
    }

    /// With all lanes and the engine without a pool, because the cache asks once.
    fn weight(&self) -> usize {
        let image = self.module.image_range();
        let large = self.hosts.pools().is_ok_and(|pools| pools.large_host(&self.module).is_some());
        let copies = 1 + lane::count() + usize::from(large);
        (image.end.addr() - image.start.addr()).saturating_add(TABLES).saturating_mul(copies)
    }
}

/// What is kept of a module beside its image, at least.
const TABLES: usize = 16 << 10;

/// Runs a call in a fresh instance.
fn enter(program: &InstancePre<State>, frame: &mut Frame<'_>, invocation: Invocation) -> Result<Completion, Error> {
    // SAFETY: the store is dropped when this function returns, and until then nothing but the store uses the frame.
    let lent = unsafe { Lent::new(frame) };
    let mut store = Store::new(program.module().engine(), State { lent, memory: None, growth: Growth });
    store.limiter(|state| &mut state.growth);
    let instance = program.instantiate(&mut store)?;
    store.data_mut().memory = instance.get_memory(&mut store, MEMORY);
    let entry = instance.get_typed_func::<(i32, i32, i32, i64), (i32, i64)>(&mut store, CALL)?;
    let Invocation { entry: reason, method_len, input_len, gas } = invocation;
    let (status, gas) = entry.call(&mut store, (reason, method_len, input_len, gas))?;
    Ok(Completion { status, gas })
}

/// The data of a store: one call.
struct State {
    lent: Lent,
    memory: Option<Memory>,
    growth: Growth,
}

/// Lets the frame work on the contract's memory.
fn with_frame<R>(
    mut caller: Caller<'_, State>,
    work: impl FnOnce(&mut Frame<'_>, &mut [u8]) -> Result<R, Stopped>,
) -> Result<R, Error> {
    let memory = caller.data().memory.ok_or(Left)?;
    let (bytes, state) = memory.data_and_store_mut(&mut caller);
    Ok(work(state.lent.frame(), bytes).map_err(Left::from)?)
}

host_functions!(Caller<'_, State>, Error);

/// Growth is bounded by the module's types. What fails within them is the machine's lack of memory: a fault, where the
/// contract would otherwise see a limit.
struct Growth;

impl ResourceLimiter for Growth {
    fn memory_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> Result<bool, Error> {
        Ok(maximum.is_none_or(|maximum| desired <= maximum))
    }

    fn memory_grow_failed(&mut self, error: Error) -> Result<(), Error> {
        Err(error)
    }

    fn table_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> Result<bool, Error> {
        Ok(maximum.is_none_or(|maximum| desired <= maximum))
    }

    fn table_grow_failed(&mut self, error: Error) -> Result<(), Error> {
        Err(error)
    }
}

/// What an engine's error means.
fn halt(error: &Error) -> Halt {
    if error.is::<Left>() {
        return Halt::Stopped;
    }
    match error.downcast_ref().copied().and_then(trap) {
        Some(trap) => Halt::Trap(trap),
        None => Halt::Fault(format!("wasmtime: {error:#}")),
    }
}

/// The trap that every engine has for this, if there is one.
pub(crate) const fn trap(code: wasmtime::Trap) -> Option<Trap> {
    use wasmtime::Trap as T;
    match code {
        T::UnreachableCodeReached => Some(Trap::Unreachable),
        T::MemoryOutOfBounds | T::TableOutOfBounds => Some(Trap::OutOfBounds),
        T::IndirectCallToNull | T::BadSignature => Some(Trap::BadIndirectCall),
        T::IntegerDivisionByZero => Some(Trap::DivisionByZero),
        T::IntegerOverflow | T::BadConversionToInteger => Some(Trap::IntegerOverflow),
        // The engine's own stack, which the module's metering keeps it far from, and what the gate refuses.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was compiled serves one lane's engine for small memories; every engine beside it has a copy.
    #[test]
    fn all_copies_are_weighed() {
        let engine = Wasmtime::new(Bounds { memory_pages: 32, table_entries: 16, stack_units: 60_000 }).unwrap();
        let weight = |pages: u32| {
            let text = format!(r#"(module (memory (export "memory") {pages}) (func (export "call")))"#);
            let module = Instrumented { bytes: wat::parse_str(text).unwrap(), calls: false };
            engine.compile(&module).unwrap().weight()
        };
        let large = usize::from(wasmtime::PoolingAllocationConfig::is_pagemap_scan_available());
        assert_eq!(weight(17) / (1 + lane::count() + large), weight(1) / (1 + lane::count()));
    }

    /// Code for a processor without extensions, or compiled by other settings, has another fingerprint.
    #[test]
    fn fingerprints_tell_processors_and_settings() {
        let of = |config: &Config| fingerprint(&wasmtime::Engine::new(config).unwrap());
        let own = of(&config());
        assert_eq!(of(&config()), own);
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        assert_ne!(of(config().target("x86_64-unknown-linux-gnu").unwrap()), own);
        assert_ne!(of(config().wasm_simd(true)), own);
        assert_ne!(of(config().memory_guard_size(1 << 16)), own);
    }
}
