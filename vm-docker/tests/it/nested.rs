//! Calls within calls that use containers of one image: who has one while it waits for another.

use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use vm_core::{Code, ContractName, HostFault, InvokeRequest, Receipt, RuntimeKind, Status, VmError, VmProvider};
use vm_docker::DockerConfig;

use crate::{
    daemon::Daemon,
    world::{World, config, probe},
};

const LIMIT: Duration = Duration::from_secs(60);

/// Long enough that who waits for it shows.
const PATIENCE: Duration = Duration::from_secs(30);

/// Contracts `p0`, `p1`, ... of one image, of which so many containers may run.
fn world(name: &str, pool_max: usize, contracts: usize) -> Option<World> {
    let config = DockerConfig { pool_max, pool_wait: PATIENCE, ..config(Daemon::shared()?, name) };
    let world = World::start(config, LIMIT);
    for number in 0..contracts {
        world.deploy(&format!("p{number}"), Code::new(RuntimeKind::Docker, probe())).unwrap();
    }
    Some(world)
}

fn query(world: &World, contract: &str, method: &str, input: &str) -> Result<Receipt, VmError> {
    let target: ContractName = contract.parse().unwrap();
    world.vm.query_sync(InvokeRequest::new(target, method).input(input.to_owned()))
}

fn fault(error: &VmError) -> String {
    match error.fault() {
        Some(fault @ HostFault::Unavailable { .. }) => fault.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_nests_deeper_than_there_may_be_containers_is_told_at_once() {
    let Some(world) = world("deep", 3, 4) else { return };
    assert_eq!(query(&world, "p0", "chain", "p1 p2").unwrap().output[..], *b"3");
    let start = Instant::now();
    let error = query(&world, "p0", "chain", "p1 p2 p3").unwrap_err();
    assert!(fault(&error).contains("the calls that this one is nested in have all containers"), "{error}");
    assert!(start.elapsed() < PATIENCE / 2, "{:?}", start.elapsed());
    assert_eq!(query(&world, "p0", "chain", "p1 p2").unwrap().output[..], *b"3", "nothing is left of it");
}

/// A process is killed while the contract that it called runs: the one at the top, and the one in the middle.
#[test]
fn a_process_that_dies_inside_a_call_tree_fails_all_of_it() {
    let Some(daemon) = Daemon::shared() else { return };
    let Some(world) = world("dies", 2, 2) else { return };
    let victim = Arc::new(AtomicUsize::new(0));
    let number = victim.clone();
    world.deploy_meeting("killer", move |_| {
        let tasks = daemon.list("dies", &["tasks", "list"]);
        let processes: Vec<&str> = tasks.iter().skip(1).filter_map(|task| task.split_whitespace().nth(1)).collect();
        assert_eq!(processes.len(), 2, "{tasks:?}");
        let process = processes[number.load(Ordering::SeqCst)].parse().unwrap();
        kill_process(Pid::from_raw(process).unwrap(), Signal::KILL).unwrap();
        b"0".to_vec()
    });
    for number in 0..2 {
        victim.store(number, Ordering::SeqCst);
        let height = world.vm.status().height;
        let error = world.try_call("p0", "put_and_chain", "p1").unwrap_err();
        assert!(matches!(error.fault(), Some(HostFault::Process { .. })), "{error}");
        assert_eq!(world.vm.status().height, height, "nothing was committed");
        let count = world.try_call("p0", "count", "").unwrap();
        assert_eq!(count.output[..], [number as u8 + 1], "and nothing was written");
    }
}

#[test]
fn transactions_that_wait_for_each_other_do_not_wait_for_ever() {
    let Some(world) = world("circle", 2, 2) else { return };
    // Both have a container when they ask for another one.
    let barrier = Barrier::new(2);
    world.deploy_meeting("meet", move |_| {
        barrier.wait();
        Vec::new()
    });
    let start = Instant::now();
    let call = || query(&world, "p0", "meet_and_chain", "p1");
    let outcomes = std::thread::scope(|scope| [(); 2].map(|()| scope.spawn(call)).map(|thread| thread.join().unwrap()));
    assert!(start.elapsed() < PATIENCE / 2, "{:?}", start.elapsed());
    let (done, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!((done.len(), refused.len()), (1, 1), "one gives way: {refused:?}");
    assert_eq!(done[0].as_ref().unwrap().output[..], *b"1");
    let error = refused[0].as_ref().unwrap_err();
    assert!(fault(error).contains("this one gives way; try again"), "{error}");
}

/// Four at a time, each five deep, of one image with eight containers: each that gives way gets through when it tries again.
#[test]
fn crowds_of_nested_calls_get_through() {
    let Some(world) = world("nested-crowd", 8, 5) else { return };
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    match query(&world, "p0", "chain", "p1 p2 p3 p4") {
                        Ok(receipt) => {
                            break assert_eq!((receipt.status, &receipt.output[..]), (Status::Success, &b"5"[..]));
                        }
                        Err(error) => assert!(fault(&error).contains("gives way"), "{error}"),
                    }
                    assert!(start.elapsed() < LIMIT, "no end");
                }
            });
        }
    });
}
