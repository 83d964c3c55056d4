//! A machine with nothing but the WASM runtime, and contracts from fragments of text.

use std::sync::Arc;
use std::time::Duration;

use futures_executor::block_on;
use vm_core::{
    Code, ContractName, DeployRequest, Gas, InvokeRequest, Limits, MemoryBackend, Receipt, RuntimeKind, Status, Trap, Vm, VmError,
    VmProvider,
};
use vm_wasm::{WasmConfig, WasmRuntime};

/// All imports of the ABI.
const IMPORTS: &str = r#"
    (import "vm1" "method" (func $method (param i32)))
    (import "vm1" "input" (func $input (param i32)))
    (import "vm1" "output" (func $output (param i32 i32)))
    (import "vm1" "get" (func $get (param i32 i32 i32 i32) (result i64)))
    (import "vm1" "result" (func $result (param i32)))
    (import "vm1" "put" (func $put (param i32 i32 i32 i32)))
    (import "vm1" "delete" (func $delete (param i32 i32)))
    (import "vm1" "scan" (func $scan (param i32 i32 i32 i32 i32) (result i64)))
    (import "vm1" "emit" (func $emit (param i32 i32 i32 i32)))
    (import "vm1" "call" (func $call (param i32 i32 i32 i32 i32 i32 i32 i64 i32) (result i64)))
    (import "vm1" "env" (func $env (param i32)))
    (import "vm1" "gas_left" (func $gas_left (result i64)))
    (import "vm1" "log" (func $log (param i32 i32 i32)))
    (import "vm1" "address_of" (func $address_of (param i32 i32 i32)))
    (import "vm1" "abort" (func $abort (param i32)))"#;

/// A contract with all imports, two pages of memory, this text at address 0, further items, and the body of its entry. The body
/// has the parameters `$entry`, `$method_len` and `$input_len` and the locals `$i` and `$n`.
pub(crate) fn contract_with(text: &str, items: &str, body: &str) -> Vec<u8> {
    let wat = format!(
        r#"(module {IMPORTS}
            (memory (export "memory") 2)
            (data (i32.const 0) "{text}")
            {items}
            (func (export "vm_call") (param $entry i32) (param $method_len i32) (param $input_len i32) (result i32)
                (local $i i32) (local $n i64)
                {body}))"#
    );
    wat::parse_str(&wat).unwrap_or_else(|error| panic!("{error}\n{wat}"))
}

pub(crate) fn contract(text: &str, body: &str) -> Vec<u8> {
    contract_with(text, "", body)
}

pub(crate) fn code(module: Vec<u8>) -> Code {
    Code::new(RuntimeKind::Wasm, module)
}

pub(crate) fn machine() -> Vm {
    machine_with(WasmConfig::default(), Limits::default())
}

/// On the engine of the module around this one, whatever the settings say.
pub(crate) fn machine_with(mut config: WasmConfig, limits: Limits) -> Vm {
    config.engine = super::ENGINE;
    start(config, limits)
}

/// On the engine of the settings.
#[allow(dead_code, reason = "for the tests that compare engines, which are there once")]
pub(crate) fn machine_of(config: WasmConfig, limits: Limits) -> Vm {
    start(config, limits)
}

/// Over a state that other machines use too.
pub(crate) fn machine_over(backend: Arc<MemoryBackend>, mut config: WasmConfig, limits: Limits) -> Vm {
    config.engine = super::ENGINE;
    start_over(backend, config, limits)
}

fn start(config: WasmConfig, limits: Limits) -> Vm {
    start_over(Arc::new(MemoryBackend::new()), config, limits)
}

fn start_over(backend: Arc<MemoryBackend>, config: WasmConfig, limits: Limits) -> Vm {
    let runtime = WasmRuntime::new(config).unwrap();
    let vm = Vm::builder().runtime(runtime).backend(backend).limits(limits).workers(1).build().unwrap();
    block_on(vm.start()).unwrap();
    vm
}

pub(crate) fn impatient() -> Limits {
    Limits { execution_timeout: Duration::from_millis(200), gas: Gas::MAX, ..Limits::default() }
}

pub(crate) fn try_deploy(vm: &Vm, name: &str, module: Vec<u8>) -> Result<Receipt, VmError> {
    block_on(vm.deploy(DeployRequest::new(name.parse().unwrap(), "1".parse().unwrap(), code(module))))
}

pub(crate) fn deploy(vm: &Vm, name: &str, module: Vec<u8>) {
    try_deploy(vm, name, module).unwrap_or_else(|error| panic!("{error}"));
}

pub(crate) fn request(name: &str) -> InvokeRequest {
    InvokeRequest::new(ContractName::new(name).unwrap(), "run")
}

pub(crate) fn invoke(vm: &Vm, name: &str) -> Receipt {
    vm.invoke_sync(request(name)).unwrap()
}

/// A contract whose constructor does nothing.
pub(crate) fn on_invoke(text: &str, items: &str, body: &str) -> Vec<u8> {
    contract_with(text, items, &format!("(if (i32.eqz (local.get $entry)) (then (return (i32.const 0))))\n{body}"))
}

/// Deploys a contract that does this when it is invoked, and invokes it.
pub(crate) fn run(text: &str, body: &str) -> Receipt {
    let vm = machine();
    deploy(&vm, "it", on_invoke(text, "", body));
    invoke(&vm, "it")
}

/// The output of a body that succeeds.
pub(crate) fn output(text: &str, body: &str) -> Vec<u8> {
    let receipt = run(text, body);
    assert_eq!(receipt.status, Status::Success, "{:?}", receipt.text);
    receipt.output.to_vec()
}

/// Asserts that a body traps, which costs all the gas and changes nothing.
pub(crate) fn assert_trap(items: &str, body: &str, trap: Trap) {
    let vm = machine();
    deploy(&vm, "it", on_invoke("", items, &format!("{body} (i32.const 0)")));
    let receipt = vm.invoke_sync(request("it").gas(Gas::new(50_000_000))).unwrap();
    assert_eq!(receipt.status, Status::Trap(trap), "{body}");
    assert_eq!(receipt.gas_used, receipt.gas_limit, "{body}");
    assert!(receipt.writes.is_empty() && receipt.events.is_empty(), "{body}");
}
