//! The library: from a configuration to a machine.

use std::sync::Arc;
use std::task::{Context, Waker};

use futures_executor::block_on;
use vm_core::{
    Change, ChangeRequest, Code, ContractName, DeployRequest, Gas, GasSchedule, HostFault, InvokeRequest,
    MemoryBackend, Refusal, RuntimeKind, Status, VmProvider,
};
use vm_host::config::{Provider, State};
use vm_host::{Config, Format, HostError};

/// A configuration with state in memory.
fn config(text: &str) -> Config {
    let mut config = Config::parse(text, Format::Toml, "vm.toml").unwrap();
    config.state = State::Memory;
    config
}

#[test]
fn only_what_is_enabled_takes_part() {
    let config = config(
        "[[vm.providers]]\ntype = \"native\"\nenabled = false\n[[vm.providers]]\ntype = \"evm\"\nversion = \"1.9.24\"\n",
    );
    let vm = vm_host::builder(&config).build().unwrap();
    let status = vm.status();
    assert_eq!(status.runtimes.len(), 1);
    let (kind, evm) = &status.runtimes[0];
    assert_eq!(*kind, RuntimeKind::Evm);
    assert!(evm.details.iter().any(|(_, value)| value == "istanbul"), "{evm:?}");
    block_on(vm.start()).unwrap();
    let request =
        DeployRequest::new("a".parse().unwrap(), "1".parse().unwrap(), Code::new(RuntimeKind::Native, "token"));
    let error = block_on(vm.deploy(request)).unwrap_err();
    assert!(matches!(error.refusal(), Some(Refusal::NoRuntime(RuntimeKind::Native))), "{error}");
}

#[test]
fn the_engine_is_the_configured_one() {
    let engines = [
        ("wasmi", true),
        ("wasmtime", cfg!(feature = "wasmtime")),
        ("wasmer", cfg!(feature = "wasmer")),
        ("auto", cfg!(feature = "wasmtime")),
    ];
    for (engine, _) in engines.into_iter().filter(|(_, present)| *present) {
        let config = config(&format!("[[vm.providers]]\ntype = \"wasm\"\nruntime = \"{engine}\"\n"));
        let status = vm_host::builder(&config).build().unwrap().status();
        assert_eq!(status.runtimes[0].1.engine, engine);
    }
}

