//! wasmi, with vm-wasm's settings.

use std::collections::BTreeMap;

use vm_core::Trap;
use vm_wasm::conformance;
use wasmi::errors::{ErrorKind, HostError, InstantiationError};
use wasmi::{Error, Extern, Func, Instance, Module, Nullable, Store, TrapCode, Val};

use super::machine::{Exhausted, Failure, HOST_OP, Machine, missing};
use super::value::Value;

pub(super) fn machine() -> Result<Box<dyn Machine>, Failure> {
    let mut store = Store::new(&wasmi::Engine::new(&conformance::wasmi_config()), ());
    let exhausted = |_: i32, _: i32, _: i32, _: i32, _: i32, _: i32, _: i64| -> Result<(i64, i64), Error> {
        Err(Error::host(Exhausted))
    };
    let op = Func::wrap(&mut store, exhausted);
    Ok(Box::new(Wasmi { store, op, instances: Vec::new() }))
}

struct Wasmi {
    store: Store<()>,
    op: Func,
    instances: Vec<Instance>,
}

impl HostError for Exhausted {}

impl Wasmi {
    fn export(&self, instance: usize, name: &str) -> Option<Extern> {
        self.instances.get(instance).and_then(|instance| instance.get_export(&self.store, name))
    }
}

impl Machine for Wasmi {
    fn instantiate(&mut self, module: &[u8], names: &BTreeMap<String, usize>) -> Result<usize, Failure> {
        let module =
            Module::new(self.store.engine(), module).map_err(|error| Failure::Uncompilable(error.to_string()))?;
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
            Err(error) if is_segment(&error) => Err(Failure::Trap(Trap::OutOfBounds)),
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
        let mut results: Vec<_> = func.ty(&self.store).results().iter().map(|ty| Val::default_for_ty(*ty)).collect();
        func.call(&mut self.store, &args, &mut results).map_err(|error| failure(&error))?;
        Ok(results.iter().map(value).collect())
    }

    fn global(&mut self, instance: usize, name: &str) -> Result<Value, Failure> {
        let global =
            self.export(instance, name).and_then(Extern::into_global).ok_or_else(|| missing("global", name))?;
        Ok(value(&global.get(&self.store)))
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
        Value::F32(bits) => Val::F32(wasmi::F32::from_bits(bits)),
        Value::F64(bits) => Val::F64(wasmi::F64::from_bits(bits)),
        Value::Null => Val::FuncRef(Nullable::Null),
        Value::Function | Value::Other => return None,
    })
}

fn value(val: &Val) -> Value {
    match val {
        Val::I32(value) => Value::I32(*value),
        Val::I64(value) => Value::I64(*value),
        Val::F32(value) => Value::F32(value.to_bits()),
        Val::F64(value) => Value::F64(value.to_bits()),
        Val::FuncRef(Nullable::Null) => Value::Null,
        Val::FuncRef(Nullable::Val(_)) => Value::Function,
        _ => Value::Other,
    }
}

/// Whether a segment does not fit, which other engines tell as a trap.
fn is_segment(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Instantiation(InstantiationError::ElementSegmentDoesNotFit { .. }))
}

fn failure(error: &Error) -> Failure {
    if error.downcast_ref::<Exhausted>().is_some() || error.as_trap_code() == Some(TrapCode::StackOverflow) {
        return Failure::Exhausted;
    }
    conformance::wasmi_trap(error).map_or_else(|| Failure::Other(format!("wasmi: {error}")), Failure::Trap)
}
