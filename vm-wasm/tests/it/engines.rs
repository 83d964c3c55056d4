//! All engines of the build give the same receipts, and those that are recorded here.

use futures_executor::block_on;
use vm_core::{Address, DeployRequest, Gas, InvokeRequest, Limits, Receipt, Status, Vm, VmProvider};
use vm_wasm::{EngineKind, WasmConfig};

use crate::machine::{code, deploy, machine_of, on_invoke, request};

const TOKEN: &[u8] = include_bytes!("../../../contracts/artifacts/token-v1.wasm");
const PROBE: &[u8] = include_bytes!("../../../contracts/artifacts/probe.wasm");

/// What `run` gives on each engine, which must be the same.
fn on_every_engine<R: PartialEq + std::fmt::Debug>(run: impl Fn(&Vm) -> R) -> R {
    let mut results = EngineKind::ALL.iter().map(|kind| {
        let mut config = WasmConfig::default();
        config.engine = *kind;
        (kind, run(&machine_of(config, Limits::default())))
    });
    let (_, first) = results.next().unwrap();
    for (kind, result) in results {
        assert_eq!(result, first, "{kind}");
    }
    first
}

/// The sample contracts, called in all the ways in which a call can end; also with gas that ends somewhere in between.
#[test]
fn receipts_are_equal_byte_for_byte() {
    let digests = on_every_engine(|vm| {
        let alice = Address::from_name("alice");
        for (name, module, argument) in [("token", TOKEN, "1000"), ("probe", PROBE, "")] {
            let request = DeployRequest::new(name.parse().unwrap(), "1".parse().unwrap(), code(module.to_vec()));
            block_on(vm.deploy(request.args([argument]).from(alice))).unwrap();
        }
        let calls: [(&str, &str, &[&str]); 13] = [
            ("token", "transfer", &["bob", "100"]),
            ("token", "transfer", &["bob", "5000"]),
            ("token", "balance_of", &["bob"]),
            ("probe", "put", &["0x01", "0x0203"]),
            ("probe", "count", &["0x07"]),
            ("probe", "emit", &["topic", "0xff"]),
            ("probe", "change_and_revert", &["0x01", "0x02", "no"]),
            ("probe", "panic", &[]),
            ("probe", "compute", &["1000"]),
            ("probe", "recurse", &["100"]),
            ("probe", "recurse", &["1000000"]),
            ("probe", "allocate", &["4000"]),
            ("probe", "forward", &["token", "total_supply", "0x"]),
        ];
        let mut receipts = Vec::new();
        for (name, method, arguments) in calls {
            let request = InvokeRequest::new(name.parse::<vm_core::ContractName>().unwrap(), method);
            let request = request.args(arguments.iter().copied()).from(alice).gas(Gas::new(20_000_000));
            let receipt = vm.invoke_sync(request.clone()).unwrap_or_else(|error| panic!("{method}: {error}"));
            receipts.push(receipt.digest());
            for part in 1..20 {
                let less = request.clone().gas(Gas::new(receipt.gas_used.get() * part / 20));
                receipts.extend(vm.invoke_sync(less).map(|receipt| receipt.digest()));
            }
        }
        receipts
    });
    assert!(digests.len() > 200, "{}", digests.len());
}

/// What a transfer costs in every build, on every machine: a change here is a change of consensus.
#[test]
fn a_transfer_costs_what_it_always_has() {
    let used = on_every_engine(|vm| {
        let alice = Address::from_name("alice");
        let request = DeployRequest::new("token".parse().unwrap(), "1".parse().unwrap(), code(TOKEN.to_vec()));
        block_on(vm.deploy(request.args(["1000"]).from(alice))).unwrap();
        let transfer = InvokeRequest::new("token".parse::<vm_core::ContractName>().unwrap(), "transfer");
        vm.invoke_sync(transfer.args(["bob", "1"]).from(alice)).unwrap().gas_used
    });
    assert_eq!(used, Gas::new(14_680));
}

/// Threads have engines of their own, up to some: whichever runs a call, the receipt is the same.
#[test]
fn every_thread_gets_the_same_receipt() {
    on_every_engine(|vm| {
        let alice = Address::from_name("alice");
        let request = DeployRequest::new("token".parse().unwrap(), "1".parse().unwrap(), code(TOKEN.to_vec()));
        block_on(vm.deploy(request.args(["1000"]).from(alice))).unwrap();
        let supply = || {
            let request = InvokeRequest::new("token".parse::<vm_core::ContractName>().unwrap(), "total_supply");
            vm.query_sync(request.from(alice)).unwrap().digest()
        };
        let here = supply();
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..12).map(|_| scope.spawn(supply)).collect();
            threads.into_iter().for_each(|thread| assert_eq!(thread.join().unwrap(), here));
        });
        here
    });
}

/// How deep the calls of one transaction go.
const DEPTH: usize = 64;

/// A contract that fills nearly all of its stack and then calls another. Each frame keeps values over the call below.
fn deep(callee: &str) -> Vec<u8> {
    let items = format!(
        r#"(func $down (param $n i64) (param $a i64) (result i64)
            (local $b i64) (local $c i64)
            (local.set $b (i64.mul (local.get $a) (i64.const 3)))
            (local.set $c (i64.xor (local.get $b) (local.get $n)))
            (if (result i64) (i64.eqz (local.get $n))
                (then (call $call (i32.const 0) (i32.const {}) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
                    (i32.const 0) (i64.const 0) (i32.const 0)))
                (else (i64.add (i64.add (local.get $b) (local.get $c))
                    (call $down (i64.sub (local.get $n) (i64.const 1)) (local.get $c))))))"#,
        callee.len()
    );
    let body = "(i64.store (i32.const 100) (call $down (i64.const 1400) (i64.const 7)))
        (call $output (i32.const 100) (i32.const 8)) (i32.const 0)";
    on_invoke(callee, &items, body)
}

/// Calls within calls, each from the bottom of a deep stack: on a worker, and on a thread with a small stack.
#[test]
fn deep_calls_from_deep_stacks() {
    let receipt = on_every_engine(|vm| {
        for link in 0..DEPTH {
            deploy(vm, &format!("c{link}"), deep(&format!("c{}", link + 1)));
        }
        let worker = block_on(vm.invoke(request("c0"))).unwrap();
        let small = std::thread::scope(|scope| {
            let small = std::thread::Builder::new().stack_size(2 << 20);
            small.spawn_scoped(scope, || vm.invoke_sync(request("c0")).unwrap()).unwrap().join().unwrap()
        });
        let said = |receipt: Receipt| (receipt.status, receipt.gas_used, receipt.output);
        let (worker, small) = (said(worker), said(small));
        assert_eq!(worker, small);
        worker
    });
    assert_eq!(receipt.0, Status::Success);
    assert!(receipt.1 > Gas::new(DEPTH as u64 * 1_400 * 20), "all of them were called: {:?}", receipt.1);
}
