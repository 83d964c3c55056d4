//! Contracts with ChainMaker's ABI.

mod contract;
mod failures;
mod official;
mod options;
mod state;
mod upgrade;

use futures_executor::block_on;
use vm_core::{ContractName, DeployRequest, InvokeRequest, Receipt, RuntimeKind, Status, UpgradeRequest, Vm, VmError, VmProvider};

pub(super) const COUNTER: &str = include_str!("counter.wat");
pub(super) const FACT: &str = include_str!("fact.wat");
pub(super) const CALLER: &str = include_str!("caller.wat");
pub(super) const ITERATOR: &str = include_str!("iterator.wat");

/// What tells contracts in Rust.
const RUST: &str = r#"(func (export "runtime_type") (result i32) (i32.const 2))"#;

/// A contract on the SDK of this folder, whose parameters are bytes.
pub(super) fn contract(methods: &str) -> Vec<u8> {
    module("", RUST, "2", methods)
}

/// Imports and further items, the type of parameters, and the methods.
pub(super) fn module(imports: &str, items: &str, value_type: &str, methods: &str) -> Vec<u8> {
    let sdk = include_str!("sdk.wat").replace("VALUE_TYPE", value_type);
    let text = [imports, &sdk, items, methods].join("\n");
    let mut data = String::new();
    let mut wat = String::new();
    for (n, part) in text.split('\'').enumerate() {
        if n % 2 == 0 {
            wat.push_str(part);
        } else {
            let at = data.find(part).unwrap_or_else(|| {
                data.push_str(part);
                data.len() - part.len()
            });
            wat.push_str(&format!("(i32.const {at}) (i32.const {})", part.len()));
        }
    }
    assert!(data.len() < 2_048);
    let wat = format!("(module {wat}\n(data (i32.const 0) \"{data}\"))");
    wat::parse_str(&wat).unwrap_or_else(|error| panic!("{error}"))
}

pub(super) fn deploy_request(name: &str, module: Vec<u8>) -> DeployRequest {
    DeployRequest::new(name.parse().unwrap(), "1".parse().unwrap(), super::machine::code(module))
}

pub(super) fn upgrade_request(name: &str, module: Vec<u8>) -> UpgradeRequest {
    UpgradeRequest::new(name.parse().unwrap(), "2".parse().unwrap(), super::machine::code(module))
}

pub(super) fn call(name: &str, method: &str, parameters: &[(&str, &str)]) -> InvokeRequest {
    let request = InvokeRequest::new(ContractName::new(name).unwrap(), method);
    parameters.iter().fold(request, |request, (name, value)| request.arg(*name, *value))
}

pub(super) fn invoke(vm: &Vm, name: &str, method: &str, parameters: &[(&str, &str)]) -> Receipt {
    vm.invoke_sync(call(name, method, parameters)).unwrap_or_else(|error| panic!("{error}"))
}

/// What a method returns that succeeds.
pub(super) fn text(vm: &Vm, name: &str, method: &str, parameters: &[(&str, &str)]) -> String {
    let receipt = invoke(vm, name, method, parameters);
    assert_eq!(receipt.status, Status::Success, "{method}: {:?}", receipt.text);
    receipt.text.unwrap_or_else(|| panic!("{method} returned {:?}", receipt.output))
}

/// The reason of a method's failure.
pub(super) fn failure(vm: &Vm, name: &str, method: &str, parameters: &[(&str, &str)]) -> String {
    let receipt = invoke(vm, name, method, parameters);
    assert_eq!(receipt.status, Status::Revert, "{method}");
    assert!(receipt.writes.is_empty() && receipt.events.is_empty());
    receipt.text.unwrap()
}

pub(super) fn try_deploy(vm: &Vm, name: &str, module: Vec<u8>, options: &[(&str, &str)]) -> Result<Receipt, VmError> {
    let mut request = deploy_request(name, module);
    for (key, value) in options {
        request.code = request.code.with_option(*key, *value);
    }
    assert_eq!(request.code.runtime, RuntimeKind::Wasm);
    block_on(vm.deploy(request))
}

pub(super) fn deploy(vm: &Vm, name: &str, module: Vec<u8>) {
    try_deploy(vm, name, module, &[]).unwrap_or_else(|error| panic!("{error}"));
}
