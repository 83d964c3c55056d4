//! A runtime that a machine lacks refuses requests, and decides no result: others that have it would go on.

use std::sync::Arc;

use futures_executor::block_on;
use vm_core::{
    Call, Code, DeployRequest, Entry, GovernRequest, Governance, Host, HostFault, HostPolicy, Managed, MemoryBackend,
    Refusal, Right, RollbackRequest, Rule, RuntimeKind, UpgradeRequest, Vm, VmError, VmProvider,
};

use crate::script::{Failure, Scripts, call, name, ok, owner, refusal, request, script};

fn back() -> RollbackRequest {
    RollbackRequest::new(name("moved"), "1".parse().unwrap()).change_runtime().from(owner())
}

fn wasm() -> Code {
    Code::new(RuntimeKind::Wasm, "w")
}

/// A contract that swallows whatever becomes of what it asks for.
fn asks(host: &mut dyn Host, called: &Call) -> Result<bytes::Bytes, Failure> {
    let one = || "1".parse().unwrap();
    let operation = match &*called.method {
        _ if called.entry != Entry::Invoke => return ok(),
        "call" => {
            call(host, "w", "run")?;
            return Ok("went on".into());
        }
        "rollback" => Managed::Rollback(back()),
        "govern" => {
            let method = Right::Method(String::from_utf8_lossy(&called.input).into_owned());
            Managed::Govern(GovernRequest::new(Governance::Contracts(method, Rule::Nobody)).from(owner()))
        }
        "deploy" => Managed::Deploy(DeployRequest::new(name("new"), one(), wasm()).from(owner())),
        _ => {
            let version = "3".parse().unwrap();
            Managed::Upgrade(UpgradeRequest::new(name("moved"), version, wasm()).change_runtime().from(owner()))
        }
    };
    host.transaction().manage(&operation)?;
    Ok("went on".into())
}

fn scripts() -> Scripts {
    Scripts::default().with("w", |_, _| ok()).with("asks", asks)
}

/// A machine with both runtimes that has deployed contracts, and one on the same state that has one of them.
fn machines() -> (Vm, Vm) {
    let backend = Arc::new(MemoryBackend::new());
    let start = |wasm: bool| {
        let builder = Vm::builder().runtime(scripts()).backend(backend.clone()).workers(1);
        let builder = if wasm { builder.runtime(scripts().of_kind(RuntimeKind::Wasm)) } else { builder };
        let vm = builder.build().unwrap();
        block_on(vm.start()).unwrap();
        vm
    };
    let whole = start(true);
    for (contract, code) in [("asks", script("asks")), ("w", wasm()), ("moved", wasm())] {
        let request = DeployRequest::new(name(contract), "1".parse().unwrap(), code).from(owner());
        block_on(whole.deploy(request)).unwrap();
    }
    let moved = UpgradeRequest::new(name("moved"), "2".parse().unwrap(), script("w")).change_runtime();
    block_on(whole.upgrade(moved.from(owner()))).unwrap();
    (whole, start(false))
}

#[test]
fn a_missing_runtime_decides_no_result() {
    let (whole, poor) = machines();
    let before = poor.view().unwrap().height();
    let loads = |error: &VmError, contract: &str| {
        assert!(matches!(error.fault(), Some(HostFault::Load { contract: of, .. }) if of == contract), "{error}");
        assert!(error.to_string().contains("this vm has no wasm runtime; add it to the configuration"), "{error}");
    };
    loads(&block_on(poor.invoke(request("w", "run"))).unwrap_err(), "w");
    loads(&block_on(poor.rollback(back())).unwrap_err(), "moved");
    // By a contract that would have gone on, and been committed.
    loads(&block_on(poor.invoke(request("asks", "call"))).unwrap_err(), "w");
    loads(&block_on(poor.invoke(request("asks", "rollback"))).unwrap_err(), "moved");
    for method in ["deploy", "upgrade"] {
        let error = block_on(poor.invoke(request("asks", method))).unwrap_err();
        let fault = error.fault();
        assert!(matches!(fault, Some(HostFault::Unavailable { runtime: RuntimeKind::Wasm, .. })), "{method}: {error}");
    }
    assert_eq!(poor.view().unwrap().height(), before);
    // What is not deployed is refused from outside, where nothing is kept of the refusal.
    let new = DeployRequest::new(name("new"), "1".parse().unwrap(), wasm()).from(owner());
    let error = block_on(poor.deploy(new)).unwrap_err();
    assert!(matches!(refusal(&error), Refusal::NoRuntime(RuntimeKind::Wasm)), "{error}");
    for method in ["call", "rollback", "deploy", "upgrade"] {
        let receipt = block_on(whole.invoke(request("asks", method))).unwrap();
        assert_eq!((receipt.status.is_success(), &receipt.output[..]), (true, &b"went on"[..]), "{method}");
    }
}

/// As of code that was linked when it was deployed, and of an image of another architecture.
#[test]
fn kept_code_that_a_machine_cannot_prepare_decides_no_result() {
    let backend = Arc::new(MemoryBackend::new());
    let start = |scripts: Scripts| {
        let vm = Vm::builder().runtime(scripts).backend(backend.clone()).workers(1).build().unwrap();
        block_on(vm.start()).unwrap();
        vm
    };
    let new = || Scripts::default().with("asks", asks).with("new", |_, _| ok());
    let whole = start(new().with("old", |_, _| ok()));
    for (contract, code) in [("asks", "asks"), ("moved", "old")] {
        let request = DeployRequest::new(name(contract), "1".parse().unwrap(), script(code)).from(owner());
        block_on(whole.deploy(request)).unwrap();
    }
    let renewed = UpgradeRequest::new(name("moved"), "2".parse().unwrap(), script("new"));
    block_on(whole.upgrade(renewed.from(owner()))).unwrap();
    let poor = start(new());
    let before = poor.view().unwrap().height();
    for _ in 0..2 {
        for error in [block_on(poor.rollback(back())).unwrap_err(), {
            block_on(poor.invoke(request("asks", "rollback"))).unwrap_err()
        }] {
            assert!(matches!(error.fault(), Some(HostFault::Load { contract, .. }) if contract == "moved"), "{error}");
            assert!(error.to_string().contains("no such script"), "{error}");
        }
    }
    assert_eq!(poor.view().unwrap().height(), before);
    let receipt = block_on(whole.invoke(request("asks", "rollback"))).unwrap();
    assert_eq!((receipt.status.is_success(), receipt.writes.is_empty()), (true, false));
}

/// Which methods there may be only runtimes know that have such methods.
#[test]
fn a_missing_runtime_does_not_decide_what_may_have_a_rule() {
    let mut policy = HostPolicy::default();
    policy.administrators = Rule::Callers([owner()].into());
    let vm = scripts().start_with(Vm::builder().policy(policy));
    let govern = |method: &str| block_on(vm.invoke(request("asks", "govern").input(method.to_owned())));
    for method in ["transfer(address,uint256)", "0xa9059cbb", "nonsense("] {
        let error = govern(method).unwrap_err();
        let fault = error.fault();
        assert!(matches!(fault, Some(HostFault::Unavailable { runtime: RuntimeKind::Evm, .. })), "{method}: {error}");
    }
    let receipt = govern("no name").unwrap();
    assert!(receipt.writes.is_empty() && format!("{:?}", receipt.denials).contains("no contract of this host's"));
    assert!(!govern("transfer").unwrap().writes.is_empty());
}
