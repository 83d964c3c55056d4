//! What would happen, and that nothing does.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_executor::block_on;
use vm_core::{
    AuditEvent, Change, ChangeRequest, DeployRequest, Difference, DryRunRequest, Entry, Gas, HostFault, InvokeRequest,
    Lifecycle, Limits, Observer, Phase, Receipt, RollbackRequest, Status, Trial, UpgradeRequest, Vm, VmProvider,
};

use crate::script::{REVERT, Scripts, name, ok, owner, request, script};

/// `c` counts by one, `c-v2` by two, says so, and has another method.
fn machine(observer: impl Observer + 'static) -> Vm {
    let add = |host: &mut dyn vm_core::Host, by: u8| {
        let sum = host.get(b"sum")?.and_then(|sum| sum.first().copied()).unwrap_or_default() + by;
        host.put(b"sum", &[sum])?;
        Ok(vec![sum].into())
    };
    let scripts = Scripts::default()
        .with("c", move |host, call| match &*call.method {
            "add" => add(host, 1),
            "refuse" => Err(REVERT),
            _ => ok(),
        })
        .with("c-v2", move |host, call| match (&call.entry, &*call.method) {
            (Entry::Upgrade { .. }, _) => host.put(b"form", b"2").map_err(Into::into).and_then(|()| ok()),
            (_, "add") => {
                host.emit(vec!["added".into()], "".into())?;
                add(host, 2)
            }
            _ => ok(),
        });
    scripts.start_with(Vm::builder().observer(observer))
}

#[derive(Clone, Default)]
struct Told(Arc<Mutex<u32>>);

impl Observer for Told {
    fn audit(&self, _: &AuditEvent<'_>) {
        *self.0.lock().unwrap() += 1;
    }
    fn called(&self, _: &InvokeRequest, _: &Receipt) {
        *self.0.lock().unwrap() += 1;
    }
}

fn upgrade() -> UpgradeRequest {
    UpgradeRequest::new(name("c"), "2".parse().unwrap(), script("c-v2")).from(owner())
}

#[test]
fn a_dry_run_shows_everything_and_changes_nothing() {
    let told = Told::default();
    let vm = machine(told.clone());
    block_on(vm.invoke(request("c", "add"))).unwrap();
    let before = (vm.view().unwrap().height(), vm.record(&name("c")).unwrap(), *told.0.lock().unwrap());

    let run = block_on(vm.dry_run(DryRunRequest::new(Trial::Invoke(request("c", "add"))))).unwrap();
    assert_eq!((run.receipt.status, &run.receipt.output[..], run.receipt.writes.len()), (Status::Success, &[2][..], 1));

    // Calls go on where the ones before them ended, on both sides.
    let calls = [request("c", "add"), request("c", "refuse"), request("c", "add"), request("c", "idle")];
    let run = block_on(vm.dry_run(DryRunRequest::new(Trial::Upgrade(upgrade())).replay(calls))).unwrap();
    assert!(run.receipt.status.is_success() && run.receipt.writes.len() > 3);
    let outputs = |n: usize| {
        let replayed = &run.replayed[n];
        (replayed.before.as_ref().unwrap().output.to_vec(), replayed.after.as_ref().unwrap().output.to_vec())
    };
    assert_eq!((outputs(0), outputs(2)), ((vec![2], vec![3]), (vec![3], vec![5])));
    let [first, second, _, last] = &run.replayed[..] else { panic!("four calls") };
    assert!(matches!(
        &first.differences[..],
        [Difference::Output(..), Difference::Events(none, one), Difference::Key(_, Some(Some(_)), Some(Some(_))), Difference::Gas(..)]
            if none.is_empty() && one.len() == 1
    ));
    assert!(matches!(
        &second.differences[..],
        [Difference::Status(Status::Revert, Status::Success), Difference::Output(..)]
    ));
    assert_eq!(last.differences, []);

    let after = (vm.view().unwrap().height(), vm.record(&name("c")).unwrap(), *told.0.lock().unwrap());
    assert_eq!(before, after);
    block_on(vm.upgrade(upgrade())).unwrap();
}

