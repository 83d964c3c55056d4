//! How many containers there are, and who waits for them.

use std::{
    fs,
    time::{Duration, Instant},
};

use vm_core::{Code, HostFault, RuntimeKind};
use vm_docker::DockerConfig;

use crate::{
    daemon::Daemon,
    world::{World, config, probe},
};

const LIMIT: Duration = Duration::from_secs(30);

fn world(name: &str, change: impl FnOnce(&mut DockerConfig)) -> Option<World> {
    let mut config = config(Daemon::shared()?, name);
    change(&mut config);
    Some(World::with_probe(config, LIMIT))
}

fn started(world: &World) -> u32 {
    world.detail("started").parse().unwrap()
}

#[test]
fn the_least_number_is_there_from_the_deployment_on_and_replaced() {
    let Some(world) = world("minimum", |config| config.pool_min = 3) else { return };
    world.wait_for("containers", "3");
    world.fault("exit", "");
    // The dead one was replaced before anybody needed it.
    world.wait_for("started", "4");
    world.wait_for("containers", "3");
}

#[test]
fn what_ends_without_a_call_is_replaced_before_the_next_one() {
    let Some(world) = world("idle-death", |_| {}) else { return };
    world.call("exit_after", "");
    world.wait_for("started", "2");
    world.wait_for("containers", "1");
    world.assert_next_call(true);
}

#[test]
fn sixty_four_callers_at_once_are_served_by_no_more_containers_than_allowed() {
    let Some(world) = world("burst", |config| config.pool_max = 4) else { return };
    for receipt in world.burst(64, "nap", "20") {
        receipt.unwrap();
    }
    assert!(started(&world) <= 4, "{} containers were started", started(&world));
    assert!(world.detail("containers").parse::<u32>().unwrap() > 1, "a burst that lasts gets more than one");
}

#[test]
fn a_cold_start_is_one_start_for_all_who_wait() {
    let Some(world) = world("cold", |config| {
        config.pool_min = 0;
        config.pool_idle = Duration::from_millis(200);
    }) else {
        return;
    };
    world.wait_for("containers", "0");
    let before = started(&world);
    for receipt in world.burst(16, "echo", "") {
        receipt.unwrap();
    }
    // One for all; at most one more was begun while they were served.
    assert!(started(&world) - before <= 2, "{} starts", started(&world) - before);
}

#[test]
fn what_is_idle_for_too_long_is_removed_down_to_the_least_number() {
    let Some(world) = world("idle", |config| config.pool_idle = Duration::from_millis(300)) else { return };
    for receipt in world.burst(3, "nap", "400") {
        receipt.unwrap();
    }
    assert!(started(&world) > 1);
    world.wait_for("containers", "1");
    world.call("echo", "");
}

#[test]
fn a_full_queue_refuses_at_once_and_waiting_has_an_end() {
    let Some(world) = world("queue", |config| {
        config.pool_max = 1;
        config.pool_queue = 2;
        config.pool_wait = Duration::from_millis(300);
    }) else {
        return;
    };
    let start = Instant::now();
    let mut faults: Vec<_> =
        world.burst(6, "nap", "1000").into_iter().filter_map(Result::err).map(|error| error.to_string()).collect();
    faults.sort();
    assert!(start.elapsed() < Duration::from_secs(3));
    assert_eq!(faults.len(), 5, "{faults:?}");
    let full = |fault: &&String| fault.contains("2 calls wait for a container") && fault.contains("raise pool_queue");
    assert_eq!(faults.iter().filter(full).count(), 3, "{faults:?}");
    let late = |fault: &&String| fault.contains("busy until pool_wait, 0.3 s") && fault.contains("raise pool_max");
    assert_eq!(faults.iter().filter(late).count(), 2, "{faults:?}");
}

#[test]
fn contracts_with_one_image_share_their_containers() {
    let Some(world) = world("shared", |_| {}) else { return };
    // Other code for the core, since its interface differs.
    let code = Code::new(RuntimeKind::Docker, probe()).with_abi("view calls() -> u8");
    let other = "init()\nview calls() -> u8";
    world.deploy("twin", Code { abi: Some(other.into()), ..code }).unwrap();
    assert_eq!(world.detail("started"), "1");
}

#[test]
fn nobody_who_waits_is_left_when_containers_cannot_start() {
    let Some(mut daemon) = Daemon::start() else { return };
    let mut config = config(&daemon, "gone");
    config.pool_min = 0;
    config.pool_idle = Duration::from_millis(100);
    let world = World::with_probe(config.clone(), LIMIT);
    world.wait_for("containers", "0");
    daemon.kill();
    let start = Instant::now();
    for outcome in world.burst(16, "echo", "") {
        let error = outcome.unwrap_err();
        assert!(matches!(error.fault(), Some(HostFault::Unavailable { .. })), "{error}");
    }
    assert!(start.elapsed() < Duration::from_secs(15), "no hang: {:?}", start.elapsed());
    daemon.restart();
    world.call("echo", "");
    world.stop();
    assert_eq!(fs::read_dir(&config.socket_folder).unwrap().count(), 0);
}
