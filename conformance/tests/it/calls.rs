//! Calls across all runtimes. Containers take part where a containerd is offered.

use std::path::Path;

use futures_executor::block_on;
use vm_core::conformance::{Form, Ran, depth, owner, pairs, swapped, trees, triples};
use vm_core::{Code, Gas, Limits, RuntimeKind, Vm, VmProvider};
use vm_evm::{EvmConfig, EvmRuntime};
use vm_native::{NativeConfig, NativeContract, NativeRuntime};
use vm_wasm::{EngineKind, WasmConfig, WasmRuntime};

fn artifact(file: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contracts/artifacts").join(file);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run cargo xtask contracts", path.display()))
}

/// A machine with all runtimes, and the actor of each.
struct Machine {
    vm: Vm,
    forms: Vec<Form>,
}

impl Machine {
    fn start(namespace: &str) -> Self {
        Self::with(namespace, EngineKind::default())
    }

    fn with(namespace: &str, engine: EngineKind) -> Self {
        let actor = NativeConfig::new().contract("actor", NativeContract::of::<actor::Actor>()).unwrap();
        let mut wasm = WasmConfig::default();
        wasm.engine = engine;
        let builder = Vm::builder()
            .limits(Limits { gas: Gas::new(1 << 50), ..Limits::default() })
            .genesis([(owner(), 1_000_000_000_u128.into())].into())
            .runtime(NativeRuntime::new(actor))
            .runtime(WasmRuntime::new(wasm).unwrap())
            .runtime(EvmRuntime::new(EvmConfig::default()).unwrap());
        let mut forms = vec![
            Form::sdk("native", Code::new(RuntimeKind::Native, "actor")),
            Form::sdk("wasm", Code::new(RuntimeKind::Wasm, artifact("actor.wasm"))),
            Form::solidity("evm", Code::new(RuntimeKind::Evm, artifact("actor.bin"))),
        ];
        let builder = containers(builder, namespace, &mut forms);
        let vm = builder.build().unwrap();
        block_on(vm.start()).unwrap();
        Self { vm, forms }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = block_on(self.vm.stop());
    }
}

#[cfg(feature = "docker")]
fn containers(builder: vm_core::VmBuilder, namespace: &str, forms: &mut Vec<Form>) -> vm_core::VmBuilder {
    let Ok(address) = std::env::var("VM_TEST_CONTAINERD") else {
        println!("without containers: VM_TEST_CONTAINERD does not name a containerd");
        return builder;
    };
    let config = vm_docker::DockerConfig {
        address: address.into(),
        namespace: format!("calls-{namespace}-{}", std::process::id()),
        memory: 64 << 20,
        ..vm_docker::DockerConfig::default()
    };
    forms.push(Form::sdk("docker", Code::new(RuntimeKind::Docker, artifact("actor.elf"))));
    builder.runtime(vm_docker::DockerRuntime::new(config).unwrap())
}

#[cfg(not(feature = "docker"))]
fn containers(builder: vm_core::VmBuilder, _: &str, _: &mut Vec<Form>) -> vm_core::VmBuilder {
    println!("without containers: no feature docker");
    builder
}

#[test]
fn every_ordered_pair_of_runtimes() {
    let machine = Machine::start("pairs");
    let run = pairs(&machine.vm, &machine.forms).unwrap();
    assert_eq!(run, 19 * machine.forms.len().pow(2));
}

#[test]
fn every_ordered_triple_of_runtimes() {
    let machine = Machine::start("triples");
    let run = triples(&machine.vm, &machine.forms).unwrap();
    assert_eq!(run, 18 * machine.forms.len().pow(3));
}

#[test]
fn sixty_four_frames_over_all_runtimes_and_no_more() {
    let machine = Machine::start("depth");
    // Containers have bounds of their own for calls that wait for each other.
    let forms = &machine.forms[..3];
    assert_eq!(depth(&machine.vm, forms).unwrap(), 66);
}

/// How many seeds random trees are grown from: two, or as many as are asked for by `VM_TEST_TREES`.
fn seeds() -> std::ops::Range<u64> {
    let asked = std::env::var("VM_TEST_TREES").ok().map(|asked| asked.parse().unwrap());
    0..asked.unwrap_or(2)
}

#[test]
fn random_trees_do_what_the_model_says() {
    let machines: Vec<_> = EngineKind::ALL.iter().map(|engine| Machine::with(engine.as_str(), *engine)).collect();
    for seed in seeds() {
        let mut first: Option<Ran> = None;
        for machine in &machines {
            let ran = trees(&machine.vm, &machine.forms, seed, 150).unwrap();
            assert!(ran.succeeded > 40 && ran.succeeded < 150 && ran.calls > 250, "{ran:?}");
            assert_eq!(*first.get_or_insert(ran), ran, "another engine");
        }
    }
}

#[test]
fn a_contract_on_another_runtime_gives_the_same_state_and_events() {
    let machine = Machine::start("swapped");
    for seed in seeds() {
        let ran = swapped(&machine.vm, &machine.forms, seed, 50).unwrap();
        assert!(ran.succeeded > 10 && ran.succeeded < 50 && ran.calls > 40, "{ran:?}");
    }
}
