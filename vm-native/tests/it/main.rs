//! Linked contracts through the whole machine.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod call;
mod forgery;
mod multi_sign;
mod overtaken;
mod system;

use std::time::Duration;

use futures_executor::block_on;
use vm_core::{
    Address, Code, ContractName, DeployRequest, HostFault, InvokeRequest, Limits, Phase, Receipt, RuntimeKind, Status,
    Trap, UpgradeRequest, Vm, VmError, VmProvider,
};
use vm_native::{NativeConfig, NativeContract, NativeError, NativeRuntime};

fn config() -> NativeConfig {
    let add = |config: NativeConfig, name, contract| config.contract(name, contract).unwrap();
    let config = add(NativeConfig::new(), "token", NativeContract::of::<token::Token>());
    let config = add(config, "token-v2", NativeContract::of::<token_v2::Token>());
    add(config, "probe", NativeContract::of::<probe::Probe>())
}

fn machine(limits: Limits) -> Vm {
    let vm = Vm::builder().runtime(NativeRuntime::new(config())).limits(limits).workers(1).build().unwrap();
    block_on(vm.start()).unwrap();
    vm
}

fn name(text: &str) -> ContractName {
    ContractName::new(text).unwrap()
}

fn alice() -> Address {
    Address::from_name("alice")
}

fn deploy(vm: &Vm, code: &str, args: &[&str]) -> Result<Receipt, VmError> {
    let request = DeployRequest::new(name("c"), "1".parse().unwrap(), Code::new(RuntimeKind::Native, code));
    block_on(vm.deploy(request.args(args.iter().copied()).from(alice())))
}

fn invoke(vm: &Vm, method: &str, args: &[&str]) -> Result<Receipt, VmError> {
    block_on(vm.invoke(InvokeRequest::new(name("c"), method).args(args.iter().copied()).from(alice())))
}

fn text(vm: &Vm, method: &str, args: &[&str]) -> String {
    invoke(vm, method, args).unwrap().text.unwrap()
}

#[test]
fn the_token_lives_through_transfer_refusal_and_upgrade() {
    let vm = machine(Limits::default());
    deploy(&vm, "token", &["1000"]).unwrap();
    let receipt = invoke(&vm, "transfer", &["bob", "100"]).unwrap();
    assert_eq!((receipt.status, receipt.events.len(), receipt.writes.len()), (Status::Success, 1, 2));
    let refused = invoke(&vm, "transfer", &["bob", "901"]).unwrap();
    assert_eq!(refused.status, Status::Revert);
    assert_eq!(refused.text.as_deref(), Some("insufficient balance: have 900, need 901"));
    assert!(refused.writes.is_empty() && refused.events.is_empty());

    let code = Code::new(RuntimeKind::Native, "token-v2");
    block_on(vm.upgrade(UpgradeRequest::new(name("c"), "2".parse().unwrap(), code).from(alice()))).unwrap();
    invoke(&vm, "burn", &["50"]).unwrap();
    assert_eq!([text(&vm, "balance_of", &["alice"]), text(&vm, "balance_of", &["bob"])], ["850", "100"]);
    assert_eq!([text(&vm, "total_supply", &[]), text(&vm, "schema_version", &[])], ["950", "2"]);
}

#[test]
fn a_panic_is_a_trap_and_changes_nothing() {
    let vm = machine(Limits::default());
    deploy(&vm, "probe", &[""]).unwrap();
    let height = vm.view().unwrap().height();
    assert_eq!(invoke(&vm, "panic", &[]).unwrap().status, Status::Trap(Trap::Panic));
    assert_eq!(invoke(&vm, "add", &["18446744073709551615", "1"]).unwrap().status, Status::Trap(Trap::Panic));
    assert_eq!(vm.view().unwrap().height(), height);
    assert_eq!(text(&vm, "add", &["1", "2"]), "3");
}

#[test]
fn a_computation_that_does_not_come_back_is_given_up() {
    let (execution_timeout, grace) = (Duration::from_millis(50), Duration::from_millis(50));
    let vm = machine(Limits { execution_timeout, grace, ..Limits::default() });
    deploy(&vm, "probe", &[""]).unwrap();
    let error = invoke(&vm, "compute", &["500000000"]).unwrap_err();
    assert!(matches!(error.fault(), Some(HostFault::Deadline(_))), "{error}");
    assert_eq!(vm.status().quarantined, 1);
    assert_eq!(text(&vm, "add", &["1", "2"]), "3", "another worker took its place");
}

#[test]
fn mistakes_are_found_before_the_contract_runs() {
    let vm = machine(Limits::default());
    deploy(&vm, "token", &["1000"]).unwrap();
    for (method, args, expected) in [
        ("tranfer", &["bob", "1"][..], "unknown method 'tranfer'; did you mean 'transfer'?"),
        ("transfer", &["bob"], "takes 2 arguments, but 1 was given"),
        ("transfer", &["bob", "-5"], "parameter 'amount' is of type u128, but '-5' is not a number from 0 to"),
        ("transfer", &["0x12", "5"], "'0x12' is not an address"),
    ] {
        let error = invoke(&vm, method, args).unwrap_err();
        assert_eq!(error.phase, Phase::Validate);
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn code_that_is_not_linked_is_rejected() {
    let vm = machine(Limits::default());
    let error = deploy(&vm, "tokem", &["1"]).unwrap_err();
    assert_eq!(error.phase, Phase::Verify);
    assert!(
        error
            .to_string()
            .contains("no contract is linked as 'tokem'; did you mean 'token'? linked: probe, token, token-v2")
    );
    let twice = config().contract("token", NativeContract::of::<token::Token>()).unwrap_err();
    assert_eq!(twice, NativeError::NameTaken("token".into()));
}

#[test]
fn contracts_call_contracts() {
    let vm = machine(Limits::default());
    deploy(&vm, "probe", &[""]).unwrap();
    let other = DeployRequest::new(name("coin"), "1".parse().unwrap(), Code::new(RuntimeKind::Native, "token"));
    block_on(vm.deploy(other.args(["1000"]).from(name("c").address()))).unwrap();
    let input = format!("0x{}{:032x}", &alice().to_string()[2..], u128::from_be_bytes(7u128.to_le_bytes()));
    let receipt = invoke(&vm, "forward", &["coin", "transfer", &input]).unwrap();
    assert_eq!(receipt.status, Status::Success, "{:?}", receipt.text);
    let balance = block_on(vm.query(InvokeRequest::new(name("coin"), "balance_of").args(["alice"]))).unwrap();
    assert_eq!(balance.text.as_deref(), Some("7"));
}
