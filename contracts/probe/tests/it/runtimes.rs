//! What authors see in the sandbox is what happens: one source, the same outcome in every place.

use std::path::Path;

use futures_executor::block_on;
use probe::Probe;
use vm_core::{
    Address, Arguments, Code, ContractName, DeployRequest, Interface, InvokeRequest, RuntimeKind, Status,
    TextInterface, UpgradeRequest, Vm, VmProvider,
};
use vm_native::{NativeConfig, NativeContract, NativeRuntime};
use vm_sdk::testing::Sandbox;
use vm_sdk::{CallRequest, Contract};
use vm_wasm::{WasmConfig, WasmRuntime};

/// How a call ended: the output in hex, a refusal's message, or a trap.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Success(String),
    Revert(String),
    Trap,
}

/// Contracts `one` and `two`, both probes, and accounts that call them.
trait Place {
    fn call(&mut self, contract: &str, method: &str, arguments: &[&str]) -> Outcome;
    /// Topics and data of all events so far.
    fn events(&self) -> Vec<(Vec<u8>, Vec<u8>)>;
}

/// Runs the steps and tells all that can be seen of them.
fn tell(place: &mut dyn Place) -> Vec<(String, Outcome)> {
    // Encoded arguments of calls that the probe makes itself.
    let input = |words: &[&str]| {
        let encoded = words.iter().flat_map(|word| borsh::to_vec(word).unwrap());
        format!("0x{}", hex::encode(encoded.collect::<Vec<_>>()))
    };
    let (hi, two_words, three_words, key) =
        (input(&["hi"]), input(&["hi", "there"]), input(&["hi", "you", "there"]), input(&["n"]));
    let back = input(&["one", "nothing", ""]);
    let steps: &[(&str, &[&str])] = &[
        ("nothing", &[]),
        ("echo", &["0x0102"]),
        ("put", &["0x61", "0x01"]),
        ("put", &["0x62", "0x"]),
        ("put", &["0xff", "0x03"]),
        ("get", &["0x61"]),
        ("get", &["0x"]),
        ("has", &["0x62"]),
        ("scan", &["0x", "0x", "9"]),
        ("scan", &["0x61", "0xff", "1"]),
        ("delete", &["0x61"]),
        ("scan", &["0x61", "0xff", "9"]),
        ("count", &["0x6e"]),
        ("count", &["0x6e"]),
        ("count", &["0x62"]),
        ("emit", &["topic", "0x01"]),
        ("emit", &["", "0x"]),
        ("change_and_revert", &["0x6b", "0x76", "why"]),
        ("has", &["0x6b"]),
        ("fail", &["grüße"]),
        ("panic", &[]),
        ("add", &["1", "2"]),
        ("add", &["1", "18446744073709551615"]),
        ("compute", &["1000"]),
        ("recurse", &["50"]),
        ("allocate", &["2"]),
        ("forward", &["two", "echo", &hi]),
        ("forward", &["two", "fail", &hi]),
        ("forward", &["two", "no_such_method", "0x"]),
        ("forward", &["two", "echo", "0xffff"]),
        ("forward", &["nobody", "echo", "0x"]),
        ("forward", &["one", "nothing", "0x"]),
        ("forward", &["two", "forward", &back]),
        ("forward", &["two", "init", &hi]),
        ("forward", &["two", "caller", "0x"]),
        ("forward_to", &["contract:two", "this", "0x"]),
        ("ask", &["two", "has", &key]),
        ("ask", &["two", "count", &key]),
        ("attempt", &["two", "count", &key]),
        ("attempt", &["two", "panic", "0x"]),
        ("attempt", &["two", "change_and_revert", &three_words]),
        ("attempt_with", &["two", "count", &key, "1", "0"]),
        ("attempt", &["two", "emit", &two_words]),
        ("swallow", &["0x73", "0x01"]),
        ("caller", &[]),
        ("this", &[]),
        ("address_of", &["somebody"]),
        ("address_of", &["contract:two"]),
        ("log", &["a line"]),
    ];
    let told = steps
        .iter()
        .map(|(method, arguments)| (format!("{method} {}", arguments.join(" ")), place.call("one", method, arguments)));
    told.collect()
}

struct InSandbox(Sandbox);

