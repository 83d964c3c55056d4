//! Loops, hogs and depths: each ends by its own limit.

use std::time::Duration;

use vm_core::{Gas, HostFault, InvokeRequest, Limits, Status, Trap};
use vm_evm::{EvmConfig, EvmError, EvmRuntime};

use crate::{
    machine::{Machine, compiled, failed, fault, name},
    script::{Evm, Output, native_call},
};

#[test]
fn an_endless_loop_ends_with_its_gas() {
    let machine = Machine::holding(&[("Ledger", "ledger")]);
    let spin = InvokeRequest::new(name("ledger"), "spin").gas(Gas::new(1_000_000));
    let receipt = machine.send(spin).unwrap();
    assert_eq!(receipt.status, Status::Trap(Trap::OutOfGas));
    assert_eq!(receipt.gas_used, Gas::new(1_000_000));
    assert_eq!(machine.text("ledger", "total", &[]), "1000");
}

#[test]
fn an_endless_loop_ends_with_its_deadline() {
    let limits = Limits { gas: Gas::MAX, execution_timeout: Duration::from_millis(50), ..Limits::default() };
    let machine = Machine::with(EvmConfig::default(), limits);
    machine.deploy("ledger", compiled("Ledger"), &["1", ""]).unwrap();
    machine.deploy("script", compiled("Script"), &[]).unwrap();
    let spin = || InvokeRequest::new(name("ledger"), "spin");
    assert!(matches!(fault(machine.send(spin())), HostFault::Deadline(_)));
    // Not as a failed call that a caller could survive, either.
    let nested = Evm::new().call(name("ledger").address(), selector("spin()"));
    let request = InvokeRequest::new(name("script"), "").input(Vec::from(nested));
    assert!(matches!(fault(machine.send(request)), HostFault::Deadline(_)));
    assert_eq!(machine.text("ledger", "total", &[]), "1", "the worker is fine");
}

fn selector(signature: &str) -> Vec<u8> {
    alloy_primitives::keccak256(signature)[..4].to_vec()
}

#[test]
fn a_memory_hog_ends_by_gas_or_by_the_limit() {
    let machine =
        Machine::with(EvmConfig::default().memory_limit(1 << 20), Limits { gas: Gas::MAX, ..Limits::default() });
    machine.deploy("ledger", compiled("Ledger"), &["1", ""]).unwrap();
    let hog = |bytes: &str, gas: Gas| {
        machine.send(InvokeRequest::new(name("ledger"), "hog").args([bytes]).gas(gas)).unwrap().status
    };
    assert_eq!(hog("500000", Gas::MAX), Status::Success);
    assert_eq!(hog("2000000", Gas::MAX), Status::Trap(Trap::MemoryLimit));
    assert_eq!(hog("500000", Gas::new(500_000)), Status::Trap(Trap::OutOfGas));
    let error = EvmRuntime::new(EvmConfig::default().memory_limit(1)).unwrap_err();
    assert_eq!(error, EvmError::Memory { given: 1, least: 65_536 });
}

#[test]
fn nested_frames_share_the_memory_limit() {
    // Each level calls the next with its whole call data, and keeps its own copy.
    let machine = Machine::with(EvmConfig::default().memory_limit(64 << 10), Limits::default());
    machine.deploy("script", compiled("Script"), &[]).unwrap();
    let this = name("script").address();
    let mut script = Evm::new();
    while script.len() < 20_000 {
        script = script.store(1, 1);
    }
    for _ in 0..5 {
        script = Evm::new().call(this, script).require();
    }
    let receipt = machine.raw(this, script.into());
    assert_eq!(receipt.status, Status::Revert, "the innermost frame had no memory left");
}

#[test]
fn calls_go_as_deep_as_ethereums_limit_inside_the_evm() {
    let machine = Machine::new();
    // CALL(gas, this, 0, 0, 0, 0, 0) and return depth = 1 + returned word, until calls fail.
    // PUSH1 0 x5, ADDRESS, GAS, CALL, POP, RETURNDATASIZE, PUSH1 0, PUSH1 0, RETURNDATACOPY, PUSH1 0, MLOAD, PUSH1 1, ADD,
    // PUSH1 0, MSTORE, PUSH1 32, PUSH1 0, RETURN
    let code = "6000600060006000600030 5af1 50 3d6000 6000 3e 6000 51 6001 01 6000 52 6020 6000 f3".replace(' ', "");
    machine.deploy("deep", crate::machine::assembled(&code), &[]).unwrap();
    let receipt = machine.send(InvokeRequest::new(name("deep"), "").gas(Gas::new(9_000_000_000))).unwrap();
    assert_eq!(receipt.status, Status::Success);
    let depth = Output(&receipt.output).word();
    // 63/64 of the gas go down each level: with enough of it the limit of 1024 below the first frame is met.
    assert!(depth > 400 && depth <= 1025, "{depth}");
}

#[test]
fn calls_across_runtimes_end_at_the_dispatchers_depth() {
    let machine = Machine::holding(&[("Script", "script"), ("native", "native")]);
    let (script, native) = (name("script").address(), name("native").address());
    let mut data: Vec<u8> = b"G".to_vec();
    for level in 0..80 {
        data = match level % 2 {
            0 => Evm::new().call(native, data).into(),
            _ => native_call(script, 0, false, 0, data),
        };
    }
    // The outermost is the native contract's call of the EVM.
    let receipt = machine.send(InvokeRequest::new(native, "run").input(data)).unwrap();
    assert_eq!(receipt.status, Status::Success);
    let text = String::from_utf8_lossy(&receipt.output);
    assert!(text.contains("call depth of 64 exceeded"), "{text}");
}

#[test]
fn constructors_are_limited_too() {
    let machine = Machine::new();
    let request = vm_core::DeployRequest::new(
        name("loop"),
        "1".parse().unwrap(),
        vm_core::Code::new(vm_core::RuntimeKind::Evm, "5b600056"),
    );
    let result = futures_executor::block_on(vm_core::VmProvider::deploy(&machine.vm, request.gas(Gas::new(1_000_000))));
    assert_eq!(failed(result).status, Status::Trap(Trap::OutOfGas));
}
