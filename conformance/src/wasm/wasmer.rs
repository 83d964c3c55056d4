//! wasmer, with vm-wasm's settings.

use std::collections::BTreeMap;

use vm_wasm::conformance;
use wasmer::sys::vm::TrapCode;
use wasmer::{
    Extern, Function, Global, Instance, InstantiationError, LinkError, Module, RuntimeError, Store, Value as Val,
};

use super::machine::{Exhausted, Failure, HOST_OP, Machine, missing};
use super::value::Value;

pub(super) fn machine() -> Result<Box<dyn Machine>, Failure> {
    let mut store = Store::new(conformance::wasmer_engine());
    let exhausted = |_: i32, _: i32, _: i32, _: i32, _: i32, _: i32, _: i64| -> Result<(i64, i64), RuntimeError> {
        Err(RuntimeError::user(Box::new(Exhausted)))
    };
    let op = Function::new_typed(&mut store, exhausted);
    Ok(Box::new(Wasmer { store, op, instances: Vec::new() }))
}

struct Wasmer {
    store: Store,
    op: Function,
    instances: Vec<Instance>,
}

impl Wasmer {
    fn export(&self, instance: usize, name: &str) -> Option<&Extern> {
        self.instances.get(instance).and_then(|instance| instance.exports.get_extern(name))
    }

    fn exported_global(&self, instance: usize, name: &str) -> Result<Global, Failure> {
        match self.export(instance, name) {
            Some(Extern::Global(global)) => Ok(global.clone()),
            _ => Err(missing("global", name)),
        }
    }
}

/// What wasmer says of modules that initialise a table with an imported global.
const NO_GLOBALS: &str = "unsupported init expr in element section: GlobalGet";

impl Machine for Wasmer {
    fn instantiate(&mut self, module: &[u8], names: &BTreeMap<String, usize>) -> Result<usize, Failure> {
        let module = Module::new(self.store.engine(), module).map_err(|error| match error.to_string() {
            why if why.contains(NO_GLOBALS) => Failure::Limit("wasmer: imported globals in element segments".into()),
            why => Failure::Uncompilable(why),
        })?;
        let mut imports = Vec::new();
        for import in module.imports() {
            let (from, name) = (import.module(), import.name());
            let found = match (from, name) {
                HOST_OP => Some(self.op.clone().into()),
                _ => names.get(from).and_then(|instance| self.export(*instance, name)).cloned(),
            };
            imports.push(found.ok_or_else(|| Failure::Unlinkable(format!("there is no {from}.{name}")))?);
        }
        match Instance::new_by_index(&mut self.store, &module, &imports) {
            Ok(instance) => {
                self.instances.push(instance);
                Ok(self.instances.len() - 1)
            }
            Err(InstantiationError::Start(error) | InstantiationError::Link(LinkError::Trap(error))) => {
                Err(failure(&error))
            }
            Err(InstantiationError::Link(LinkError::Resource(_))) => {
                Err(Failure::Limit("wasmer: the size of tables".into()))
            }
            Err(error) => Err(Failure::Unlinkable(error.to_string())),
        }
    }

    fn invoke(&mut self, instance: usize, function: &str, args: &[Value]) -> Result<Vec<Value>, Failure> {
        let Some(Extern::Function(func)) = self.export(instance, function).cloned() else {
            return Err(missing("function", function));
        };
        let args = args.iter().map(|arg| val(*arg)).collect::<Option<Vec<_>>>();
        let args = args.ok_or_else(|| Failure::Other("an argument cannot be passed".into()))?;
        let results = func.call(&mut self.store, &args).map_err(|error| failure(&error))?;
        Ok(results.iter().map(value).collect())
    }

    fn global(&mut self, instance: usize, name: &str) -> Result<Value, Failure> {
        let global = self.exported_global(instance, name)?;
        Ok(value(&global.get(&mut self.store)))
    }

    fn set_global(&mut self, instance: usize, name: &str, value: i64) -> Result<(), Failure> {
        let global = self.exported_global(instance, name)?;
        global.set(&mut self.store, Val::I64(value)).map_err(|error| failure(&error))
    }
}

fn val(value: Value) -> Option<Val> {
    Some(match value {
        Value::I32(value) => Val::I32(value),
        Value::I64(value) => Val::I64(value),
        Value::F32(bits) => Val::F32(f32::from_bits(bits)),
        Value::F64(bits) => Val::F64(f64::from_bits(bits)),
        Value::Null => Val::FuncRef(None),
        Value::Function | Value::Other => return None,
    })
}

fn value(val: &Val) -> Value {
    match val {
        Val::I32(value) => Value::I32(*value),
        Val::I64(value) => Value::I64(*value),
        Val::F32(value) => Value::F32(value.to_bits()),
        Val::F64(value) => Value::F64(value.to_bits()),
        Val::FuncRef(None) => Value::Null,
        Val::FuncRef(Some(_)) => Value::Function,
        _ => Value::Other,
    }
}

fn failure(error: &RuntimeError) -> Failure {
    if error.is::<Exhausted>() || error.clone().to_trap() == Some(TrapCode::StackOverflow) {
        return Failure::Exhausted;
    }
    conformance::wasmer_trap(error).map_or_else(|| Failure::Other(format!("wasmer: {error}")), Failure::Trap)
}
