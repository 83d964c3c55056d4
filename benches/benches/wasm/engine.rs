//! The bare engines, with the settings that matter to code that computes.

/// An exported function with its argument, ready to be called again and again.
pub(crate) type Run = Box<dyn FnMut() -> i32>;

/// How a module is metered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Metering {
    None,
    Fuel,
    /// By instrumentation, which the module has gone through.
    Gas,
}

/// More than any case uses.
const PLENTY: i64 = 1 << 40;

pub(crate) struct Engine {
    pub(crate) name: &'static str,
    pub(crate) prepare: fn(wasm: &[u8], export: &str, argument: i32, metering: Metering) -> Run,
}

pub(crate) const ENGINES: &[Engine] = &[
    Engine { name: "wasmi", prepare: wasmi },
    #[cfg(feature = "wasmtime")]
    Engine { name: "wasmtime", prepare: wasmtime },
];

fn wasmi(wasm: &[u8], export: &str, argument: i32, metering: Metering) -> Run {
    use wasmi::{CompilationMode, Config, Engine, Error, Linker, Module, Store, Val};
    let mut config = Config::default();
    config.compilation_mode(CompilationMode::Eager).consume_fuel(metering == Metering::Fuel);
    config.set_max_recursion_depth(100_000).set_max_stack_height(64 << 20);
    let engine = Engine::new(&config);
    let module = Module::new(&engine, wasm).unwrap();
    let mut store = Store::new(&engine, ());
    let mut linker = Linker::new(&engine);
    let spent = |_: i32, _: i32, _: i32, _: i32, _: i32, _: i32, _: i64| -> Result<(i64, i64), Error> {
        Err(Error::new("the gas or the stack is used up"))
    };
    linker.func_wrap("host", "op", spent).unwrap();
    let instance = linker.instantiate_and_start(&mut store, &module).unwrap();
    let function = instance.get_typed_func::<i32, i32>(&store, export).unwrap();
    Box::new(move || {
        match metering {
            Metering::None => {}
            Metering::Fuel => store.set_fuel(PLENTY.cast_unsigned()).unwrap(),
            Metering::Gas => {
                let gas = instance.get_global(&store, vm_wasm::conformance::GAS).unwrap();
                gas.set(&mut store, Val::I64(PLENTY)).unwrap();
            }
        }
        function.call(&mut store, argument).unwrap()
    })
}

#[cfg(feature = "wasmtime")]
fn wasmtime(wasm: &[u8], export: &str, argument: i32, metering: Metering) -> Run {
    use wasmtime::{Config, Engine, Error, Linker, Module, Store, Val};
    let mut config = Config::new();
    config.consume_fuel(metering == Metering::Fuel).max_wasm_stack(2 << 20);
    let engine = Engine::new(&config).unwrap();
    let module = Module::new(&engine, wasm).unwrap();
    let mut store = Store::new(&engine, ());
    let mut linker = Linker::new(&engine);
    let spent = |_: i32, _: i32, _: i32, _: i32, _: i32, _: i32, _: i64| -> Result<(i64, i64), Error> {
        Err(Error::msg("the gas or the stack is used up"))
    };
    linker.func_wrap("host", "op", spent).unwrap();
    if metering == Metering::Fuel {
        store.set_fuel(PLENTY.cast_unsigned()).unwrap();
    }
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let function = instance.get_typed_func::<i32, i32>(&mut store, export).unwrap();
    Box::new(move || {
        match metering {
            Metering::None => {}
            Metering::Fuel => store.set_fuel(PLENTY.cast_unsigned()).unwrap(),
            Metering::Gas => {
                let gas = instance.get_global(&mut store, vm_wasm::conformance::GAS).unwrap();
                gas.set(&mut store, Val::I64(PLENTY)).unwrap();
            }
        }
        function.call(&mut store, argument).unwrap()
    })
}
