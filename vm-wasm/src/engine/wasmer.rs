//! The compiler wasmer: native code by Cranelift, the only one of its compilers whose licence is permissive.
//!
//! Contracts run on stacks of their own, which wasmer keeps for further calls, and host functions on the caller's.

use std::cell::Cell;
use std::ptr::NonNull;

use vm_core::Trap;
use wasmer::sys::vm::{
    LinearMemory, VMConfig, VMMemory, VMMemoryDefinition, VMOwnedMemory, VMTable, VMTableDefinition,
};
use wasmer::sys::{BaseTunables, Cranelift, EngineBuilder, Features, NativeEngineExt, Target, Tunables};
use wasmer::{
    Function, FunctionEnv, FunctionEnvMut, Instance, Memory, MemoryError, MemoryStyle, MemoryType, Module, Pages,
    RuntimeError, Store, TableStyle, TableType, Type,
};
use wasmer_types::TrapCode;

use super::host::{Left, host_functions};
use super::lent::Lent;
use super::{Completion, Engine, Halt, Invocation, Program, stack};
use crate::abi::{Frame, Stopped};
use crate::meter::{CALL, Instrumented, MEMORY};

const VERSION: &str = "7.3.0";

/// The native stack of a contract: far more than the metering of the module's own stack lets it use.
const STACK: usize = 2 * stack::CONTRACT;

/// What a module occupies for each byte of its serialised form: measured with 7.3.0, from contracts of 100 bytes to 50 KB. The
/// compiler's result stays beside the code that is executed, with relocations and unwinding information.
const RESIDENT_PER_BYTE: usize = 4;
/// What its engine occupies beside that, in bytes.
const ENGINE: usize = 8 << 10;

#[derive(Debug)]
pub(crate) struct Wasmer;

/// An engine of its own for every program: wasmer frees code only with the engine.
pub(crate) fn engine() -> wasmer::Engine {
    engine_for(Target::default())
}

/// What modules may use.
fn features() -> Features {
    let mut features = Features::none();
    features.reference_types(true).bulk_memory(true).multi_value(true);
    features
}

fn engine_for(target: Target) -> wasmer::Engine {
    let mut compiler = Cranelift::new();
    compiler.num_threads(std::num::NonZero::<usize>::MIN);
    let builder = EngineBuilder::new(compiler).set_features(Some(features())).set_target(Some(target));
    let mut engine: wasmer::Engine = builder.engine().into();
    let tunables =
        Bounded { base: BaseTunables::for_target(engine.target()), stack: VMConfig { wasm_stack_size: Some(STACK) } };
    engine.set_tunables(tunables);
    engine
}

impl Engine for Wasmer {
    fn name(&self) -> &'static str {
        "wasmer"
    }

    fn version(&self) -> &'static str {
        VERSION
    }

    fn fingerprint(&self) -> String {
        fingerprint(Target::default())
    }

    fn compile(&self, module: &Instrumented) -> Result<Box<dyn Program>, String> {
        let engine = engine();
        let module = Module::new(&engine, &module.bytes).map_err(|error| error.to_string())?;
        Compiled::boxed(engine, module)
    }

    unsafe fn load(&self, bytes: &[u8]) -> Result<Box<dyn Program>, String> {
        let engine = engine();
        // SAFETY: the caller says that the bytes are what `Module::serialize` of an engine with the same fingerprint gave.
        let module = unsafe { Module::deserialize(&engine, bytes) }.map_err(|error| error.to_string())?;
        Compiled::boxed(engine, module)
    }
}

/// The engine's own identifier knows its compiler and how it optimises. Beside it stand the processor, and what this crate
/// sets: the features, and how memories and tables are laid out, which the code relies on.
fn fingerprint(target: Target) -> String {
    let processor = format!("{} {:?}", target.triple(), target.cpu_features());
    let engine = engine_for(target);
    let memories = [None, Some(1), Some(65_536)].map(|maximum| {
        let ty = MemoryType::new(1, maximum, false);
        engine.tunables().memory_style(&ty)
    });
    let table = engine.tunables().table_style(&TableType::new(Type::FuncRef, 1, None));
    let settings = format!("{:?} {memories:?} {table:?} {STACK}", features());
    format!("wasmer {VERSION} {} {processor} {settings}", engine.deterministic_id())
}

