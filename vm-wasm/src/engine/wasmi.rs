//! The interpreter wasmi: no compile time, the cheapest fresh instance.
//!
//! The store's data borrows the frame, and with it the host of the call, so nothing needs to be `'static` and nothing is
//! unsafe. That rules out a [`wasmi::Linker`] that outlives the call; its functions would have to be copied into each store
//! anyway. Instrumentation leaves one import in most modules and two in those that call others, so that wrapping them anew
//! costs less than any linker: see the measurements in `docs/wasm-abi.md`.

use vm_core::Trap;
use wasmi::errors::{ErrorKind, HostError};
use wasmi::{
    Caller, CompilationMode, Config, Error, Extern, Func, Instance, Memory, Module, ResourceLimiter, Store, TrapCode,
};
use wasmi_core::{LimiterError, MemoryError, TableError};

use super::dispatch::{self, UNLEVEL};
use super::host::{Left, host_functions};
use super::lane::{self, Lanes};
use super::{Completion, Engine, Halt, Invocation, Program};
use crate::abi::import::Op;
use crate::abi::{Frame, Stopped};
use crate::meter::{CALL, GROW, Instrumented, MEMORY};

/// Bounds far beyond what the module's own stack metering admits, so that this engine's never decide.
const MAX_RECURSION: usize = 100_000;
const MAX_STACK_BYTES: usize = 64 << 20;

/// The value stack that a call begins with, in bytes; it grows when it has to.
const FIRST_STACK_BYTES: usize = 16 << 10;

/// Value stacks that are kept for further calls of a contract: none. They never shrink, so that a contract that once used up its
/// stack would occupy a hundred times its code for good, and nobody would count it. A new stack costs 80 ns a call.
const CACHED_STACKS: usize = 0;

/// What wasmi makes of a byte of an instrumented module, in bytes; it does not tell.
const CODE_PER_BYTE: usize = 4;
/// What an engine, a module and their tables occupy at least, in bytes.
const LEAST_WEIGHT: usize = 16 << 10;

const VERSION: &str = "2.0.0";

#[derive(Debug)]
pub(crate) struct Wasmi;

impl Engine for Wasmi {
    fn name(&self) -> &'static str {
        "wasmi"
    }

    fn version(&self) -> &'static str {
        VERSION
    }

    fn fingerprint(&self) -> String {
        format!("wasmi {VERSION}")
    }

    /// Every program has engines of its own: wasmi frees code only with the engine, and threads that run different contracts
    /// do not meet at its locks.
    fn compile(&self, module: &Instrumented) -> Result<Box<dyn Program>, String> {
        if !dispatch::is_level() {
            return Err(UNLEVEL.into());
        }
        let Instrumented { bytes, calls } = module;
        let compiled = Compiled { bytes: bytes.clone(), calls: *calls, lanes: Lanes::new() };
        compiled.translated()?;
        Ok(Box::new(compiled))
    }
}

/// The settings of every engine.
pub(crate) fn config() -> Config {
    let mut config = Config::default();
    config
        .compilation_mode(CompilationMode::Eager)
        .set_max_recursion_depth(MAX_RECURSION)
        .set_max_stack_height(MAX_STACK_BYTES)
        .set_min_stack_height(FIRST_STACK_BYTES)
        .set_max_cached_stacks(CACHED_STACKS)
        .consume_fuel(false)
        .wasm_multi_memory(false)
        .wasm_tail_call(false)
        .wasm_extended_const(false)
        .ignore_custom_sections(true);
    config
}

#[derive(Debug)]
struct Compiled {
    bytes: Vec<u8>,
    calls: bool,
    lanes: Lanes<Translated>,
}

/// A module in an engine of its own.
#[derive(Debug)]
struct Translated {
    engine: wasmi::Engine,
    module: Module,
}

impl Compiled {
    /// The one of the calling thread's lane.
    fn translated(&self) -> Result<&Translated, String> {
        self.lanes.get(|| {
            let engine = wasmi::Engine::new(&config());
            let module = Module::new(&engine, &self.bytes).map_err(|error| error.to_string())?;
            Ok(Translated { engine, module })
        })
    }
}

impl Program for Compiled {
    fn run(&self, frame: &mut Frame<'_>, invocation: Invocation) -> Result<Completion, Halt> {
        let Translated { engine, module } =
            self.translated().map_err(|error| Halt::Fault(format!("wasmi: {error}")))?;
        let mut store = Store::new(engine, State { frame, memory: None });
        store.limiter(|state| state);
        let op = Extern::Func(Func::wrap(&mut store, operate_or_grow));
        let instance = if self.calls {
            let call = Extern::Func(Func::wrap(&mut store, call));
            Instance::new(&mut store, module, &[op, call])
        } else {
            Instance::new(&mut store, module, &[op])
        };
        let instance = instance.map_err(|error| halt(&error))?;
        store.data_mut().memory = instance.get_memory(&store, MEMORY);
        let entry =
            instance.get_typed_func::<(i32, i32, i32, i64), (i32, i64)>(&store, CALL).map_err(|error| halt(&error))?;
        let Invocation { entry: reason, method_len, input_len, gas } = invocation;
        match entry.call(&mut store, (reason, method_len, input_len, gas)) {
            Ok((status, gas)) => Ok(Completion { status, gas }),
            Err(error) => Err(halt(&error)),
        }
    }

