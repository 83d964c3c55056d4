//! Operations at the same time: one happens before the other, whichever it is, and nothing of both is mixed.

use std::sync::{Arc, Condvar, Mutex};

use futures_executor::block_on;
use vm_core::{
    Change, ChangeRequest, Entry, Lifecycle, Operation, Receipt, Refusal, Status, UpgradeRequest, Vm, VmError,
    VmProvider,
};

use crate::script::{Scripts, invoke, name, ok, owner, refusal, request, script};

/// Where executions meet.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<(usize, bool)>, Condvar)>);

impl Gate {
    /// Comes in, and waits until so many have, or it is open.
    fn pass(&self, until: usize) {
        let (state, changed) = &*self.0;
        let mut state = state.lock().unwrap();
        state.0 += 1;
        changed.notify_all();
        while state.0 < until && !state.1 {
            state = changed.wait(state).unwrap();
        }
    }

    /// Waits until somebody has come in.
    fn await_one(&self) {
        let (state, changed) = &*self.0;
        let mut state = state.lock().unwrap();
        while state.0 == 0 {
            state = changed.wait(state).unwrap();
        }
    }

    fn open(&self) {
        let (state, changed) = &*self.0;
        state.lock().unwrap().1 = true;
        changed.notify_all();
    }

    fn count(&self) -> usize {
        self.0.0.lock().unwrap().0
    }
}

/// A contract `c` with two codes to upgrade to, whose migrations meet before either is committed.
fn two_upgrades(versions: [&str; 2]) -> (Vm, Gate, [Result<Receipt, VmError>; 2]) {
    let gate = Gate::default();
    let mut scripts = Scripts::default().with("c", |_, _| ok());
    for code in ["left-v2", "right-v2"] {
        let gate = gate.clone();
        scripts = scripts.with(code, move |host, call| {
            if let Entry::Upgrade { from, to } = &call.entry {
                gate.pass(2);
                host.put(b"migrated", format!("{from} -> {to} by {code}").as_bytes())?;
            }
            Ok(host.get(b"migrated")?.unwrap_or_default())
        });
    }
    let vm = scripts.start_with(Vm::builder().workers(2));
    let upgrade = |version: &str, code: &str| {
        let (vm, version, code) = (vm.clone(), version.parse().unwrap(), script(code));
        std::thread::spawn(move || block_on(vm.upgrade(UpgradeRequest::new(name("c"), version, code).from(owner()))))
    };
    let [left, right] = [upgrade(versions[0], "left-v2"), upgrade(versions[1], "right-v2")];
    let results = [left.join().unwrap(), right.join().unwrap()];
    (vm, gate, results)
}

#[test]
fn of_two_upgrades_at_once_to_one_version_one_is_refused() {
    let (vm, gate, results) = two_upgrades(["2", "2"]);
    let [won, lost] = if results[0].is_ok() { ["left-v2", "right-v2"] } else { ["right-v2", "left-v2"] };
    let lost_with = results.iter().find_map(|result| result.as_ref().err()).unwrap();
    assert!(matches!(refusal(lost_with), Refusal::VersionTaken { .. }), "{lost_with}");
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    // It met the other in its migration; when it was repeated, it did not come that far.
    assert_eq!(gate.count(), 2);
    let record = vm.record(&name("c")).unwrap().unwrap();
    assert_eq!((record.code, record.versions, record.entries), (script(won).hash(), 2, 2), "nothing of {lost}");
    assert_eq!(vm.versions(&name("c")).unwrap()[1].code, script(won).hash());
    assert_eq!(invoke(&vm, "c", "read").output, format!("1 -> 2 by {won}"));
}

#[test]
fn of_two_upgrades_at_once_one_comes_after_the_other() {
    let (vm, gate, results) = two_upgrades(["left", "right"]);
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(gate.count(), 3, "one was repeated");
    let history = vm.history(&name("c"), 1, 9).unwrap();
    let told: Vec<_> = history.iter().map(|entry| (entry.operation, entry.after.version.as_str())).collect();
    let [first, second] = if told[1].1 == "left" { ["left", "right"] } else { ["right", "left"] };
    assert_eq!(
        told,
        [(Operation::Deploy, "1"), (Operation::Upgrade, first), (Operation::Upgrade, second)],
        "each once"
    );
    assert_eq!(history[2].before.as_ref().unwrap(), &history[1].after);
    let record = vm.record(&name("c")).unwrap().unwrap();
    assert_eq!((record.version.as_str(), record.code), (second, script(&format!("{second}-v2")).hash()));
    assert_eq!(record.versions, 3);
    assert_eq!(invoke(&vm, "c", "read").output, format!("{first} -> {second} by {second}-v2"));
}

/// A call that was let in before the contract was frozen is not committed after it.
#[test]
fn what_is_frozen_or_revoked_while_a_call_runs_is_not_changed_by_it() {
    for (change, then) in [(Change::Freeze, Lifecycle::Frozen), (Change::Revoke, Lifecycle::Revoked)] {
        let gate = Gate::default();
        let inside = gate.clone();
        let scripts = Scripts::default().with("c", move |host, call| {
            if &*call.method == "run" {
                inside.pass(2);
                host.put(b"k", b"written")?;
            }
            ok()
        });
        let vm = scripts.start_with(Vm::builder().workers(2));
        let running = std::thread::spawn({
            let vm = vm.clone();
            move || block_on(vm.invoke(request("c", "run")))
        });
        gate.await_one();
        block_on(vm.change(ChangeRequest::new(name("c"), change).from(owner()))).unwrap();
        gate.open();
        let error = running.join().unwrap().unwrap_err();
        assert!(matches!(refusal(&error), Refusal::NotCallable { lifecycle, .. } if *lifecycle == then), "{error}");
        assert_eq!(gate.count(), 1, "it did not run again");
        let key = vm_core::StateKey::contract(&name("c"), b"k");
        assert_eq!(vm.view().unwrap().get(&key).unwrap(), None);
        if change == Change::Freeze {
            block_on(vm.change(ChangeRequest::new(name("c"), Change::Unfreeze).from(owner()))).unwrap();
            assert_eq!(invoke(&vm, "c", "run").status, Status::Success);
        }
    }
}
