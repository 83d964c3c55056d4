//! The compiler wasmtime: native code by Cranelift, instances from a pool.
//!
//! Memories and tables come from slots that are reserved once and cleaned between calls. A small memory is cleared whole, by
//! writing: no system call. Of a larger one Linux is asked which pages were written to (`PAGEMAP_SCAN`, since 6.7), and those
//! are cleared: rustc puts a stack of 1 MiB first, so what a contract touches lies far apart, and giving pages back to take
//! them again interrupts all threads of the process. When all slots are taken (calls within calls on many threads) the same
//! code runs with memory of its own, at ten times the cost and with the same result.

use std::sync::{Arc, OnceLock};

use vm_core::Trap;
use wasmtime::{
    Caller, Config, Enabled, Error, InstanceAllocationStrategy, InstancePre, Linker, Memory, Module,
    PoolConcurrencyLimitError, PoolingAllocationConfig, ResourceLimiter, Store,
};

use super::lane::{self, Lanes};
use super::lent::Lent;
use super::{Completion, Engine, Halt, Invocation, Program, stack};
use crate::abi::{CallOperands, Frame, Stopped};
use crate::meter::{Bounds, CALL, HOST, Instrumented, MEMORY, OP};

const VERSION: &str = "48.0.8";

/// Instances that live in a pool at a time before calls pay for memory of their own.
const SLOTS: u32 = 64;

/// The memory that a contract may begin with to count as small, in bytes: clearing as much takes as long as asking does.
const SMALL: usize = 128 << 10;

/// What a slot keeps of a larger memory between calls, in bytes of pages that were written to.
const KEPT: usize = 512 << 10;

/// What a slot keeps of its table.
const KEPT_TABLE: usize = 64 << 10;

/// Slots whose further memory is given back in one go: each time interrupts all threads of the process.
const GIVEN_BACK_AT_ONCE: usize = 32;

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
        let hosts = Hosts { bounds, slots, pools: Lanes::new(), on_demand: OnceLock::new() };
        let fingerprint = fingerprint(&hosts.pools()?.small.engine);
        Ok(Self { hosts: Arc::new(hosts), fingerprint })
    }

    /// A module of the lane's engine for small memories.
    fn program(&self, module: Result<Module, Error>) -> Result<Box<dyn Program>, String> {
        let module = module.map_err(|error| format!("{error:#}"))?;
        let compiled = Compiled { hosts: self.hosts.clone(), module, pooled: Lanes::new(), on_demand: OnceLock::new() };
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

    fn load(&self, bytes: &[u8]) -> Result<Box<dyn Program>, String> {
        self.program(self.hosts.pools()?.small.load(bytes))
    }
}

fn fingerprint(engine: &wasmtime::Engine) -> String {
    use std::hash::{Hash, Hasher};
    #[allow(clippy::disallowed_types, reason = "another compiler's hash makes another key, and code is compiled again")]
    let mut hasher = std::hash::DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("wasmtime {VERSION} {:016x}", hasher.finish())
}

/// The engines that take instances from pools, and the one that is there when no slot is free. Each runs what another one
/// compiled.
#[derive(Debug)]
struct Hosts {
    bounds: Bounds,
    slots: u32,
    pools: Lanes<Result<Pools, String>>,
    on_demand: OnceLock<Result<Host, String>>,
}

impl Hosts {
    /// Those of the calling thread's lane.
    fn pools(&self) -> Result<&Pools, String> {
        let make = || Pools::new(self.bounds, self.slots).map_err(|error| error.to_string());
        self.pools.get(make).as_ref().map_err(Clone::clone)
    }
}

/// The engines of a lane.
#[derive(Debug)]
struct Pools {
    small: Host,
    /// Absent where Linux does not tell what was written to: then all memories count as small.
    large: Option<Host>,
}

impl Pools {
    fn new(bounds: Bounds, slots: u32) -> Result<Self, Error> {
        let host = |kept: usize, scan: Enabled| {
            let mut pool = PoolingAllocationConfig::new();
            pool.total_core_instances(slots)
                .total_memories(slots)
                .total_tables(slots)
                .max_memory_size(bounds.memory_bytes())
                .table_elements(bounds.entries())
                .linear_memory_keep_resident(kept)
                .table_keep_resident(KEPT_TABLE)
                .decommit_batch_size(GIVEN_BACK_AT_ONCE)
                .pagemap_scan(scan);
            Host::new(InstanceAllocationStrategy::Pooling(pool))
        };
        let small = host(SMALL, Enabled::No)?;
        let scans = PoolingAllocationConfig::is_pagemap_scan_available();
        let large = if scans { Some(host(KEPT, Enabled::Yes)?) } else { None };
        Ok(Self { small, large })
    }

    /// The one for modules whose memories are as large as this one's.
    fn host(&self, module: &Module) -> &Host {
        let pages = module.resources_required().max_initial_memory_size.unwrap_or(0);
        self.large.as_ref().filter(|_| pages << 16 > SMALL as u64).unwrap_or(&self.small)
    }
}

/// An engine with the host functions.
struct Host {
    engine: wasmtime::Engine,
    linker: Linker<State>,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").finish_non_exhaustive()
    }
}

impl Host {
    fn new(allocation: InstanceAllocationStrategy) -> Result<Self, Error> {
        let engine = wasmtime::Engine::new(config().allocation_strategy(allocation))?;
        let mut linker = Linker::new(&engine);
        linker.func_wrap(HOST, OP, operate)?.func_wrap(HOST, CALL, call)?;
        Ok(Self { engine, linker })
    }

