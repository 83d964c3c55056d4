//! One contract source on every runtime that takes it: same answers, same events, same reads and writes. And each of them
//! calling each of the others.

use std::path::Path;

use futures_executor::block_on;
use vm_core::{
    Address, Code, ContractName, DeployRequest, Gas, InvokeRequest, Receipt, RuntimeKind, StateKey, Status, TraceLevel,
    Traced, TracedCall, UpgradeRequest, Vm, VmProvider,
};
use vm_host::{Config, Format};

/// The forms of the probe: Rust on the runtimes that the SDK's contracts run on, and Python. Containers take part where a
/// containerd is offered, Python where an image is, too.
fn forms() -> Vec<(&'static str, Code)> {
    let mut forms = vec![
        ("native", Code::new(RuntimeKind::Native, "probe")),
        ("wasm", Code::new(RuntimeKind::Wasm, artifact("probe.wasm"))),
    ];
    if containerd().is_none() {
        println!("without containers: no feature docker, or VM_TEST_CONTAINERD does not name a containerd");
        return forms;
    }
    forms.push(("docker", Code::new(RuntimeKind::Docker, artifact("probe.elf"))));
    match std::env::var_os("VM_TEST_PYTHON_IMAGE") {
        Some(image) => forms.push(("python", Code::new(RuntimeKind::Docker, std::fs::read(image).unwrap()))),
        None => println!("without Python: VM_TEST_PYTHON_IMAGE does not name an image (`cargo xtask test` makes one)"),
    }
    forms
}

pub(crate) fn containerd() -> Option<String> {
    cfg!(feature = "docker").then(|| std::env::var("VM_TEST_CONTAINERD").ok()).flatten()
}

pub(crate) fn machine() -> Vm {
    machine_with("")
}

/// With more in its configuration.
pub(crate) fn machine_with(more: &str) -> Vm {
    let mut text = format!("vm.state.backend = \"memory\"\n{more}\n");
    for kind in ["native", "wasm", "evm"] {
        text += &format!("[[vm.providers]]\ntype = \"{kind}\"\n");
    }
    if let Some(address) = containerd() {
        text += &format!("[[vm.providers]]\ntype = \"docker\"\naddress = \"{address}\"\nnamespace = \"conformance\"\n");
    }
    let config = Config::parse(&text, Format::Toml, "vm.toml").unwrap();
    let vm = vm_host::builder(&config).sample_contracts().unwrap().build().unwrap();
    block_on(vm.start()).unwrap();
    vm
}

pub(crate) fn artifact(file: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contracts/artifacts").join(file);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run cargo xtask contracts", path.display()))
}

pub(crate) fn name(text: &str) -> ContractName {
    ContractName::new(text).unwrap()
}

pub(crate) fn owner() -> Address {
    Address::from_name("owner")
}

pub(crate) fn deploy(vm: &Vm, as_name: &str, code: Code, args: &[&str]) -> Receipt {
    let request =
        DeployRequest::new(name(as_name), "1".parse().unwrap(), code).args(args.iter().copied()).from(owner());
    block_on(vm.deploy(request)).unwrap()
}

fn invoke(vm: &Vm, contract: &str, method: &str, args: &[&str]) -> Receipt {
    let request = InvokeRequest::new(name(contract), method).args(args.iter().copied()).from(owner());
    block_on(vm.invoke(request)).unwrap()
}

/// What must be the same on every runtime. Gas differs, and a panic is another trap on each.
fn essence(receipt: &Receipt) -> String {
    let kind = match receipt.status {
        Status::Trap(_) => "trap".to_owned(),
        ref status => status.to_string(),
    };
    let points: Vec<_> = receipt.reads.points().filter(|(key, _)| key.as_bytes().first() == Some(&7)).collect();
    let (text, output, events, writes) = (&receipt.text, &receipt.output, &receipt.events, &receipt.writes);
    format!("{kind} {text:?} {output:?} {events:?} {points:?} {:?} {writes:?}", receipt.reads.ranges())
}

/// borsh of a byte string, as hexadecimal text.
fn bytes(data: &[u8]) -> String {
    let length = u32::try_from(data.len()).unwrap().to_le_bytes();
    format!("0x{}", hex::encode([&length[..], data].concat()))
}

