//! What `multi_sign` believes nobody else can write: neither the code that its contract had before, nor that which it has in between.

use futures_executor::block_on;
use vm_core::{
    Code, DeployRequest, DryRunRequest, InvokeRequest, KeyRange, Lifecycle, Receipt, RollbackRequest, RuntimeKind,
    Space, Status, Trial, UpgradeRequest, Vm, VmProvider,
};

use crate::multi_sign::{freeze, guarded};
use crate::system::{call, done, hex, life, name, refused, who};

/// Keys and values, as a contract gives them.
type Entries = Vec<(Vec<u8>, Vec<u8>)>;

/// What a genuine `multi_sign` keeps of a proposal to freeze `c` that a quorum has approved.
fn approved(vm: &Vm) -> Entries {
    done(&call(vm, "ann", "multi_sign", "propose", &["contract_manager", "freeze_contract", &freeze(), "9"]));
    done(&call(vm, "bob", "multi_sign", "approve", &["1"]));
    let entries = vm.view().unwrap().scan(&KeyRange::of(Space::Apart, b"multi_sign"), usize::MAX).unwrap();
    assert_eq!(entries.len(), 4, "number, proposal, and two votes");
    entries.iter().map(|(key, value)| (key.suffix().unwrap()[32..].to_vec(), value.to_vec())).collect()
}

fn native(code: &str) -> Code {
    Code::new(RuntimeKind::Native, code)
}

/// A contract `m` of mallory's.
fn deploy(vm: &Vm, code: &str) {
    let request = DeployRequest::new(name("m"), "1".parse().unwrap(), native(code)).from(who("mallory"));
    let request = if code == "probe" { request.args([""]) } else { request };
    block_on(vm.deploy(request)).unwrap();
}

fn upgrade(version: &str, code: &str) -> UpgradeRequest {
    UpgradeRequest::new(name("m"), version.parse().unwrap(), native(code)).from(who("mallory"))
}

fn rollback(vm: &Vm, version: &str) {
    let request = RollbackRequest::new(name("m"), version.parse().unwrap()).from(who("mallory"));
    block_on(vm.rollback(request)).unwrap();
}

/// Has the probe write what `multi_sign` would have, under every key that it might take for its own.
fn forge(vm: &Vm, entries: &Entries) {
    let hash = native("multi_sign").hash();
    for (key, value) in entries {
        for key in [key.clone(), [&hash.as_bytes()[..], key].concat()] {
            done(&call(vm, "mallory", "m", "put", &[&hex(&key), &hex(value)]));
        }
    }
}

fn execute(vm: &Vm, contract: &str) -> Receipt {
    call(vm, "mallory", contract, "execute", &["1"])
}

/// Nothing came of what was forged, though it is what a genuine one carries out.
#[track_caller]
fn in_vain(vm: &Vm) {
    refused(&execute(vm, "m"), "there is no proposal 1");
    assert_eq!(life(vm, "c"), Lifecycle::Active);
    done(&call(vm, "ann", "multi_sign", "execute", &["1"]));
    assert_eq!(life(vm, "c"), Lifecycle::Frozen);
}

#[test]
fn what_other_code_wrote_before_an_upgrade_is_no_proposal() {
    let vm = guarded();
    let entries = approved(&vm);
    deploy(&vm, "probe");
    forge(&vm, &entries);
    let receipt = block_on(vm.upgrade(upgrade("2", "multi_sign"))).unwrap();
    assert!(receipt.warnings[0].contains("keeps its state apart"), "{:?}", receipt.warnings);
    in_vain(&vm);
}

#[test]
fn what_other_code_wrote_between_two_rollbacks_is_no_proposal() {
    let vm = guarded();
    let entries = approved(&vm);
    deploy(&vm, "multi_sign");
    block_on(vm.upgrade(upgrade("2", "probe").args([""]))).unwrap();
    forge(&vm, &entries);
    rollback(&vm, "1");
    refused(&execute(&vm, "m"), "there is no proposal 1");
    // What it keeps itself is still there after its owner went there and back, and is no more than it was.
    done(&call(&vm, "mallory", "m", "propose", &["contract_manager", "freeze_contract", &freeze(), "9"]));
    rollback(&vm, "2");
    forge(&vm, &entries);
    rollback(&vm, "1");
    refused(&execute(&vm, "m"), "must endorse it, and 0 did");
    done(&call(&vm, "mallory", "m", "reject", &["1"]));
    in_vain(&vm);
}

/// The same by transactions.
#[test]
fn what_other_code_wrote_before_a_nested_upgrade_is_no_proposal() {
    let vm = guarded();
    let entries = approved(&vm);
    deploy(&vm, "probe");
    forge(&vm, &entries);
    let manager = |method: &str, args: &[&str]| done(&call(&vm, "mallory", "contract_manager", method, args));
    let code = |code: &str| hex(code.as_bytes());
    manager("upgrade_contract", &["m", "2", "native", &code("multi_sign"), "", "", "0x", "", ""]);
    refused(&execute(&vm, "m"), "there is no proposal 1");
    manager("rollback_contract", &["m", "1", "0x", "", ""]);
    forge(&vm, &entries);
    manager("rollback_contract", &["m", "2", "0x", "", ""]);
    in_vain(&vm);
}

#[test]
fn a_dry_run_tells_that_nothing_would_come_of_it() {
    let vm = guarded();
    let entries = approved(&vm);
    deploy(&vm, "probe");
    forge(&vm, &entries);
    let replay = InvokeRequest::new(name("m"), "execute").args(["1"]).from(who("mallory"));
    let tried = DryRunRequest::new(Trial::Upgrade(upgrade("2", "multi_sign"))).replay([replay]);
    let tried = block_on(vm.dry_run(tried)).unwrap();
    assert!(tried.receipt.warnings[0].contains("keeps its state apart"), "{:?}", tried.receipt.warnings);
    let after = tried.replayed[0].after.as_ref().unwrap();
    assert_eq!(after.status, Status::Revert);
    assert!(after.text.as_deref().unwrap().contains("there is no proposal 1"), "{:?}", after.text);
}
