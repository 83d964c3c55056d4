//! Contracts that misbehave: a typed fault with its cause, nothing committed, and a new process for the next call.

use std::time::{Duration, Instant};

use vm_core::{Code, ContractName, Gas, HostFault, InvokeRequest, Limits, RuntimeKind, Status, Trap, VmProvider};

use crate::{
    daemon::Daemon,
    world::{World, config, probe},
};

const LIMIT: Duration = Duration::from_secs(30);

fn world(name: &str, limit: Duration) -> Option<World> {
    Daemon::shared().map(|daemon| World::with_probe(config(daemon, name), limit))
}

/// The method ends in a fault of the process that says `cause`, and the next call gets a new one.
fn assert_process_fault(namespace: &str, method: &str, cause: &str) {
    let Some(world) = world(namespace, LIMIT) else { return };
    world.call("count", "");
    let height = world.vm.status().height;
    let fault = world.fault(method, "");
    assert!(matches!(fault, HostFault::Process { .. }), "{fault}");
    assert!(fault.to_string().contains(cause), "{fault}");
    assert_eq!(world.vm.status().height, height, "nothing was committed");
    world.assert_next_call(true);
    assert_eq!(world.call("count", ""), [2]);
}

#[test]
fn an_endless_loop_ends_at_the_deadline() {
    let Some(world) = world("spin", Duration::from_secs(2)) else { return };
    let start = Instant::now();
    let fault = world.fault("spin", "");
    assert!(matches!(fault, HostFault::Deadline(_)), "{fault}");
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    world.assert_next_call(true);
}

/// With the time that hosts give a late call: why its connection broke is not waited for longer, or each call would cost a worker.
#[test]
fn who_hangs_up_at_the_deadline_and_runs_on_costs_no_worker() {
    let Some(daemon) = Daemon::shared() else { return };
    let limits = Limits { execution_timeout: Duration::from_secs(3), ..Limits::default() };
    assert_eq!(limits.grace, Duration::from_millis(500), "the default");
    let world = World::with_limits(config(daemon, "hangup-late"), limits);
    world.deploy("probe", Code::new(RuntimeKind::Docker, probe())).unwrap();
    for _ in 0..2 {
        // No time goes to a start.
        world.call("echo", "");
        let start = Instant::now();
        let fault = world.fault("hang_up", "2700");
        assert!(matches!(fault, HostFault::Process { .. }), "{fault}");
        assert!(start.elapsed() < Duration::from_millis(3_500), "{:?}", start.elapsed());
        assert_eq!(world.vm.status().quarantined, 0);
    }
}

#[test]
fn a_process_that_exits_in_a_call() {
    assert_process_fault("exit", "exit", "exited with code 7");
}

#[test]
fn a_process_that_hangs_up() {
    assert_process_fault("hangup", "hang_up", "closed its connection");
}

#[test]
fn garbage() {
    assert_process_fault("garbage", "garbage", "cannot be decoded");
}

#[test]
fn a_frame_without_a_message() {
    assert_process_fault("empty", "empty_frame", "without a known message");
}

#[test]
fn a_frame_over_the_limit() {
    assert_process_fault("oversized", "oversized", "the limit is 16777216");
}

#[test]
fn a_second_greeting() {
    assert_process_fault("greeting", "hello_again", "Hello inside a call");
}

#[test]
fn an_unknown_status() {
    assert_process_fault("status", "bad_status", "Return with status 9");
}

/// Whether its process is seen to be of no use before the next call is sent or after: another one takes the call.
#[test]
fn a_process_that_exits_between_two_calls_is_replaced_unnoticed() {
    let Some(world) = world("after", LIMIT) else { return };
    for _ in 0..5 {
        world.call("exit_after", "");
        world.assert_next_call(true);
    }
}

#[test]
fn a_process_that_speaks_without_being_asked_is_replaced_unnoticed() {
    let Some(world) = world("chatter", LIMIT) else { return };
    for _ in 0..5 {
        world.call("chatter", "");
        world.assert_next_call(true);
    }
}

/// It breaks the rules, and what it does counts for the call that it guessed.
#[test]
fn a_process_that_speaks_before_it_is_asked_commits_no_more_than_it_could_anyway() {
    let Some(world) = world("ahead", LIMIT) else { return };
    world.call("ahead", "");
    match world.try_call("probe", "calls", "") {
        Ok(receipt) => assert_eq!(&receipt.output[..], [1]),
        Err(error) => assert!(matches!(error.fault(), Some(HostFault::Process { .. })), "{error}"),
    }
}

#[test]
fn a_flood_ends_with_its_gas() {
    let Some(world) = world("flood", LIMIT) else { return };
    for method in ["flood", "spend_and_ignore"] {
        let target: ContractName = "probe".parse().unwrap();
        let request = InvokeRequest::new(target, method).input("").gas(Gas::new(20_000_000));
        let receipt = futures_executor::block_on(world.vm.invoke(request)).unwrap();
        assert_eq!(receipt.status, Status::Trap(Trap::OutOfGas), "{method}");
        world.assert_next_call(true);
    }
}

/// Nothing was sent, so nothing has happened to the container.
#[test]
fn an_input_that_no_frame_holds_costs_no_container() {
    let Some(daemon) = Daemon::shared() else { return };
    let limits =
        Limits { execution_timeout: LIMIT, input_size: 20 << 20, gas: Gas::new(u64::MAX >> 8), ..Limits::default() };
    let world = World::with_limits(config(daemon, "long-input"), limits);
    world.deploy("probe", Code::new(RuntimeKind::Docker, probe())).unwrap();
    let before = world.call("calls", "")[0];
    let receipt = world.try_call("probe", "echo", vec![0; 17 << 20]).unwrap();
    assert_eq!(receipt.status, Status::Trap(Trap::MemoryLimit));
    assert_eq!(world.call("calls", ""), [before + 1], "the same process, which has seen nothing of it");
}

#[test]
fn who_does_not_read_the_answers_ends_at_the_deadline() {
    let Some(world) = world("unread", Duration::from_secs(2)) else { return };
    let fault = world.fault("flood_unread", "");
    assert!(matches!(fault, HostFault::Deadline(_)), "{fault}");
    world.assert_next_call(true);
}
