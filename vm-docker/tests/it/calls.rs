//! What a contract and the host say to each other.

use std::{sync::mpsc, time::Duration};

use vm_container_protocol::{Entries, Environment, Gas as GasFrame, Values};
use vm_core::{Address, Code, ContractName, Gas, InvokeRequest, RuntimeKind, Status, Trap, UpgradeRequest, VmProvider};

use crate::{
    daemon::Daemon,
    world::{World, config, probe},
};

const LIMIT: Duration = Duration::from_secs(30);

fn world(name: &str) -> Option<World> {
    Daemon::shared().map(|daemon| World::with_probe(config(daemon, name), LIMIT))
}

fn decode<M: prost::Message + Default>(bytes: &[u8]) -> M {
    M::decode(bytes).unwrap()
}

#[test]
fn a_call_returns_its_output_and_the_process_takes_the_next_one() {
    let Some(world) = world("output") else { return };
    assert_eq!(world.text("echo", "hello"), "hello");
    assert_eq!(world.text("echo", ""), "");
    // The constructor was the first.
    assert_eq!(world.call("calls", ""), [4]);
}

#[test]
fn state_and_events_are_kept_on_success_only() {
    let Some(world) = world("state") else { return };
    assert_eq!(world.call("count", ""), [1]);
    let receipt = world.receipt("count", "");
    assert_eq!(&receipt.output[..], [2]);
    assert_eq!(receipt.events.len(), 1);
    assert_eq!(receipt.events[0].topics, ["Counted"]);
    assert_eq!(&receipt.events[0].data[..], [2]);

    let receipt = world.receipt("put_then_revert", "\u{7f}");
    assert_eq!(receipt.status, Status::Revert);
    assert_eq!(&receipt.output[..], b"changed my mind");
    assert_eq!(world.call("count", ""), [3]);
}

#[test]
fn a_revert_and_a_trap_have_receipts_and_keep_the_process() {
    let Some(world) = world("revert") else { return };
    let receipt = world.receipt("revert", "not today");
    assert_eq!((receipt.status, &receipt.output[..]), (Status::Revert, &b"not today"[..]));
    assert_eq!(world.receipt("trap", "").status, Status::Trap(Trap::Panic));
    world.assert_next_call(false);
}

#[test]
fn state_is_read_before_and_after_a_call_to_another_runtime() {
    let Some(world) = world("around") else { return };
    world.call("count", "");
    world.deploy_native("other", |call| [call.method.as_bytes(), &call.input].concat());
    assert_eq!(world.call("around", "other"), b"\x01poke\x01\x01");
}

#[test]
fn a_refused_call_is_an_answer() {
    let Some(world) = world("refused") else { return };
    let answer = world.text("forward", "nobody");
    assert!(answer.starts_with("<2"), "{answer}");
    assert!(answer.contains("nobody"), "{answer}");
}

#[test]
fn two_contracts_of_one_code_may_call_each_other() {
    let Some(world) = world("twins") else { return };
    world.deploy("twin", Code::new(RuntimeKind::Docker, probe())).unwrap();
    assert_eq!(world.text("forward", "twin"), "hello");
    assert_eq!(world.call("again", "twin"), [1]);
    assert_eq!(world.call("again", "twin"), [2]);
    assert_eq!(world.call("count", ""), [1], "each has its own state");
}

#[test]
fn when_all_containers_are_busy_the_fault_says_so() {
    let Some(daemon) = Daemon::shared() else { return };
    let config = vm_docker::DockerConfig { pool_max: 1, ..config(daemon, "busy") };
    let world = World::with_probe(config, Duration::from_secs(3));
    // What holds the container is at work in the host, which nobody kills, beyond the deadline of who waits.
    let (entered, inside) = mpsc::channel();
    let (release, released) = mpsc::channel();
    world.deploy_native("holder", move |_| {
        entered.send(()).unwrap();
        let _ = released.recv_timeout(LIMIT);
        Vec::new()
    });
    let target: ContractName = "probe".parse().unwrap();
    let query = |method, input| world.vm.query_sync(InvokeRequest::new(target.clone(), method).input(input));
    let fault = std::thread::scope(|scope| {
        let holder = scope.spawn(|| query("forward", "holder").map(drop));
        inside.recv_timeout(LIMIT).unwrap();
        let fault = query("echo", "").unwrap_err().to_string();
        release.send(()).unwrap();
        let _late = holder.join().unwrap();
        fault
    });
    assert!(fault.contains("busy until the call's deadline") && fault.contains("raise pool_max"), "{fault}");
}

#[test]
fn the_environment_is_told() {
    let Some(world) = world("environment") else { return };
    let alice: Address = "alice".parse().unwrap();
    let target: ContractName = "probe".parse().unwrap();
    let request = InvokeRequest::new(target.clone(), "environment").from(alice).input("");
    let receipt = futures_executor::block_on(world.vm.invoke(request)).unwrap();
    let told: Environment = decode(&receipt.output);
    assert_eq!(told.this, target.address().as_bytes());
    assert_eq!((&told.caller[..], &told.origin[..]), (&alice.as_bytes()[..], &alice.as_bytes()[..]));
    assert_eq!((told.chain_id, told.depth, told.is_static), (1, 0, false));
    assert!(told.value.is_empty());

    let query = InvokeRequest::new(target, "environment").input("");
    let receipt = futures_executor::block_on(world.vm.query(query)).unwrap();
    assert!(decode::<Environment>(&receipt.output).is_static);
}