    /// A module of any engine, ready to be instantiated by this one.
    fn prepare(&self, module: &Module) -> Result<InstancePre<State>, String> {
        let linked = if wasmtime::Engine::same(module.engine(), &self.engine) {
            self.linker.instantiate_pre(module)
        } else {
            let code = module.serialize();
            code.and_then(|code| self.load(&code)).and_then(|module| self.linker.instantiate_pre(&module))
        };
        linked.map_err(|error| format!("{error:#}"))
    }

    fn load(&self, bytes: &[u8]) -> Result<Module, Error> {
        // SAFETY: the bytes are what `Module::serialize` of an engine with the same fingerprint gave: see `Engine::load`.
        unsafe { Module::deserialize(&self.engine, bytes) }
    }
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
    pooled: Lanes<Result<InstancePre<State>, String>>,
    on_demand: OnceLock<Result<InstancePre<State>, String>>,
}

impl std::fmt::Debug for Compiled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compiled").finish_non_exhaustive()
    }
}

impl Compiled {
    /// The code in the calling thread's lane.
    fn pooled(&self) -> Result<&InstancePre<State>, String> {
        let prepare = || self.hosts.pools()?.host(&self.module).prepare(&self.module);
        self.pooled.get(prepare).as_ref().map_err(Clone::clone)
    }

    /// The same code in the engine without a pool.
    fn on_demand(&self) -> Result<&InstancePre<State>, String> {
        let start = || Host::new(InstanceAllocationStrategy::OnDemand).map_err(|error| format!("{error:#}"));
        let prepare = || self.hosts.on_demand.get_or_init(start).as_ref().map_err(Clone::clone)?.prepare(&self.module);
        self.on_demand.get_or_init(prepare).as_ref().map_err(Clone::clone)
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

    /// With all lanes, because the cache asks once.
    fn weight(&self) -> usize {
        let image = self.module.image_range();
        (image.end.addr() - image.start.addr()).saturating_add(TABLES).saturating_mul(1 + lane::count())
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

#[allow(clippy::too_many_arguments, reason = "the operands of an import")]
fn operate(
    mut caller: Caller<'_, State>,
    a: u32,
    b: u32,
    c: u32,
    d: u32,
    e: u32,
    op: i32,
    gas: i64,
) -> Result<(i64, i64), Error> {
    let memory = caller.data().memory.ok_or(Left)?;
    let (bytes, state) = memory.data_and_store_mut(&mut caller);
    Ok(state.lent.frame().operate(bytes, op, [a, b, c, d, e], gas).map_err(Left::from)?)
}

#[allow(clippy::too_many_arguments, reason = "the operands of an import")]
fn call(
    mut caller: Caller<'_, State>,
    to: u32,
    to_len: u32,
    method: u32,
    method_len: u32,
    input: u32,
    input_len: u32,
    value: u32,
    gas: u64,
    flags: u32,
    left: i64,
) -> Result<(i64, i64), Error> {
    let memory = caller.data().memory.ok_or(Left)?;
    let (bytes, state) = memory.data_and_store_mut(&mut caller);
    let operands = CallOperands { to, to_len, method, method_len, input, input_len, value, gas, flags };
    Ok(state.lent.frame().call_out(bytes, operands, left).map_err(Left::from)?)
}

/// Unwinds the contract after the frame said [`Stopped`].
#[derive(Debug, thiserror::Error)]
#[error("stopped by the host")]
struct Left;

impl From<Stopped> for Left {
    fn from(_: Stopped) -> Self {
        Self
    }
}

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
    use futures_executor::block_on;
    use vm_core::{Code, ContractName, DeployRequest, InvokeRequest, Receipt, RuntimeKind, Vm, VmProvider};

    use super::*;
    use crate::WasmRuntime;

    const BOUNDS: Bounds = Bounds { memory_pages: 16, table_entries: 16_384, stack_units: 60_000 };

    /// Six contracts, of which each calls the next.
    fn chain(runtime: WasmRuntime) -> Receipt {
        let vm = Vm::builder().runtime(runtime).workers(1).build().unwrap();
        block_on(vm.start()).unwrap();
        for link in 0..6 {
            let wat = format!(
                r#"(module (import "vm1" "call" (func $call (param i32 i32 i32 i32 i32 i32 i32 i64 i32) (result i64)))
                    (memory (export "memory") 1) (data (i32.const 0) "c{}")
                    (func (export "vm_call") (param $entry i32) (param i32 i32) (result i32)
                        (if (i32.eqz (local.get $entry)) (then (return (i32.const 0))))
                        (drop (call $call (i32.const 0) (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
                            (i32.const 0) (i64.const 0) (i32.const 0)))
                        (i32.const 0)))"#,
                link + 1
            );
            let code = Code::new(RuntimeKind::Wasm, wat::parse_str(wat).unwrap());
            let name = ContractName::new(&format!("c{link}")).unwrap();
            block_on(vm.deploy(DeployRequest::new(name, "1".parse().unwrap(), code))).unwrap();
        }
        vm.invoke_sync(InvokeRequest::new(ContractName::new("c0").unwrap(), "run")).unwrap()
    }

    #[test]
    fn calls_go_on_without_a_free_slot() {
        let engine = |slots| Box::new(Wasmtime::with_slots(BOUNDS, slots).unwrap());
        let plenty = chain(WasmRuntime::on(engine(100)));
        assert!(plenty.status.is_success());
        for slots in [1, 2, 5] {
            let few = engine(slots);
            let hosts = few.hosts.clone();
            assert_eq!(chain(WasmRuntime::on(few)).digest(), plenty.digest());
            assert!(hosts.on_demand.get().is_some(), "{slots} slots were not enough");
        }
    }
}