/// Neither what was prepared of code that was only tried, nor a count of its calls.
#[test]
fn nothing_of_a_dry_run_is_kept_or_counted() {
    let vm = machine(Told::default());
    block_on(vm.invoke(request("c", "add"))).unwrap();
    let kept = || {
        let metrics = vm.metrics();
        (metrics.cache_bytes, metrics.runtimes)
    };
    let before = kept();
    let deploy = DeployRequest::new(name("d"), "1".parse().unwrap(), script("c-v2")).from(owner());
    for trial in [Trial::Upgrade(upgrade()), Trial::Deploy(deploy), Trial::Invoke(request("c", "add"))] {
        let calls = [request("c", "add"), request("c", "add")];
        let run = block_on(vm.dry_run(DryRunRequest::new(trial).replay(calls))).unwrap();
        assert!(run.receipt.status.is_success());
        assert_eq!(kept(), before);
    }
    block_on(vm.upgrade(upgrade())).unwrap();
    assert!(kept().0 > before.0);
    // What is there already stays.
    let rollback = RollbackRequest::new(name("c"), "1".parse().unwrap()).from(owner());
    let before = kept();
    block_on(vm.dry_run(DryRunRequest::new(Trial::Rollback(rollback)).replay([request("c", "add")]))).unwrap();
    assert_eq!(kept(), before);
}

/// Code that somebody deploys while it is tried stays prepared when the trial is over.
#[test]
fn what_others_use_of_the_code_that_is_tried_stays() {
    let (entered, inside) = std::sync::mpsc::channel();
    let (leave, left) = std::sync::mpsc::channel();
    let doors = Mutex::new((entered, left));
    let scripts = Scripts::default().with("c", |_, _| ok()).with("c-v2", move |_, call| {
        if &*call.method == "wait" {
            let (entered, left) = &*doors.lock().unwrap();
            entered.send(()).unwrap();
            left.recv().unwrap();
        }
        ok()
    });
    let scripts = scripts.with("e-v2", |_, _| ok());
    let vm = scripts.start_with(Vm::builder().workers(2));
    let misses = || vm.metrics().cache_misses;
    std::thread::scope(|scope| {
        let trial = DryRunRequest::new(Trial::Upgrade(upgrade())).replay([request("c", "wait")]);
        let tried = scope.spawn(|| block_on(vm.dry_run(trial)));
        inside.recv().unwrap();
        let deploy = DeployRequest::new(name("d"), "1".parse().unwrap(), script("c-v2")).from(owner());
        block_on(vm.deploy(deploy)).unwrap();
        leave.send(()).unwrap();
        assert!(tried.join().unwrap().unwrap().receipt.status.is_success());
    });
    let before = misses();
    block_on(vm.invoke(request("d", "idle"))).unwrap();
    assert_eq!(misses(), before);
    // What calls make of a contract that is not deployed after all goes, too.
    let bytes = || vm.metrics().cache_bytes;
    let before = bytes();
    let deploy = DeployRequest::new(name("e"), "1".parse().unwrap(), script("e-v2")).from(owner());
    block_on(vm.dry_run(DryRunRequest::new(Trial::Deploy(deploy)).replay([request("e", "idle")]))).unwrap();
    assert_eq!(bytes(), before);
}

/// `c` does what takes 100 ms, or does not come back. A transaction has 400 ms.
fn slow() -> Vm {
    let limits = Limits {
        gas: Gas::MAX,
        execution_timeout: Duration::from_millis(400),
        grace: Duration::from_millis(100),
        ..Limits::default()
    };
    let body = |host: &mut dyn vm_core::Host, call: &vm_core::Call| match &*call.method {
        "work" => {
            let (_open, silent) = std::sync::mpsc::channel::<()>();
            silent.recv_timeout(Duration::from_millis(100)).unwrap_err();
            ok()
        }
        "loop" => loop {
            host.charge(Gas::new(1))?;
        },
        _ => ok(),
    };
    Scripts::default().with("c", body).with("c-v2", body).start_with(Vm::builder().limits(limits))
}

#[test]
fn every_call_of_a_dry_run_has_the_time_of_a_transaction() {
    let vm = slow();
    let calls = std::iter::repeat_n(request("c", "work"), 6);
    let run = block_on(vm.dry_run(DryRunRequest::new(Trial::Upgrade(upgrade())).replay(calls))).unwrap();
    assert_eq!(run.replayed.len(), 6);
    for call in &run.replayed {
        assert!(call.before.is_ok() && call.after.is_ok() && call.differences.is_empty(), "{call:?}");
        assert!(call.before.as_ref().unwrap().duration >= Duration::from_millis(100));
    }
}

