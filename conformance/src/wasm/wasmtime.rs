//! wasmtime, with vm-wasm's settings.

use std::collections::BTreeMap;

use vm_wasm::conformance;
use wasmtime::{Error, Extern, Func, Instance, Module, Store, Trap, Val};

use super::machine::{Exhausted, Failure, HOST_OP, Machine, missing};
use super::value::Value;

pub(super) fn machine() -> Result<Box<dyn Machine>, Failure> {
    let other = |error: Error| Failure::Other(format!("wasmtime: {error:#}"));
    let engine = wasmtime::Engine::new(&conformance::wasmtime_config()).map_err(other)?;
    let mut store = Store::new(&engine, ());
    let exhausted = |_: i32, _: i32, _: i32, _: i32, _: i32, _: i32, _: i64| -> Result<(i64, i64), Error> {
        Err(Error::new(Exhausted))
    };
    let op = Func::wrap(&mut store, exhausted);
    Ok(Box::new(Wasmtime { store, op, instances: Vec::new() }))
}

struct Wasmtime {
    store: Store<()>,
    op: Func,
    instances: Vec<Instance>,
}

impl Wasmtime {
    fn export(&mut self, instance: usize, name: &str) -> Option<Extern> {
        let instance = *self.instances.get(instance)?;
        instance.get_export(&mut self.store, name)
    }
}

impl Machine for Wasmtime {
    fn instantiate(&mut self, module: &[u8], names: &BTreeMap<String, usize>) -> Result<usize, Failure> {
        let module =
            Module::new(self.store.engine(), module).map_err(|error| Failure::Uncompilable(format!("{error:#}")))?;
        let mut imports = Vec::new();
        for import in module.imports() {
            let (from, name) = (import.module(), import.name());
            let found = match (from, name) {
                HOST_OP => Some(self.op.into()),
                _ => names.get(from).and_then(|instance| self.export(*instance, name)),
            };
            imports.push(found.ok_or_else(|| Failure::Unlinkable(format!("there is no {from}.{name}")))?);
        }
        match Instance::new(&mut self.store, &module, &imports) {
            Ok(instance) => {
                self.instances.push(instance);
                Ok(self.instances.len() - 1)
            }
            Err(error) => Err(match failure(&error) {
                Failure::Other(why) => Failure::Unlinkable(why),
                failure => failure,
            }),
        }
    }

    fn invoke(&mut self, instance: usize, function: &str, args: &[Value]) -> Result<Vec<Value>, Failure> {
        let func =
            self.export(instance, function).and_then(Extern::into_func).ok_or_else(|| missing("function", function))?;
        let args = args.iter().map(|arg| val(*arg)).collect::<Option<Vec<_>>>();
        let args = args.ok_or_else(|| Failure::Other("an argument cannot be passed".into()))?;
        let mut results = vec![Val::I32(0); func.ty(&self.store).results().len()];
        func.call(&mut self.store, &args, &mut results).map_err(|error| failure(&error))?;
        Ok(results.iter().map(value).collect())
    }

    fn global(&mut self, instance: usize, name: &str) -> Result<Value, Failure> {
        let global =
            self.export(instance, name).and_then(Extern::into_global).ok_or_else(|| missing("global", name))?;
        Ok(value(&global.get(&mut self.store)))
    }

    fn set_global(&mut self, instance: usize, name: &str, value: i64) -> Result<(), Failure> {
        let global =
            self.export(instance, name).and_then(Extern::into_global).ok_or_else(|| missing("global", name))?;
        global.set(&mut self.store, Val::I64(value)).map_err(|error| Failure::Other(error.to_string()))
    }
}

fn val(value: Value) -> Option<Val> {
    Some(match value {
        Value::I32(value) => Val::I32(value),
        Value::I64(value) => Val::I64(value),
        Value::F32(bits) => Val::F32(bits),
        Value::F64(bits) => Val::F64(bits),
        Value::Null => Val::null_func_ref(),
        Value::Function | Value::Other => return None,
    })
}

fn value(val: &Val) -> Value {
    match val {
        Val::I32(value) => Value::I32(*value),
        Val::I64(value) => Value::I64(*value),
        Val::F32(bits) => Value::F32(*bits),
        Val::F64(bits) => Value::F64(*bits),
        Val::FuncRef(None) => Value::Null,
        Val::FuncRef(Some(_)) => Value::Function,
        _ => Value::Other,
    }
}

fn failure(error: &Error) -> Failure {
    if error.is::<Exhausted>() || error.downcast_ref::<Trap>() == Some(&Trap::StackOverflow) {
        return Failure::Exhausted;
    }
    conformance::wasmtime_trap(error).map_or_else(|| Failure::Other(format!("wasmtime: {error:#}")), Failure::Trap)
}
