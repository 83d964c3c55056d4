//! A contract in Python. The conformance suite of vm-host shows that it does what the same contract in Rust does.

use std::{collections::BTreeMap, env, fs, io::Read, time::Duration};

use futures_executor::block_on;
use serde_json::Value;
use vm_core::{Code, ContractName, HostFault, InvokeRequest, Receipt, RuntimeKind, Status, Trap, VmProvider};
use vm_docker::{DockerConfig, Isolation};

use crate::{
    daemon::Daemon,
    images::layered,
    telling::{events, find, soon},
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
    // The calls have a process each in one container, and their repetitions a container each: five, and the constructor's.
    let started: u32 = world.detail("started").parse().unwrap();
    assert!(started >= 7, "{started}");
}

/// Another contract in the image, which is a program given to Python as an argument.
fn program(name: &str, text: &str, change: impl FnOnce(&mut DockerConfig)) -> Option<World> {
    let daemon = Daemon::shared()?;
    let Some(image) = env::var_os("VM_TEST_PYTHON_IMAGE") else {
        println!("skipped: VM_TEST_PYTHON_IMAGE names no image (`cargo xtask test` makes one)");
        return None;
    };
    let mut layout = BTreeMap::new();
    for entry in tar::Archive::new(&*fs::read(image).unwrap()).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_string_lossy().trim_start_matches("./").to_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        layout.insert(path, content);
    }
    let blob = |of: &Value| &layout[&of["digest"].as_str().unwrap().replace("sha256:", "blobs/sha256/")];
    let json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
    let manifest = json(blob(&json(&layout["index.json"])["manifests"][0]));
    let python = json(blob(&manifest["config"]))["config"]["Entrypoint"][0].as_str().unwrap().to_owned();
    let code = layered(
        &[blob(&manifest["layers"][0]).clone()],
        &[&python, "-c", text],
        &["PYTHONPATH=/app".into(), "PYTHONHASHSEED=0".into()],
    );
    let mut config = config(daemon, name);
    change(&mut config);
    let world = World::start(config, Duration::from_secs(10));
    world.deploy("probe", Code::new(RuntimeKind::Docker, code)).unwrap();
    Some(world)
}

fn fault(world: &World, method: &str) -> HostFault {
    let name: ContractName = "probe".parse().unwrap();
    let error = block_on(world.vm.invoke(InvokeRequest::new(name, method))).unwrap_err();
    error.fault().unwrap_or_else(|| panic!("{error}")).clone()
}

/// All calls of a container are children of one process: what that drew is the same in them, and no clock shows it.
#[test]
fn what_a_module_draws_when_it_is_loaded_is_found() {
    let text = "
import os
from vm_sdk import Contract, init, serve

SEED = os.urandom(8)

class Draws(Contract):
    @init
    def init(cx):
        pass

    def seed(cx) -> bytes:
        return SEED

serve(Draws)
";
    let Some(world) = program("python-drawn", text, |config| {
        config.isolation = Isolation::Call;
        config.replay_check = true;
    }) else {
        return;
    };
    let fault = fault(&world, "seed").to_string();
    assert!(fault.contains("it did not do the same in two processes: operation 1 was 'return 0x"), "{fault}");
}

/// As it is printed, and not when a buffer is full, which would be in another call, or never.
#[test]
fn what_a_contract_in_python_prints_is_told_with_contract_and_call() {
    let text = "
from vm_sdk import Contract, init, serve

class Prints(Contract):
    @init
    def init(cx):
        pass

    def say(cx, text: str):
        print(text)

serve(Prints)
";
    events();
    for (name, isolation) in [("python-prints", Isolation::Contract), ("python-prints-call", Isolation::Call)] {
        let Some(world) = program(name, text, |config| config.isolation = isolation) else { return };
        let lines = ["first", "second"].map(|line| format!("{line} of {name} {}", std::process::id()));
        let told = lines.map(|line| {
            assert_eq!(call(&world, "say", &[&line]).status, Status::Success);
            soon(|| find(&line))
        });
        assert!(told.iter().all(|event| event["contract"] == "probe" && event["stream"] == "stdout"), "{told:?}");
        assert_ne!(told[0]["transaction"], told[1]["transaction"]);
        assert!(told.iter().all(|event| event["transaction"] != "0"), "{told:?}");
    }
}

/// What depends on the neighbours in a process, or on the machine, has no receipt.
#[test]
fn what_the_machine_refuses_is_a_fault_and_no_receipt() {
    let text = "
import threading
from vm_sdk import Contract, init, serve

class Wants(Contract):
    @init
    def init(cx):
        pass

    def files(cx):
        return [open('/dev/null') for _ in range(1000)]

    def threads(cx):
        while True:
            threading.Thread(target=threading.Event().wait, daemon=True).start()

    def memory(cx):
        raise MemoryError('no more')

    def index(cx):
        return [][0]

serve(Wants)
";
    for (name, isolation) in [("python-wants", Isolation::Contract), ("python-wants-call", Isolation::Call)] {
        let Some(world) = program(name, text, |config| config.isolation = isolation) else { return };
        for method in ["files", "threads", "memory"] {
            let fault = fault(&world, method);
            assert!(matches!(fault, HostFault::Process { .. }), "{name}, {method}: {fault}");
        }
        assert_eq!(call(&world, "index", &[]).status, Status::Trap(Trap::Panic), "{name}");
    }
}
