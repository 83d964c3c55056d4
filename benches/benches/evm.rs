//! EVM contracts through `Contract::call`, with journal, read set and write set but without the dispatcher, against bare revm
//! that re-uses its `Evm`: a token transfer, and work that only computes.

#![allow(missing_docs, reason = "criterion's macros write the functions")]
#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use futures_executor::block_on;
use vm_benches::bare_revm::BareRevm;
use vm_benches::{host, solidity};
use vm_core::{
    Address, Call, Code, Contract, ContractName, DeployRequest, Entry, GasSchedule, RuntimeKind, StateView, Version,
    Vm, VmProvider,
};
use vm_evm::{EvmConfig, EvmRuntime};

const SUPPLY: u64 = 1 << 62;

/// A deployed contract, to be called on its own.
struct Deployed {
    contract: Arc<dyn Contract>,
    view: Arc<dyn StateView>,
    this: Address,
    schedule: Arc<GasSchedule>,
}

impl Deployed {
    fn new(creation_code: Vec<u8>) -> Self {
        let vm = Vm::builder().runtime(EvmRuntime::new(EvmConfig::default()).unwrap()).build().unwrap();
        let name = ContractName::new("contract").unwrap();
        block_on(async {
            vm.start().await.unwrap();
            let code = Code::new(RuntimeKind::Evm, creation_code);
            let deployment = DeployRequest::new(name.clone(), Version::new("1").unwrap(), code);
            vm.deploy(deployment.from(Address::from_name("alice"))).await.unwrap();
        });
        let (contract, view, this) = (vm.contract(&name).unwrap(), vm.view().unwrap(), name.address());
        Self { contract, view, this, schedule: GasSchedule::v1() }
    }

    fn call(&self, call_data: &[u8]) {
        let env = host::env(self.this, Address::from_name("alice"));
        let call = Call { entry: Entry::Invoke, method: "".into(), input: call_data.to_vec().into() };
        let (output, _) = host::call(&*self.contract, self.view.clone(), env, &self.schedule, &call).unwrap();
        assert!(output.status.is_success(), "{output:?}");
    }
}

fn against_revm(c: &mut Criterion) {
    let mut group = c.benchmark_group("evm");
    let (alice, bob) = (*Address::from_name("alice").as_bytes(), *Address::from_name("bob").as_bytes());
    for (name, code, call_data) in [
        ("transfer", solidity::token(SUPPLY), solidity::transfer(bob, 1)),
        ("hashes", solidity::compute(), solidity::hashes(10_000)),
        ("rays", solidity::compute(), solidity::rays(10)),
    ] {
        let ours = Deployed::new(code.clone());
        group.bench_function(format!("{name}/vm"), |b| b.iter(|| ours.call(&call_data)));
        let mut bare = BareRevm::new(alice, &code).unwrap();
        group.bench_function(format!("{name}/bare"), |b| b.iter(|| bare.call(alice, &call_data).unwrap()));
    }
    group.finish();
}

criterion_group!(benches, against_revm);
criterion_main!(benches);
