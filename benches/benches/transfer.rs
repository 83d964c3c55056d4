//! A token transfer: a whole transaction of a `Vm` with state in memory, against the bare engine doing the same.

#![allow(missing_docs, reason = "criterion's macros write the functions")]
#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use criterion::{Criterion, criterion_group, criterion_main};
use futures_executor::block_on;
use vm_benches::bare_revm::BareRevm;
use vm_benches::bare_wasmi::BareWasmi;
use vm_benches::solidity;
use vm_core::{
    Address, Code, ContractName, DeployRequest, InvokeRequest, RuntimeKind, RuntimeProvider, Version, Vm, VmProvider,
};
use vm_evm::{EvmConfig, EvmRuntime};
use vm_native::{NativeConfig, NativeContract, NativeRuntime};
use vm_wasm::{WasmConfig, WasmRuntime};

const WASM: &[u8] = include_bytes!("../../contracts/artifacts/token-v1.wasm");
const EVM: &[u8] = include_bytes!("../../contracts/artifacts/token-v1.bin");
const ABI: &str = include_str!("../../contracts/artifacts/token-v1.abi.json");

/// Enough for every transfer that a run can make.
const SUPPLY: u64 = 1 << 62;

/// A machine with one runtime and the token on it, and a transfer to make.
fn with_token(runtime: impl RuntimeProvider + 'static, code: Code) -> (Vm, InvokeRequest) {
    let vm = Vm::builder().runtime(runtime).build().unwrap();
    let (name, alice) = (ContractName::new("token").unwrap(), Address::from_name("alice"));
    block_on(async {
        vm.start().await.unwrap();
        let deployment = DeployRequest::new(name.clone(), Version::new("1").unwrap(), code);
        vm.deploy(deployment.from(alice).args([SUPPLY.to_string()])).await.unwrap();
    });
    (vm, InvokeRequest::new(name, "transfer").from(alice).args(["bob", "1"]))
}

fn transfers(c: &mut Criterion) {
    let mut group = c.benchmark_group("transfer");
    let native = NativeConfig::new().contract("token", NativeContract::of::<token::Token>()).unwrap();
    let runtimes = [
        ("native", with_token(NativeRuntime::new(native), Code::new(RuntimeKind::Native, "token"))),
        ("wasm", with_token(WasmRuntime::new(WasmConfig::default()).unwrap(), Code::new(RuntimeKind::Wasm, WASM))),
        (
            "evm",
            with_token(EvmRuntime::new(EvmConfig::default()).unwrap(), Code::new(RuntimeKind::Evm, EVM).with_abi(ABI)),
        ),
    ];
    for (runtime, (vm, transfer)) in &runtimes {
        group.bench_function(format!("{runtime}/vm"), |b| {
            b.iter(|| {
                let receipt = vm.invoke_sync(transfer.clone()).unwrap();
                assert!(receipt.status.is_success(), "{:?}", receipt.text);
            });
        });
    }
    let (alice, bob) = (*Address::from_name("alice").as_bytes(), *Address::from_name("bob").as_bytes());
    let mut token = BareWasmi::new(WASM).unwrap();
    token.call(0, alice, "init", &u128::from(SUPPLY).to_le_bytes()).unwrap();
    let input = [&bob[..], &1u128.to_le_bytes()].concat();
    group.bench_function("wasm/bare", |b| b.iter(|| token.call(1, alice, "transfer", &input).unwrap()));
    let mut token = BareRevm::new(alice, &solidity::token(SUPPLY)).unwrap();
    let call_data = solidity::transfer(bob, 1);
    group.bench_function("evm/bare", |b| b.iter(|| token.call(alice, &call_data).unwrap()));
    group.finish();
}

criterion_group!(benches, transfers);
criterion_main!(benches);