#[test]
fn a_dry_run_in_which_the_host_fails_says_nothing() {
    let vm = slow();
    let calls = [request("c", "idle"), request("c", "loop"), request("c", "idle")];
    let error = block_on(vm.dry_run(DryRunRequest::new(Trial::Upgrade(upgrade())).replay(calls))).unwrap_err();
    let Some(HostFault::Replay { call: 2, of: 3, fault }) = error.fault() else { panic!("{error}") };
    assert!(matches!(**fault, HostFault::Deadline(_)), "{error}");
    assert_eq!((error.phase, vm.metrics().deadlines, vm.status().quarantined), (Phase::Execute, 1, 0));
    assert!(error.to_string().contains("call 2 of 3 could not be made, so the dry run says nothing"), "{error}");
}

#[test]
fn calls_of_a_frozen_contract_are_tried_as_if_it_were_not() {
    let vm = machine(Told::default());
    block_on(vm.change(ChangeRequest::new(name("c"), Change::Freeze).from(owner()))).unwrap();
    let calls = [request("c", "add"), request("nosuch", "add")];
    let run = block_on(vm.dry_run(DryRunRequest::new(Trial::Upgrade(upgrade())).replay(calls))).unwrap();
    assert!(run.thawed && !run.replayed[0].is_refused() && !run.replayed[0].differences.is_empty(), "{run:?}");
    assert!(run.replayed[1].is_refused() && run.replayed[1].differences.is_empty(), "{run:?}");
    assert_eq!(vm.record(&name("c")).unwrap().unwrap().lifecycle, Lifecycle::Frozen);
    let run = block_on(vm.dry_run(DryRunRequest::new(Trial::Invoke(request("c", "add")))));
    assert!(run.unwrap_err().to_string().contains("is frozen and cannot be called"));
}

#[test]
fn denied_dry_runs_are_told_as_such() {
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<String>>>);
    impl Observer for Lines {
        fn audit(&self, event: &AuditEvent<'_>) {
            let AuditEvent { tried, exists, reason, .. } = event;
            self.0.lock().unwrap().push(format!("{event} ({reason}, tried: {tried}, exists: {exists})"));
        }
    }
    let lines = Lines::default();
    let vm = machine(lines.clone());
    let stranger = vm_core::Address::from_name("stranger");
    lines.0.lock().unwrap().clear();
    let trial = Trial::Upgrade(upgrade().from(stranger).because("probe"));
    block_on(vm.dry_run(DryRunRequest::new(trial))).unwrap_err();
    // What it was to find out is told to nobody else.
    block_on(vm.dry_run(DryRunRequest::new(Trial::Invoke(request("nosuch", "add"))))).unwrap_err();
    block_on(vm.change(ChangeRequest::new(name("nosuch"), Change::Freeze).from(stranger))).unwrap_err();
    let long = ChangeRequest::new(name("c"), Change::Freeze).from(stranger).because("x".repeat(1_025));
    assert!(block_on(vm.change(long)).unwrap_err().to_string().starts_with("admit: the reason: 1025 bytes"));
    let told = lines.0.lock().unwrap().clone();
    assert_eq!(
        told[..2],
        [
            format!(
                "{stranger} could not try to upgrade contract 'c': permission: {stranger} may not upgrade contract 'c': only its \
                 owner may (probe, tried: true, exists: true)"
            ),
            format!(
                "{stranger} could not freeze contract 'nosuch': load: there is no contract 'nosuch' (, tried: false, exists: \
                 false)"
            ),
        ]
    );
    assert_eq!(told.len(), 3, "{told:?}");
}

#[test]
fn a_dry_run_is_refused_as_the_thing_itself() {
    let vm = machine(Told::default());
    let stranger = vm_core::Address::from_name("stranger");
    let refused = |trial| block_on(vm.dry_run(DryRunRequest::new(trial))).unwrap_err().to_string();
    assert!(refused(Trial::Upgrade(upgrade().from(stranger))).contains("only its owner may"));
    assert!(refused(Trial::Invoke(request("nobody", "add"))).contains("there is no contract"));
    let back = RollbackRequest::new(name("c"), "1".parse().unwrap()).from(owner());
    assert!(refused(Trial::Rollback(back)).contains("is at version '1' already"));
    // A call that is refused only afterwards is a difference.
    let missing = [request("d", "add")];
    let deploy = vm_core::DeployRequest::new(name("d"), "1".parse().unwrap(), script("c"));
    let run = block_on(vm.dry_run(DryRunRequest::new(Trial::Deploy(deploy)).replay(missing))).unwrap();
    assert!(matches!(&run.replayed[0].differences[..], [Difference::Refusal(Some(_), None)]));
}