impl InSandbox {
    fn start() -> Self {
        let mut sandbox = Sandbox::new();
        for name in ["one", "two"] {
            sandbox.from("alice").deploy::<Probe>(name, &"").unwrap();
        }
        sandbox.from("alice").upgrade::<Probe>("two", "2", &"").unwrap();
        Self(sandbox)
    }
}

impl Place for InSandbox {
    fn call(&mut self, contract: &str, method: &str, arguments: &[&str]) -> Outcome {
        let interface: TextInterface = Probe::INTERFACE.parse().unwrap();
        let encoded = interface
            .encode(&vm_core::Entry::Invoke, method, &Arguments::positional(arguments.iter().copied()))
            .unwrap();
        let to = contract.into();
        let reply = self.0.from("alice").run(|cx| {
            cx.call(&CallRequest {
                to: &to,
                method,
                input: &encoded.input,
                value: 0.into(),
                gas: None,
                is_static: false,
            })
        });
        let reply = reply.unwrap();
        match reply.status {
            vm_sdk::Status::Success => Outcome::Success(hex::encode(reply.output)),
            vm_sdk::Status::Revert => Outcome::Revert(String::from_utf8(reply.output).unwrap()),
            vm_sdk::Status::Trap => Outcome::Trap,
        }
    }

    fn events(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let events = self.0.events().iter();
        events.map(|event| (event.topic.clone().into(), event.data.clone())).collect()
    }
}

struct InVm {
    vm: Vm,
    events: Vec<(Vec<u8>, Vec<u8>)>,
}

impl InVm {
    fn start(vm: Vm, code: &Code) -> Self {
        block_on(vm.start()).unwrap();
        for name in ["one", "two"] {
            let version = env!("CARGO_PKG_VERSION").parse().unwrap();
            let request = DeployRequest::new(name.parse().unwrap(), version, code.clone());
            block_on(vm.deploy(request.from(alice()).args([""]))).unwrap();
        }
        let upgrade = UpgradeRequest::new("two".parse().unwrap(), "2".parse().unwrap(), code.clone());
        block_on(vm.upgrade(upgrade.from(alice()).args([""]))).unwrap();
        Self { vm, events: Vec::new() }
    }
}

impl Place for InVm {
    fn call(&mut self, contract: &str, method: &str, arguments: &[&str]) -> Outcome {
        let request = InvokeRequest::new(ContractName::new(contract).unwrap(), method).from(alice());
        let receipt = block_on(self.vm.invoke(request.args(arguments.iter().copied()))).unwrap();
        let events = receipt.events.iter();
        self.events.extend(events.map(|event| (event.topics[0].to_vec(), event.data.to_vec())));
        match receipt.status {
            Status::Success => Outcome::Success(hex::encode(receipt.output)),
            Status::Revert => Outcome::Revert(String::from_utf8(receipt.output.to_vec()).unwrap()),
            Status::Trap(_) => Outcome::Trap,
        }
    }

    fn events(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.events.clone()
    }
}

fn alice() -> Address {
    Address::from_name("alice")
}

fn native() -> InVm {
    let config = NativeConfig::new().contract("probe", NativeContract::of::<Probe>()).unwrap();
    let vm = Vm::builder().runtime(NativeRuntime::new(config)).build().unwrap();
    InVm::start(vm, &Code::new(RuntimeKind::Native, "probe"))
}

/// The committed module.
fn wasm() -> InVm {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../artifacts/probe.wasm");
    let vm = Vm::builder().runtime(WasmRuntime::new(WasmConfig::default()).unwrap()).build().unwrap();
    InVm::start(vm, &Code::new(RuntimeKind::Wasm, std::fs::read(path).unwrap()))
}

fn compare(mut place: InVm) {
    let mut sandbox = InSandbox::start();
    let expected = tell(&mut sandbox);
    let found = tell(&mut place);
    for (expected, found) in expected.iter().zip(&found) {
        assert_eq!(found, expected);
    }
    assert_eq!(place.events(), sandbox.events());
    let successes = expected.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Success(_))).count();
    assert!(successes > 20 && successes < expected.len(), "{successes} steps succeeded");
}

#[test]
fn native_is_as_the_sandbox() {
    compare(native());
}

#[test]
fn wasm_is_as_the_sandbox() {
    compare(wasm());
}
