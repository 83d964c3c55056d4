//! A transfer between two balances, each call in a fresh instance: on the bare engines, and as a contract.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use vm_core::{
    Address, Call, CallRequest, Code, Contract, Entry, Env, Gas, Host, HostFault, LogLevel, Outcome, RuntimeKind,
    RuntimeProvider, Status, Stop, Topic, TransactionHost, Trap,
};
use vm_wasm::{EngineKind, WasmConfig, WasmRuntime};

/// Makes a transfer whenever it is called.
pub(crate) type Transfer = Box<dyn FnMut() + Send>;

/// Reads an amount and two balances, writes two balances. Memory is laid out as rustc does it: first the stack, which ends
/// where the data begin, on the last of so many pages.
pub(crate) fn module(pages: u32) -> Vec<u8> {
    let names = (pages << 16) - (32 << 10);
    let [bob, stack] = [names + 5, names - 64];
    let [alices, bobs] = [stack + 8, stack + 16];
    let text = format!(
        r#"(module
            (import "vm1" "input" (func $input (param i32)))
            (import "vm1" "get" (func $get (param i32 i32 i32 i32) (result i64)))
            (import "vm1" "put" (func $put (param i32 i32 i32 i32)))
            (memory (export "memory") {pages})
            (data (i32.const {names}) "alicebob")
            (func (export "vm_call") (param i32 i32 i32) (result i32)
                (call $input (i32.const {stack}))
                (drop (call $get (i32.const {names}) (i32.const 5) (i32.const {alices}) (i32.const 8)))
                (drop (call $get (i32.const {bob}) (i32.const 3) (i32.const {bobs}) (i32.const 8)))
                (i64.store (i32.const {alices}) (i64.sub (i64.load (i32.const {alices})) (i64.load (i32.const {stack}))))
                (i64.store (i32.const {bobs}) (i64.add (i64.load (i32.const {bobs})) (i64.load (i32.const {stack}))))
                (call $put (i32.const {names}) (i32.const 5) (i32.const {alices}) (i32.const 8))
                (call $put (i32.const {bob}) (i32.const 3) (i32.const {bobs}) (i32.const 8))
                (i32.const 0)))"#
    );
    wat::parse_str(text).unwrap()
}

const AMOUNT: [u8; 8] = 3u64.to_le_bytes();

type Balances = BTreeMap<Vec<u8>, Bytes>;

fn get<'m>(balances: &'m Balances, memory: &[u8], key: u32, length: u32) -> Option<&'m Bytes> {
    balances.get(memory.get(key as usize..)?.get(..length as usize)?)
}

fn put(balances: &mut Balances, memory: &[u8], operands: [u32; 4]) -> Option<()> {
    let [key, key_length, value, value_length] = operands.map(|operand| operand as usize);
    let value = Bytes::copy_from_slice(memory.get(value..)?.get(..value_length)?);
    let key = memory.get(key..)?.get(..key_length)?;
    match balances.get_mut(key) {
        Some(balance) => *balance = value,
        None => drop(balances.insert(key.to_vec(), value)),
    }
    Some(())
}

fn write(memory: &mut [u8], to: u32, bytes: &[u8]) -> Option<()> {
    memory.get_mut(to as usize..)?.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(())
}

/// wasmi with the settings that contracts have, its linker made beforehand.
pub(crate) fn bare_wasmi(module: &[u8]) -> Transfer {
    use wasmi::{Caller, Engine, Error, Linker, Memory, Module, Store};
    type State = (Balances, Option<Memory>);
    let missing = || Error::new("a range outside of the memory");
    let engine = Engine::new(&vm_wasm::conformance::wasmi_config());
    let module = Module::new(&engine, module).unwrap();
    let mut linker = Linker::<State>::new(&engine);
    let input = move |mut caller: Caller<'_, State>, to: u32| {
        let memory = caller.data().1.ok_or_else(missing)?;
        write(memory.data_mut(&mut caller), to, &AMOUNT).ok_or_else(missing)
    };
    let read = move |mut caller: Caller<'_, State>, key: u32, length: u32, to: u32, _: u32| -> Result<i64, Error> {
        let memory = caller.data().1.ok_or_else(missing)?;
        let (bytes, state) = memory.data_and_store_mut(&mut caller);
        let Some(value) = get(&state.0, bytes, key, length) else { return Ok(-1) };
        write(bytes, to, value).ok_or_else(missing)?;
        Ok(value.len() as i64)
    };
    let store = move |mut caller: Caller<'_, State>, key: u32, key_length: u32, value: u32, value_length: u32| {
        let memory = caller.data().1.ok_or_else(missing)?;
        let (bytes, state) = memory.data_and_store_mut(&mut caller);
        put(&mut state.0, bytes, [key, key_length, value, value_length]).ok_or_else(missing)
    };
    linker.func_wrap("vm1", "input", input).unwrap();
    linker.func_wrap("vm1", "get", read).unwrap();
    linker.func_wrap("vm1", "put", store).unwrap();
    let mut balances = Balances::new();
    Box::new(move || {
        let mut store = Store::new(&engine, (std::mem::take(&mut balances), None));
        let instance = linker.instantiate_and_start(&mut store, &module).unwrap();
        store.data_mut().1 = instance.get_memory(&store, "memory");
        let call = instance.get_typed_func::<(i32, i32, i32), i32>(&store, "vm_call").unwrap();
        assert_eq!(call.call(&mut store, (1, 0, 8)).unwrap(), 0);
        balances = store.into_data().0;
    })
}

