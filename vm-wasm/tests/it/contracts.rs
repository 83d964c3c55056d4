//! The sample contracts, as `vm-sdk` builds them.

use futures_executor::block_on;
use vm_core::{
    Address, ContractName, DeployRequest, Gas, InvokeRequest, Receipt, Status, Trap, UpgradeRequest, Vm, VmProvider,
};

use super::machine::{code, machine};

const TOKEN: &[u8] = include_bytes!("../../../contracts/artifacts/token-v1.wasm");
const TOKEN_V2: &[u8] = include_bytes!("../../../contracts/artifacts/token-v2.wasm");
const PROBE: &[u8] = include_bytes!("../../../contracts/artifacts/probe.wasm");

fn deployed(name: &str, module: &[u8], argument: &str) -> Vm {
    let vm = machine();
    let request = DeployRequest::new(name.parse().unwrap(), "1".parse().unwrap(), code(module.to_vec()));
    block_on(vm.deploy(request.args([argument]).from(Address::from_name("alice"))))
        .unwrap_or_else(|error| panic!("{error}"));
    vm
}

fn invoke(vm: &Vm, name: &str, method: &str, arguments: &[&str]) -> Receipt {
    let request = InvokeRequest::new(ContractName::new(name).unwrap(), method).args(arguments.iter().copied());
    vm.invoke_sync(request.from(Address::from_name("alice"))).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_token_lives_and_is_upgraded() {
    let vm = deployed("token", TOKEN, "1000");
    let text = |method: &str, arguments: &[&str]| invoke(&vm, "token", method, arguments).text.unwrap_or_default();
    assert_eq!(invoke(&vm, "token", "transfer", &["bob", "100"]).status, Status::Success);
    assert_eq!((text("balance_of", &["alice"]), text("balance_of", &["bob"])), ("900".into(), "100".into()));
    let refused = invoke(&vm, "token", "transfer", &["bob", "901"]);
    assert_eq!(refused.status, Status::Revert);
    assert_eq!(refused.text.as_deref(), Some("insufficient balance: have 900, need 901"));
    assert!(refused.writes.is_empty());

    let request = UpgradeRequest::new("token".parse().unwrap(), "2".parse().unwrap(), code(TOKEN_V2.to_vec()));
    block_on(vm.upgrade(request.from(Address::from_name("alice")))).unwrap();
    assert_eq!(invoke(&vm, "token", "burn", &["50"]).status, Status::Success);
    assert_eq!((text("balance_of", &["alice"]), text("total_supply", &[])), ("850".into(), "950".into()));
    assert_eq!(text("schema_version", &[]), "2");
}

/// What one transfer costs: a change here is a change of prices, of the compiler's output, or of the instrumentation.
#[test]
fn a_transfer_costs_the_same_each_time() {
    let vm = deployed("token", TOKEN, "1000");
    invoke(&vm, "token", "transfer", &["bob", "1"]);
    let used: Vec<Gas> = (0..20).map(|_| invoke(&vm, "token", "transfer", &["bob", "1"]).gas_used).collect();
    assert!(used.iter().all(|gas| *gas == used[0]), "{used:?}");
    assert!(used[0] < Gas::new(60_000), "{:?}", used[0]);
}

#[test]
fn a_panic_is_a_trap() {
    let vm = deployed("probe", PROBE, "");
    let receipt = invoke(&vm, "probe", "panic", &[]);
    assert_eq!(receipt.status, Status::Trap(Trap::Unreachable));
    assert_eq!(receipt.gas_used, receipt.gas_limit);
}

/// More than the memory limit ends with a trap of its own, and not as a panic does.
#[test]
fn too_much_memory_is_told_apart_from_a_panic() {
    let vm = deployed("probe", PROBE, "");
    assert_eq!(invoke(&vm, "probe", "allocate", &["8"]).text.as_deref(), Some("8"));
    let receipt = invoke(&vm, "probe", "allocate", &["4000"]);
    assert_eq!(receipt.status, Status::Trap(Trap::MemoryLimit));
    assert_eq!(receipt.gas_used, receipt.gas_limit);
}
