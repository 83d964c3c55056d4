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
pub(crate) fn world(name: &str, contracts: &[&str], change: impl FnOnce(&mut DockerConfig)) -> Option<World> {
    let mut config = config(Daemon::shared()?, name);
    change(&mut config);
    let world = World::start(config, LIMIT);
    for contract in contracts {
        let code = archive(&probe(), &["/opt/program"], &[format!("PROBE_IMAGE={contract}")]);
        world.deploy(contract, Code::new(RuntimeKind::Docker, code)).unwrap();
    }
    Some(world)
}

pub(crate) fn query(world: &World, contract: &str, method: &str, input: &str) -> Result<Receipt, VmError> {
    let target: ContractName = contract.parse().unwrap();
    world.vm.query_sync(InvokeRequest::new(target, method).input(input.to_owned()))
}

pub(crate) fn number(world: &World, detail: &str) -> usize {
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
        config.pool_wait = Duration::from_secs(2);
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

/// One start costs a busy image one container, also while that one has calls and so is there still.
#[test]
fn who_gives_a_container_up_gives_one() {
    let Some(world) = world("drain", &["b"], |config| {
        config.max_containers = 3;
        config.pool_min = 0;
    }) else {
        return;
    };
    let env = ["PROBE_IMAGE=a".to_owned(), "PROBE_CONCURRENCY=2".to_owned()];
    world.deploy("a", Code::new(RuntimeKind::Docker, archive(&probe(), &["/opt/program"], &env))).unwrap();
    let ((arrived, arrivals), (open, opened)) = (channel(), channel::<()>());
    let opened = Mutex::new(opened);
    world.deploy_meeting("gate", move |_| {
        arrived.send(()).unwrap();
        let _ = opened.lock().unwrap().recv();
        Vec::new()
    });
    let (start, done) = (Instant::now(), AtomicBool::new(false));
    let counts = std::thread::scope(|scope| {
        // What is given up when a short call ends has a long one mostly.
        for nap in ["50", "2000"].repeat(3) {
            let (world, done) = (&world, &done);
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) && start.elapsed() < LIMIT {
                    query(world, "a", "nap", nap).unwrap();
                }
            });
        }
        // All places are taken by the one that has many callers.
        while number(&world, "started") < 4 && start.elapsed() < LIMIT {
            std::thread::park_timeout(Duration::from_millis(10));
        }
        let before = number(&world, "evictions");
        let held = scope.spawn(|| query(&world, "b", "forward", "gate"));
        let came = arrivals.recv_timeout(LIMIT);
        let after = number(&world, "evictions");
        done.store(true, Ordering::Relaxed);
        let _ = open.send(());
        held.join().unwrap().unwrap();
        came.map(|()| (before, after))
    });
    let (before, after) = counts.unwrap();
    assert_eq!(after - before, 1);
}

/// Its one container is never idle, and it has no other: it is given up all the same, when another image has waited for long.
#[test]
fn no_image_keeps_its_only_container_from_another_for_ever() {
    let Some(world) = world("starved", &["b", "a"], |config| {
        config.max_containers = 1;
        config.pool_min = 0;
        config.pool_wait = Duration::from_secs(8);
    }) else {
        return;
    };
    let (start, done) = (Instant::now(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) && start.elapsed() < LIMIT {
                    query(&world, "a", "nap", "20").unwrap();
                }
            });
        }
        std::thread::park_timeout(Duration::from_millis(200));
        let outcome = query(&world, "b", "echo", "here");
        done.store(true, Ordering::Relaxed);
        assert_eq!(outcome.unwrap().output[..], *b"here");
    });
}

/// Who has found what ends a process makes the others wait for a second at most, and fails none of them.
#[test]
fn who_ends_processes_again_and_again_fails_nobody_else() {
    let Some(world) = world("crashing", &["probe"], |_| {}) else { return };
    let (start, done) = (Instant::now(), AtomicBool::new(false));
    let crashes = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) && start.elapsed() < LIMIT {
                let outcome = query(&world, "probe", "exit", "");
                assert!(matches!(outcome.unwrap_err().fault(), Some(HostFault::Process { .. })));
                crashes.lock().unwrap().push(start.elapsed());
            }
        });
        let mut outcomes = Vec::new();
        while crashes.lock().unwrap().len() < 17 && start.elapsed() < LIMIT {
            let begun = Instant::now();
            let outcome = query(&world, "probe", "echo", "x").map(|receipt| receipt.output);
            outcomes.push((outcome, begun.elapsed()));
            std::thread::park_timeout(Duration::from_millis(20));
        }
        done.store(true, Ordering::Relaxed);
        for (outcome, took) in outcomes {
            assert_eq!(outcome.unwrap()[..], *b"x");
            assert!(took < Duration::from_secs(5), "{took:?}");
        }
    });
    let crashes = crashes.into_inner().unwrap();
    assert!(crashes.len() >= 17, "{crashes:?}");
    // From the thirteenth on a start is put off by a second, or half of one where both wait.
    assert!(crashes[16] - crashes[13] > Duration::from_millis(1_500), "{crashes:?}");
    assert!(world.detail("started").parse::<usize>().unwrap() <= crashes.len() + 3);
}

/// Also where there is no container that anybody remembers: each call, or deployment, would cost an import and a start.
#[test]
fn code_that_does_not_start_is_started_ever_more_rarely() {
    let Some(world) = world("paused", &["other"], |_| {}) else { return };
    let code = || Code::new(RuntimeKind::Docker, archive(&probe(), &["/opt/program", "exit"], &[]));
    let fault = || world.deploy("broken", code()).unwrap_err().fault().unwrap().clone();
    let (mut failed, start) = (0, Instant::now());
    let after = loop {
        match fault() {
            HostFault::Process { .. } => failed += 1,
            HostFault::Quota { who, limit, retry_after: Some(after) } => {
                assert!(who.starts_with("code "), "{who}");
                assert!(limit.contains("break off") && limit.contains("exited with code 5"), "{limit}");
                break after;
            }
            other => panic!("{other}"),
        }
        assert!(start.elapsed() < LIMIT, "{failed} starts, and no pause");
    };
    assert!((9..=11).contains(&failed), "{failed} before the first pause that a call meets");
    assert!(after <= Duration::from_millis(400), "{after:?}");
    assert_eq!(query(&world, "other", "echo", "other").unwrap().output[..], *b"other", "another code is not paused");
    // When the pause is over, it is started again.
    std::thread::park_timeout(after);
    assert!(matches!(fault(), HostFault::Process { .. }));
    assert_eq!(number(&world, "failed_starts"), failed + 1);
}

#[test]
fn what_the_machine_lacks_is_not_counted_against_code() {
    let Some(daemon) = Daemon::shared() else { return };
    let config = DockerConfig { runtime: "io.containerd.absent.v2".into(), ..config(daemon, "no-runtime") };
    let world = World::start(config, LIMIT);
    for _ in 0..12 {
        let error = world.deploy("probe", Code::new(RuntimeKind::Docker, probe())).unwrap_err();
        assert!(matches!(error.fault(), Some(HostFault::Unavailable { .. })), "{error}");
    }
}