#[test]
fn the_same_contract_does_the_same_on_every_runtime() {
    let peer_put = bytes(b"k")[2..].to_owned() + &bytes(b"from afar")[2..];
    let peer_put = format!("0x{peer_put}");
    let script: Vec<(&str, Vec<&str>)> = vec![
        ("echo", vec!["0x00ff"]),
        ("nothing", vec![]),
        ("get", vec!["0x6b"]),
        ("put", vec!["0x6b", "0x0102"]),
        ("get", vec!["0x6b"]),
        ("has", vec!["0x"]),
        ("put", vec!["0x6b6b", "0x"]),
        ("scan", vec!["0x6b", "0x", "10"]),
        ("scan", vec!["0x6b", "0x6b6b", "1"]),
        ("delete", vec!["0x6b"]),
        ("has", vec!["0x6b"]),
        ("count", vec!["0x63"]),
        ("count", vec!["0x63"]),
        ("emit", vec!["topic", "0xdeadbeef"]),
        ("change_and_revert", vec!["0x6c", "0x01", "grüße"]),
        ("fail", vec!["for a reason"]),
        ("panic", vec![]),
        ("add", vec!["18446744073709551615", "1"]),
        ("add", vec!["18446744073709551614", "1"]),
        ("compute", vec!["1000"]),
        ("caller", vec![]),
        ("this", vec![]),
        ("env", vec![]),
        ("address_of", vec!["alice"]),
        ("forward", vec!["peer", "put", &peer_put]),
        ("attempt", vec!["peer", "fail", "0x020000006e6f"]),
        ("attempt", vec!["peer", "panic", "0x"]),
        ("attempt", vec!["nobody", "put", "0x"]),
        ("attempt", vec!["probe", "nothing", "0x"]),
        ("ask", vec!["peer", "get", "0x010000006b"]),
        ("ask", vec!["peer", "put", &peer_put]),
        ("swallow", vec!["0x73", "0x01"]),
    ];
    let mut answers: Vec<Vec<String>> = Vec::new();
    let forms = forms();
    for (_, probe) in &forms {
        let vm = machine();
        deploy(&vm, "probe", probe.clone(), &[""]);
        deploy(&vm, "peer", probe.clone(), &[""]);
        answers.push(script.iter().map(|(method, args)| essence(&invoke(&vm, "probe", method, args))).collect());
        block_on(vm.stop()).unwrap();
    }
    for (step, (method, args)) in script.iter().enumerate() {
        for ((form, _), other) in forms.iter().zip(&answers).skip(1) {
            assert_eq!(answers[0][step], other[step], "native and {form} differ in {method} {args:?}");
        }
    }
    assert!(answers[0][0].starts_with("success Some(\"0x00ff\")"), "{}", answers[0][0]);
}

/// A call tree without what differs between runtimes: engine, gas, and the words of a trap.
fn shape(call: &TracedCall) -> String {
    let inside = call.inside.iter().map(|traced| match traced {
        Traced::Call(call) => shape(call),
        Traced::Operation(operation) => format!("{} {}", operation.what, operation.stopped.as_deref().unwrap_or("")),
        other => panic!("{other:?}"),
    });
    let status = if let Status::Trap(_) = call.status { "trap".to_owned() } else { call.status.to_string() };
    let inside: Vec<_> = inside.collect();
    format!(
        "{} {} -> {}.{}({}) {status} {} {inside:#?}",
        call.kind.as_str(),
        call.caller,
        call.contract.as_ref().unwrap(),
        call.method,
        call.input,
        call.output
    )
}

#[test]
fn calls_are_told_in_one_form_by_every_runtime() {
    let put = format!("{}{}", bytes(b"k"), &bytes(b"v")[2..]);
    let revert = format!("{put}{}", &bytes(b"undone")[2..]);
    let script: Vec<(&str, Vec<&str>)> = vec![
        ("count", vec!["0x63"]),
        ("scan", vec!["0x63", "0x", "10"]),
        ("delete", vec!["0x63"]),
        ("emit", vec!["topic", "0xdeadbeef"]),
        ("log", vec!["a line"]),
        ("forward", vec!["peer", "put", &put]),
        ("attempt", vec!["peer", "change_and_revert", &revert]),
        ("attempt", vec!["peer", "panic", "0x"]),
        ("attempt", vec!["probe", "nothing", "0x"]),
        ("ask", vec!["peer", "put", &put]),
        ("panic", vec![]),
    ];
    let mut told: Vec<Vec<String>> = Vec::new();
    let forms = forms();
    for (form, probe) in &forms {
        let vm = machine();
        deploy(&vm, "probe", probe.clone(), &[""]);
        deploy(&vm, "peer", probe.clone(), &[""]);
        let call = |(method, args): &(&str, Vec<&str>)| {
            let request = InvokeRequest::new(name("probe"), *method).args(args.iter().copied()).from(owner());
            let receipt = block_on(vm.invoke(request.traced(TraceLevel::Calls))).unwrap();
            let tree = receipt.trace.unwrap();
            let [root] = &*tree.calls else { panic!("{tree}") };
            assert_eq!(tree.gas_before.saturating_add(root.gas_used), receipt.gas_used, "{form} {method}");
            let callees = root.calls().map(|call| call.gas_used).fold(Gas::ZERO, Gas::saturating_add);
            assert_eq!(root.gas_own().saturating_add(callees), root.gas_used, "{form} {method}");
            assert_eq!(root.runtime, Some(probe.runtime));
            shape(root)
        };
        told.push(script.iter().map(call).collect());
        block_on(vm.stop()).unwrap();
    }
    for (step, (method, args)) in script.iter().enumerate() {
        for ((form, _), other) in forms.iter().zip(&told).skip(1) {
            assert_eq!(told[0][step], other[step], "native and {form} differ in {method} {args:?}");
        }
    }
    assert!(told[0][5].contains("-> peer.put("), "{}", told[0][5]);
}

