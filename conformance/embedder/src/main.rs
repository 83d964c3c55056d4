//! Runs a contract for long on a small thread, or says that the runtime refuses to be in a program that was compiled like this.
//! With the argument `must-run` a refusal is a failure.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use futures_executor::block_on;
use vm_core::{Code, ContractName, DeployRequest, InvokeRequest, RuntimeKind, Vm, VmProvider};
use vm_wasm::{WasmConfig, WasmError, WasmRuntime};

/// What new threads have where nobody says otherwise.
const STACK: usize = 2 << 20;

/// Ten million turns, with growth of memory and table in one of ten; then a recursion of five thousand calls.
const CONTRACT: &str = r#"(module
    (memory (export "memory") 1) (table $t 4 funcref) (elem (i32.const 0) $leaf) (type $v (func))
    (func $leaf)
    (func $down (param i32) (if (local.get 0) (then (call $down (i32.sub (local.get 0) (i32.const 1))))))
    (func (export "vm_call") (param $entry i32) (param i32 i32) (result i32) (local $i i32) (local $zero i32)
        (if (i32.ne (local.get $entry) (i32.const 1)) (then (return (i32.const 0))))
        (loop $l
            (i32.store (i32.const 8) (i32.mul (i32.load (i32.const 8)) (i32.xor (local.get $i) (i32.const 7))))
            (call $leaf) (call_indirect (type $v) (i32.const 0))
            (if (i32.eqz (i32.rem_u (local.get $i) (i32.const 10))) (then
                (drop (memory.grow (local.get $zero)))
                (drop (table.grow $t (ref.null func) (local.get $zero)))))
            (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 10000000))))
        (call $down (i32.const 5000))
        (i32.const 0)))"#;

fn main() {
    let must_run = std::env::args().any(|argument| argument == "must-run");
    let done = std::thread::Builder::new().stack_size(STACK).spawn(run).unwrap().join().unwrap();
    match done {
        Ok(gas) => println!("contracts run: {gas} gas"),
        Err(error) => {
            println!("refused: {error}");
            assert!(!must_run, "this build must run contracts");
        }
    }
}

fn run() -> Result<u64, WasmError> {
    let vm = Vm::builder().runtime(WasmRuntime::new(WasmConfig::default())?).build().unwrap();
    block_on(vm.start()).unwrap();
    let code = Code::new(RuntimeKind::Wasm, wat::parse_str(CONTRACT).unwrap());
    let name = ContractName::new("it").unwrap();
    block_on(vm.deploy(DeployRequest::new(name.clone(), "1".parse().unwrap(), code))).unwrap();
    let receipt = vm.invoke_sync(InvokeRequest::new(name, "run")).unwrap();
    assert!(receipt.status.is_success(), "{:?}", receipt.status);
    Ok(receipt.gas_used.get())
}
