//! OpenZeppelin's contracts deploy and behave. They are fetched and compiled by `cargo xtask test`; without them these tests
//! say so and are over.

use std::path::{Path, PathBuf};

use vm_core::{Address, Code, InvokeRequest, Receipt, Status};
use vm_evm::artifact;

use crate::machine::{Machine, address, alice, name};

/// What the xtask compiled out of `tests/openzeppelin`.
fn compiled(contract: &str) -> Option<artifact::Artifact> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().map(PathBuf::from).unwrap_or_default();
    let file = target.join("openzeppelin/contracts.json");
    match std::fs::read(&file) {
        Ok(bytes) => Some(artifact::read(&bytes, Some(contract)).unwrap()),
        Err(error) => {
            println!(
                "skipped: {}: {error}; cargo xtask test fetches it (npm and a network are needed)",
                file.display()
            );
            None
        }
    }
}

/// The code of a contract; or the test is over.
macro_rules! code {
    ($contract:literal) => {
        match compiled($contract) {
            Some(artifact) => artifact.into_code(),
            None => return,
        }
    };
}

fn call_data(machine: &Machine, of: &str, method: &str, arguments: &[&str]) -> String {
    let arguments = vm_core::Arguments::positional(arguments.iter().copied());
    let contract = machine.vm.contract(&name(of)).unwrap();
    let encoded = contract.interface().encode(&vm_core::Entry::Invoke, method, &arguments).unwrap();
    let selector = vm_evm_selector(&encoded.method);
    format!("0x{}{}", hex(&selector), hex(&encoded.input))
}

fn vm_evm_selector(signature: &str) -> [u8; 4] {
    let hash = alloy_primitives::keccak256(signature);
    [hash[0], hash[1], hash[2], hash[3]]
}

