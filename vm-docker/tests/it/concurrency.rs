//! Several calls at a time in one process: who declares it, how many, and what one of them does to the others.

use std::{
    env, fs,
    path::Path,
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

use futures_executor::block_on;
use vm_core::{
    Code, ContractName, DeployRequest, HostFault, InvokeRequest, Receipt, RuntimeKind, Status, VmError, VmProvider,
};
use vm_docker::{DockerConfig, Isolation};

use crate::{
    daemon::Daemon,
    images::archive,
    world::{World, config, probe},
};

const LIMIT: Duration = Duration::from_secs(30);

/// The probe, which takes so many calls at a time.
fn concurrent(calls: u32) -> Code {
    Code::new(RuntimeKind::Docker, archive(&probe(), &["/opt/program"], &[format!("PROBE_CONCURRENCY={calls}")]))
}

fn world(name: &str, limit: Duration, change: impl FnOnce(&mut DockerConfig)) -> Option<World> {
    let mut config = DockerConfig { pool_max: 1, ..config(Daemon::shared()?, name) };
    change(&mut config);
    Some(World::start(config, limit))
}

/// A contract `meet` in which each call waits until as many are there as shall meet.
fn meeting(world: &World, callers: usize) {
    let barrier = Barrier::new(callers);
    world.deploy_meeting("meet", move |_| {
        barrier.wait();
        b"met".to_vec()
    });
}

/// A contract `gate` that tells when a call has come and lets it go when it is told to.
fn gate(world: &World) -> (Receiver<()>, Sender<()>) {
    let ((arrived, arrivals), (open, opened)) = (channel(), channel::<()>());
    let opened = Mutex::new(opened);
    world.deploy_meeting("gate", move |_| {
        arrived.send(()).unwrap();
        let _ = opened.lock().unwrap().recv();
        b"passed".to_vec()
    });
    (arrivals, open)
}

fn query(world: &World, method: &str, input: &str) -> Result<Receipt, VmError> {
    let target: ContractName = "probe".parse().unwrap();
    world.vm.query_sync(InvokeRequest::new(target, method).input(input.to_owned()))
}

fn assert_met(outcomes: Vec<Result<Receipt, VmError>>) {
    for receipt in outcomes {
        let receipt = receipt.unwrap();
        assert_eq!((receipt.status, &receipt.output[..]), (Status::Success, &b"met"[..]));
    }
}

#[test]
fn a_process_takes_as_many_calls_at_a_time_as_it_declares() {
    let Some(world) = world("many-calls", LIMIT, |_| {}) else { return };
    world.deploy("probe", concurrent(4)).unwrap();
    meeting(&world, 4);
    assert_met(world.burst(4, "forward", "meet"));
    // As many as there are, each connection with calls of its own numbers.
    assert_met(world.burst(16, "forward", "meet"));
    assert_eq!(world.detail("started"), "1");
}

#[test]
fn who_declares_nothing_and_who_has_a_process_for_each_call_takes_one() {
    let Some(daemon) = Daemon::shared() else { return };
    for isolation in [Isolation::Contract, Isolation::Call] {
        let name = format!("one-{}", isolation.as_str());
        let world = World::start(DockerConfig { pool_max: 1, isolation, ..config(daemon, &name) }, LIMIT);
        match isolation {
            Isolation::Contract => drop(world.deploy("probe", Code::new(RuntimeKind::Docker, probe())).unwrap()),
            _ => deploy(&world, sdk_probe()),
        }
        let (inside, most) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
        let seen = most.clone();
        world.deploy_meeting("meet", move |_| {
            seen.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            inside.fetch_sub(1, Ordering::SeqCst);
            b"met".to_vec()
        });
        let outcomes = match isolation {
            Isolation::Contract => world.burst(8, "forward", "meet"),
            _ => forward(&world, 8),
        };
        for receipt in outcomes {
            assert_eq!(receipt.unwrap().status, Status::Success);
        }
        assert_eq!(most.load(Ordering::SeqCst), 1, "{name}");
    }
}

/// The probe that is written with vm-sdk. It declares four calls.
fn sdk_probe() -> Code {
    let artefact = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contracts/artifacts/probe.elf");
    Code::new(RuntimeKind::Docker, fs::read(artefact).unwrap())
}

/// Deploys the probe of the SDKs, whose constructor takes a message.
fn deploy(world: &World, code: Code) {
    let request = DeployRequest::new("probe".parse().unwrap(), "1".parse().unwrap(), code);
    block_on(world.vm.deploy(request.args([""]))).unwrap();
}

/// Calls of `meet` through the probe of the SDKs at a time.
fn forward(world: &World, callers: usize) -> Vec<Result<Receipt, VmError>> {
    let target: ContractName = "probe".parse().unwrap();
    std::thread::scope(|scope| {
        let call = || world.vm.query_sync(InvokeRequest::new(target.clone(), "forward").args(["meet", "meet", "0x"]));
        let threads: Vec<_> = (0..callers).map(|_| scope.spawn(call)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// Both SDKs: as many as their contract declares, and no more than the host allows.
#[test]
fn the_sdks_take_what_is_declared_and_allowed() {
    let Some(daemon) = Daemon::shared() else { return };
    let mut forms = vec![("sdk-rust", sdk_probe())];
    match env::var_os("VM_TEST_PYTHON_IMAGE") {
        Some(image) => forms.push(("sdk-python", Code::new(RuntimeKind::Docker, fs::read(image).unwrap()))),
        None => println!("without Python: VM_TEST_PYTHON_IMAGE names no image (`cargo xtask test` makes one)"),
    }
    for (name, code) in forms {
        for allowed in [3, 8] {
            let config = DockerConfig { pool_max: 1, concurrency: allowed, ..config(daemon, name) };
            let world = World::start(config, LIMIT);
            deploy(&world, code.clone());
            // Four are declared.
            let expected = allowed.min(4) as usize;
            meeting(&world, expected);
            for receipt in forward(&world, expected) {
                assert_eq!(receipt.unwrap().status, Status::Success, "{name}");
            }
            assert_eq!((world.detail("started"), world.detail("broken")), ("1".into(), "0".into()), "{name}");
        }
    }
}

#[test]
fn more_than_is_allowed_and_greetings_that_differ_do_not_start() {
    let Some(world) = world("too-many-calls", LIMIT, |config| config.concurrency = 2) else { return };
    let error = world.deploy("probe", concurrent(3)).unwrap_err().to_string();
    assert!(error.contains("wants to take 3 calls at a time; VM_CONCURRENCY allows 2"), "{error}");
    let env = ["PROBE_CONCURRENCY=2".to_owned(), "PROBE_DIFFERS=1".to_owned()];
    let code = Code::new(RuntimeKind::Docker, archive(&probe(), &["/opt/program"], &env));
    let error = world.deploy("probe", code).unwrap_err().to_string();
    assert!(error.contains("the greeting of its connection 2 is another one"), "{error}");
}

/// A call that breaks the rules, or does not end, is no matter of the others: they end as if it had not been. Its process takes no
/// further call, and is gone after them.
#[test]
fn who_fails_alone_leaves_its_neighbours_their_process() {
    for (name, method) in [("alone-garbage", "garbage"), ("alone-hangup", "hang_up")] {
        let Some(world) = world(name, LIMIT, |config| config.pool_max = 2) else { return };
        world.deploy("probe", concurrent(3)).unwrap();
        let (arrivals, open) = gate(&world);
        std::thread::scope(|scope| {
            let neighbour = scope.spawn(|| query(&world, "forward", "gate"));
            arrivals.recv().unwrap();
            let fault = world.fault(method, "");
            assert!(matches!(fault, HostFault::Process { .. }), "{fault}");
            world.assert_next_call(true);
            assert_eq!(world.detail("containers"), "2", "the neighbour's process is there");
            open.send(()).unwrap();
            assert_eq!(&neighbour.join().unwrap().unwrap().output[..], b"passed");
        });
        world.wait_for("containers", "1");
        world.assert_next_call(false);
    }
}

#[test]
fn who_is_late_leaves_its_neighbours_their_process() {
    let limit = Duration::from_secs(2);
    let Some(world) = world("alone-late", limit, |config| config.pool_max = 2) else { return };
    world.deploy("probe", concurrent(3)).unwrap();
    let (arrivals, open) = gate(&world);
    std::thread::scope(|scope| {
        let late = scope.spawn(|| query(&world, "spin", ""));
        // The neighbour has as much time, and must have some left when the other has none.
        std::thread::park_timeout(limit / 2);
        let neighbour = scope.spawn(|| query(&world, "forward", "gate"));
        arrivals.recv().unwrap();
        let error = late.join().unwrap().unwrap_err();
        assert!(matches!(error.fault(), Some(HostFault::Deadline(_))), "{error}");
        open.send(()).unwrap();
        assert_eq!(&neighbour.join().unwrap().unwrap().output[..], b"passed");
    });
    world.wait_for("containers", "1");
    world.assert_next_call(true);
}

#[test]
fn a_process_that_exits_takes_its_calls_with_it_and_no_later_one() {
    let Some(world) = world("together", LIMIT, |_| {}) else { return };
    world.deploy("probe", concurrent(3)).unwrap();
    let (arrivals, open) = gate(&world);
    std::thread::scope(|scope| {
        let neighbour = scope.spawn(|| query(&world, "forward", "gate"));
        arrivals.recv().unwrap();
        assert!(world.fault("exit", "").to_string().contains("exited with code 7"));
        open.send(()).unwrap();
        let error = neighbour.join().unwrap().unwrap_err();
        let fault = error.fault().unwrap();
        assert!(matches!(fault, HostFault::Process { .. }), "{fault}");
        assert!(fault.to_string().contains("exited with code 7"), "{fault}");
    });
    world.assert_next_call(true);
    world.assert_next_call(false);
}

#[test]
fn calls_of_one_process_are_compared_with_those_of_another() {
    let Some(world) = world("compared", LIMIT, |config| config.replay_check = true) else { return };
    deploy(&world, sdk_probe());
    meeting(&world, 4);
    for receipt in forward(&world, 4) {
        assert_eq!(receipt.unwrap().status, Status::Success);
    }
    // One takes four calls at a time; each is repeated by a container of its own, as the constructor was.
    let started: u32 = world.detail("started").parse().unwrap();
    assert!(started >= 6, "{started}");
}
