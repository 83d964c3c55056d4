//! What vm-wasm needs of an engine. Everything that could differ between engines is decided before: the module is gated and
//! instrumented, the ABI is behind two host functions, and gas never passes through the engine's own means.

#[cfg(feature = "wasmtime")]
pub(crate) mod auto;
#[cfg(any(feature = "wasmer", feature = "wasmtime"))]
mod budget;
pub(crate) mod dispatch;
mod host;
mod lane;
#[cfg(any(feature = "wasmer", feature = "wasmtime"))]
#[allow(unsafe_code, reason = "stores whose data must be 'static borrow the frame of a call")]
mod lent;
pub(crate) mod oversized;
pub(crate) mod stack;
#[cfg(feature = "wasmer")]
#[allow(unsafe_code, reason = "loads native code, and lends the frame of a call")]
pub(crate) mod wasmer;
pub(crate) mod wasmi;
#[cfg(feature = "wasmtime")]
#[allow(unsafe_code, reason = "loads native code, and lends the frame of a call")]
pub(crate) mod wasmtime;
pub(crate) mod work;

use std::fmt::Debug;
use std::sync::Arc;

use vm_core::Trap;

#[cfg(any(feature = "wasmer", feature = "wasmtime"))]
use self::budget::Budgeted;
use crate::EngineKind;
use crate::abi::Frame;
#[cfg(any(feature = "wasmer", feature = "wasmtime"))]
use crate::cache::Cached;
use crate::cache::CodeCache;
use crate::meter::{Bounds, Instrumented};

/// The engine of a kind, for modules within these bounds, which keeps what it compiles in `cache`. The text of an error is the
/// engine's own.
#[cfg_attr(
    not(feature = "wasmtime"),
    allow(unused_variables, reason = "only wasmtime reserves memory before it compiles, and wasmi compiles nothing")
)]
pub(crate) fn start(
    kind: EngineKind,
    bounds: Bounds,
    cache: Option<&Arc<CodeCache>>,
) -> Result<Box<dyn Engine>, String> {
    Ok(match kind {
        EngineKind::Wasmi => Box::new(wasmi::Wasmi),
        #[cfg(feature = "wasmer")]
        EngineKind::Wasmer => Budgeted::engine(Cached::engine(wasmer::Wasmer, cache)),
        #[cfg(feature = "wasmtime")]
        EngineKind::Wasmtime => Budgeted::engine(Cached::engine(wasmtime::Wasmtime::new(bounds)?, cache)),
        #[cfg(feature = "wasmtime")]
        EngineKind::Auto => Box::new(auto::Auto::new(Cached::engine(wasmtime::Wasmtime::new(bounds)?, cache))?),
    })
}

/// Compiles instrumented modules.
pub(crate) trait Engine: Debug + Send + Sync {
    /// The engine's name, as in configurations.
    fn name(&self) -> &'static str;

    /// The engine's exact version.
    fn version(&self) -> &'static str;

    /// What compiled code depends on beside the module: engine, exact version, target, processor features, settings. Code
    /// that was serialised under one fingerprint is loaded under the same only.
    fn fingerprint(&self) -> String;

    /// Compiles a module. The text of an error is the engine's own: the gate admits nothing that an engine refuses.
    fn compile(&self, module: &Instrumented) -> Result<Box<dyn Program>, String>;

    /// The module's program if it can be had without compiling it, because its code is kept: what `auto` begins with.
    #[cfg(feature = "wasmtime")]
    fn kept(&self, _module: &Instrumented) -> Option<Box<dyn Program>> {
        None
    }

    /// The program that [`Program::serialize`] wrote; engines that write none load none.
    ///
    /// # Safety
    /// The bytes hold native code, which is executed as it is: they were written by [`Program::serialize`] under the same
    /// [`fingerprint`](Self::fingerprint), and they are whole.
    #[allow(unsafe_code, reason = "what it is safe to load, its caller knows")]
    unsafe fn load(&self, _bytes: &[u8]) -> Result<Box<dyn Program>, String> {
        Err(format!("{} has no serialised form", self.name()))
    }

