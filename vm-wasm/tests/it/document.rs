//! What `docs/wasm-abi.md` shows is true.

use futures_executor::block_on;
use vm_core::{ContractName, DeployRequest, InvokeRequest, Status, VmProvider};
use vm_wasm::{ShapeLimits, WasmConfig, analyze};

use crate::machine::{code, machine};

const DOCUMENT: &str = include_str!("../../../docs/wasm-abi.md");

#[test]
fn the_example_works() {
    let (_, rest) = DOCUMENT.split_once("```wat\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let vm = machine();
    let module = wat::parse_str(example).unwrap();
    let request = DeployRequest::new("counter".parse().unwrap(), "1".parse().unwrap(), code(module));
    block_on(vm.deploy(request.args(["40"]))).unwrap();
    let request = |method: &str| InvokeRequest::new(ContractName::new("counter").unwrap(), method);
    let receipt = vm.invoke_sync(request("add").args(["2"])).unwrap();
    assert_eq!(receipt.text.as_deref(), Some("42"));
    assert_eq!(receipt.events[0].topics[0][..], b"total"[..]);
    assert_eq!(vm.query_sync(request("total")).unwrap().text.as_deref(), Some("42"));
    let receipt = vm.invoke_sync(request("add").args([u64::MAX.to_string()])).unwrap();
    assert_eq!((receipt.status, receipt.text.as_deref()), (Status::Revert, Some("overflow")));
}

/// Contracts on the SDK begin with one to three pages.
#[test]
fn contracts_of_the_sdk_begin_with_few_pages() {
    let contracts: [(&str, &[u8]); 3] = [
        ("token-v1", include_bytes!("../../../contracts/artifacts/token-v1.wasm")),
        ("token-v2", include_bytes!("../../../contracts/artifacts/token-v2.wasm")),
        ("probe", include_bytes!("../../../contracts/artifacts/probe.wasm")),
    ];
    for (name, module) in contracts {
        let pages = analyze(module, &WasmConfig::default()).memory.unwrap().initial;
        assert!((1..=3).contains(&pages), "{name} begins with {pages} pages");
    }
}

#[test]
fn the_limits_are_those_of_the_code() {
    let limits = ShapeLimits::default();
    let thousands = |number: u64| match number {
        0..1_000 => number.to_string(),
        _ => format!("{},{:03}", number / 1_000, number % 1_000),
    };
    assert_eq!((limits.module_bytes, limits.body_bytes), (1 << 20, 128 << 10));
    let text = DOCUMENT.split_whitespace().collect::<Vec<_>>().join(" ");
    for (number, what) in [
        (limits.functions as u64, "functions"),
        (limits.types as u64, "types"),
        (limits.globals as u64, "globals"),
        (limits.imports as u64, "imports"),
        (limits.exports as u64, "exports"),
        (limits.segments as u64, "data"),
        (limits.table_entries, "table entries"),
        (limits.params as u64, "parameters"),
        (limits.results as u64, "results"),
        (limits.locals.into(), "locals"),
        (limits.nesting as u64, "nested blocks"),
        (limits.br_table_targets.into(), "targets"),
    ] {
        let phrase = format!("{} {what}", thousands(number));
        assert!(text.contains(&phrase), "{phrase}");
    }
}
