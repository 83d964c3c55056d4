//! System contracts that EVM code calls: what it may change, and what it may not while the EVM keeps accounts.

use futures_executor::block_on;
use vm_core::{
    Address, Arguments, Code, DeployRequest, Entry, GovernRequest, Governance, GrantRequest, InvokeRequest, KeyRange,
    Lifecycle, Right, Room, RuntimeKind, Space, Status, UpgradeRequest, Vm, VmProvider,
};

use crate::conformance::{artifact, deploy, machine, machine_with, name, owner};

/// Init code of a contract that calls the address in the first word of its input with the rest of it, and returns a word that says
/// whether that succeeded, and what it returned.
const CALLS: &str = "602a600c600039602a6000f3\
    60203603602060003760006000602036036000600060003\
    55af16000523d600060203e3d6020016000f3";

const ABI: &str = r#"[{"type":"function","name":"call","inputs":[{"name":"method","type":"string"},{"name":"input","type":"bytes"}],
    "outputs":[],"stateMutability":"nonpayable"}]"#;

/// Has the EVM contract call a method of another one; whether it succeeded, and what it said.
fn call(vm: &Vm, to: &str, method: &str, args: &[&str]) -> (bool, String) {
    let encode = |contract: &str, method: &str, args: &[&str]| {
        let contract = vm.contract(&name(contract)).unwrap();
        let arguments = Arguments::positional(args.iter().copied());
        contract.interface().encode(&Entry::Invoke, method, &arguments).unwrap().input
    };
    let input = format!("0x{}", hex::encode(encode(to, method, args)));
    let data = encode("caller", "call", &[method, &input]);
    let selector = vm.contract(&name("caller")).unwrap().interface().guards("call").unwrap().remove(0);
    let selector = hex::decode(&selector[2..]).unwrap();
    let word = [&[0; 12][..], name(to).address().as_bytes()].concat();
    let request = InvokeRequest::new(name("caller"), "").input([&word[..], &selector, &data].concat()).from(owner());
    let receipt = block_on(vm.invoke(request)).unwrap();
    assert_eq!(receipt.status, Status::Success);
    let (word, output) = receipt.output.split_at(32);
    (word[31] == 1, String::from_utf8_lossy(output).into_owned())
}

#[test]
fn evm_code_changes_other_contracts_and_none_of_the_evm() {
    let vm = machine();
    let code = hex::decode(CALLS.replace(' ', "")).unwrap();
    deploy(&vm, "caller", Code::new(RuntimeKind::Evm, code).with_abi(ABI), &[]);
    deploy(&vm, "contract_manager", Code::new(RuntimeKind::Native, "contract_manager"), &[]);
    deploy(&vm, "c", Code::new(RuntimeKind::Wasm, artifact("probe.wasm")), &[""]);
    let abi = String::from_utf8(artifact("token-v1.abi.json")).unwrap();
    deploy(&vm, "e", Code::new(RuntimeKind::Evm, artifact("token-v1.bin")).with_abi(abi), &["1000"]);
    let life = |contract: &str| vm.record(&name(contract)).unwrap().unwrap().lifecycle;

    // It is the EVM contract that asks, and not who sent the transaction.
    let (done, told) = call(&vm, "contract_manager", "freeze_contract", &["c", "by code"]);
    let denied = format!("{} may not freeze contract 'c': only its owner may", name("caller").address());
    assert!(!done && told.contains(&denied), "{told}");
    for contract in ["c", "e"] {
        let rule = "callers(contract:caller)".parse().unwrap();
        let request = GrantRequest::new(name(contract)).set(Right::Freeze, rule).from(owner());
        block_on(vm.grant(request)).unwrap();
    }
    let (done, told) = call(&vm, "contract_manager", "freeze_contract", &["c", "by code"]);
    assert!(done, "{told}");
    let entry = vm.history(&name("c"), 3, 1).unwrap().remove(0);
    assert_eq!((life("c"), entry.actor, &*entry.reason), (Lifecycle::Frozen, name("caller").address(), "by code"));

    let probe = format!("0x{}", hex::encode("probe"));
    let new = ["new", "1", "native", &probe, "", "", "0x00000000", "all", ""];
    for (method, args) in [("freeze_contract", &["e", "by code"][..]), ("deploy_contract", &new)] {
        let (done, told) = call(&vm, "contract_manager", method, args);
        let why = "in a transaction in which evm code has run, no contract is deployed and no evm contract changed";
        assert!(!done && told.contains(why), "{method}: {told}");
    }
    assert_eq!((life("e"), vm.record(&name("new")).unwrap()), (Lifecycle::Active, None));
}