/// wasmtime with a pool of instances, its linking done beforehand.
#[cfg(feature = "wasmtime")]
pub(crate) fn bare_wasmtime(engine: &wasmtime::Engine, module: &[u8]) -> Transfer {
    use wasmtime::{Caller, Error, Linker, Memory, Module, Store};
    type State = (Balances, Option<Memory>);
    let missing = || Error::msg("a range outside of the memory");
    let module = Module::new(engine, module).unwrap();
    let mut linker = Linker::<State>::new(engine);
    let input = move |mut caller: Caller<'_, State>, to: u32| {
        let memory = caller.data().1.ok_or_else(missing)?;
        write(memory.data_mut(&mut caller), to, &AMOUNT).ok_or_else(missing)
    };
    let read = move |mut caller: Caller<'_, State>, key: u32, length: u32, to: u32, _: u32| -> Result<i64, Error> {
        let memory = caller.data().1.ok_or_else(missing)?;
        let (bytes, state) = memory.data_and_store_mut(&mut caller);
        let Some(value) = get(&state.0, bytes, key, length) else { return Ok(-1) };
        write(bytes, to, value).ok_or_else(missing)?;
        Ok(value.len() as i64)
    };
    let store = move |mut caller: Caller<'_, State>, key: u32, key_length: u32, value: u32, value_length: u32| {
        let memory = caller.data().1.ok_or_else(missing)?;
        let (bytes, state) = memory.data_and_store_mut(&mut caller);
        put(&mut state.0, bytes, [key, key_length, value, value_length]).ok_or_else(missing)
    };
    linker.func_wrap("vm1", "input", input).unwrap();
    linker.func_wrap("vm1", "get", read).unwrap();
    linker.func_wrap("vm1", "put", store).unwrap();
    let (engine, linked) = (engine.clone(), linker.instantiate_pre(&module).unwrap());
    let mut balances = Balances::new();
    Box::new(move || {
        let mut store = Store::new(&engine, (std::mem::take(&mut balances), None));
        let instance = linked.instantiate(&mut store).unwrap();
        store.data_mut().1 = instance.get_memory(&mut store, "memory");
        let call = instance.get_typed_func::<(i32, i32, i32), i32>(&mut store, "vm_call").unwrap();
        assert_eq!(call.call(&mut store, (1, 0, 8)).unwrap(), 0);
        balances = store.into_data().0;
    })
}

/// How a pool of wasmtime's cleans a memory for the next instance.
#[cfg(feature = "wasmtime")]
#[derive(Clone, Copy)]
pub(crate) struct Pool {
    /// KiB that stay with a slot and are cleared by writing; the rest is given back.
    kept: usize,
    /// How many slots' memory is given back in one go.
    at_once: usize,
    /// Linux is asked for what was written to, and only that is cleared.
    asks: bool,
    /// A contract's data is mapped, not copied.
    maps: bool,
}

#[cfg(feature = "wasmtime")]
impl Pool {
    /// As contracts of one or two pages have it.
    pub(crate) const SMALL: Self = Self { kept: 128, at_once: 32, asks: false, maps: false };
    /// As contracts of more pages have it.
    pub(crate) const LARGE: Self = Self { kept: 512, at_once: 32, asks: true, maps: false };

