//! A store that fails: typed faults, nothing half done, and no contract can swallow it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_executor::block_on;
use vm_core::{
    Amount, CallRequest, ContractName, ErrorKind, GasSchedule, Height, HostFault, KeyRange, MemoryBackend, Phase,
    Refusal, RollbackRequest, Space, StateBackend, StateError, StateKey, StateView, Status, UpgradeRequest, Vm,
    VmProvider, WriteSet,
};

use crate::script::{Scripts, invoke, name, ok, owner, refusal, request, script};

#[derive(Clone, Default)]
struct Fragile {
    inner: MemoryBackend,
    reads_fail: Arc<AtomicBool>,
    commits_fail: Arc<AtomicBool>,
}

struct FragileView(Arc<dyn StateView>, Arc<AtomicBool>);

fn broken(action: &'static str) -> StateError {
    StateError::Storage { action, message: "disk full".into() }
}

impl StateView for FragileView {
    fn height(&self) -> Height {
        self.0.height()
    }
    fn get(&self, key: &StateKey) -> Result<Option<Bytes>, StateError> {
        let own =
            key.suffix() == Some(b"fragile") || *key == StateKey::account(&ContractName::new("c").unwrap().address());
        if own && self.1.load(Ordering::Relaxed) { Err(broken("reading")) } else { self.0.get(key) }
    }
    fn scan(&self, range: &KeyRange, limit: usize) -> Result<Vec<(StateKey, Bytes)>, StateError> {
        self.0.scan(range, limit)
    }
}

impl StateBackend for Fragile {
    fn snapshot(&self) -> Result<Arc<dyn StateView>, StateError> {
        Ok(Arc::new(FragileView(self.inner.snapshot()?, self.reads_fail.clone())))
    }
    fn commit(&self, previous: Height, next: Height, writes: &WriteSet) -> Result<(), StateError> {
        if self.commits_fail.load(Ordering::Relaxed) {
            Err(broken("committing"))
        } else {
            self.inner.commit(previous, next, writes)
        }
    }
}

fn machine(backend: &Fragile) -> Vm {
    Scripts::default()
        .reentrant("c", |host, call| {
            if &*call.method != "init" {
                // Swallowed on purpose.
                if &*call.method == "pay" {
                    let mut request = CallRequest::new(ContractName::new("c").unwrap(), "other", Bytes::new());
                    request.value = Amount::from(1);
                    let _ = host.call(request);
                } else {
                    let _ = host.get(b"fragile");
                }
                let _ = host.put(b"k", b"v");
            }
            ok()
        })
        .start_with(Vm::builder().backend(Arc::new(backend.clone())))
}

#[test]
fn a_read_that_fails_is_a_fault_even_if_the_contract_swallows_it() {
    let backend = Fragile::default();
    let vm = machine(&backend);
    backend.reads_fail.store(true, Ordering::Relaxed);
    for method in ["run", "pay"] {
        let error = block_on(vm.invoke(request("c", method))).unwrap_err();
        assert!(matches!(error.fault(), Some(HostFault::State(StateError::Storage { .. }))), "{method}: {error}");
    }
    backend.reads_fail.store(false, Ordering::Relaxed);
    assert_eq!(invoke(&vm, "c", "run").status, Status::Success);
}

#[test]
fn a_commit_that_fails_changes_nothing_and_can_be_tried_again() {
    let backend = Fragile::default();
    let vm = machine(&backend);
    let height = vm.view().unwrap().height();
    backend.commits_fail.store(true, Ordering::Relaxed);
    let error = block_on(vm.invoke(request("c", "run"))).unwrap_err();
    assert_eq!(error.phase, Phase::Update);
    assert!(error.to_string().contains("disk full"), "{error}");
    assert_eq!(vm.view().unwrap().height(), height);
    backend.commits_fail.store(false, Ordering::Relaxed);
    assert_eq!(invoke(&vm, "c", "run").height, height.next());
}

#[test]
fn another_gas_schedule_on_an_existing_state_is_refused() {
    let backend = Fragile::default();
    block_on(machine(&backend).stop()).unwrap();
    let other = GasSchedule::parse(&format!("{}\n# dearer\n", include_str!("../../../gas-schedule/v1.toml"))).unwrap();
    let vm = Vm::builder().backend(Arc::new(backend)).schedule(Arc::new(other)).build().unwrap();
    let error = block_on(vm.start()).unwrap_err();
    assert!(matches!(refusal(&error), Refusal::Schedule { .. }), "{error}");
    assert!(matches!(error.kind, ErrorKind::Refused(_)));
}

/// A state that lacks what it kept is damaged: nobody is answered by chance, of a rollback or of a call.
#[test]
fn code_that_is_not_kept_any_more_is_a_fault() {
    let backend = MemoryBackend::new();
    let scripts = || Scripts::default().with("c", |_, _| ok()).with("c-v2", |_, _| ok());
    let vm = scripts().start_with(Vm::builder().backend(Arc::new(backend.clone())));
    let upgrade = UpgradeRequest::new(name("c"), "2".parse().unwrap(), script("c-v2")).from(owner());
    block_on(vm.upgrade(upgrade)).unwrap();
    let (view, mut lost) = (backend.snapshot().unwrap(), WriteSet::default());
    for (key, _) in view.scan(&KeyRange::space(Space::Code), usize::MAX).unwrap() {
        lost.insert(key, None);
    }
    assert_eq!(lost.iter().count(), 2);
    backend.commit(view.height(), view.height().next(), &lost).unwrap();

    let back = RollbackRequest::new(name("c"), "1".parse().unwrap()).from(owner());
    let error = block_on(vm.rollback(back)).unwrap_err();
    assert!(matches!(error.fault(), Some(HostFault::Load { .. })) && error.phase == Phase::Load, "{error}");
    assert!(error.to_string().ends_with("its code is missing"), "{error}");
    assert_eq!(vm.record(&name("c")).unwrap().unwrap().version.as_str(), "2");
    // What is prepared is called, until the host is started again.
    assert_eq!(invoke(&vm, "c", "run").status, Status::Success);
    let again = Vm::builder().runtime(scripts()).backend(Arc::new(backend)).build().unwrap();
    block_on(again.start()).unwrap();
    let error = block_on(again.invoke(request("c", "run"))).unwrap_err();
    assert!(matches!(error.fault(), Some(HostFault::Load { .. })), "{error}");
    assert!(error.to_string().ends_with("its code is missing in the state"), "{error}");
}
