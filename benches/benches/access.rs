//! What rules and quotas add to a native token transfer, a whole transaction of a `Vm` with state in memory.

#![allow(missing_docs, reason = "criterion's macros write the functions")]
#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use futures_executor::block_on;
use vm_core::{
    Address, Code, ContractName, DeployRequest, Gas, GrantRequest, HostPolicy, InvokeRequest, Quota, Quotas, Rate,
    Right, RuntimeKind, Version, Vm, VmBuilder, VmProvider,
};
use vm_native::{NativeConfig, NativeContract, NativeRuntime};

/// Enough for every transfer that a run can make.
const SUPPLY: u64 = 1 << 62;

/// A machine with the token on it, and a transfer to make.
fn with_token(builder: VmBuilder, call: Option<&str>) -> (Vm, InvokeRequest) {
    let native = NativeConfig::new().contract("token", NativeContract::of::<token::Token>()).unwrap();
    let vm = builder.runtime(NativeRuntime::new(native)).build().unwrap();
    let (name, alice) = (ContractName::new("token").unwrap(), Address::from_name("alice"));
    block_on(async {
        vm.start().await.unwrap();
        let code = Code::new(RuntimeKind::Native, "token");
        let deployment = DeployRequest::new(name.clone(), Version::new("1").unwrap(), code);
        vm.deploy(deployment.from(alice).args([SUPPLY.to_string()])).await.unwrap();
        if let Some(rule) = call {
            let grant = GrantRequest::new(name.clone()).set(Right::Call, rule.parse().unwrap());
            vm.grant(grant.from(alice)).await.unwrap();
        }
    });
    (vm, InvokeRequest::new(name, "transfer").from(alice).args(["bob", "1"]))
}

/// So many members of organisations, as a large consortium has.
fn organisations() -> VmBuilder {
    let mut policy = HostPolicy::default();
    for number in 0..100 {
        let member = Address::from_name(&format!("member-{number}"));
        policy.organisations.enrol(&format!("org{}", number % 10), "user", member).unwrap();
    }
    policy.organisations.enrol("org1", "user", Address::from_name("alice")).unwrap();
    Vm::builder().policy(policy)
}

fn quotas() -> VmBuilder {
    let every = Some(Rate { burst: u32::MAX, every: Duration::from_nanos(1) });
    let quota = Quota {
        in_flight: Some(1_000),
        rate: every,
        gas_per_call: Some(Gas::new(1_000_000_000)),
        gas_per_window: Some((Gas::new(u64::MAX), Duration::from_secs(60))),
    };
    Vm::builder().quotas(Quotas { caller: quota, contract: quota })
}

fn access(c: &mut Criterion) {
    let mut group = c.benchmark_group("access");
    for (name, (vm, transfer)) in [
        ("open", with_token(Vm::builder(), None)),
        ("callers", with_token(Vm::builder(), Some("callers(alice)"))),
        ("role of 100", with_token(organisations(), Some("role(user)"))),
        ("quotas", with_token(quotas(), None)),
    ] {
        group.bench_function(name, |b| {
            b.iter(|| {
                let receipt = vm.invoke_sync(transfer.clone()).unwrap();
                assert!(receipt.status.is_success(), "{:?}", receipt.text);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, access);
criterion_main!(benches);