#[derive(Debug)]
struct Compiled {
    engine: wasmer::Engine,
    module: Module,
    /// Whether `host.call` is imported.
    calls: bool,
    weight: usize,
}

impl Compiled {
    fn boxed(engine: wasmer::Engine, module: Module) -> Result<Box<dyn Program>, String> {
        let calls = module.imports().count() > 1;
        let serialized = module.serialize().map_err(|error| error.to_string())?;
        let weight = serialized.len().saturating_mul(RESIDENT_PER_BYTE).saturating_add(ENGINE);
        Ok(Box::new(Self { engine, module, calls, weight }))
    }

    fn enter(&self, frame: &mut Frame<'_>, invocation: Invocation) -> Result<Completion, Halt> {
        let fault = |error: &dyn std::fmt::Display| Halt::Fault(format!("wasmer: {error}"));
        let mut store = Store::new(self.engine.clone());
        // SAFETY: the store is dropped when this function returns, and until then nothing but the store uses the frame.
        let lent = unsafe { Lent::new(frame) };
        let state = FunctionEnv::new(&mut store, State { lent, memory: None });
        let mut imports = vec![Function::new_typed_with_env(&mut store, &state, operate).into()];
        if self.calls {
            imports.push(Function::new_typed_with_env(&mut store, &state, call).into());
        }
        let instance = Instance::new_by_index(&mut store, &self.module, &imports).map_err(|error| fault(&error))?;
        let memory = instance.exports.get_memory(MEMORY).map_err(|error| fault(&error))?.clone();
        state.as_mut(&mut store).memory = Some(memory);
        let entry = instance
            .exports
            .get_typed_function::<(i32, i32, i32, i64), (i32, i64)>(&store, CALL)
            .map_err(|error| fault(&error))?;
        let Invocation { entry: reason, method_len, input_len, gas } = invocation;
        match entry.call(&mut store, reason, method_len, input_len, gas) {
            Ok((status, gas)) => Ok(Completion { status, gas }),
            Err(error) => Err(halt(error)),
        }
    }
}

impl Program for Compiled {
    fn run(&self, frame: &mut Frame<'_>, invocation: Invocation) -> Result<Completion, Halt> {
        let result = self.enter(frame, invocation);
        // What the contract did after it was told a limit that is none does not count, however it ended.
        if NO_MEMORY.take() { Err(Halt::Fault("wasmer: the machine has no memory left".into())) } else { result }
    }

    fn serialize(&self) -> Option<Vec<u8>> {
        self.module.serialize().ok().map(Into::into)
    }

    fn weight(&self) -> usize {
        self.weight
    }
}

/// The data of a store: one call.
struct State {
    lent: Lent,
    memory: Option<Memory>,
}

// SAFETY: wasmer asks for this because stores can be sent. This module's never are: one is made, used and dropped by one
// function.
unsafe impl Send for State {}

