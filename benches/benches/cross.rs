//! What a call from one contract to another costs over the callee's own time, for every ordered pair of runtimes.
//!
//! `cargo bench -p vm-benches --bench cross --features wasmtime` prints a table for each WASM engine, and fails when a goal is missed. A
//! contract in the host has each caller make few calls and many, and the difference is what one costs: what the caller does for it
//! itself, the way to the callee, and the callee. The callee's own time is that of `Contract::call` on a host without dispatcher.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark fails by panicking")]

use std::cell::RefCell;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_executor::block_on;
use vm_benches::host::{self, Table};
use vm_benches::turns::measure;
use vm_core::conformance::{Body, Call as ActorCall, Form, Stage, owner};
use vm_core::{
    Call, CallRequest, Code, Contract, ContractName, DeployRequest, Entry, Gas, GasSchedule, Host, HostFault,
    Interface, Interrupt, InvokeRequest, Limits, Opaque, Return, RuntimeKind, StateView, Version, Vm, VmProvider,
};
use vm_evm::{EvmConfig, EvmRuntime};
use vm_native::{NativeConfig, NativeContract, NativeRuntime};
use vm_wasm::{EngineKind, WasmConfig, WasmRuntime};

const WASM: &[u8] = include_bytes!("../../contracts/artifacts/actor.wasm");
const EVM: &[u8] = include_bytes!("../../contracts/artifacts/actor.bin");

/// Caller, callee, and the most nanoseconds that a call may cost over the callee's own time.
const GOALS: [(&str, &str, f64); 2] = [("wasm", "native", 2_000.0), ("evm", "wasm", 5_000.0)];

/// How many calls few and many are.
const CALLS: [usize; 2] = [8, 72];

/// What is measured of a pair.
struct Pair {
    /// The caller is asked for few calls, and for many.
    few: CallRequest,
    many: CallRequest,
    callee: Alone,
}

/// A contract without the dispatcher, and the call of it that callers make.
#[derive(Clone)]
struct Alone {
    contract: Arc<dyn Contract>,
    request: CallRequest,
    view: Arc<dyn StateView>,
}

impl Alone {
    fn call(&self, interrupt: &Interrupt, schedule: &GasSchedule) {
        let CallRequest { method, input, to, .. } = self.request.clone();
        let call = Call { entry: Entry::Invoke, method, input };
        let env = host::env(to.address(), owner());
        let (done, _) = host::call(&*self.contract, self.view.clone(), env, interrupt, schedule, &call).unwrap();
        assert!(done.status.is_success(), "{done:?}");
    }
}

/// A contract that measures from inside of a transaction, on the thread that contracts run on.
#[derive(Default)]
struct Stopwatch {
    pair: Mutex<Option<Pair>>,
    /// Nanoseconds of a call, and of the callee alone.
    measured: Mutex<(f64, f64)>,
}

impl Contract for Stopwatch {
    fn call(&self, host: &mut dyn Host, _: &Call) -> Result<Return, HostFault> {
        let pair = self.pair.lock().unwrap();
        let Some(Pair { few, many, callee }) = &*pair else { return Ok(Return::success("")) };
        let (interrupt, schedule) = (Interrupt::after(Duration::from_secs(3600)), GasSchedule::v1());
        let host = RefCell::new(host);
        let ask = |request: &CallRequest| {
            let done = host.borrow_mut().call(request.clone()).unwrap();
            assert!(done.status.is_success(), "{done:?}");
        };
        let nobody = Alone { contract: Arc::new(Self::default()), ..callee.clone() };
        let timings = measure(&mut [
            &mut || ask(few),
            &mut || ask(many),
            &mut || callee.call(&interrupt, &schedule),
            &mut || nobody.call(&interrupt, &schedule),
        ]);
        let [few, many, callee, nobody] = timings[..] else { panic!("four were measured") };
        let one = (many.nanoseconds - few.nanoseconds) / (CALLS[1] - CALLS[0]) as f64;
        *self.measured.lock().unwrap() = (one, callee.nanoseconds - nobody.nanoseconds);
        Ok(Return::success(""))
    }

