//! Loops, hogs and depths: each ends by its own limit.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use vm_core::{
    Gas, Height, HostFault, InvokeRequest, KeyRange, Limits, MemoryBackend, Space, StateBackend, StateError, StateKey,
    StateView, Status, Trap, WriteSet,
};
use vm_evm::{EvmConfig, EvmError, EvmRuntime, Fork};

use crate::{
    machine::{Machine, alice, assembled, compiled, failed, fault, name, refused},
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
    let backend = Arc::new(MemoryBackend::new());
    // Deployments take as long as the machine lets them.
    let patient = Machine::over(backend.clone(), EvmConfig::default(), Limits::default());
    patient.deploy("ledger", compiled("Ledger"), &["1", ""]).unwrap();
    patient.deploy("script", compiled("Script"), &[]).unwrap();
    let limits = Limits { gas: Gas::MAX, execution_timeout: Duration::from_millis(50), ..Limits::default() };
    let machine = Machine::over(backend, EvmConfig::default(), limits);
    let spin = || InvokeRequest::new(name("ledger"), "spin");
    assert!(matches!(fault(machine.send(spin())), HostFault::Deadline(_)));
    // Not as a failed call that a caller could survive, either.
    let nested = Evm::new().call(name("ledger").address(), selector("spin()"));
    let request = InvokeRequest::new(name("script"), "").input(Vec::from(nested));
    assert!(matches!(fault(machine.send(request)), HostFault::Deadline(_)));
    // The contract stopped by itself: no worker had to be given up.
    assert_eq!(vm_core::VmProvider::status(&machine.vm).quarantined, 0);
    assert_eq!(patient.text("ledger", "total", &[]), "1");
}

/// A state that cannot read one slot.
struct Damaged(MemoryBackend);

struct DamagedView(Arc<dyn StateView>);

impl StateBackend for Damaged {
    fn snapshot(&self) -> Result<Arc<dyn StateView>, StateError> {
        Ok(Arc::new(DamagedView(self.0.snapshot()?)))
    }

    fn commit(&self, previous: Height, next: Height, writes: &WriteSet) -> Result<(), StateError> {
        self.0.commit(previous, next, writes)
    }
}

impl StateView for DamagedView {
    fn height(&self) -> Height {
        self.0.height()
    }

    fn get(&self, key: &StateKey) -> Result<Option<Bytes>, StateError> {
        if key.as_bytes()[0] == Space::EvmStorage as u8 && key.as_bytes().last() == Some(&77) {
            return Err(StateError::Storage { action: "reading", message: "bad sector".into() });
        }
        self.0.get(key)
    }

    fn scan(&self, range: &KeyRange, limit: usize) -> Result<Vec<(StateKey, Bytes)>, StateError> {
        self.0.scan(range, limit)
    }
}

