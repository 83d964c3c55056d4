//! A contract in Python. The conformance suite of vm-host shows that it does what the same contract in Rust does.

use std::{env, fs, time::Duration};

use futures_executor::block_on;
use vm_core::{Code, ContractName, HostFault, InvokeRequest, Receipt, RuntimeKind, Status, Trap, VmProvider};
use vm_docker::{DockerConfig, Isolation};

use crate::{
    daemon::Daemon,
    world::{World, config},
};

/// The image's probe, deployed; `None`, with a printed reason, where there is none.
fn world(name: &str, change: impl FnOnce(&mut DockerConfig)) -> Option<World> {
    let daemon = Daemon::shared()?;
    let Some(image) = env::var_os("VM_TEST_PYTHON_IMAGE") else {
        println!("skipped: VM_TEST_PYTHON_IMAGE names no image (`cargo xtask test` makes one)");
        return None;
    };
    let mut config = config(daemon, name);
    change(&mut config);
    let world = World::start(config, Duration::from_secs(10));
    let code = Code::new(RuntimeKind::Docker, fs::read(image).unwrap());
    let name: ContractName = "probe".parse().unwrap();
    block_on(world.vm.deploy(vm_core::DeployRequest::new(name, "1".parse().unwrap(), code).args([""]))).unwrap();
    Some(world)
}

fn call(world: &World, method: &str, args: &[&str]) -> Receipt {
    let name: ContractName = "probe".parse().unwrap();
    block_on(world.vm.invoke(InvokeRequest::new(name, method).args(args.iter().copied()))).unwrap()
}

#[test]
fn a_contract_in_python_reads_writes_refuses_and_traps() {
    let Some(world) = world("python", |_| {}) else { return };
    assert_eq!(call(&world, "count", &["0x6b"]).text.as_deref(), Some("1"));
    assert_eq!(call(&world, "count", &["0x6b"]).text.as_deref(), Some("2"));
    let refused = call(&world, "fail", &["not today"]);
    assert_eq!((refused.status, refused.text.as_deref()), (Status::Revert, Some("not today")));
    assert_eq!(call(&world, "panic", &[]).status, Status::Trap(Trap::Panic));
    assert_eq!(call(&world, "recurse", &["100000"]).status, Status::Trap(Trap::Panic));
    assert_eq!(world.detail("started"), "1", "the process lives on");

    let name: ContractName = "probe".parse().unwrap();
    let error = block_on(world.vm.invoke(InvokeRequest::new(name, "spin"))).unwrap_err();
    assert!(matches!(error.fault(), Some(HostFault::Deadline(_))), "{error}");
    assert_eq!(call(&world, "count", &["0x6b"]).text.as_deref(), Some("3"));
}

#[test]
fn a_contract_in_python_has_a_process_for_each_call_and_does_the_same_in_two() {
    let Some(world) = world("pythons", |config| {
        config.isolation = Isolation::Call;
        config.replay_check = true;
    }) else {
        return;
    };
    for count in 1..=5 {
        assert_eq!(call(&world, "count", &["0x6b"]).text, Some(count.to_string()));
    }
    assert_eq!(
        world.detail("started"),
        "1",
        "each call, and its repetition, has a process of its own in one container"
    );
}
