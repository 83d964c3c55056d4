//! What is left of a call in its process, and whether two processes do the same.

use std::time::Duration;

use vm_core::{Code, Gas, HostFault, InvokeRequest, RuntimeKind, Status, VmProvider};
use vm_docker::{DockerConfig, Isolation};

use crate::{
    daemon::Daemon,
    images::archive,
    world::{World, config, probe},
};

const LIMIT: Duration = Duration::from_secs(30);

#[test]
fn a_process_that_keeps_nothing_apart_takes_one_call_only() {
    let Some(daemon) = Daemon::shared() else { return };
    let world = World::with_probe(DockerConfig { isolation: Isolation::Call, ..config(daemon, "fresh") }, LIMIT);
    assert_eq!(world.text("isolation", ""), "call");
    for _ in 0..3 {
        world.assert_next_call(true);
    }
    assert_eq!(world.call("count", ""), [1]);
    assert_eq!(world.call("count", ""), [2], "the state stays");
}

/// The library says that it keeps calls apart, and does not.
#[test]
fn a_container_for_each_call_needs_no_word_of_the_library() {
    let Some(daemon) = Daemon::shared() else { return };
    let code = archive(&probe(), &["/opt/program"], &["PROBE_FRESH=1".into()]);
    let code = Code::new(RuntimeKind::Docker, code);
    for (isolation, calls) in [(Isolation::Call, [2, 3]), (Isolation::Container, [1, 1])] {
        let name = format!("lies-{}", isolation.as_str());
        let world = World::start(DockerConfig { isolation, ..config(daemon, &name) }, LIMIT);
        world.deploy("probe", code.clone()).unwrap();
        assert_eq!([(); 2].map(|()| world.call("calls", "")[0]), calls, "{name}");
    }
}

#[test]
fn a_contract_may_ask_for_it_and_cannot_ask_for_less() {
    let Some(daemon) = Daemon::shared() else { return };
    let world = World::with_probe(config(daemon, "asked"), LIMIT);
    let code = |isolation: &str| Code::new(RuntimeKind::Docker, probe()).with_option("isolation", isolation);
    world.deploy("fresh", code("call")).unwrap();
    for _ in 0..2 {
        assert_eq!(world.try_call("fresh", "calls", "").unwrap().output[..], [1]);
    }
    world.assert_next_call(false);
    let error = world.deploy("other", code("thread")).unwrap_err().to_string();
    assert!(error.contains("unknown isolation 'thread'; expected contract, call or container"), "{error}");
}

#[test]
fn what_differs_in_a_second_process_is_a_fault_that_names_it() {
    let Some(daemon) = Daemon::shared() else { return };
    let world = World::with_probe(DockerConfig { replay_check: true, ..config(daemon, "replay") }, LIMIT);
    let height = world.vm.status().height;
    let fault = world.fault("random", "");
    assert!(matches!(fault, HostFault::Process { .. }), "{fault}");
    let text = fault.to_string();
    assert!(text.contains("operation 2 was 'put \"random\" = ") && text.contains("in the other"), "{text}");
    assert_eq!(world.vm.status().height, height, "nothing was committed");

    assert_eq!(world.call("count", ""), [1]);
    assert_eq!(world.call("count", ""), [2]);
    for (method, status) in [("revert", Status::Revert), ("trap", Status::Trap(vm_core::Trap::Panic))] {
        assert_eq!(world.receipt(method, "why").status, status);
    }
    let target: vm_core::ContractName = "probe".parse().unwrap();
    let spend = InvokeRequest::new(target, "spend").input("").gas(Gas::new(1_000_000));
    let receipt = futures_executor::block_on(world.vm.invoke(spend)).unwrap();
    assert_eq!(receipt.status, Status::Trap(vm_core::Trap::OutOfGas), "a stop is repeated, too");
    assert_eq!(world.text("echo", "still here"), "still here");
}

#[test]
fn what_other_contracts_answered_is_not_asked_twice() {
    let Some(daemon) = Daemon::shared() else { return };
    let world = World::with_probe(DockerConfig { replay_check: true, ..config(daemon, "once") }, LIMIT);
    let mut asked = 0;
    world.deploy_native("other", move |_| {
        asked += 1;
        vec![asked]
    });
    assert_eq!(world.call("forward", "other"), [1]);
    assert_eq!(world.call("forward", "other"), [2]);
    let target: vm_core::ContractName = "probe".parse().unwrap();
    let query = InvokeRequest::new(target, "count").input("");
    let receipt = futures_executor::block_on(world.vm.query(query)).unwrap();
    assert_eq!(receipt.status, Status::Trap(vm_core::Trap::StaticViolation), "a stop is repeated, too");
}

/// Both processes of earlier calls would remember the same: only one that begins anew does not.
#[test]
fn what_a_process_remembers_of_earlier_calls_is_found() {
    let Some(daemon) = Daemon::shared() else { return };
    let config = DockerConfig { replay_check: true, pool_max: 1, ..config(daemon, "remembered") };
    let world = World::with_probe(config, LIMIT);
    let text = world.fault("calls", "").to_string();
    // The constructor was its first call.
    assert!(text.contains("operation 1 was 'return 0x02' in one and 'return 0x01' in the other"), "{text}");
    assert_eq!(world.text("echo", "still here"), "still here");
}

/// A library that says that it keeps calls apart, and does not, remembers the same in both of its processes.
#[test]
fn no_word_of_a_library_hides_anything_from_the_check() {
    let Some(daemon) = Daemon::shared() else { return };
    let code = Code::new(RuntimeKind::Docker, archive(&probe(), &["/opt/program"], &["PROBE_FRESH=1".into()]));
    for isolation in [Isolation::Contract, Isolation::Call] {
        let config = DockerConfig { replay_check: true, isolation, ..config(daemon, "lying") };
        let world = World::start(config, LIMIT);
        world.deploy("probe", code.clone()).unwrap();
        let text = world.fault("calls", "").to_string();
        assert!(text.contains("operation 1 was 'return 0x02' in one and 'return 0x01' in the other"), "{text}");
        assert_eq!(world.text("echo", "still here"), "still here");
    }
}

/// What was drawn before the first call is the same in all processes that one has begun: the check has one of its own.
#[test]
fn what_a_process_drew_at_its_start_is_found_whatever_the_isolation() {
    let Some(daemon) = Daemon::shared() else { return };
    for (name, isolation, fresh) in [
        ("drawn", Isolation::Contract, false),
        ("drawn-call", Isolation::Call, true),
        ("drawn-container", Isolation::Container, false),
    ] {
        let env = if fresh { vec!["PROBE_FRESH=1".into()] } else { Vec::new() };
        let world = World::start(DockerConfig { replay_check: true, isolation, ..config(daemon, name) }, LIMIT);
        let code = archive(&probe(), &["/opt/program"], &env);
        world.deploy("probe", Code::new(RuntimeKind::Docker, code)).unwrap();
        let text = world.fault("drawn", "").to_string();
        assert!(text.contains("operation 1 was 'return 0x"), "{name}: {text}");
    }
}

#[test]
fn many_callers_are_checked_without_waiting_for_each_other_for_ever() {
    let Some(daemon) = Daemon::shared() else { return };
    let config = DockerConfig { replay_check: true, pool_max: 1, ..config(daemon, "crowd") };
    let world = World::with_probe(DockerConfig { pool_wait: LIMIT, ..config }, LIMIT);
    for receipt in world.burst(16, "echo", "hello") {
        assert_eq!(receipt.unwrap().output[..], *b"hello");
    }
}
