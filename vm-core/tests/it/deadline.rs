//! Calls that do not come back, panic, or outlive their machine.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use futures_executor::block_on;
use vm_core::{ErrorKind, Gas, HostFault, Limits, Phase, Refusal, Status, Vm, VmProvider};

use crate::script::{Scripts, deploy, invoke, ok, refusal, request};

fn hurried() -> Limits {
    Limits {
        gas: Gas::MAX,
        execution_timeout: Duration::from_millis(100),
        grace: Duration::from_millis(100),
        ..Limits::default()
    }
}

#[test]
fn a_loop_over_the_host_stops_at_the_deadline_and_leaves_nothing() {
    let vm = Scripts::default()
        .with("loop", |host, call| {
            if &*call.method != "run" {
                return ok();
            }
            loop {
                host.put(b"k", b"v")?;
                host.charge(Gas::new(1))?;
            }
        })
        .start_with(Vm::builder().limits(hurried()));
    let height = vm.view().unwrap().height();
    let error = block_on(vm.invoke(request("loop", "run"))).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Fault(HostFault::Deadline(_))), "{error}");
    assert_eq!(error.phase, Phase::Execute);
    assert!(error.to_string().contains("raise vm.limits.execution_timeout"));
    assert_eq!((vm.view().unwrap().height(), vm.metrics().deadlines, vm.status().quarantined), (height, 1, 0));
}

#[test]
fn a_call_that_never_asks_the_host_is_given_up_and_its_worker_replaced() {
    let (release, wait) = channel::<()>();
    let (done, returned) = channel::<()>();
    let (wait, done) = (Mutex::new(wait), Mutex::new(Some(done)));
    let vm = Scripts::default()
        .with("stuck", move |host, call| {
            if &*call.method == "run" {
                host.put(b"k", b"v")?;
                let _ = wait.lock().unwrap().recv();
                drop::<Option<Sender<()>>>(done.lock().unwrap().take());
            }
            ok()
        })
        .with("fine", |_, _| ok())
        .start_with(Vm::builder().limits(hurried()).workers(1));
    let height = vm.view().unwrap().height();
    let error = block_on(vm.invoke(request("stuck", "run"))).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Fault(HostFault::Deadline(_))), "{error}");
    assert_eq!(vm.status().quarantined, 1);
    assert_eq!(invoke(&vm, "fine", "run").status, Status::Success, "another worker took its place");
    release.send(()).unwrap();
    assert!(returned.recv().is_err(), "the contract has come back");
    block_on(vm.stop()).unwrap();
    assert_eq!(vm.view().unwrap().height(), height, "a result that comes after the answer does not count");
}

#[test]
fn a_panic_in_a_runtime_is_a_fault_and_the_machine_goes_on() {
    let vm = Scripts::default()
        .with("panics", |_, call| if &*call.method == "run" { panic!("on purpose") } else { ok() })
        .start_with(Vm::builder().workers(1));
    for _ in 0..3 {
        let error = block_on(vm.invoke(request("panics", "run"))).unwrap_err();
        assert!(error.to_string().contains("internal error: panic: on purpose"), "{error}");
    }
    assert_eq!(invoke(&vm, "panics", "else").status, Status::Success);
}

#[test]
fn requests_before_start_and_after_stop_are_refused() {
    let vm = Arc::new(Vm::builder().runtime(Scripts::default().with("c", |_, _| ok())).build().unwrap());
    assert!(matches!(refusal(&deploy(&vm, "c").unwrap_err()), Refusal::NotRunning("created")));
    block_on(vm.start()).unwrap();
    deploy(&vm, "c").unwrap();
    block_on(vm.stop()).unwrap();
    assert!(matches!(refusal(&block_on(vm.invoke(request("c", "m"))).unwrap_err()), Refusal::NotRunning("stopped")));
    assert_eq!(vm.status().state, "stopped");
}

#[test]
fn a_stop_during_the_start_wins() {
    struct Slow(Mutex<std::sync::mpsc::Receiver<()>>, Mutex<Sender<&'static str>>);
    #[async_trait::async_trait]
    impl vm_core::RuntimeProvider for Slow {
        fn kind(&self) -> vm_core::RuntimeKind {
            vm_core::RuntimeKind::Native
        }
        async fn start(&self) -> Result<(), HostFault> {
            self.1.lock().unwrap().send("starting").unwrap();
            let _ = self.0.lock().unwrap().recv();
            Ok(())
        }
        async fn stop(&self) -> Result<(), HostFault> {
            self.1.lock().unwrap().send("stopped").unwrap();
            Ok(())
        }
        fn verify(&self, _: &vm_core::Code) -> Result<(), vm_core::CodeError> {
            Ok(())
        }
        async fn prepare(&self, _: &vm_core::Code) -> Result<Arc<dyn vm_core::Contract>, vm_core::PrepareError> {
            Err(HostFault::Stopping.into())
        }
        fn status(&self) -> vm_core::ProviderStatus {
            vm_core::ProviderStatus::healthy("slow", "1")
        }
    }
    let ((release, wait), (told, events)) = (channel(), channel());
    let vm = Vm::builder().runtime(Slow(Mutex::new(wait), Mutex::new(told))).build().unwrap();
    std::thread::scope(|scope| {
        let starting = scope.spawn(|| block_on(vm.start()));
        assert_eq!(events.recv(), Ok("starting"));
        block_on(vm.stop()).unwrap();
        release.send(()).unwrap();
        let error = starting.join().unwrap().unwrap_err();
        assert!(matches!(refusal(&error), Refusal::NotRunning("stopped")), "{error}");
    });
    assert_eq!((events.recv(), vm.status().state), (Ok("stopped"), "stopped"));
}

#[test]
fn a_limit_of_time_without_end_is_no_limit() {
    let limits = Limits { execution_timeout: Duration::MAX, grace: Duration::MAX, ..Limits::default() };
    let vm = Scripts::default().with("c", |_, _| ok()).start_with(Vm::builder().limits(limits));
    assert_eq!(invoke(&vm, "c", "run").status, Status::Success);
}

#[test]
fn a_full_queue_is_a_fault_that_says_so() {
    let (release, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let (entered, running) = channel::<()>();
    let entered = Mutex::new(entered);
    let vm = Scripts::default()
        .with("slow", move |_, call| {
            if &*call.method == "run" {
                entered.lock().unwrap().send(()).unwrap();
                let _ = wait.lock().unwrap().recv();
            }
            ok()
        })
        .start_with(Vm::builder().limits(Limits { queue: 1, ..Limits::default() }).workers(1));
    std::thread::scope(|scope| {
        let first = scope.spawn(|| block_on(vm.invoke(request("slow", "run"))));
        running.recv().unwrap();
        let second = scope.spawn(|| block_on(vm.invoke(request("slow", "else"))));
        while vm.status().queued == 0 {
            std::thread::yield_now();
        }
        let error = block_on(vm.invoke(request("slow", "else"))).unwrap_err();
        assert!(matches!(error.fault(), Some(HostFault::Busy { queue: 1 })), "{error}");
        release.send(()).unwrap();
        first.join().unwrap().unwrap();
        second.join().unwrap().unwrap();
    });
}