#[test]
fn a_state_that_cannot_be_read_is_a_host_fault_and_never_a_failed_call() {
    let machine = Machine::over(Arc::new(Damaged(MemoryBackend::new())), EvmConfig::default(), Limits::default());
    machine.deploy("a", compiled("Script"), &[]).unwrap();
    machine.deploy("f", vm_core::Code::new(vm_core::RuntimeKind::Native, "script"), &[]).unwrap();
    let (a, f) = (name("a").address(), name("f").address());
    let through = |script: Evm| native_call(a, 0, false, 0, script);
    for script in [
        Evm::new().load(77),
        Evm::new().call(a, Evm::new().load(77)).store(1, 1),
        Evm::new().call(f, through(Evm::new().load(77))),
        Evm::new().call(f, [&through(Evm::new().load(77))[..], b"pk\x01"].concat()).store(1, 1),
    ] {
        let request = InvokeRequest::new(a, "").input(Vec::from(script));
        assert!(matches!(fault(machine.send(request)), HostFault::State(_)));
    }
    assert_eq!(machine.raw(a, Evm::new().load(1).into()).status, Status::Success);
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
fn calls_go_as_deep_as_ethereums_limit_over_all_runtimes() {
    // 63/64 of the gas go down each level: this is enough for a thousand of them.
    let machine = Machine::with(EvmConfig::default(), Limits { gas: Gas::new(1 << 50), ..Limits::default() });
    // Calls itself with all gas and returns 1 + what the call returned, 1 when it failed:
    // 5 x PUSH1 0, ADDRESS, GAS, CALL, POP, RETURNDATASIZE, PUSH1 0, PUSH1 0, RETURNDATACOPY, PUSH1 0, MLOAD, PUSH1 1, ADD,
    // PUSH1 0, MSTORE, PUSH1 32, PUSH1 0, RETURN
    let code = "6000600060006000600030 5af1 50 3d6000 6000 3e 6000 51 6001 01 6000 52 6020 6000 f3".replace(' ', "");
    machine.deploy("deep", crate::machine::assembled(&code), &[]).unwrap();
    machine.deploy("script", compiled("Script"), &[]).unwrap();
    machine.deploy("native", vm_core::Code::new(vm_core::RuntimeKind::Native, "script"), &[]).unwrap();
    let receipt = machine.raw(name("deep").address(), vec![]);
    assert_eq!(Output(&receipt.output).word(), 1025, "the first frame and 1024 below it");
    // Behind an EVM frame and a native one there is room for two less.
    let data = native_call(name("deep").address(), 0, false, 0, []);
    let receipt = machine.raw(name("script").address(), Evm::new().call(name("native").address(), data).into());
    let (ok, data) = Output(&receipt.output).call();
    assert!(ok && data[0] == 1);
    assert_eq!(Output(&data[1..]).word(), 1023);
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

/// What is deployed stays callable when the fork or the policy changes: size, opcodes and policy are for new code.
#[test]
fn deployed_contracts_outlive_stricter_settings() {
    let backend = Arc::new(MemoryBackend::new());
    let start = |config: EvmConfig| Machine::over(backend.clone(), config, Limits::default());
    let called = |machine: &Machine, contract: &str, data: Vec<u8>| {
        let receipt = machine.send(InvokeRequest::new(name(contract), "").input(data)).unwrap();
        (receipt.status, receipt.output.len())
    };
    // More creation code than Shanghai allows; `big` returns a word, `dies` self-destructs when it gets call data.
    let mut big = assembled("60206000f3");
    big.bytes.extend(b"00".repeat(50_000));
    let dies = assembled("3660095760206000f35b33ff");
    {
        let paris = start(EvmConfig::new(Fork::Paris));
        paris.deploy("big", big.clone(), &[]).unwrap();
        paris.deploy("dies", dies.clone(), &[]).unwrap();
        assert_eq!(called(&paris, "dies", Vec::new()), (Status::Success, 32));
    }
    let strict = start(EvmConfig::new(Fork::Shanghai).refuse_opcodes(["SELFDESTRUCT"]).unwrap());
    assert_eq!(called(&strict, "big", Vec::new()), (Status::Success, 32));
    assert_eq!(called(&strict, "dies", Vec::new()), (Status::Success, 32));
    assert_eq!(called(&strict, "dies", vec![1]).0, Status::Trap(Trap::InvalidInstruction));
    assert!(refused(strict.deploy("big2", big, &[])).contains("EIP-3860"));
    assert!(refused(strict.deploy("dies2", dies, &[])).contains("refuse_opcodes"));
    // PUSH0 came with Shanghai.
    strict.deploy("new", assembled("60205ff3"), &[]).unwrap();
    let old = start(EvmConfig::new(Fork::London));
    assert_eq!(called(&old, "new", Vec::new()).0, Status::Trap(Trap::InvalidInstruction));
    assert_eq!(called(&old, "big", Vec::new()), (Status::Success, 32));
    assert!(refused(old.deploy("new2", assembled("60205ff3"), &[])).contains("PUSH0"));
}

/// Code that the gas cannot pay for is not in the receipt: a trap returns nothing.
#[test]
fn a_trap_has_no_output() {
    let code = assembled(&"00".repeat(200));
    let request = vm_core::DeployRequest::new(name("poor"), "1".parse().unwrap(), code);
    let machine = Machine::new();
    let deploy = |gas: u64| {
        let request = request.clone().from(alice()).gas(Gas::new(gas));
        futures_executor::block_on(vm_core::VmProvider::deploy(&machine.vm, request))
    };
    // Enough for the constructor's instructions, and not for the 40,000 that 200 bytes cost.
    let least = refused(deploy(0));
    let needed: u64 = least.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).max().unwrap();
    let receipt = failed(deploy(needed + 20_000));
    assert_eq!((receipt.status, receipt.output.len()), (Status::Trap(Trap::OutOfGas), 0));
}
