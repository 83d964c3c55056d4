//! What becomes of contracts whose compilation fails.

use futures_executor::block_on;
use vm_core::{Code, ContractName, DeployRequest, InvokeRequest, RuntimeKind, Vm, VmProvider};

use super::*;
use crate::WasmRuntime;

/// Calls after which something is wrong: some ten are enough.
const MANY: usize = 100_000;

/// A compiler that fails with the first contract, panics with the second, and is wasmi with the others.
#[derive(Debug, Default)]
struct Fickle(AtomicU64);

impl Engine for Fickle {
    fn name(&self) -> &'static str {
        "fickle"
    }

    fn version(&self) -> &'static str {
        "1"
    }

    fn fingerprint(&self) -> String {
        "fickle 1".into()
    }

    fn compile(&self, module: &Instrumented) -> Result<Box<dyn Program>, String> {
        match self.0.fetch_add(1, Ordering::Relaxed) {
            0 => Err("no room for it".into()),
            1 => panic!("out of luck"),
            _ => Wasmi.compile(module),
        }
    }
}

fn detail(vm: &Vm, name: &str) -> String {
    let (_, status) = &vm.status().runtimes[0];
    status.details.iter().find(|(key, _)| key == name).unwrap().1.clone()
}

/// A compilation that fails or panics is told with its reason, the contract stays where it is, and the next one moves.
#[test]
fn failures_of_the_compiler_are_told_and_end_nothing() {
    let auto = Auto::new(Box::new(Fickle::default())).unwrap();
    let vm = Vm::builder().runtime(WasmRuntime::on(Box::new(auto))).workers(1).build().unwrap();
    block_on(vm.start()).unwrap();
    for (number, name, value) in [
        (0, "failed_compilations", "1; the last one: no room for it"),
        (1, "failed_compilations", "2; the last one: the compiler panicked: out of luck"),
        (2, "tiers", "2 on wasmi, 1 on wasmtime"),
    ] {
        let wat = format!(
            r#"(module (memory (export "memory") 1) (func (export "vm_call") (param i32 i32 i32) (result i32) (local $i i32)
                (loop $l (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const {})))) (i32.const 0)))"#,
            20_000 + number
        );
        let contract = ContractName::new(&format!("c{number}")).unwrap();
        let code = Code::new(RuntimeKind::Wasm, wat::parse_str(wat).unwrap());
        block_on(vm.deploy(DeployRequest::new(contract.clone(), "1".parse().unwrap(), code))).unwrap();
        let told = (0..MANY).any(|_| {
            assert!(vm.invoke_sync(InvokeRequest::new(contract.clone(), "run")).unwrap().status.is_success());
            detail(&vm, name) == value
        });
        assert!(told, "{name} is {}", detail(&vm, name));
    }
    assert_eq!(detail(&vm, "failed_compilations"), "2; the last one: the compiler panicked: out of luck");
    block_on(vm.stop()).unwrap();
}

/// However long it runs: there is no time after which it would be compiled.
#[test]
fn what_is_over_the_budget_is_never_worth_compiling() {
    let auto = Auto::new(Box::new(Fickle::default())).unwrap();
    let module = |wat: &str| Instrumented { bytes: wat::parse_str(wat).unwrap(), calls: false };
    let worth = |module: &Instrumented| auto.tiered(module).unwrap().worth;
    let targets = "0 ".repeat(60_000);
    let monster =
        format!("(module (func (local {}) (block (br_table {targets} (i32.const 0)))))", "i64 ".repeat(2_000));
    assert_eq!(worth(&module(&monster)), u64::MAX);
    assert!((1..u64::MAX).contains(&worth(&module("(module (func))"))));
}
