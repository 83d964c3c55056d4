//! Where instances live: in slots of a pool, or in memory of their own when no slot is free.
//!
//! A small memory is cleared whole, by writing: no system call. Of a larger one Linux is asked which pages were written to
//! (`PAGEMAP_SCAN`, since 6.7), and those are cleared: rustc puts a stack of 1 MiB first, so what a contract touches lies far
//! apart, and giving pages back to take them again interrupts all threads of the process.

use wasmtime::{
    Enabled, Engine, Error, InstanceAllocationStrategy, InstancePre, Linker, Module, PoolingAllocationConfig,
};

use super::{State, call, config, operate};
use crate::engine::lane::{Lanes, Made};
use crate::meter::{Bounds, CALL, HOST, OP};

/// Instances that live in a pool at a time before calls pay for memory of their own.
pub(super) const SLOTS: u32 = 64;

/// The memory that a contract may begin with to count as small, in bytes: clearing as much takes as long as asking does.
const SMALL: usize = 128 << 10;

/// What a slot keeps of a larger memory between calls, in bytes of pages that were written to.
const KEPT: usize = 512 << 10;

/// What a slot keeps of its table.
const KEPT_TABLE: usize = 64 << 10;

/// Slots whose further memory is given back in one go: each time interrupts all threads of the process.
const GIVEN_BACK_AT_ONCE: usize = 32;

/// The engines that take instances from pools, and the one that is there when no slot is free. Each runs what another one
/// compiled.
#[derive(Debug)]
pub(super) struct Hosts {
    bounds: Bounds,
    slots: u32,
    pools: Lanes<Pools>,
    on_demand: Made<Host>,
}

impl Hosts {
    /// For modules within these bounds, and for this many instances at a time in each pool.
    pub(super) fn new(bounds: Bounds, slots: u32) -> Self {
        Self { bounds, slots, pools: Lanes::new(), on_demand: Made::new() }
    }

    /// Those of the calling thread's lane.
    pub(super) fn pools(&self) -> Result<&Pools, String> {
        self.pools.get(|| Pools::new(self.bounds, self.slots).map_err(|error| format!("{error:#}")))
    }

    /// The one without a pool.
    pub(super) fn on_demand(&self) -> Result<&Host, String> {
        self.on_demand.get(|| Host::new(InstanceAllocationStrategy::OnDemand).map_err(|error| format!("{error:#}")))
    }
}

/// The engines of a lane.
#[derive(Debug)]
pub(super) struct Pools {
    pub(super) small: Host,
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
                // The gate bounds what an instance consists of.
                .max_core_instance_size(isize::MAX.cast_unsigned())
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
    pub(super) fn host(&self, module: &Module) -> &Host {
        self.large_host(module).unwrap_or(&self.small)
    }

    /// The one for large memories, if the module's is large: it has a copy of its own of what the other one compiled.
    pub(super) fn large_host(&self, module: &Module) -> Option<&Host> {
        let pages = module.resources_required().max_initial_memory_size.unwrap_or(0);
        self.large.as_ref().filter(|_| pages << 16 > SMALL as u64)
    }
}

/// An engine with the host functions.
pub(super) struct Host {
    pub(super) engine: Engine,
    linker: Linker<State>,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").finish_non_exhaustive()
    }
}

impl Host {
    fn new(allocation: InstanceAllocationStrategy) -> Result<Self, Error> {
        let engine = Engine::new(config().allocation_strategy(allocation))?;
        let mut linker = Linker::new(&engine);
        linker.func_wrap(HOST, OP, operate)?.func_wrap(HOST, CALL, call)?;
        Ok(Self { engine, linker })
    }

    /// A module of any engine, ready to be instantiated by this one.
    pub(super) fn prepare(&self, module: &Module) -> Result<InstancePre<State>, String> {
        let linked = if Engine::same(module.engine(), &self.engine) {
            self.linker.instantiate_pre(module)
        } else {
            let code = module.serialize();
            // SAFETY: an engine with the same settings has just written the code.
            let copied = code.and_then(|code| unsafe { Module::deserialize(&self.engine, code) });
            copied.and_then(|module| self.linker.instantiate_pre(&module))
        };
        linked.map_err(|error| format!("{error:#}"))
    }
}

#[cfg(test)]
mod tests {
    use futures_executor::block_on;
    use vm_core::{Code, ContractName, DeployRequest, InvokeRequest, Receipt, RuntimeKind, Vm, VmProvider};

    use super::super::Wasmtime;
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
            assert!(hosts.on_demand.is_there(), "{slots} slots were not enough");
        }
    }

    /// In a process of its own, because the limit holds for all of it.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_pool_that_found_no_room_is_made_when_there_is() {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

        const CHILD: &str = "VM_WASM_POOL_CHILD";
        if std::env::var_os(CHILD).is_none() {
            let mut command = std::process::Command::new(std::env::current_exe().unwrap());
            let name = std::thread::current().name().unwrap().to_owned();
            let output = command.args([&name, "--exact", "--nocapture"]).env(CHILD, "1").output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && text.contains("made after all"), "{output:?}");
            return;
        }
        let hosts = Hosts::new(BOUNDS, SLOTS);
        let before = getrlimit(Resource::As);
        setrlimit(Resource::As, Rlimit { current: Some(20 << 30), ..before }).unwrap();
        let error = hosts.pools().map(drop).unwrap_err();
        assert!(error.contains("memory"), "{error}");
        setrlimit(Resource::As, before).unwrap();
        hosts.pools().unwrap();
        println!("made after all");
    }
}
