//! The runtime with an engine that counts.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_executor::block_on;
use vm_core::{ContractName, DeployRequest, InvokeRequest, MemoryBackend, Vm, VmProvider};

use super::*;
use crate::engine::Program;
use crate::meter::Instrumented;

/// wasmi, and how often it was asked to compile.
#[derive(Debug)]
struct Counting(Arc<AtomicU64>);

impl Engine for Counting {
    fn name(&self) -> &'static str {
        "counting"
    }

    fn version(&self) -> &'static str {
        "1"
    }

    fn fingerprint(&self) -> String {
        "counting 1".into()
    }

    fn compile(&self, module: &Instrumented) -> Result<Box<dyn Program>, String> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Wasmi.compile(module)
    }
}

#[test]
fn two_hundred_first_calls_at_once_compile_once() {
    let backend = Arc::new(MemoryBackend::new());
    let start = || {
        let compiled = Arc::new(AtomicU64::new(0));
        let runtime = WasmRuntime::on(Box::new(Counting(compiled.clone())));
        let vm = Vm::builder().runtime(runtime).backend(backend.clone()).build().unwrap();
        block_on(vm.start()).unwrap();
        (vm, compiled)
    };
    let name = ContractName::new("it").unwrap();
    let module = wat::parse_str(
        r#"(module (memory (export "memory") 1) (func (export "vm_call") (param i32 i32 i32) (result i32) (i32.const 0)))"#,
    );
    let (vm, compiled) = start();
    let code = Code::new(RuntimeKind::Wasm, module.unwrap());
    block_on(vm.deploy(DeployRequest::new(name.clone(), "1".parse().unwrap(), code))).unwrap();
    assert_eq!(compiled.load(Ordering::SeqCst), 1);
    block_on(vm.stop()).unwrap();

    let (vm, compiled) = start();
    let barrier = Barrier::new(200);
    std::thread::scope(|scope| {
        for _ in 0..200 {
            scope.spawn(|| {
                barrier.wait();
                assert!(vm.invoke_sync(InvokeRequest::new(name.clone(), "run")).unwrap().status.is_success());
            });
        }
    });
    let metrics = vm.metrics();
    assert_eq!((compiled.load(Ordering::SeqCst), metrics.cache_misses, metrics.cache_hits), (1, 1, 199));
}

/// A cache only saves time: contracts run without one where it cannot be, and the status says why.
#[cfg(feature = "wasmtime")]
#[test]
fn a_cache_that_cannot_be_used_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("code");
    std::fs::write(&file, "no folder").unwrap();
    let link = folder.path().join("link");
    #[cfg(unix)]
    std::os::unix::fs::symlink(folder.path().join("nowhere"), &link).unwrap();
    for path in [file, link] {
        let mut config = WasmConfig::default();
        (config.engine, config.cache_dir) = (EngineKind::Wasmtime, Some(path.clone()));
        let runtime = WasmRuntime::new(config).unwrap();
        let module = include_bytes!("../../../contracts/artifacts/token-v1.wasm");
        block_on(runtime.prepare(&Code::new(RuntimeKind::Wasm, module.to_vec()))).unwrap();
        let details = runtime.status().details;
        let told = details.iter().filter(|(key, _)| key == "code_cache").map(|(_, told)| told).collect::<Vec<_>>();
        let begin = format!("compiled code is not kept in {}: ", path.display());
        assert!(matches!(told[..], [told] if told.starts_with(&begin)), "{told:?}");
    }
}