    fn interface(&self) -> &dyn Interface {
        &Opaque
    }
}

fn main() -> ExitCode {
    let mut missed = Vec::new();
    for engine in EngineKind::ALL.iter().filter(|engine| ["wasmi", "wasmtime"].contains(&engine.as_str())) {
        println!("{}\n{:<20}{:>14}{:>14}{:>14}", engine.as_str(), "", "a call", "callee alone", "over it");
        missed.extend(pairs(*engine));
    }
    for missed in &missed {
        println!("missed: {missed}");
    }
    if missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Measures all pairs; what missed its goal.
fn pairs(engine: EngineKind) -> Vec<String> {
    let stopwatch = Arc::new(Stopwatch::default());
    let native = NativeConfig::new().contract("actor", NativeContract::of::<actor::Actor>()).unwrap();
    let native = native.custom("stopwatch", stopwatch.clone()).unwrap();
    let mut wasm = WasmConfig::default();
    wasm.engine = engine;
    let limits = Limits { gas: Gas::new(1 << 62), execution_timeout: Duration::from_secs(3600), ..Limits::default() };
    let vm = Vm::builder()
        .limits(limits)
        .genesis([(owner(), 1_000_000_u128.into())].into())
        .runtime(NativeRuntime::new(native))
        .runtime(WasmRuntime::new(wasm).unwrap())
        .runtime(EvmRuntime::new(EvmConfig::default()).unwrap())
        .build()
        .unwrap();
    block_on(vm.start()).unwrap();
    let measuring = ContractName::new("stopwatch").unwrap();
    let code = Code::new(RuntimeKind::Native, "stopwatch");
    block_on(vm.deploy(DeployRequest::new(measuring.clone(), Version::new("1").unwrap(), code))).unwrap();
    let forms = [
        Form::sdk("native", Code::new(RuntimeKind::Native, "actor")),
        Form::sdk("wasm", Code::new(RuntimeKind::Wasm, WASM)),
        Form::solidity("evm", Code::new(RuntimeKind::Evm, EVM)),
    ];
    // Two of each: a contract in Rust is not re-entered.
    let stage = Stage::deploy(&vm, "actor", forms.iter().chain(&forms)).unwrap();
    let mut missed = Vec::new();
    for (caller, from) in forms.iter().enumerate() {
        for (to, form) in forms.iter().enumerate() {
            let callee = to + forms.len();
            let nothing = Body::new(Vec::new());
            let calls = |number| Body::new(vec![ActorCall::new(callee, nothing.clone()).into(); number]);
            let [few, many] = CALLS.map(|number| stage.call(caller, &calls(number)).unwrap());
            let contract = vm.contract(&format!("actor-{callee}").parse().unwrap()).unwrap();
            let view = Arc::new(Table::of(&*vm.view().unwrap()).unwrap());
            let callee = Alone { contract, request: stage.call(callee, &nothing).unwrap(), view };
            *stopwatch.pair.lock().unwrap() = Some(Pair { few, many, callee });
            let receipt = vm.query_sync(InvokeRequest::new(measuring.clone(), "measure").from(owner())).unwrap();
            assert!(receipt.status.is_success(), "{:?}", receipt.text);
            let (one, own) = *stopwatch.measured.lock().unwrap();
            let pair = format!("{} -> {}", from.label(), form.label());
            println!("{pair:<20}{one:>11.0} ns{own:>11.0} ns{:>11.0} ns", one - own);
            let goal = GOALS.iter().find(|(a, b, _)| (*a, *b) == (from.label(), form.label()));
            if let Some((_, _, goal)) = goal.filter(|(_, _, goal)| one - own > *goal) {
                missed.push(format!("{pair} on {}: {:.0} ns, at most {goal:.0}", engine.as_str(), one - own));
            }
        }
    }
    block_on(vm.stop()).unwrap();
    missed
}