    /// Facts worth showing in the runtime's status.
    fn details(&self) -> Vec<(String, String)> {
        Vec::new()
    }
}

/// A compiled module.
pub(crate) trait Program: Debug + Send + Sync {
    /// Runs `call` of the instrumented module in a fresh store and instance.
    ///
    /// The host functions pass the contract's memory and operands to the frame; when the frame says
    /// [`Stopped`](crate::abi::Stopped), the contract is left at once, with [`Halt::Stopped`].
    fn run(&self, frame: &mut Frame<'_>, invocation: Invocation) -> Result<Completion, Halt>;

    /// The compiled code, for [`Engine::load`]; `None` when the engine has no such form.
    fn serialize(&self) -> Option<Vec<u8>> {
        None
    }

    /// The bytes of memory that the compiled module keeps occupied, as far as the engine tells.
    fn weight(&self) -> usize;
}

/// The operands of `call`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Invocation {
    pub(crate) entry: i32,
    pub(crate) method_len: i32,
    pub(crate) input_len: i32,
    pub(crate) gas: i64,
}

/// The results of `call`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Completion {
    pub(crate) status: i32,
    pub(crate) gas: i64,
}

/// Why a program did not complete.
#[derive(Debug)]
pub(crate) enum Halt {
    /// The frame stopped it and knows why.
    Stopped,
    /// The engine trapped, as every engine does.
    Trap(Trap),
    /// The engine failed where another might not: its own stack, the machine's memory, a defect. Never decides a result.
    Fault(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { memory_pages: 16, table_entries: 16_384, stack_units: 60_000 };

    /// The versions that engines name are those of the lockfile; they are part of keys of compiled code.
    #[test]
    fn versions_are_exact() {
        let lockfile = include_str!("../../../Cargo.lock");
        let engines = EngineKind::ALL.iter().map(|kind| start(*kind, BOUNDS, None).unwrap());
        for engine in engines.filter(|engine| engine.name() != "auto") {
            let (name, version) = (engine.name(), engine.version());
            assert!(lockfile.contains(&format!("name = \"{name}\"\nversion = \"{version}\"\n")), "{name} {version}");
            assert!(engine.fingerprint().starts_with(&format!("{name} {version}")), "{}", engine.fingerprint());
        }
    }

    /// A program that was kept is the program that was compiled.
    #[allow(unsafe_code, reason = "loads native code")]
    #[test]
    fn programs_can_be_kept() {
        use vm_core::GasSchedule;

        let config = crate::WasmConfig::default();
        let gate = crate::gate::GateConfig::new(&config);
        let module = include_bytes!("../../../contracts/artifacts/token-v1.wasm");
        let checked = crate::gate::check(module, &gate).unwrap();
        let prices = crate::meter::Prices::new(&GasSchedule::v1().wasm);
        let instrumented = crate::meter::instrument(&checked, &prices, &BOUNDS).unwrap();
        const ENGINES: &[fn() -> Box<dyn Engine>] = &[
            || Box::new(wasmi::Wasmi),
            #[cfg(feature = "wasmtime")]
            || Box::new(wasmtime::Wasmtime::new(BOUNDS).unwrap()),
            #[cfg(feature = "wasmer")]
            || Box::new(wasmer::Wasmer),
        ];
        // SAFETY: an engine of this kind has just written the code.
        let load = |engine: &dyn Engine, kept: &[u8]| unsafe { engine.load(kept) };
        for start in ENGINES {
            let engine = start();
            let (name, program) = (engine.name(), engine.compile(&instrumented).unwrap());
            assert!(program.weight() > module.len(), "{name}");
            let Some(kept) = program.serialize() else {
                assert!(load(&*engine, &[]).is_err());
                continue;
            };
            let loaded = load(&*engine, &kept).unwrap();
            assert_eq!((loaded.weight(), loaded.serialize().unwrap() == kept), (program.weight(), true), "{name}");
            let other = start();
            assert_eq!(other.fingerprint(), engine.fingerprint());
            load(&*other, &kept).unwrap();
        }
    }
}