    /// With all lanes, because the cache asks once.
    fn weight(&self) -> usize {
        let translated = self.bytes.len().saturating_mul(CODE_PER_BYTE).saturating_add(LEAST_WEIGHT);
        translated.saturating_mul(lane::count()).saturating_add(self.bytes.len())
    }
}

/// The data of a store: one call.
struct State<'f, 'h> {
    frame: &'f mut Frame<'h>,
    memory: Option<Memory>,
}

/// Lets the frame work on the contract's memory.
fn with_frame<R>(
    mut caller: Caller<'_, State<'_, '_>>,
    work: impl FnOnce(&mut Frame<'_>, &mut [u8]) -> Result<R, Stopped>,
) -> Result<R, Error> {
    let memory = caller.data().memory.ok_or(Left)?;
    let (bytes, state) = memory.data_and_store_mut(&mut caller);
    Ok(work(state.frame, bytes).map_err(Left::from)?)
}

host_functions!(Caller<'_, State<'_, '_>>, Error);

#[allow(clippy::too_many_arguments, reason = "the operands of an import")]
fn operate_or_grow(
    caller: Caller<'_, State<'_, '_>>,
    a: u32,
    b: u32,
    c: u32,
    d: u32,
    e: u32,
    op: i32,
    gas: i64,
) -> Result<(i64, i64), Error> {
    if op == Op::Grow as i32 {
        return Ok((grow(caller, a, b)?, gas));
    }
    operate(caller, a, b, c, d, e, op, gas)
}

/// Grows by a call of its own, with which what the dispatch leaves on the native stack ends.
fn grow(mut caller: Caller<'_, State<'_, '_>>, what: u32, by: u32) -> Result<i64, Error> {
    let export = GROW.get(what as usize).and_then(|name| caller.get_export(name));
    let grow = export.and_then(Extern::into_func).ok_or_else(|| Error::new("nothing to grow"))?;
    Ok(grow.typed::<u32, i32>(&caller)?.call(&mut caller, by)?.into())
}

impl HostError for Left {}

impl From<Left> for Error {
    fn from(left: Left) -> Self {
        Self::host(left)
    }
}

/// Growth is bounded by the module's types. This makes a trap of the growth that the machine has no memory for, which would
/// otherwise look to the contract as if it had reached its limit.
impl ResourceLimiter for State<'_, '_> {
    fn memory_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> Result<bool, LimiterError> {
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> Result<bool, LimiterError> {
        Ok(true)
    }

    fn memory_grow_failed(&mut self, error: &MemoryError) -> Result<(), LimiterError> {
        match error {
            MemoryError::OutOfSystemMemory => Err(LimiterError::ResourceLimiterDeniedAllocation),
            _ => Ok(()),
        }
    }

    fn table_grow_failed(&mut self, error: &TableError) -> Result<(), LimiterError> {
        match error {
            TableError::OutOfSystemMemory => Err(LimiterError::ResourceLimiterDeniedAllocation),
            _ => Ok(()),
        }
    }

    fn instances(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        1
    }

    fn memories(&self) -> usize {
        1
    }
}

/// What an engine's error means.
fn halt(error: &Error) -> Halt {
    match error.kind() {
        ErrorKind::Host(reason) if reason.is::<Left>() => Halt::Stopped,
        kind => match kind.as_trap_code() {
            Some(TrapCode::GrowthOperationLimited | TrapCode::OutOfSystemMemory) => {
                Halt::Fault("wasmi: the machine has no memory left".into())
            }
            code => match code.and_then(trap) {
                Some(trap) => Halt::Trap(trap),
                None => Halt::Fault(format!("wasmi: {error}")),
            },
        },
    }
}

/// The trap that every engine has for this, if there is one.
pub(crate) const fn trap(code: TrapCode) -> Option<Trap> {
    match code {
        TrapCode::UnreachableCodeReached => Some(Trap::Unreachable),
        TrapCode::MemoryOutOfBounds | TrapCode::TableOutOfBounds => Some(Trap::OutOfBounds),
        TrapCode::IndirectCallToNull | TrapCode::BadSignature => Some(Trap::BadIndirectCall),
        TrapCode::IntegerDivisionByZero => Some(Trap::DivisionByZero),
        TrapCode::IntegerOverflow | TrapCode::BadConversionToInteger => Some(Trap::IntegerOverflow),
        // The engine's own bounds: the module's metering keeps it far from the first, the second is not used, and the
        // others tell that the machine has no memory.
        TrapCode::StackOverflow
        | TrapCode::OutOfFuel
        | TrapCode::GrowthOperationLimited
        | TrapCode::OutOfSystemMemory => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Traps are every engine's; what only this machine lacks is a fault that says so.
    #[test]
    fn errors_are_traps_or_faults() {
        let of = |code: TrapCode| halt(&Error::from(code));
        assert!(matches!(of(TrapCode::UnreachableCodeReached), Halt::Trap(Trap::Unreachable)));
        for code in [TrapCode::GrowthOperationLimited, TrapCode::OutOfSystemMemory] {
            let Halt::Fault(why) = of(code) else { panic!("{code:?}") };
            assert_eq!(why, "wasmi: the machine has no memory left");
        }
        assert!(matches!(of(TrapCode::StackOverflow), Halt::Fault(_)));
    }
}