/// What is asked at once, in the long run, and in a window of time: of one machine, as long as it runs.
#[test]
fn the_quotas_hold_for_a_machine_that_goes_on_running() {
    let refused = |quotas: &str| {
        let vm = vm_host::builder(&config(quotas)).sample_contracts().unwrap().build().unwrap();
        block_on(vm.start()).unwrap();
        let (name, alice) = (ContractName::new("token").unwrap(), "alice".parse().unwrap());
        let deploy = DeployRequest::new(name.clone(), "1".parse().unwrap(), Code::new(RuntimeKind::Native, "token"));
        block_on(vm.deploy(deploy.args(["1000"]).from("root".parse().unwrap()))).unwrap();
        let transfer = || vm.invoke(InvokeRequest::new(name.clone(), "transfer").args(["bob", "1"]).from(alice));
        let mut calls = 0;
        let error = loop {
            match block_on(transfer()) {
                Ok(_) => calls += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(error.fault(), Some(HostFault::Quota { .. })), "{error}");
        let by_others =
            vm.invoke(InvokeRequest::new(name.clone(), "transfer").args(["bob", "0"]).from("zoe".parse().unwrap()));
        block_on(by_others).unwrap();
        (error.to_string(), calls)
    };
    let (told, calls) = refused("[vm.quotas.caller]\nburst = 2\nevery = \"1day\"\n");
    assert_eq!(calls, 2);
    assert!(told.contains("the limit is 2 calls at once, and then one every"), "{told}");
    let (told, calls) = refused("[vm.quotas.caller]\ngas_per_window = 50000\nwindow = \"1day\"\n");
    assert!((1..50).contains(&calls), "{calls}");
    assert!(told.contains("the limit of 50000 gas in 86400 s is used up"), "{told}");

    // Of those that are in flight, one that does not end by itself before its gas does.
    let vm = vm_host::builder(&config("[vm.quotas.caller]\nin_flight = 1\n")).build().unwrap();
    block_on(vm.start()).unwrap();
    let name = ContractName::new("probe").unwrap();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../contracts/artifacts/probe.wasm");
    let code = Code::new(RuntimeKind::Wasm, std::fs::read(file).unwrap());
    block_on(vm.deploy(DeployRequest::new(name.clone(), "1".parse().unwrap(), code).args([""]))).unwrap();
    let call = |method: &str, gas| InvokeRequest::new(name.clone(), method).gas(Gas::new(gas));
    let mut spinning = vm.invoke(call("spin", 100_000_000));
    assert!(spinning.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let error = block_on(vm.query(call("add", 10_000_000).args(["1", "2"]))).unwrap_err();
    assert!(error.to_string().contains("1 call is in flight, which is the limit"), "{error}");
    assert!(matches!(block_on(spinning).unwrap().status, Status::Trap(_)));
    block_on(vm.query(call("add", 10_000_000).args(["1", "2"]))).unwrap();
}

#[test]
fn the_limits_reach_the_runtimes() {
    let config = config(
        "[vm.limits]\nmemory = \"1MiB\"\nexecution_timeout = \"7s\"\ngas = 12345\n\
         code_size = \"80MiB\"\ninput_size = \"70MiB\"\nvalue_size = \"60MiB\"\nqueue = 9\n",
    );
    let status = vm_host::builder(&config).build().unwrap().status();
    assert_eq!(status.limits.execution_timeout.as_secs(), 7);
    assert_eq!(status.limits.gas.get(), 12345);
    let sizes = [status.limits.code_size, status.limits.input_size, status.limits.value_size];
    assert_eq!((sizes, status.limits.queue), ([80 << 20, 70 << 20, 60 << 20], 9));
    for (kind, runtime) in &status.runtimes {
        let limited = runtime.details.iter().any(|(_, value)| value == "1048576");
        assert_eq!(limited, *kind != RuntimeKind::Native, "{kind}: {runtime:?}");
    }
}

#[test]
fn a_backend_of_the_caller_takes_the_place_of_the_configured_one() {
    let mut config = config("");
    let nowhere = tempfile::tempdir().unwrap().path().join("unused");
    config.state = State::Fjall { path: nowhere.clone() };
    let vm = vm_host::builder(&config).backend(Arc::new(MemoryBackend::new())).build().unwrap();
    block_on(vm.start()).unwrap();
    assert!(!nowhere.exists());
}

#[test]
fn a_state_is_not_continued_under_another_gas_schedule() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config("[[vm.providers]]\ntype = \"native\"\n");
    config.state = State::Fjall { path: folder.path().join("data") };
    let vm = vm_host::builder(&config).build().unwrap();
    block_on(vm.start()).unwrap();
    block_on(vm.stop()).unwrap();
    drop(vm);
    let text = include_str!("../../../gas-schedule/v1.toml").replace("factor = 1", "factor = 2");
    let other = Arc::new(GasSchedule::parse(&text).unwrap());
    let vm = vm_host::builder(&config).into_vm_builder().unwrap().schedule(other).build().unwrap();
    let error = block_on(vm.start()).unwrap_err();
    assert!(matches!(error.refusal(), Some(Refusal::Schedule { .. })), "{error}");
}

#[test]
fn a_block_has_the_number_of_the_next_height_whenever_it_is_asked_for() {
    let mut config = config("[[vm.providers]]\ntype = \"native\"\n");
    let folder = tempfile::tempdir().unwrap();
    config.state = State::Fjall { path: folder.path().join("data") };
    let name = ContractName::new("token").unwrap();
    // The first start writes the schedule, so the first deployment is at height 2.
    for (round, block) in [(1, 2), (2, 4)] {
        let vm = vm_host::builder(&config).sample_contracts().unwrap().build().unwrap();
        block_on(vm.start()).unwrap();
        let name = ContractName::new(&format!("{name}{round}")).unwrap();
        let code = Code::new(RuntimeKind::Native, "token");
        block_on(vm.deploy(DeployRequest::new(name.clone(), "1".parse().unwrap(), code).args(["1"]))).unwrap();
        block_on(vm.change(ChangeRequest::new(name.clone(), Change::Freeze))).unwrap();
        let history = vm.history(&name, 0, 9).unwrap();
        assert_eq!(history.iter().map(|entry| entry.block).collect::<Vec<_>>(), [block, block + 1]);
        block_on(vm.stop()).unwrap();
    }
}

#[test]
fn a_directory_that_cannot_be_opened_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config("");
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    config.state = State::Fjall { path: file.clone() };
    let error = vm_host::builder(&config).build().unwrap_err();
    assert!(matches!(error, HostError::Store(_)), "{error}");
    assert!(error.to_string().contains(&file.display().to_string()), "{error}");
}

#[test]
fn a_version_that_no_file_was_checked_for_is_refused() {
    let mut config = config("");
    config.providers = vec![Provider::Evm { version: Some("atlantis".to_owned()), refuse_opcodes: Vec::new() }];
    let error = vm_host::builder(&config).build().unwrap_err().to_string();
    assert!(error.starts_with("configuration: the evm runtime cannot be set up: unknown hard fork"), "{error}");
}

#[test]
fn a_restart_continues_where_the_last_run_ended() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config("[[vm.providers]]\ntype = \"native\"\n");
    config.state = State::Fjall { path: folder.path().join("data") };
    let (name, alice) = (ContractName::new("token").unwrap(), "alice".parse().unwrap());
    for run in 0..3u32 {
        let vm = vm_host::builder(&config).sample_contracts().unwrap().build().unwrap();
        block_on(async {
            vm.start().await.unwrap();
            if run == 0 {
                let code = Code::new(RuntimeKind::Native, "token");
                let request = DeployRequest::new(name.clone(), "1".parse().unwrap(), code).args(["100"]).from(alice);
                vm.deploy(request).await.unwrap();
            }
            let request = InvokeRequest::new(name.clone(), "transfer").args(["bob", "1"]).from(alice);
            assert!(vm.invoke(request).await.unwrap().status.is_success());
            let receipt = vm.query(InvokeRequest::new(name.clone(), "balance_of").args(["bob"])).await.unwrap();
            assert_eq!(receipt.text, Some((run + 1).to_string()));
            vm.stop().await.unwrap();
        });
    }
}
