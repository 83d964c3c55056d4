//! For conformance tests, fuzzing and benches: metering of modules that are no contracts. Not for other uses.

use crate::gate::{self, GateConfig};
use crate::meter::{self, Bounds, Prices, pin};
use crate::{WasmConfig, WasmError};

/// The exported global of an instrumented module that holds its gas: a mutable `i64`. Its caller sets it before a call, to at
/// most 2^40, and reads it afterwards; what is there after a trap means nothing. A start function runs with 2^40.
pub const GAS: &str = meter::GAS;

/// Instruments a module that uses nothing but what contracts may use, within the limits of `config`, but need not be one:
/// all its exports stay as they are, under their own names and types, and it may import anything. The result has
/// the export [`GAS`].
///
/// It also has the import `host.op`, of type `[i32 i32 i32 i32 i32 i32 i64] -> [i64 i64]`, the first before all others: called
/// when the gas or the stack is used up. What implements it traps.
///
/// # Errors
/// [`WasmError::Rejected`] with the violations when the module is invalid or uses something else.
pub fn instrument(module: &[u8], config: &WasmConfig) -> Result<Vec<u8>, WasmError> {
    let gate = GateConfig { contract: false, ..GateConfig::new(config) };
    let checked = gate::check(module, &gate)?;
    let prices = Prices::new(&config.schedule.wasm);
    Ok(meter::instrument(&checked, &prices, &Bounds::new(&gate))?.bytes)
}

/// What operators cost: the gas, the operators, and the text of a contract whose call takes so much more than that of the first, which
/// is `nop`. Every class of operators is in at least one. They need floats to be admitted, and take no arguments.
pub fn pinned_gas() -> impl Iterator<Item = (u64, &'static str, String)> {
    let line = |line: &'static str| {
        let (gas, body) = line.split_once('\t')?;
        Some((gas.parse().ok()?, body, pin::contract(body)))
    };
    pin::TABLE.lines().filter_map(line)
}

/// The settings of wasmi.
pub fn wasmi_config() -> wasmi::Config {
    crate::engine::wasmi::config()
}

/// What an error of wasmi means: the trap that every engine has for it, if there is one.
pub fn wasmi_trap(error: &wasmi::Error) -> Option<vm_core::Trap> {
    error.as_trap_code().and_then(crate::engine::wasmi::trap)
}

/// The settings of wasmtime, with instances on demand.
#[cfg(feature = "wasmtime")]
pub fn wasmtime_config() -> wasmtime::Config {
    crate::engine::wasmtime::config()
}

/// What an error of wasmtime means: the trap that every engine has for it, if there is one.
#[cfg(feature = "wasmtime")]
pub fn wasmtime_trap(error: &wasmtime::Error) -> Option<vm_core::Trap> {
    error.downcast_ref().copied().and_then(crate::engine::wasmtime::trap)
}

/// An engine of wasmer.
#[cfg(feature = "wasmer")]
pub fn wasmer_engine() -> wasmer::Engine {
    crate::engine::wasmer::engine()
}

/// What an error of wasmer means: the trap that every engine has for it, if there is one.
#[cfg(feature = "wasmer")]
pub fn wasmer_trap(error: &wasmer::RuntimeError) -> Option<vm_core::Trap> {
    error.clone().to_trap().and_then(crate::engine::wasmer::trap)
}

#[cfg(test)]
mod tests {
    use wasmi::{Engine, Error, Linker, Module, Store, Val};

    use super::*;

    const PLENTY: i64 = 1 << 40;

    #[test]
    fn exports_and_imports_stay() {
        let wat = r#"(module (import "spectest" "print_i32" (func $print (param i32)))
            (table (export "table") 1 funcref) (elem (i32.const 0) $print) (global (export "answer") i32 (i32.const 42)) (start $start)
            (func $start (call $print (i32.const 1)))
            (func (export "add") (param i32 i64) (result i64) (i64.add (i64.extend_i32_u (local.get 0)) (local.get 1)))
            (func (export "print") (call_indirect (param i32) (i32.const 2) (i32.const 0)))
            (func $deep (export "deep") (call $deep)) (func (export "endless") (loop (br 0))))"#;
        let bytes = instrument(&wat::parse_str(wat).unwrap(), &WasmConfig::default()).unwrap();
        let engine = Engine::default();
        let module = Module::new(&engine, &bytes).unwrap();
        let mut store = Store::new(&engine, Vec::new());
        let mut linker = Linker::<Vec<i32>>::new(&engine);
        let full = |_: i32, _: i32, _: i32, _: i32, _: i32, _: i32, _: i64| -> Result<(i64, i64), Error> {
            Err(Error::new("exhausted"))
        };
        linker.func_wrap("host", "op", full).unwrap();
        let print = |mut caller: wasmi::Caller<'_, Vec<i32>>, value: i32| caller.data_mut().push(value);
        linker.func_wrap("spectest", "print_i32", print).unwrap();
        let instance = linker.instantiate_and_start(&mut store, &module).unwrap();
        let gas = instance.get_global(&store, GAS).unwrap();

        let add = instance.get_typed_func::<(i32, i64), i64>(&store, "add").unwrap();
        gas.set(&mut store, Val::I64(PLENTY)).unwrap();
        assert_eq!(add.call(&mut store, (2, 3)).unwrap(), 5);
        assert_eq!(gas.get(&store).i64(), Some(PLENTY - 5));
        assert_eq!(instance.get_global(&store, "answer").unwrap().get(&store).i32(), Some(42));
        instance.get_typed_func::<(), ()>(&store, "print").unwrap().call(&mut store, ()).unwrap();
        assert_eq!(*store.data(), [1, 2]);
        for export in ["deep", "endless", "deep"] {
            let function = instance.get_typed_func::<(), ()>(&store, export).unwrap();
            gas.set(&mut store, Val::I64(10_000_000)).unwrap();
            let error = function.call(&mut store, ()).unwrap_err();
            assert!(error.to_string().contains("exhausted"), "{export}: {error}");
        }
    }
}
