//! Containers of all images together, and images whose containers break off.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc::channel,
    },
    time::{Duration, Instant},
};

use vm_core::{Code, ContractName, HostFault, InvokeRequest, Receipt, RuntimeKind, VmError};
use vm_docker::DockerConfig;

use crate::{
    daemon::Daemon,
    images::archive,
    world::{World, config, probe},
};

const LIMIT: Duration = Duration::from_secs(30);

/// Contracts `a`, `b`, ..., each of an image of its own.
fn world(name: &str, contracts: &[&str], change: impl FnOnce(&mut DockerConfig)) -> Option<World> {
    let mut config = config(Daemon::shared()?, name);
    change(&mut config);
    let world = World::start(config, LIMIT);
    for contract in contracts {
        let code = archive(&probe(), &["/opt/program"], &[format!("PROBE_IMAGE={contract}")]);
        world.deploy(contract, Code::new(RuntimeKind::Docker, code)).unwrap();
    }
    Some(world)
}

fn query(world: &World, contract: &str, method: &str, input: &str) -> Result<Receipt, VmError> {
    let target: ContractName = contract.parse().unwrap();
    world.vm.query_sync(InvokeRequest::new(target, method).input(input.to_owned()))
}

fn number(world: &World, detail: &str) -> usize {
    world.detail(detail).parse().unwrap()
}

#[test]
fn an_idle_container_of_another_image_makes_room() {
    let Some(world) = world("rooms", &["a", "b", "c"], |config| config.max_containers = 2) else { return };
    for _ in 0..3 {
        for contract in ["a", "b", "c"] {
            assert_eq!(query(&world, contract, "echo", contract).unwrap().output[..], *contract.as_bytes());
            assert!(number(&world, "containers") <= 2);
        }
    }
    assert!(number(&world, "evictions") >= 7, "{} evictions", number(&world, "evictions"));
    // Which were used last are there still.
    let started = number(&world, "started");
    query(&world, "c", "echo", "").unwrap();
    query(&world, "b", "echo", "").unwrap();
    assert_eq!(number(&world, "started"), started);
}

#[test]
fn where_all_have_calls_it_is_waited_for_room_and_that_has_an_end() {
    let Some(world) = world("no-room", &["a", "b"], |config| {
        config.max_containers = 1;
        config.pool_wait = Duration::from_millis(500);
    }) else {
        return;
    };
    query(&world, "a", "echo", "").unwrap();
    let ((arrived, arrivals), (open, opened)) = (channel(), channel::<()>());
    let opened = Mutex::new(opened);
    world.deploy_meeting("gate", move |_| {
        arrived.send(()).unwrap();
        let _ = opened.lock().unwrap().recv();
        Vec::new()
    });
    std::thread::scope(|scope| {
        let busy = scope.spawn(|| query(&world, "a", "forward", "gate"));
        arrivals.recv().unwrap();
        let start = Instant::now();
        let error = query(&world, "b", "echo", "").unwrap_err();
        assert!(matches!(error.fault(), Some(HostFault::Unavailable { .. })), "{error}");
        assert!(error.to_string().contains("all 1 containers of this host were busy"), "{error}");
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        open.send(()).unwrap();
        busy.join().unwrap().unwrap();
    });
    query(&world, "b", "echo", "").unwrap();
    assert_eq!(number(&world, "containers"), 1);
}

/// One image whose callers never cease does not keep another one from its first container.
#[test]
fn who_has_several_containers_gives_one_to_who_has_none() {
    let Some(world) = world("share", &["b", "a"], |config| config.max_containers = 2) else { return };
    let (start, done) = (Instant::now(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) && start.elapsed() < LIMIT {
                    query(&world, "a", "nap", "20").unwrap();
                }
            });
        }
        // Both places are taken by the one that has many callers.
        while number(&world, "evictions") == 0 && start.elapsed() < LIMIT {
            std::thread::park_timeout(Duration::from_millis(10));
        }
        let outcome = query(&world, "b", "echo", "here");
        done.store(true, Ordering::Relaxed);
        assert_eq!(outcome.unwrap().output[..], *b"here");
    });
    assert!(number(&world, "evictions") >= 2 && number(&world, "containers") <= 2);
}

#[test]
fn code_whose_processes_break_off_is_started_ever_more_rarely() {
    let Some(world) = world("paused", &["probe", "other"], |_| {}) else { return };
    let (mut failed, start) = (0, Instant::now());
    let after = loop {
        match world.fault("exit", "") {
            HostFault::Process { .. } => failed += 1,
            HostFault::Quota { who, limit, retry_after: Some(after) } => {
                assert!(who.starts_with("code "), "{who}");
                assert!(limit.contains("broke off") && limit.contains("exited with code 7"), "{limit}");
                break after;
            }
            other => panic!("{other}"),
        }
        assert!(start.elapsed() < LIMIT, "{failed} processes, and no pause");
    };
    assert!((9..=11).contains(&failed), "{failed} before the first pause that a call meets");
    assert!(after <= Duration::from_millis(400), "{after:?}");
    assert_eq!(query(&world, "other", "echo", "other").unwrap().output[..], *b"other", "another code is not paused");
    // When the pause is over, it is started again: with the next call at the latest.
    std::thread::park_timeout(after);
    assert_eq!(world.text("echo", "again"), "again");
    assert!(number(&world, "started") <= failed + 3);
}
