//! What is prepared once, what stays prepared, and what is not checked again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use futures_executor::block_on;
use vm_core::{
    Call, Code, CodeError, Contract, DeployRequest, DryRunRequest, Gas, Host, HostFault, Interface, InvokeRequest,
    Limits, MemoryBackend, Opaque, Phase, PrepareError, ProviderStatus, Return, RollbackRequest, RuntimeKind,
    RuntimeProvider, Trial, UpgradeRequest, Vm, VmBuilder, VmError, VmProvider,
};

const WEIGHT: usize = 1_000;

/// Code is text; `bad` is refused, and everything when it is `strict`; `odd` is refused when it is prepared, and the first preparation of `sick` is a fault.
#[derive(Default)]
struct Counting {
    checked: AtomicUsize,
    prepared: AtomicUsize,
    strict: bool,
}

struct Light;

impl Contract for Light {
    fn call(&self, _: &mut dyn Host, _: &Call) -> Result<Return, HostFault> {
        Ok(Return::success(Vec::new()))
    }
    fn interface(&self) -> &dyn Interface {
        &Opaque
    }
    fn weight(&self) -> usize {
        WEIGHT
    }
}

#[async_trait::async_trait]
impl RuntimeProvider for Counting {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Native
    }

    fn verify(&self, code: &Code) -> Result<(), CodeError> {
        self.checked.fetch_add(1, Ordering::SeqCst);
        if self.strict || code.bytes == b"bad" {
            Err(CodeError::new("bad", "the code is bad; write better code"))
        } else {
            Ok(())
        }
    }

    async fn prepare(&self, code: &Code) -> Result<Arc<dyn Contract>, PrepareError> {
        let earlier = self.prepared.fetch_add(1, Ordering::SeqCst);
        match &code.bytes[..] {
            b"odd" => Err(CodeError::new("odd", "the code is odd").into()),
            b"sick" if earlier == 0 => Err(HostFault::Internal("not now".into()).into()),
            _ => Ok(Arc::new(Light)),
        }
    }

    fn status(&self) -> ProviderStatus {
        ProviderStatus::healthy("counting", "1")
    }
}

fn start(runtime: &Arc<Counting>, with: impl FnOnce(VmBuilder) -> VmBuilder) -> Vm {
    let vm = with(Vm::builder().shared_runtime(runtime.clone())).build().unwrap();
    block_on(vm.start()).unwrap();
    vm
}

fn deploy(vm: &Vm, name: &str, code: &str) -> Result<(), VmError> {
    let code = Code::new(RuntimeKind::Native, code);
    block_on(vm.deploy(DeployRequest::new(name.parse().unwrap(), "1".parse().unwrap(), code))).map(drop)
}

fn invoke(vm: &Vm, name: &str) {
    let request = InvokeRequest::new(name.parse::<vm_core::ContractName>().unwrap(), "any");
    vm.invoke_sync(request.gas(Gas::new(1_000_000))).unwrap();
}

#[test]
fn refused_code_is_not_checked_again() {
    let runtime = Arc::new(Counting::default());
    let vm = start(&runtime, |builder| builder);
    let errors: Vec<_> = (0..200).map(|n| deploy(&vm, &format!("c{n}"), "bad").unwrap_err()).collect();
    assert!(errors.iter().all(|error| error.phase == Phase::Verify && error.to_string() == errors[0].to_string()));
    assert!(errors[0].to_string().contains("code rejected (bad): the code is bad"), "{}", errors[0]);
    assert_eq!(runtime.checked.load(Ordering::SeqCst), 1);
    assert_eq!(vm.metrics().known_refusals, 199);

    // Refused later, when it is prepared: the same from then on.
    assert_eq!(deploy(&vm, "odd", "odd").unwrap_err().phase, Phase::Compile);
    assert_eq!(deploy(&vm, "odd", "odd").unwrap_err().phase, Phase::Verify);
    assert_eq!(runtime.prepared.load(Ordering::SeqCst), 1);
}

#[test]
fn a_fault_is_tried_again() {
    let runtime = Arc::new(Counting::default());
    let vm = start(&runtime, |builder| builder);
    assert!(deploy(&vm, "sick", "sick").unwrap_err().to_string().contains("not now"));
    deploy(&vm, "sick", "sick").unwrap();
    assert_eq!(vm.metrics().known_refusals, 0);
}

