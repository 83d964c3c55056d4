//! What would happen, and that nothing does.

use std::sync::{Arc, Mutex};

use futures_executor::block_on;
use vm_core::{
    AuditEvent, Difference, DryRunRequest, Entry, InvokeRequest, Observer, Receipt, RollbackRequest, Status, Trial,
    UpgradeRequest, Vm, VmProvider,
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
