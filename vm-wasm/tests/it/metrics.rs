//! What the `metrics` facade is given.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use futures_executor::block_on;
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use vm_core::{Vm, VmProvider};
use vm_wasm::{EngineKind, WasmConfig, WasmRuntime};

use crate::machine::{deploy, invoke, on_invoke};

/// Keeps all numbers; those of gauges as bits.
#[derive(Default)]
struct Kept {
    numbers: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
    names: Mutex<BTreeSet<String>>,
}

impl Kept {
    fn number(&self, key: &Key) -> Arc<AtomicU64> {
        self.names.lock().unwrap().insert(key.name().into());
        let labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        self.numbers.lock().unwrap().entry(format!("{} {}", key.name(), labels.join(","))).or_default().clone()
    }

    fn bits(&self, name: &str) -> u64 {
        self.numbers.lock().unwrap()[name].load(Ordering::SeqCst)
    }

    fn gauge(&self, name: &str) -> f64 {
        f64::from_bits(self.bits(name))
    }
}

impl Recorder for Kept {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.number(key))
    }
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.number(key))
    }
    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        self.number(key);
        Histogram::noop()
    }
}

/// A machine of an engine that keeps its code in this folder, and the numbers that it gives.
fn start(engine: EngineKind, folder: &std::path::Path) -> (Vm, Kept) {
    let kept = Kept::default();
    let mut config = WasmConfig::default();
    config.engine = engine;
    config.cache_dir = Some(folder.join("code"));
    let vm = metrics::with_local_recorder(&kept, || {
        Vm::builder().runtime(WasmRuntime::new(config).unwrap()).workers(1).build().unwrap()
    });
    block_on(vm.start()).unwrap();
    (vm, kept)
}

const BUSY: &str =
    "(loop $l (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 20000))))
    (i32.const 0)";

/// What is registered on some engine of a build with wasmtime stands in the document, and the other way round. (Those of containers
/// are vm-docker's.)
#[test]
fn the_document_has_all_names() {
    let document = include_str!("../../../docs/metrics.md");
    let names = document.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`')).map(|(name, _)| name);
    let documented: BTreeSet<_> = names.filter(|name| !name.starts_with("vm_docker_")).collect();
    let folder = tempfile::tempdir().unwrap();
    let mut registered = BTreeSet::new();
    for kind in EngineKind::ALL {
        let (vm, kept) = start(*kind, folder.path());
        deploy(&vm, "it", on_invoke("", "", "(i32.const 0)"));
        registered.append(&mut kept.names.lock().unwrap());
    }
    assert_eq!(registered.iter().map(String::as_str).collect::<BTreeSet<_>>(), documented);
}

/// The tiers, the compilations and what was done with the disk, by the numbers of their labels.
#[test]
fn numbers_of_the_engine_auto() {
    let folder = tempfile::tempdir().unwrap();
    let (vm, kept) = start(EngineKind::Auto, folder.path());
    deploy(&vm, "busy", on_invoke("", "", BUSY));
    deploy(&vm, "idle", on_invoke("", "", "(i32.const 0)"));
    let tiers = || ["wasmi", "wasmtime"].map(|tier| kept.gauge(&format!("vm_wasm_contracts tier={tier}")));
    assert_eq!(tiers(), [2.0, 0.0]);
    let moved = (0..100_000).any(|_| {
        invoke(&vm, "busy");
        kept.bits("vm_wasm_compilations_total outcome=success") == 1
    });
    assert!(moved && tiers() == [1.0, 1.0], "{:?}", tiers());
    assert_eq!(kept.bits("vm_wasm_compilations_total outcome=failure"), 0);
    let disk = |outcome: &str| kept.bits(&format!("vm_wasm_disk_cache_total outcome={outcome}"));
    assert_eq!(["loaded", "compiled", "replaced", "not_kept"].map(disk), [0, 1, 0, 0]);
    deploy(&vm, "monster", crate::compile::monster());
    assert_eq!((kept.bits("vm_wasm_over_budget_total "), tiers()), (1, [2.0, 1.0]));
    // Contracts that are gone are not counted.
    block_on(vm.stop()).unwrap();
    drop(vm);
    assert_eq!(tiers(), [0.0, 0.0]);
}