/// Inside a transaction nobody counts the slots at its end any more, so they are counted when the version is kept.
#[test]
fn nested_upgrades_and_migrations_of_an_evm_contract_keep_to_its_room() {
    let vm = machine_with("vm.access.administrators = \"callers(owner)\"");
    deploy(&vm, "contract_manager", Code::new(RuntimeKind::Native, "contract_manager"), &[]);
    let text = |file: &str| String::from_utf8(artifact(file)).unwrap();
    let v1 = Code::new(RuntimeKind::Evm, artifact("token-v1.bin")).with_abi(text("token-v1.abi.json"));
    deploy(&vm, "e", v1, &["1000"]);
    let bound = |keys| {
        let room = Some(Room { keys, bytes: 10_000 });
        block_on(vm.govern(GovernRequest::new(Governance::Room { contract: name("e"), room }).from(owner()))).unwrap();
    };
    // Its constructor sets slot 9 to 1, and returns code that does nothing.
    let upgrade = || {
        let args = ["e", "2", "evm", "0x600160095560016000f3", "", "migrate=constructor", "0x", "", ""];
        let request = InvokeRequest::new(name("contract_manager"), "upgrade_contract").args(args).from(owner());
        block_on(vm.invoke(request)).unwrap()
    };
    // The supply, the owner's balance and the schema.
    bound(3);
    let refused = upgrade();
    let told = String::from_utf8_lossy(&refused.output);
    assert_eq!(refused.status, Status::Revert);
    assert!(told.starts_with("store: the contract's state has no more room: "), "{told}");
    assert!(told.contains("may have 3 keys, has 3, and would have 4"), "{told}");
    let record = vm.record(&name("e")).unwrap().unwrap();
    assert_eq!((record.version.as_str(), record.lifecycle), ("1", Lifecycle::Active));
    bound(4);
    let done = upgrade();
    assert_eq!((done.status, vm.record(&name("e")).unwrap().unwrap().version.as_str()), (Status::Success, "2"));

    // So are those of a migration by itself. This code sets slot 10 to 1, whatever is called.
    let abi = r#"[{"type":"function","name":"upgrade","inputs":[{"name":"","type":"string"},{"name":"","type":"string"}],
        "outputs":[],"stateMutability":"nonpayable"}]"#;
    let send = |method: &str, args: &[&str]| {
        let request = InvokeRequest::new(name("contract_manager"), method).args(args.iter().copied()).from(owner());
        block_on(vm.invoke(request)).unwrap()
    };
    let code = "0x600680600b6000396000f36001600a5500";
    let skipped = send("upgrade_contract", &["e", "3", "evm", code, abi, "", "0x", "skip-migration", ""]);
    assert_eq!(skipped.status, Status::Success, "{:?}", skipped.text);
    for (method, args) in
        [("migrate_contract", &["e", "2", "0x", ""][..]), ("rollback_contract", &["e", "2", "0x", "migrate", ""])]
    {
        let refused = send(method, args);
        let told = String::from_utf8_lossy(&refused.output).into_owned();
        assert!(
            refused.status == Status::Revert && told.contains("may have 4 keys, has 4, and would have 5"),
            "{told}"
        );
    }
    bound(5);
    assert_eq!(send("migrate_contract", &["e", "2", "0x", ""]).status, Status::Success);
    let entry = vm.history(&name("e"), 7, 1).unwrap().remove(0);
    assert_eq!((entry.operation.as_str(), entry.migrated_from), ("migrate", Some("2".parse().unwrap())));
    assert_eq!(send("rollback_contract", &["e", "2", "0x", "migrate", ""]).status, Status::Success);
    assert_eq!(vm.record(&name("e")).unwrap().unwrap().version.as_str(), "2");
}

/// State is kept in one form on all runtimes but the EVM, and yet nothing that a module wrote is an approval.
#[test]
fn what_a_module_wrote_is_no_proposal_after_a_change_of_runtime() {
    let vm = machine();
    let mallory = Address::from_name("mallory");
    let native = || Code::new(RuntimeKind::Native, "multi_sign");
    for contract in ["token", "multi_sign"] {
        deploy(&vm, contract, Code::new(RuntimeKind::Native, contract), if contract == "token" { &["1"] } else { &[] });
    }
    // The owner of the token proposes to freeze it, which needs nobody else.
    let text = |text: &str| [&(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat();
    let freeze = format!("0x{}", hex::encode([text("token"), text("")].concat()));
    let invoke = |contract: &str, method: &str, args: &[&str], from: Address| {
        let request = InvokeRequest::new(name(contract), method).args(args.iter().copied()).from(from);
        block_on(vm.invoke(request)).unwrap()
    };
    let propose = ["contract_manager", "freeze_contract", &freeze, "1000"];
    assert_eq!(invoke("multi_sign", "propose", &propose, owner()).status, Status::Success);
    let probe = Code::new(RuntimeKind::Wasm, artifact("probe.wasm"));
    let request = DeployRequest::new(name("m"), "1".parse().unwrap(), probe).args([""]).from(mallory);
    block_on(vm.deploy(request)).unwrap();
    let genuine = vm.view().unwrap().scan(&KeyRange::of(Space::Apart, b"multi_sign"), usize::MAX).unwrap();
    let hex = |bytes: &[u8]| format!("0x{}", hex::encode(bytes));
    for (key, value) in &genuine {
        let key = key.suffix().unwrap();
        for key in [key, &key[32..]] {
            assert_eq!(invoke("m", "put", &[&hex(key), &hex(value)], mallory).status, Status::Success);
        }
    }
    let upgrade = UpgradeRequest::new(name("m"), "2".parse().unwrap(), native()).from(mallory);
    block_on(vm.upgrade(upgrade.change_runtime())).unwrap();
    let life = || vm.record(&name("token")).unwrap().unwrap().lifecycle;
    let forged = invoke("m", "execute", &["1"], mallory);
    assert!(forged.text.unwrap().contains("there is no proposal 1") && life() == Lifecycle::Active);
    assert_eq!((invoke("multi_sign", "execute", &["1"], owner()).status, life()), (Status::Success, Lifecycle::Frozen));
}
