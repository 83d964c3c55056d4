//! ChainMaker's own published contracts, where somebody has them: they are not part of this repository.
//!
//! `VM_TEST_CHAINMAKER_WASM` names a checkout of chainmaker-go, or a folder with its `test/wasm` and `tools/cmc/testdata`. Without it,
//! `../shared/chainmaker-go` beside this repository is one, if it is there.

use std::path::{Path, PathBuf};

use futures_executor::block_on;
use vm_core::{Address, Limits, Status, Vm, VmProvider};

use super::super::machine::{machine, machine_with};
use super::{call, deploy, deploy_request, invoke, text, try_deploy, upgrade_request};

/// A published module, or nothing, with a note why.
fn published(file: &str) -> Option<Vec<u8>> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/chainmaker-go");
    let named = std::env::var_os("VM_TEST_CHAINMAKER_WASM").map(PathBuf::from);
    let Some(folder) = named.or_else(|| shared.is_dir().then_some(shared)) else {
        eprintln!("skipped: VM_TEST_CHAINMAKER_WASM names no folder with ChainMaker's contracts, nor is there ../shared/chainmaker-go");
        return None;
    };
    let path = folder.join(file);
    Some(std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

#[test]
fn counter() {
    let Some(first) = published("tools/cmc/testdata/counter-go-demo/rust-counter-1.0.0.wasm") else { return };
    let Some(second) = published("tools/cmc/testdata/counter-go-demo/rust-counter-2.0.0.wasm") else { return };
    let vm = machine();
    deploy(&vm, "counter", first);
    for _ in 0..2 {
        let receipt = invoke(&vm, "counter", "increase", &[]);
        assert_eq!(receipt.status, Status::Success, "{:?}", receipt.text);
        assert!(receipt.writes.iter().any(|(key, _)| key.suffix() == Some(b"count#counter1")));
    }
    assert_eq!(text(&vm, "counter", "query", &[]), "2");
    assert!(vm.invoke_sync(call("counter", "add_two", &[])).is_err());
    block_on(vm.upgrade(upgrade_request("counter", second))).unwrap();
    invoke(&vm, "counter", "add_two", &[]);
    assert_eq!(text(&vm, "counter", "query", &[]), "4");
}

#[test]
fn fact() {
    let Some(module) = published("tools/cmc/testdata/claim-wasm-demo/rust-fact-2.0.0.wasm") else { return };
    let vm = machine();
    deploy(&vm, "fact", module);
    let fact = [("file_hash", "ab12"), ("file_name", "name"), ("time", "1600000000")];
    let receipt = invoke(&vm, "fact", "save", &fact);
    let [event] = &receipt.events[..] else { panic!("{:?} {:?}", receipt.text, receipt.events) };
    assert_eq!((&event.topics[0][..], &event.data[..]), (&b"topic_vx"[..], &br#"["ab12","name","1600000000"]"#[..]));
    let found = text(&vm, "fact", "find_by_file_hash", &[("file_hash", "ab12")]);
    assert_eq!(found, r#"{"file_hash":"ab12","file_name":"name","time":1600000000}"#);
}

/// State, iterators, arithmetic and calls of another contract.
#[test]
fn functions() {
    let Some(module) = published("test/wasm/rust-func-verify-2.0.0.wasm") else { return };
    let vm = machine();
    deploy(&vm, "verify", module.clone());
    deploy(&vm, "fact", module);
    for (method, result) in [
        ("increase", "++ stone success count=1"),
        ("query", "1"),
        ("test_put_state", "test_put_state ok"),
        ("test_put_pre_state", ""),
        ("test_iter_pre_field", "14"),
        ("test_iter_pre_key", "14"),
        ("test_kv_iterator", "15"),
    ] {
        assert_eq!(text(&vm, "verify", method, &[("count", "15")]), result, "{method}");
    }
    assert_eq!(text(&vm, "verify", "sum", &[("arg1", "1"), ("arg2", "2")]), "3");
    let called = [("contract_name", "fact"), ("file_hash", "ab12"), ("file_name", "name"), ("time", "1600000000")];
    assert_eq!(text(&vm, "verify", "functional_verify", &called), "ok");
}

#[test]
fn asset() {
    let Some(module) = published("test/wasm/rust-asset-2.0.0.wasm") else { return };
    let vm = machine();
    let [owner, alice, bob] = ["owner", "alice", "bob"].map(Address::from_name);
    let deployment = deploy_request("asset", module).from(owner).arg("issue_limit", "1000").arg("total_supply", "100000");
    block_on(vm.deploy(deployment)).unwrap();
    let call = |from: Address, method: &str, parameters: &[(&str, &str)]| {
        let receipt = vm.invoke_sync(call("asset", method, parameters).from(from)).unwrap();
        (receipt.status.is_success(), receipt.text.unwrap_or_default())
    };
    let ok = |text: &str| (true, text.to_owned());
    for account in [alice, bob] {
        assert_eq!(call(account, "register", &[]), ok(&account.to_string()));
        assert_eq!(call(account, "query_address", &[]), ok(&account.to_string()));
    }
    let [alice_text, bob_text] = [alice, bob].map(|account| account.to_string());
    assert_eq!(call(owner, "total_supply", &[]), ok("100000"));
    assert_eq!(call(owner, "issue_amount", &[("to", &alice_text), ("amount", "100")]), ok(""));
    assert!(!call(bob, "issue_amount", &[("to", &bob_text), ("amount", "100")]).0, "only the creator issues");
    assert!(!call(owner, "issue_amount", &[("to", &bob_text), ("amount", "1001")]).0, "more than the limit");
    assert_eq!(call(alice, "transfer", &[("to", &bob_text), ("amount", "40")]), ok("ok"));
    assert_eq!(call(bob, "balance_of", &[("owner", &bob_text)]), ok("40"));
    assert_eq!(call(alice, "balance_of", &[("owner", &alice_text)]), ok("60"));
    assert!(!call(alice, "transfer", &[("to", &bob_text), ("amount", "61")]).0, "more than there is");
    assert_eq!(call(alice, "approve", &[("spender", &bob_text), ("amount", "30")]), ok(""));
    assert_eq!(call(bob, "allowance", &[("owner", &alice_text), ("spender", &bob_text)]), ok("30"));
    let transfer = [("from", alice_text.as_str()), ("to", &bob_text), ("amount", "30")];
    assert_eq!(call(bob, "transfer_from", &transfer), ok("ok"));
    assert!(!call(bob, "transfer_from", &transfer).0, "nothing is allowed any more");
    assert_eq!(call(bob, "balance_of", &[("owner", &bob_text)]), ok("70"));
    assert_eq!(call(owner, "issued_amount", &[]), ok("100"));
}

/// What TinyGo compiles carries floating-point code, which the operator has to admit.
fn machine_with_floats() -> Vm {
    let mut config = vm_wasm::WasmConfig::default();
    config.floats = true;
    machine_with(config, Limits::default())
}

#[test]
fn functions_in_tinygo() {
    let Some(module) = published("test/wasm/go-func-verify-2.0.0.wasm") else { return };
    let error = try_deploy(&machine(), "verify", module.clone(), &[]).unwrap_err().to_string();
    assert!(error.contains("ask the operator to admit floats"), "{error}");
    let vm = machine_with_floats();
    deploy(&vm, "verify", module.clone());
    deploy(&vm, "fact", module);
    for (method, result) in [
        ("increase", "1"),
        ("increase", "2"),
        ("query", "2"),
        ("test_put_state", "ok"),
        ("test_put_pre_state", ""),
        ("test_iter_pre_field", "14"),
        ("test_iter_pre_key", "14"),
        ("test_kv_iterator", "15"),
    ] {
        assert_eq!(text(&vm, "verify", method, &[("count", "15")]), result, "{method}");
    }
    assert_eq!(text(&vm, "verify", "sum", &[("arg1", "1"), ("arg2", "2")]), "3");
    let fact = [("file_hash", "ab12"), ("file_name", "name"), ("time", "1600000000")];
    assert_eq!(text(&vm, "fact", "save", &fact), "ok");
    let found = r#"{"file_hash":"ab12","file_name":"name","time":"1600000000"}"#;
    assert_eq!(text(&vm, "fact", "find_by_file_hash", &fact), found);
    let called = [&[("contract_name", "fact"), ("method", "save")][..], &fact].concat();
    assert_eq!(text(&vm, "verify", "functional_verify", &called), "ok");
}

/// The SQL and privacy functions that other contracts need are refused by their names.
#[test]
fn what_is_not_supported() {
    for (file, method, reason) in [
        ("test/wasm/rust-sql-2.0.0.wasm", None, "ExecuteDDL: SQL is not supported by this host"),
        ("test/wasm/go-sql-2.0.0.wasm", None, "ExecuteDDL: SQL is not supported by this host"),
        ("test/wasm/evidence.wasm", Some("get_user"), "contracts of SDKs before 1.0 are not supported"),
    ] {
        let Some(module) = published(file) else { return };
        let vm = machine_with_floats();
        let deployed = try_deploy(&vm, "it", module, &[]);
        let told = match (deployed, method) {
            (Err(error), None) => error.to_string(),
            (Ok(_), Some(method)) => invoke(&vm, "it", method, &[]).text.unwrap(),
            (deployed, _) => panic!("{file}: {deployed:?}"),
        };
        assert!(told.contains(reason), "{file}: {told}");
    }
}

/// One file under three names is three contracts; what one SDK wrote is upgraded to what another one did.
#[test]
fn contracts_in_tinygo_by_their_names_and_upgraded_from_rust() {
    let Some(rust) = published("test/wasm/rust-counter-2.0.0.wasm") else { return };
    let Some(counter) = published("test/wasm/go-counter-2.0.0.wasm") else { return };
    let Some(fact) = published("test/wasm/go-fact-2.0.0.wasm") else { return };
    let vm = machine_with_floats();
    deploy(&vm, "counter", rust);
    invoke(&vm, "counter", "increase", &[]);
    assert_eq!(text(&vm, "counter", "query", &[]), "1");
    block_on(vm.upgrade(upgrade_request("counter", counter))).unwrap();
    invoke(&vm, "counter", "increase", &[]);
    assert_eq!(text(&vm, "counter", "query", &[]), "1", "it counts under another key");
    deploy(&vm, "fact", fact);
    let parameters = [("file_hash", "ab12"), ("file_name", "name"), ("time", "1600000000")];
    assert_eq!(text(&vm, "fact", "save", &parameters), "ok");
}