    /// These, and others.
    pub(crate) const ALL: [Self; 7] = [
        Self::SMALL,
        Self::LARGE,
        Self { maps: true, ..Self::SMALL },
        Self { maps: true, ..Self::LARGE },
        Self { at_once: 1, ..Self::SMALL },
        Self { kept: 0, ..Self::SMALL },
        Self { kept: 0, at_once: 1, asks: false, maps: true },
    ];

    /// The one for so many pages.
    pub(crate) const fn of(pages: u32) -> Self {
        if pages > 2 { Self::LARGE } else { Self::SMALL }
    }

    /// With the settings that contracts have, but for these.
    pub(crate) fn engine(self) -> wasmtime::Engine {
        use wasmtime::{Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};
        let mut pool = PoolingAllocationConfig::new();
        pool.total_core_instances(64).total_memories(64).total_tables(64);
        pool.max_memory_size(16 << 20).table_elements(16_384);
        pool.linear_memory_keep_resident(self.kept << 10)
            .table_keep_resident(64 << 10)
            .decommit_batch_size(self.at_once);
        pool.pagemap_scan(if self.asks { Enabled::Auto } else { Enabled::No });
        let mut config = vm_wasm::conformance::wasmtime_config();
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool)).memory_init_cow(self.maps);
        Engine::new(&config).unwrap()
    }
}

#[cfg(feature = "wasmtime")]
impl std::fmt::Display for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kept, at_once, asks, maps } = *self;
        let [asks, maps] = [(asks, ", asks"), (maps, ", maps")].map(|(is, text)| if is { text } else { "" });
        write!(f, "keeps {kept} KiB, {at_once} at once{asks}{maps}")
    }
}

/// The same module as a contract.
pub(crate) fn contract(engine: EngineKind, module: &[u8]) -> Arc<dyn Contract> {
    let mut config = WasmConfig::default();
    config.engine = engine;
    let runtime = WasmRuntime::new(config).unwrap();
    futures_executor::block_on(runtime.prepare(&Code::new(RuntimeKind::Wasm, module))).unwrap()
}

/// Transfers through `Contract::call`.
pub(crate) fn through(contract: Arc<dyn Contract>) -> Transfer {
    let address = Address::from_name("bench");
    let call = Call { entry: Entry::Invoke, method: "".into(), input: Bytes::from_static(&AMOUNT) };
    let mut host = Map { env: vm_benches::host::env(address, address), balances: Balances::new(), gas: Gas::MAX };
    Box::new(move || {
        host.gas = Gas::new(1_000_000);
        assert_eq!(contract.call(&mut host, &call).unwrap().status, Status::Success);
    })
}

/// A host whose state is the same map as the bare engines have.
struct Map {
    env: Env,
    balances: Balances,
    gas: Gas,
}

impl Host for Map {
    fn env(&self) -> &Env {
        &self.env
    }

    fn get(&mut self, key: &[u8]) -> Result<Option<Bytes>, Stop> {
        Ok(self.balances.get(key).cloned())
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), Stop> {
        let value = Bytes::copy_from_slice(value);
        match self.balances.get_mut(key) {
            Some(balance) => *balance = value,
            None => drop(self.balances.insert(key.to_vec(), value)),
        }
        Ok(())
    }

    fn delete(&mut self, _: &[u8]) -> Result<(), Stop> {
        unimplemented()
    }

    fn scan(&mut self, _: &[u8], _: &[u8], _: usize) -> Result<Vec<(Bytes, Bytes)>, Stop> {
        unimplemented()
    }

    fn emit(&mut self, _: Vec<Topic>, _: Bytes) -> Result<(), Stop> {
        unimplemented()
    }

    fn call(&mut self, _: CallRequest) -> Result<Outcome, Stop> {
        unimplemented()
    }

    fn charge(&mut self, gas: Gas) -> Result<(), Stop> {
        self.gas = self.gas.checked_sub(gas).ok_or(Trap::OutOfGas)?;
        Ok(())
    }

    fn gas_left(&self) -> Gas {
        self.gas
    }

    fn log(&mut self, _: LogLevel, _: &str) -> Result<(), Stop> {
        unimplemented()
    }

    #[allow(clippy::panic, reason = "a benchmark fails by panicking")]
    fn transaction(&mut self) -> &mut dyn TransactionHost {
        panic!("a transfer asks for no transaction")
    }
}

fn unimplemented<T>() -> Result<T, Stop> {
    Err(HostFault::Internal("a transfer does not ask for this".into()).into())
}