/// What is in the state was accepted once: settings that became stricter are for new code.
#[test]
fn deployed_code_is_not_verified_again() {
    let backend = Arc::new(MemoryBackend::new());
    let vm = start(&Arc::new(Counting::default()), |builder| builder.backend(backend.clone()));
    deploy(&vm, "it", "code").unwrap();
    block_on(vm.upgrade(UpgradeRequest::new(
        "it".parse().unwrap(),
        "2".parse().unwrap(),
        Code::new(RuntimeKind::Native, "other"),
    )))
    .unwrap();
    block_on(vm.stop()).unwrap();

    let runtime = Arc::new(Counting { strict: true, ..Counting::default() });
    let vm = start(&runtime, |builder| builder.backend(backend));
    invoke(&vm, "it");
    block_on(vm.rollback(RollbackRequest::new("it".parse().unwrap(), "1".parse().unwrap()))).unwrap();
    invoke(&vm, "it");
    assert_eq!(runtime.checked.load(Ordering::SeqCst), 0);
    assert_eq!(deploy(&vm, "new", "code").unwrap_err().phase, Phase::Verify);
}

#[test]
fn two_hundred_first_calls_at_once_prepare_once() {
    let backend = Arc::new(MemoryBackend::new());
    let runtime = Arc::new(Counting::default());
    let vm = start(&runtime, |builder| builder.backend(backend.clone()));
    deploy(&vm, "it", "code").unwrap();
    block_on(vm.stop()).unwrap();

    let runtime = Arc::new(Counting::default());
    let vm = start(&runtime, |builder| builder.backend(backend));
    let barrier = Barrier::new(200);
    std::thread::scope(|scope| {
        for _ in 0..200 {
            scope.spawn(|| {
                barrier.wait();
                invoke(&vm, "it");
            });
        }
    });
    let metrics = vm.metrics();
    assert_eq!(runtime.prepared.load(Ordering::SeqCst), 1);
    assert_eq!((metrics.cache_misses, metrics.cache_hits, metrics.cache_bytes), (1, 199, WEIGHT as u64));
}

/// Whatever is tried with a pinned contract, it is its own code that is pinned.
#[test]
fn a_dry_run_pins_nothing() {
    let runtime = Arc::new(Counting::default());
    let limits = Limits { cache_size: WEIGHT, ..Limits::default() };
    let vm = start(&runtime, |builder| builder.limits(limits).pinned(["system".parse().unwrap()]));
    deploy(&vm, "system", "system").unwrap();
    invoke(&vm, "system");
    let code = Code::new(RuntimeKind::Native, "tried");
    let upgrade = Trial::Upgrade(UpgradeRequest::new("system".parse().unwrap(), "2".parse().unwrap(), code));
    let call = InvokeRequest::new("system".parse::<vm_core::ContractName>().unwrap(), "any");
    block_on(vm.dry_run(DryRunRequest::new(upgrade).replay([call]))).unwrap();
    for name in ["c0", "c1"] {
        deploy(&vm, name, name).unwrap();
        invoke(&vm, name);
    }
    let before = runtime.prepared.load(Ordering::SeqCst);
    invoke(&vm, "system");
    assert_eq!(runtime.prepared.load(Ordering::SeqCst), before);
}

#[test]
fn pinned_contracts_stay_prepared() {
    let runtime = Arc::new(Counting::default());
    let limits = Limits { cache_size: 3 * WEIGHT, ..Limits::default() };
    let vm = start(&runtime, |builder| builder.limits(limits).pinned(["system".parse().unwrap()]));
    let names: Vec<_> = (0..20).map(|n| format!("c{n}")).collect();
    deploy(&vm, "system", "system").unwrap();
    invoke(&vm, "system");
    for name in &names {
        deploy(&vm, name, name).unwrap();
    }
    let before = runtime.prepared.load(Ordering::SeqCst);
    for name in &names {
        invoke(&vm, name);
        invoke(&vm, "system");
    }
    let prepared = runtime.prepared.load(Ordering::SeqCst) - before;
    assert_eq!(prepared, 20, "the others make room for each other, the pinned one stays");
    let metrics = vm.metrics();
    assert_eq!(metrics.cache_bytes, 4 * WEIGHT as u64, "the pinned one does not count against the limit");
    assert_eq!(metrics.cache_evictions, 40 - 3);
}