#[test]
fn a_query_cannot_change_state() {
    let Some(world) = world("query") else { return };
    let target: ContractName = "probe".parse().unwrap();
    let query = InvokeRequest::new(target, "count").input("");
    let receipt = futures_executor::block_on(world.vm.query(query)).unwrap();
    assert_eq!(receipt.status, Status::Trap(Trap::StaticViolation));
    world.assert_next_call(false);
}

#[test]
fn a_scan_is_ordered_and_ends_before_its_end() {
    let Some(world) = world("scan") else { return };
    let found: Entries = decode(&world.call("scan", ""));
    let keys: Vec<_> = found.entries.into_iter().map(|entry| entry.key).collect();
    assert_eq!(keys, [b"a", b"b"]);
}

#[test]
fn several_keys_are_read_at_once() {
    let Some(world) = world("many") else { return };
    let one = world.receipt("count", "").gas_used;
    let receipt = world.receipt("get_many", "");
    let found: Values = decode(&receipt.output);
    let values: Vec<_> = found.values.into_iter().map(|found| found.value).collect();
    assert_eq!(values, [Some(b"1".to_vec()), None, Some(Vec::new())]);
    // One round trip of 10,000 units, two changes and two further keys of 2,000: less than two round trips.
    assert!(receipt.gas_used < one.saturating_add(Gas::new(10_000)), "{} {one}", receipt.gas_used);
}

#[test]
fn no_more_keys_are_read_at_once_than_may_be() {
    let Some(world) = world("toomany") else { return };
    assert_eq!(world.receipt("get_too_many", "").status, Status::Trap(Trap::BadHostCall));
    world.assert_next_call(false);
    let fault = world.fault("get_cut", "").to_string();
    assert!(fault.contains("GetMany whose last 4 bytes are no length and key"), "{fault}");
    world.assert_next_call(true);
}

/// Where no frame could hold the answer, the host does not gather it: what it has not read is not paid for.
#[test]
fn no_more_bytes_are_read_at_once_than_a_frame_holds() {
    let Some(world) = world("toolong") else { return };
    let target: ContractName = "probe".parse().unwrap();
    let request = InvokeRequest::new(target, "get_much").input("").gas(Gas::new(5_000_000));
    let receipt = futures_executor::block_on(world.vm.invoke(request)).unwrap();
    assert_eq!(receipt.status, Status::Trap(Trap::MemoryLimit), "{}", receipt.gas_used);
    world.assert_next_call(false);
}

#[test]
fn a_range_is_read_page_by_page() {
    let Some(world) = world("pages") else { return };
    assert_eq!(world.text("pages", ""), "1000 1000 500");
}

#[test]
fn names_have_their_addresses() {
    let Some(world) = world("address") else { return };
    let told: vm_container_protocol::Address = decode(&world.call("address", "alice"));
    assert_eq!(told.address, Address::from_name("alice").as_bytes());
}

#[test]
fn every_request_costs_gas_and_what_is_left_is_told() {
    let Some(world) = world("gas") else { return };
    let idle = world.receipt("echo", "").gas_used;
    let counting = world.receipt("count", "").gas_used;
    assert!(counting > idle.saturating_add(Gas::new(3)), "{counting} {idle}");

    let receipt = world.receipt("gas", "");
    let left: GasFrame = decode(&receipt.output);
    assert!(left.left > 0 && left.left < receipt.gas_limit.get());
}

#[test]
fn the_same_call_on_the_same_state_has_the_same_receipt() {
    let Some(world) = world("digest") else { return };
    let twice = [(); 2].map(|()| {
        let target: ContractName = "probe".parse().unwrap();
        let query = InvokeRequest::new(target, "gas").input("");
        futures_executor::block_on(world.vm.query(query)).unwrap().digest()
    });
    assert_eq!(twice[0], twice[1]);
}

#[test]
fn who_has_no_gas_left_is_stopped_and_keeps_the_process() {
    let Some(world) = world("spend") else { return };
    for method in ["spend", "charge"] {
        let target: ContractName = "probe".parse().unwrap();
        let request = InvokeRequest::new(target, method).input("").gas(Gas::new(1_000_000));
        let receipt = futures_executor::block_on(world.vm.invoke(request)).unwrap();
        assert_eq!(receipt.status, Status::Trap(Trap::OutOfGas), "{method}");
        assert_eq!(receipt.gas_used, Gas::new(1_000_000));
        world.assert_next_call(false);
    }
}

#[test]
fn bad_arguments_of_host_functions_are_traps() {
    let Some(world) = world("arguments") else { return };
    assert_eq!(world.receipt("long_topic", "").status, Status::Trap(Trap::BadHostCall));
    assert_eq!(world.receipt("forward", "Not A Name").status, Status::Trap(Trap::BadHostCall));
    assert_eq!(world.receipt("address", &"n".repeat(256)).status, Status::Trap(Trap::BadHostCall));
    world.assert_next_call(false);
}

#[test]
fn an_upgrade_is_told_both_versions() {
    let Some(world) = world("upgrade") else { return };
    // A trailing byte is no part of the program, but makes it other code.
    let code = Code::new(RuntimeKind::Docker, [probe(), vec![0]].concat());
    let request = UpgradeRequest::new("probe".parse().unwrap(), "2".parse().unwrap(), code);
    let receipt = futures_executor::block_on(world.vm.upgrade(request)).unwrap();
    assert_eq!(&receipt.output[..], b"1>2");
}