#[test]
fn migration_sees_both_versions_on_every_runtime() {
    for (form, probe) in forms() {
        let vm = machine();
        deploy(&vm, "probe", probe.clone(), &[""]);
        let upgrade = |version: &str, message: &str| {
            let request = UpgradeRequest::new(name("probe"), version.parse().unwrap(), probe.clone())
                .args([message])
                .from(owner());
            block_on(vm.upgrade(request))
        };
        let error = upgrade("2", "not yet").unwrap_err();
        assert_eq!(error.to_string(), "migrate: the contract failed with revert: not yet", "{form}");
        assert_eq!(invoke(&vm, "probe", "has", &["0x7570677261646564"]).text.as_deref(), Some("false"), "{form}");
        upgrade("2", "").unwrap();
        let expected = format!("0x{}", hex::encode("1 -> 2"));
        assert_eq!(invoke(&vm, "probe", "get", &["0x7570677261646564"]).text, Some(expected), "{form}");
        block_on(vm.stop()).unwrap();
    }
}

#[test]
fn every_runtime_calls_every_other_and_reverts_with_it() {
    let vm = machine();
    let forms = forms();
    for (form, probe) in &forms {
        deploy(&vm, form, probe.clone(), &[""]);
    }
    let abi = String::from_utf8(artifact("token-v1.abi.json")).unwrap();
    deploy(&vm, "evm", Code::new(RuntimeKind::Evm, artifact("token-v1.bin")).with_abi(abi), &["1000"]);
    let key = |contract: &str| StateKey::contract(&name(contract), b"k");
    let put = format!("{}{}", bytes(b"k"), &bytes(b"v")[2..]);
    let revert = format!("{put}{}", &bytes(b"undone")[2..]);
    for (from, _) in &forms {
        for (to, _) in forms.iter().filter(|(to, _)| to != from) {
            let receipt = invoke(&vm, from, "forward", &[to, "put", &put]);
            assert_eq!(receipt.status, Status::Success, "{from} -> {to}: {:?}", receipt.text);
            assert_eq!(receipt.writes.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>(), [key(to)]);

            let receipt = invoke(&vm, from, "attempt", &[to, "change_and_revert", &revert]);
            assert_eq!(
                (receipt.status, receipt.events.len(), receipt.writes.len()),
                (Status::Success, 0, 0),
                "{from} -> {to}"
            );
            assert_eq!(&receipt.output[4..], b"\x01undone", "{from} -> {to}");

            let receipt = invoke(&vm, from, "forward", &[to, "caller", "0x"]);
            assert_eq!(&receipt.output[4..], name(from).address().as_bytes(), "{from} -> {to}");
        }
        // Solidity from everywhere: a full signature and ABI-encoded arguments.
        let account = format!("0x{:0>64}", &owner().to_string()[2..]);
        let receipt = invoke(&vm, from, "forward", &["evm", "balanceOf(address)", &account]);
        assert_eq!(
            (receipt.status.clone(), &receipt.output[34..]),
            (Status::Success, &[3, 232][..]),
            "{from}: {:?}",
            receipt.text
        );
        let transfer = format!("{account}{:064x}", 5);
        let receipt = invoke(&vm, from, "attempt", &["evm", "transfer(address,uint256)", &transfer]);
        assert_eq!((receipt.status, receipt.output[4]), (Status::Success, 1), "{from} has no balance there");
    }
    block_on(vm.stop()).unwrap();
}
