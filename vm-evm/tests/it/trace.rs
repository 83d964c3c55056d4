//! Traces as EIP-3155 has them.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use futures_executor::block_on;
use serde_json::Value;
use vm_core::{
    Block, DeployRequest, Interrupt, InvokeRequest, Limits, MemoryBackend, StateBackend, TraceLevel, Vm, VmProvider,
};
use vm_evm::{EthereumTransaction, EvmConfig, EvmRuntime, Fork, Trace};

use crate::machine::{alice, assembled, name};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    /// What was written since the last time.
    fn take(&self) -> Vec<Value> {
        let text = String::from_utf8(std::mem::take(&mut self.0.lock().unwrap())).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// A machine that tells what these contracts do.
fn traced(contracts: &[(&str, &str)], work: impl FnOnce(&Vm, &Lines)) {
    let lines = Lines::default();
    let runtime = EvmRuntime::new(EvmConfig::new(Fork::Cancun)).unwrap().with_trace(Trace::to(lines.clone()));
    let vm = Vm::builder().runtime(runtime).limits(Limits::default()).build().unwrap();
    block_on(vm.start()).unwrap();
    for (contract, code) in contracts {
        let request = DeployRequest::new(name(contract), "1".parse().unwrap(), assembled(code)).from(alice());
        block_on(vm.deploy(request)).unwrap();
    }
    lines.take();
    work(&vm, &lines);
    block_on(vm.stop()).unwrap();
}

fn field<'v>(lines: &'v [Value], key: &str) -> Vec<&'v Value> {
    lines.iter().map(|line| &line[key]).collect()
}

#[test]
fn every_instruction_has_its_line() {
    // PUSH1 2 PUSH1 3 ADD PUSH0 MSTORE PUSH1 32 PUSH0 RETURN
    traced(&[("sum", "60026003015f5260205ff3")], |vm, lines| {
        block_on(vm.query(InvokeRequest::new(name("sum"), ""))).unwrap();
        let lines = lines.take();
        let (steps, summary) = lines.split_at(8);
        let names = ["PUSH1", "PUSH1", "ADD", "PUSH0", "MSTORE", "PUSH1", "PUSH0", "RETURN"];
        assert_eq!(field(steps, "opName"), names);
        assert_eq!(field(steps, "pc"), [0, 2, 4, 5, 6, 7, 9, 10]);
        assert_eq!(field(steps, "op"), [0x60, 0x60, 0x01, 0x5f, 0x52, 0x60, 0x5f, 0xf3]);
        assert_eq!(field(steps, "gasCost"), ["0x3", "0x3", "0x3", "0x2", "0x6", "0x3", "0x2", "0x0"]);
        assert_eq!(field(steps, "memSize"), [0, 0, 0, 0, 0, 32, 32, 32]);
        assert_eq!(steps[2]["stack"], serde_json::json!(["0x2", "0x3"]));
        assert!(steps.iter().all(|s| s["depth"] == 1 && s["refund"] == "0x0" && s["returnData"] == "0x"));
        let gas = |step: &Value| u64::from_str_radix(&step["gas"].as_str().unwrap()[2..], 16).unwrap();
        assert_eq!(gas(&steps[0]) - gas(&steps[7]), 22);
        let output = format!("0x{:064x}", 5);
        let want = serde_json::json!([{ "output": output, "gasUsed": "0x16", "pass": true, "fork": "cancun" }]);
        assert_eq!(Value::from(summary), want);
    });
}

#[test]
fn calls_are_deeper_and_failures_have_their_error() {
    let callee = name("bad").address().to_string();
    // Five zeros, the callee, all gas, CALL, STOP.
    let outer = format!("5f5f5f5f5f73{}5af100", callee.strip_prefix("0x").unwrap());
    traced(&[("bad", "60016002fe"), ("outer", &outer)], |vm, lines| {
        let receipt = block_on(vm.invoke(InvokeRequest::new(name("outer"), ""))).unwrap();
        assert!(receipt.status.is_success());
        let lines = lines.take();
        assert_eq!(field(&lines[..12], "depth"), [1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 1]);
        assert_eq!(lines[10]["error"], "InvalidFEOpcode");
        assert_eq!(lines[11]["opName"], "STOP");
        assert_eq!(lines[11]["stack"], serde_json::json!(["0x0"]));
        assert_eq!((lines.len(), &lines[12]["pass"]), (13, &Value::from(true)));
    });
}

#[test]
fn a_trace_changes_no_result() {
    let code = "5f545f355560015f555f5f55602a5f5260205ff3";
    let run = |runtime: EvmRuntime, level| {
        let vm = Vm::builder().runtime(runtime).build().unwrap();
        block_on(async {
            vm.start().await.unwrap();
            let deployed = vm
                .deploy(DeployRequest::new(name("a"), "1".parse().unwrap(), assembled(code)).traced(level))
                .await
                .unwrap();
            let called = vm.invoke(InvokeRequest::new(name("a"), "").input(vec![1; 32]).traced(level)).await.unwrap();
            vm.stop().await.unwrap();
            (deployed.digest(), called.digest())
        })
    };
    let plain = || EvmRuntime::new(EvmConfig::default()).unwrap();
    let untold = run(plain(), TraceLevel::Off);
    assert_eq!(untold, run(plain().with_trace(Trace::to(io::sink())), TraceLevel::Off));
    assert_eq!(untold, run(plain(), TraceLevel::Calls));
    assert_eq!(untold, run(plain(), TraceLevel::Steps));
}

#[test]
fn a_sink_that_fails_is_told_at_the_end() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::Error::other("full"))
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let trace = Trace::to(Full);
    let runtime = EvmRuntime::new(EvmConfig::default()).unwrap().with_trace(trace.clone());
    let vm = Vm::builder().runtime(runtime).build().unwrap();
    block_on(async {
        vm.start().await.unwrap();
        vm.deploy(DeployRequest::new(name("a"), "1".parse().unwrap(), assembled("00"))).await.unwrap();
        vm.stop().await.unwrap();
    });
    assert!(trace.finish().unwrap_err().to_string().contains("full"));
}

#[test]
fn ethereum_transactions_are_traced_too() {
    let lines = Lines::default();
    let evm = EvmRuntime::new(EvmConfig::default()).unwrap().with_trace(Trace::to(lines.clone()));
    let mut creation = EthereumTransaction::legacy(alice(), 0, 0);
    (creation.input, creation.gas_limit) = (vec![0x5f, 0x5f, 0xf3].into(), 100_000);
    let view = MemoryBackend::new().snapshot().unwrap();
    let deadline = Interrupt::after(std::time::Duration::from_secs(60));
    let receipt = evm.transact(view, &Block::default(), &creation, &deadline).unwrap();
    assert!(receipt.status.is_success());
    let lines = lines.take();
    assert_eq!(field(&lines[..3], "opName"), ["PUSH0", "PUSH0", "RETURN"]);
    assert_eq!(lines[3]["gasUsed"], format!("{:#x}", receipt.gas_used));
    assert_eq!(lines.len(), 4);
}