/// Where a contract is, as an argument.
fn at(contract: &str) -> String {
    name(contract).address().to_string()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn by(machine: &Machine, sender: &str, of: &str, method: &str, arguments: &[&str]) -> Receipt {
    let request = InvokeRequest::new(name(of), method).args(arguments.iter().copied()).from(address(sender));
    futures_executor::block_on(vm_core::VmProvider::invoke(&machine.vm, request)).unwrap()
}

fn events(machine: &Machine, receipt: &Receipt) -> Vec<String> {
    let told = receipt.events.iter().map(|event| {
        let contract = machine.vm.contract(event.contract.as_ref().unwrap()).unwrap();
        contract.interface().decode_event(event).unwrap()
    });
    told.collect()
}

fn reverted(receipt: Receipt) -> String {
    assert_eq!(receipt.status, Status::Revert, "{:?}", receipt.text);
    receipt.text.unwrap()
}

#[test]
fn erc20_with_access_control() {
    let machine = Machine::new();
    machine.deploy("coin", code!("Coin"), &["Gold", "GLD", "1000"]).unwrap();
    assert_eq!(machine.text("coin", "symbol", &[]), "GLD");
    let receipt = machine.invoke("coin", "transfer", &["bob", "300"]);
    let (from, to) = (alice(), address("bob"));
    assert_eq!(events(&machine, &receipt), [format!("Transfer(from: {from}, to: {to}, value: 300)")]);
    assert_eq!(machine.text("coin", "balanceOf", &["bob"]), "300");

    let reason = reverted(machine.invoke("coin", "transfer", &["bob", "701"]));
    assert_eq!(reason, format!("ERC20InsufficientBalance(sender: {from}, balance: 700, needed: 701)"));
    machine.text("coin", "approve", &["carol", "50"]);
    assert_eq!(by(&machine, "carol", "coin", "transferFrom", &["alice", "dave", "50"]).text.as_deref(), Some("true"));
    let reason = reverted(by(&machine, "carol", "coin", "transferFrom", &["alice", "dave", "1"]));
    assert_eq!(reason, format!("ERC20InsufficientAllowance(spender: {}, allowance: 0, needed: 1)", address("carol")));

    let minter = machine.text("coin", "MINTER", &[]);
    let reason = reverted(machine.invoke("coin", "mint", &["bob", "5"]));
    assert_eq!(reason, format!("AccessControlUnauthorizedAccount(account: {from}, neededRole: {minter})"));
    assert!(reverted(by(&machine, "bob", "coin", "grantRole", &[&minter, "bob"])).starts_with("AccessControlUnauth"));
    machine.text("coin", "grantRole", &[&minter, "bob"]);
    assert_eq!(by(&machine, "bob", "coin", "mint", &["bob", "5"]).status, Status::Success);
    assert_eq!(machine.text("coin", "totalSupply", &[]), "1005");
    assert_eq!(machine.text("coin", "supportsInterface", &["0x01ffc9a7"]), "true");
}

#[test]
fn erc721_and_its_receivers() {
    let machine = Machine::new();
    machine.deploy("gallery", code!("Gallery"), &[]).unwrap();
    assert_eq!(machine.text("gallery", "mint", &["bob"]), "1");
    assert_eq!(machine.text("gallery", "ownerOf", &["1"]), address("bob").to_string());
    let reason = reverted(machine.invoke("gallery", "transferFrom", &["bob", "carol", "1"]));
    assert_eq!(reason, format!("ERC721InsufficientApproval(operator: {}, tokenId: 1)", alice()));
    let moved = by(&machine, "bob", "gallery", "safeTransferFrom(address,address,uint256)", &["bob", "carol", "1"]);
    assert_eq!(moved.status, Status::Success);
    assert_eq!(machine.text("gallery", "balanceOf", &["carol"]), "1");
    // The gallery itself is a contract that takes no tokens.
    let reason = reverted(machine.invoke("gallery", "mint", &[&at("gallery")]));
    assert_eq!(reason, format!("ERC721InvalidReceiver(receiver: {})", at("gallery")));
    assert_eq!(machine.text("gallery", "minted", &[]), "1");
}

#[test]
fn erc1155_in_batches() {
    let machine = Machine::new();
    machine.deploy("items", code!("Items"), &[]).unwrap();
    machine.text("items", "mint", &["alice", "[1, 2]", "[10, 20]"]);
    let moved = machine.invoke("items", "safeBatchTransferFrom", &["alice", "bob", "[1, 2]", "[3, 4]", "0x"]);
    let who = alice();
    let want =
        format!("TransferBatch(operator: {who}, from: {who}, to: {}, ids: [1, 2], values: [3, 4])", address("bob"));
    assert_eq!(events(&machine, &moved), [want]);
    let balances = machine.text("items", "balanceOfBatch", &["[alice, bob, bob]", "[1, 1, 2]"]);
    assert_eq!(balances, "[7, 3, 4]");
    assert!(reverted(machine.invoke("items", "mint", &["bob", "[1]", "[]"])).starts_with("ERC1155InvalidArrayLength"));
}

/// A proxy that answers with the counter's ABI.
fn proxied(artifact: artifact::Artifact, interface: &Code) -> Code {
    artifact.with_interface(interface.abi.as_deref().unwrap()).unwrap().into_code()
}

#[test]
fn uups_behind_an_erc1967_proxy() {
    let machine = Machine::new();
    let (first, second) = (code!("CounterV1"), code!("CounterV2"));
    machine.deploy("counter-v1", first.clone(), &[]).unwrap();
    machine.deploy("counter-v2", second, &[]).unwrap();
    let proxy = proxied(compiled("Proxy").unwrap(), &first);
    let initialize = "initialize(address,uint256)(alice, 5)";
    machine.deploy("counter", proxy, &[&at("counter-v1"), initialize]).unwrap();

    let receipt = machine.invoke("counter", "add", &["7"]);
    assert_eq!(events(&machine, &receipt), [format!("Counted(by: {}, count: 12)", alice())]);
    assert_eq!(receipt.events[0].contract, Some(name("counter")), "delegated code speaks for the proxy");
    assert_eq!(machine.text("counter", "count", &[]), "12");
    assert_eq!(machine.text("counter-v1", "count", &[]), "0", "the implementation's storage is its own");
    assert_eq!(reverted(machine.invoke("counter", "add", &["101"])), "TooMuch(asked: 101, most: 100)");
    assert_eq!(reverted(machine.invoke("counter", "initialize", &["bob", "0"])), "InvalidInitialization()");

    let second = at("counter-v2");
    let to = [second.as_str(), "0x"];
    assert_eq!(reverted(by(&machine, "bob", "counter", "upgradeToAndCall", &to)), "only the owner");
    assert_eq!(reverted(machine.invoke("counter-v1", "upgradeToAndCall", &to)), "UUPSUnauthorizedCallContext()");
    machine.text("counter", "upgradeToAndCall", &to);
    machine.text("counter", "add", &["4"]);
    assert_eq!(machine.text("counter", "count", &[]), "20");
    assert_eq!(machine.text("counter", "version", &[]), "2");
    // Not a UUPS implementation.
    assert!(reverted(machine.invoke("counter", "upgradeToAndCall", &["bob", "0x"])).contains("reverted"));
}

#[test]
fn beacons_upgrade_all_their_proxies() {
    let machine = Machine::new();
    let (first, second) = (code!("CounterV1"), code!("CounterV2"));
    machine.deploy("v1", first.clone(), &[]).unwrap();
    machine.deploy("v2", second, &[]).unwrap();
    machine.deploy("beacon", code!("Beacon"), &[&at("v1"), "alice"]).unwrap();
    for (proxy, start) in [("one", "1"), ("two", "2")] {
        let initialize = call_data(&machine, "v1", "initialize", &["alice", start]);
        machine.deploy(proxy, proxied(compiled("BeaconUser").unwrap(), &first), &[&at("beacon"), &initialize]).unwrap();
        machine.text(proxy, "add", &["10"]);
    }
    machine.text("beacon", "upgradeTo", &[&at("v2")]);
    for (proxy, count) in [("one", "31"), ("two", "32")] {
        machine.text(proxy, "add", &["10"]);
        assert_eq!(machine.text(proxy, "count", &[]), count);
        assert_eq!(machine.text(proxy, "version", &[]), "2");
    }
}

#[test]
fn clones_are_callable_by_their_addresses() {
    let machine = Machine::new();
    machine.deploy("v1", code!("CounterV1"), &[]).unwrap();
    machine.deploy("factory", code!("Factory"), &[]).unwrap();
    let salt = format!("0x{}", "07".repeat(32));
    let predicted = machine.text("factory", "predict", &[&at("v1"), &salt]);
    assert_eq!(machine.text("factory", "cloneAt", &[&at("v1"), &salt]), predicted);
    assert!(reverted(machine.invoke("factory", "cloneAt", &[&at("v1"), &salt])).contains("FailedDeployment"));
    let other = machine.text("factory", "clone", &[&at("v1")]);
    for (at, start, want) in [(predicted, "5", "8"), (other, "50", "53")] {
        let at: Address = at.parse().unwrap();
        for (method, arguments) in [("initialize(address,uint256)", vec!["alice", start]), ("add(uint256)", vec!["3"])]
        {
            let receipt = machine.send(InvokeRequest::new(at, method).args(arguments)).unwrap();
            assert_eq!(receipt.status, Status::Success, "{:?}", receipt.text);
        }
        let count = machine.send(InvokeRequest::new(at, "count()")).unwrap();
        assert_eq!(u64::from(*count.output.last().unwrap()), want.parse::<u64>().unwrap());
    }
}
