//! The WASM token on wasmi alone, its state in a map.

use std::collections::BTreeMap;
use std::error::Error;

use wasmi::{AsContext, AsContextMut, Caller, CompilationMode, Config, Engine, Linker, Memory, Module, Store};

/// Length of what `env` writes, and where the caller's address stands in it.
const ENV: usize = 224;
const CALLER: std::ops::Range<usize> = 20..40;

type Failure = Box<dyn Error + Send + Sync>;

/// A contract on wasmi; a fresh store and instance for each call.
#[derive(Debug)]
pub struct BareWasmi {
    engine: Engine,
    module: Module,
    linker: Linker<Call>,
    state: BTreeMap<Vec<u8>, Vec<u8>>,
}

#[derive(Debug, Default)]
struct Call {
    method: Vec<u8>,
    input: Vec<u8>,
    env: Vec<u8>,
    output: Vec<u8>,
    kept: Vec<u8>,
    events: Vec<Vec<u8>>,
    state: BTreeMap<Vec<u8>, Vec<u8>>,
    memory: Option<Memory>,
}

impl BareWasmi {
    /// Compiles a module with the ABI `vm1`.
    ///
    /// # Errors
    /// When it is not WASM, or wants imports other than those that the sample token has.
    pub fn new(wasm: &[u8]) -> Result<Self, Failure> {
        let mut config = Config::default();
        config.compilation_mode(CompilationMode::Eager);
        let engine = Engine::new(&config);
        let module = Module::new(&engine, wasm)?;
        Ok(Self { linker: linker(&engine)?, engine, module, state: BTreeMap::new() })
    }

    /// Calls a method; `entry` is 0 for the constructor and 1 for others. Returns its output.
    ///
    /// # Errors
    /// When the contract reverts or traps.
    pub fn call(&mut self, entry: i32, caller: [u8; 20], method: &str, input: &[u8]) -> Result<Vec<u8>, Failure> {
        let mut env = vec![0; ENV];
        env.get_mut(CALLER).ok_or("env is too short")?.copy_from_slice(&caller);
        let call = Call {
            method: method.into(),
            input: input.into(),
            env,
            state: std::mem::take(&mut self.state),
            ..Call::default()
        };
        let mut store = Store::new(&self.engine, call);
        let instance = self.linker.instantiate_and_start(&mut store, &self.module)?;
        store.data_mut().memory = instance.get_memory(&store, "memory");
        let run = instance.get_typed_func::<(i32, i32, i32), i32>(&store, "vm_call")?;
        let lengths = (i32::try_from(method.len())?, i32::try_from(input.len())?);
        let status = run.call(&mut store, (entry, lengths.0, lengths.1));
        let call = store.into_data();
        self.state = call.state;
        match status? {
            0 => Ok(call.output),
            _ => Err(String::from_utf8_lossy(&call.output).into()),
        }
    }
}

fn linker(engine: &Engine) -> Result<Linker<Call>, Failure> {
    let mut linker = Linker::new(engine);
    linker.func_wrap("vm1", "method", |mut caller: Caller<'_, Call>, to: u32| {
        let method = std::mem::take(&mut caller.data_mut().method);
        write(&mut caller, to, &method)
    })?;
    linker.func_wrap("vm1", "input", |mut caller: Caller<'_, Call>, to: u32| {
        let input = std::mem::take(&mut caller.data_mut().input);
        write(&mut caller, to, &input)
    })?;
    linker.func_wrap("vm1", "env", |mut caller: Caller<'_, Call>, to: u32| {
        let env = caller.data().env.clone();
        write(&mut caller, to, &env)
    })?;
    linker.func_wrap("vm1", "output", |mut caller: Caller<'_, Call>, from: u32, length: u32| {
        caller.data_mut().output = read(&caller, from, length)?;
        Ok(())
    })?;
    linker.func_wrap(
        "vm1",
        "get",
        |mut caller: Caller<'_, Call>, key: u32, length: u32, to: u32, room: u32| -> Result<i64, wasmi::Error> {
            let key = read(&caller, key, length)?;
            let Some(value) = caller.data().state.get(&key).cloned() else { return Ok(-1) };
            write(&mut caller, to, value.get(..room as usize).unwrap_or(&value))?;
            let length = value.len() as i64;
            caller.data_mut().kept = value;
            Ok(length)
        },
    )?;
    linker.func_wrap("vm1", "result", |mut caller: Caller<'_, Call>, to: u32| {
        let kept = caller.data().kept.clone();
        write(&mut caller, to, &kept)
    })?;
    linker.func_wrap(
        "vm1",
        "put",
        |mut caller: Caller<'_, Call>, key: u32, key_length: u32, value: u32, value_length: u32| {
            let key = read(&caller, key, key_length)?;
            let value = read(&caller, value, value_length)?;
            caller.data_mut().state.insert(key, value);
            Ok(())
        },
    )?;
    linker.func_wrap(
        "vm1",
        "emit",
        |mut caller: Caller<'_, Call>, topic: u32, topic_length: u32, data: u32, data_length: u32| {
            let event = [read(&caller, topic, topic_length)?, read(&caller, data, data_length)?].concat();
            caller.data_mut().events.push(event);
            Ok(())
        },
    )?;
    linker.func_wrap("vm1", "abort", |_: Caller<'_, Call>, reason: i32| -> Result<(), wasmi::Error> {
        Err(wasmi::Error::new(format!("aborted with reason {reason}")))
    })?;
    Ok(linker)
}

fn memory(caller: &Caller<'_, Call>) -> Result<Memory, wasmi::Error> {
    caller.data().memory.ok_or_else(|| wasmi::Error::new("the contract has no memory"))
}

fn read(caller: &Caller<'_, Call>, from: u32, length: u32) -> Result<Vec<u8>, wasmi::Error> {
    let mut bytes = vec![0; length as usize];
    let memory = memory(caller)?;
    memory
        .read(caller.as_context(), from as usize, &mut bytes)
        .map_err(|error| wasmi::Error::new(error.to_string()))?;
    Ok(bytes)
}

fn write(caller: &mut Caller<'_, Call>, to: u32, bytes: &[u8]) -> Result<(), wasmi::Error> {
    let memory = memory(caller)?;
    memory.write(caller.as_context_mut(), to as usize, bytes).map_err(|error| wasmi::Error::new(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_works() {
        let wasm = include_bytes!("../../contracts/artifacts/token-v1.wasm");
        let mut token = BareWasmi::new(wasm).unwrap();
        let (alice, bob) = ([1; 20], [2u8; 20]);
        token.call(0, alice, "init", &1_000u128.to_le_bytes()).unwrap();
        let transfer = [&bob[..], &40u128.to_le_bytes()].concat();
        token.call(1, alice, "transfer", &transfer).unwrap();
        assert_eq!(token.call(1, alice, "balance_of", &bob).unwrap(), 40u128.to_le_bytes());
        let refused = token.call(1, bob, "transfer", &[&alice[..], &41u128.to_le_bytes()].concat());
        assert!(refused.unwrap_err().to_string().contains("insufficient balance"));
    }
}