/// Lets the frame work on the contract's memory.
fn with_frame<R>(
    mut env: FunctionEnvMut<'_, State>,
    work: impl FnOnce(&mut Frame<'_>, &mut [u8]) -> Result<R, Stopped>,
) -> Result<R, RuntimeError> {
    let (state, store) = env.data_and_store_mut();
    let memory = state.memory.as_ref().ok_or_else(left)?;
    if NO_MEMORY.get() {
        return Err(left());
    }
    let view = memory.view(&store);
    // SAFETY: the contract waits in this host function, so nothing else reads, writes or grows its memory until it returns.
    let bytes = unsafe { view.data_unchecked_mut() };
    work(state.lent.frame(), bytes).map_err(|Stopped| left())
}

host_functions!(FunctionEnvMut<'_, State>, RuntimeError);

fn left() -> RuntimeError {
    RuntimeError::user(Box::new(Left))
}

std::thread_local! {
    /// Set when memory within its limit did not grow. wasmer tells the contract alone, as if it had reached the limit.
    static NO_MEMORY: Cell<bool> = const { Cell::new(false) };
}

/// The usual memories and tables, and a stack that suffices.
struct Bounded {
    base: BaseTunables,
    stack: VMConfig,
}

impl Tunables for Bounded {
    fn memory_style(&self, memory: &MemoryType) -> MemoryStyle {
        self.base.memory_style(memory)
    }

    fn table_style(&self, table: &TableType) -> TableStyle {
        self.base.table_style(table)
    }

    fn create_host_memory(&self, ty: &MemoryType, style: &MemoryStyle) -> Result<VMMemory, MemoryError> {
        self.base.create_host_memory(ty, style)
    }

    unsafe fn create_vm_memory(
        &self,
        ty: &MemoryType,
        style: &MemoryStyle,
        location: NonNull<VMMemoryDefinition>,
    ) -> Result<VMMemory, MemoryError> {
        // SAFETY: the caller answers for the location.
        let memory = unsafe { VMOwnedMemory::from_definition(ty, style, location) }?;
        Ok(VMMemory(Box::new(Growing(memory))))
    }

    fn create_host_table(&self, ty: &TableType, style: &TableStyle) -> Result<VMTable, String> {
        self.base.create_host_table(ty, style)
    }

    unsafe fn create_vm_table(
        &self,
        ty: &TableType,
        style: &TableStyle,
        location: NonNull<VMTableDefinition>,
    ) -> Result<VMTable, String> {
        // SAFETY: the caller answers for the location.
        unsafe { self.base.create_vm_table(ty, style, location) }
    }

    fn vmconfig(&self) -> &VMConfig {
        &self.stack
    }
}

/// A memory that tells why it does not grow.
#[derive(Debug)]
struct Growing(VMOwnedMemory);

impl LinearMemory for Growing {
    fn ty(&self) -> MemoryType {
        self.0.ty()
    }

    fn size(&self) -> Pages {
        self.0.size()
    }

    fn style(&self) -> MemoryStyle {
        self.0.style()
    }

    fn grow(&mut self, delta: Pages) -> Result<Pages, MemoryError> {
        let result = self.0.grow(delta);
        if !matches!(result, Ok(_) | Err(MemoryError::CouldNotGrow { .. })) {
            NO_MEMORY.set(true);
        }
        result
    }

    fn vmmemory(&self) -> NonNull<VMMemoryDefinition> {
        self.0.vmmemory()
    }

    fn try_clone(&self) -> Result<Box<dyn LinearMemory + Send + Sync>, MemoryError> {
        self.0.try_clone()
    }

    fn copy(&self) -> Result<Box<dyn LinearMemory + Send + Sync>, MemoryError> {
        LinearMemory::copy(&self.0)
    }
}

/// What an engine's error means.
fn halt(error: RuntimeError) -> Halt {
    if error.is::<Left>() {
        return Halt::Stopped;
    }
    match error.clone().to_trap().and_then(trap) {
        Some(trap) => Halt::Trap(trap),
        None => Halt::Fault(format!("wasmer: {}", error.message())),
    }
}

/// The trap that every engine has for this, if there is one.
pub(crate) const fn trap(code: TrapCode) -> Option<Trap> {
    use TrapCode as T;
    match code {
        T::UnreachableCodeReached => Some(Trap::Unreachable),
        T::HeapAccessOutOfBounds | T::TableAccessOutOfBounds => Some(Trap::OutOfBounds),
        T::IndirectCallToNull | T::BadSignature => Some(Trap::BadIndirectCall),
        T::IntegerDivisionByZero => Some(Trap::DivisionByZero),
        T::IntegerOverflow | T::BadConversionToInteger => Some(Trap::IntegerOverflow),
        // The engine's own stack, which the module's metering keeps it far from, and what the gate refuses.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use wasmer::sys::CpuFeature;

    use super::*;

    /// Code for another processor has another fingerprint, and so has code for another layout of memory.
    #[test]
    fn fingerprints_tell_processors_and_settings() {
        let host = Target::default();
        assert_eq!(Wasmer.fingerprint(), fingerprint(host.clone()));
        let lesser = |feature: CpuFeature| Target::new(host.triple().clone(), *host.cpu_features() - feature);
        for feature in host.cpu_features().iter() {
            assert_ne!(fingerprint(lesser(feature)), Wasmer.fingerprint(), "{feature:?}");
        }
        for word in ["offset_guard_size", "reference_types: true", &STACK.to_string()] {
            assert!(Wasmer.fingerprint().contains(word), "{word}: {}", Wasmer.fingerprint());
        }
    }
}
