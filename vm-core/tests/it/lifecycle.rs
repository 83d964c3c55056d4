//! Deploy, upgrade, freeze, unfreeze, revoke: what is refused, in which phase, and that nothing is left of it.

use futures_executor::block_on;
use vm_core::{
    Address, Amount, Change, ChangeRequest, Code, DeployRequest, Entry, ErrorKind, Gas, GrantRequest, Lifecycle,
    MigrateRequest, Phase, Refusal, Right, RollbackRequest, Rule, RuntimeKind, Status, UpgradeRequest, Vm, VmError,
    VmProvider,
};

use crate::script::{REVERT, Scripts, call, deploy, invoke, name, ok, owner, refusal, request, script};

fn machine() -> Vm {
    Scripts::default()
        .with("c", |host, call| match &call.entry {
            Entry::Deploy => host.put(b"schema", b"1").map_err(Into::into).and_then(|()| ok()),
            _ => Ok(host.get(b"schema")?.unwrap_or_default()),
        })
        .with("c-v2", |host, call| match &call.entry {
            Entry::Upgrade { from, to } => {
                host.put(b"schema", format!("{from}->{to}").as_bytes())?;
                ok()
            }
            _ => Ok(host.get(b"schema")?.unwrap_or_default()),
        })
        .with("bad-v2", |host, _| {
            host.put(b"schema", b"broken")?;
            Err(REVERT)
        })
        .with("caller", |host, call_| if &*call_.method == "run" { Ok(call(host, "c", "read")?.output) } else { ok() })
        .start()
}

fn upgrade(vm: &Vm, version: &str, code: &str) -> Result<vm_core::Receipt, VmError> {
    block_on(vm.upgrade(UpgradeRequest::new(name("c"), version.parse().unwrap(), script(code)).from(owner())))
}

fn change(vm: &Vm, change: Change) -> Result<Lifecycle, VmError> {
    block_on(vm.change(ChangeRequest::new(name("c"), change).from(owner()))).map(|record| record.lifecycle)
}

#[test]
fn an_upgrade_migrates_and_keeps_every_version() {
    let vm = machine();
    let receipt = upgrade(&vm, "2", "c-v2").unwrap();
    assert_eq!(receipt.status, Status::Success);
    assert_eq!(&invoke(&vm, "c", "read").output[..], b"1->2");
    let versions = vm.versions(&name("c")).unwrap();
    assert_eq!(versions.iter().map(|v| (v.ordinal, v.version.as_str())).collect::<Vec<_>>(), [(1, "1"), (2, "2")]);
    let record = vm.record(&name("c")).unwrap().unwrap();
    assert_eq!((record.version.as_str(), record.versions, record.code), ("2", 2, script("c-v2").hash()));
}

#[test]
fn a_failed_upgrade_leaves_the_old_version_and_frees_the_new_name() {
    let vm = machine();
    let before = (vm.view().unwrap().height(), vm.record(&name("c")).unwrap());
    let error = upgrade(&vm, "2", "bad-v2").unwrap_err();
    assert_eq!(error.phase, Phase::Migrate);
    let ErrorKind::Failed(receipt) = &error.kind else { panic!("{error}") };
    assert!(receipt.writes.is_empty() && receipt.status == Status::Revert);
    assert_eq!((vm.view().unwrap().height(), vm.record(&name("c")).unwrap()), before);
    assert_eq!(&invoke(&vm, "c", "read").output[..], b"1");
    upgrade(&vm, "2", "c-v2").unwrap();
}

#[test]
fn refusals_name_the_phase_and_leave_nothing() {
    let vm = machine();
    let before = vm.view().unwrap().height();
    let stranger = Address::from_name("stranger");
    let by_stranger = UpgradeRequest::new(name("c"), "2".parse().unwrap(), script("c-v2")).from(stranger);
    let missing = UpgradeRequest::new(name("nobody"), "2".parse().unwrap(), script("c-v2"));
    let wasm = UpgradeRequest::new(name("c"), "2".parse().unwrap(), Code::new(RuntimeKind::Wasm, "")).from(owner());
    let poor = DeployRequest::new(name("new"), "1".parse().unwrap(), script("c")).gas(Gas::new(10));
    let unknown = DeployRequest::new(name("new"), "1".parse().unwrap(), script("nothing"));
    let elsewhere = DeployRequest::new(name("new"), "1".parse().unwrap(), Code::new(RuntimeKind::Evm, ""));
    for (error, phase, text) in [
        (deploy(&vm, "c").unwrap_err(), Phase::Admit, "a contract named 'c' exists already"),
        (upgrade(&vm, "1", "c-v2").unwrap_err(), Phase::Keep, "contract 'c' had a version '1' before"),
        (
            block_on(vm.upgrade(by_stranger)).unwrap_err(),
            Phase::Permission,
            "may not upgrade contract 'c': only its owner may",
        ),
        (block_on(vm.upgrade(missing)).unwrap_err(), Phase::Load, "there is no contract 'nobody'"),
        (
            block_on(vm.upgrade(wasm)).unwrap_err(),
            Phase::Keep,
            "runs on native, and the code is for wasm; ask for the change",
        ),
        (block_on(vm.deploy(poor)).unwrap_err(), Phase::Admit, "10 gas do not cover"),
        (block_on(vm.deploy(unknown)).unwrap_err(), Phase::Verify, "code rejected (script): no such script"),
        (block_on(vm.deploy(elsewhere)).unwrap_err(), Phase::Verify, "no evm runtime"),
        (block_on(vm.invoke(request("nobody", "m"))).unwrap_err(), Phase::Load, "there is no contract 'nobody'"),
    ] {
        assert_eq!(error.phase, phase, "{error}");
        assert!(error.to_string().contains(text), "{error}");
        assert!(matches!(error.kind, ErrorKind::Refused(_)));
    }
    assert_eq!(vm.view().unwrap().height(), before);
    assert_eq!(vm.record(&name("new")).unwrap(), None);
}

#[test]
fn a_constructor_that_reverts_leaves_the_name_free() {
    let vm = machine();
    let bad = DeployRequest::new(name("new"), "1".parse().unwrap(), script("bad-v2"));
    let error = block_on(vm.deploy(bad)).unwrap_err();
    assert_eq!(
        (error.phase, error.to_string().as_str()),
        (Phase::Initialise, "initialise: the contract failed with revert: no")
    );
    assert_eq!(vm.record(&name("new")).unwrap(), None);
    block_on(vm.deploy(DeployRequest::new(name("new"), "1".parse().unwrap(), script("c")))).unwrap();
}

#[test]
fn frozen_and_revoked_contracts_are_not_called_from_anywhere() {
    let vm = machine();
    assert_eq!(change(&vm, Change::Freeze).unwrap(), Lifecycle::Frozen);
    let error = block_on(vm.invoke(request("c", "read"))).unwrap_err();
    assert_eq!(error.to_string(), "load: contract 'c' is frozen and cannot be called");
    assert_eq!(&invoke(&vm, "caller", "run").output[..], b"contract 'c' is frozen and cannot be called");
    upgrade(&vm, "2", "c-v2").unwrap();
    assert!(block_on(vm.invoke(request("c", "read"))).unwrap_err().to_string().contains("is frozen"));
    assert_eq!(change(&vm, Change::Unfreeze).unwrap(), Lifecycle::Active);
    assert_eq!(&invoke(&vm, "c", "read").output[..], b"1->2");
    assert_eq!(change(&vm, Change::Revoke).unwrap(), Lifecycle::Revoked);
    let error = change(&vm, Change::Unfreeze).unwrap_err();
    assert!(matches!(refusal(&error), Refusal::Transition { .. }));
    assert!(error.to_string().contains("a contract that is revoked cannot become active"));
    assert!(block_on(vm.invoke(request("c", "read"))).unwrap_err().to_string().contains("is revoked"));
}

/// What becomes of each verb in each state of life: the state that it leads to, or a word of the refusal.
#[test]
fn every_verb_in_every_state_of_life() {
    let to_be_called = "cannot be called";
    let forbidden = "cannot become";
    let over = "is neither upgraded nor rolled back nor migrated any more";
    for (verb, active, frozen, revoked) in [
        ("invoke", "active", to_be_called, to_be_called),
        ("query", "active", to_be_called, to_be_called),
        ("upgrade", "active", "frozen", over),
        ("migrate", "active", "frozen", over),
        ("rollback", "active", "frozen", over),
        ("freeze", "frozen", "it is frozen already", forbidden),
        ("unfreeze", "it is active already", "active", forbidden),
        ("revoke", "revoked", "revoked", "it is revoked already"),
        ("grant", "active", "frozen", "revoked"),
        ("deploy", "exists already", "exists already", "exists already"),
    ] {
        for (life, expected) in [("active", active), ("frozen", frozen), ("revoked", revoked)] {
            let vm = machine();
            upgrade(&vm, "2", "c-v2").unwrap();
            match life {
                "frozen" => drop(change(&vm, Change::Freeze).unwrap()),
                "revoked" => drop(change(&vm, Change::Revoke).unwrap()),
                _ => {}
            }
            let before = (vm.view().unwrap().height(), vm.record(&name("c")).unwrap());
            let rules = GrantRequest::new(name("c")).set(Right::Call, Rule::Owner).from(owner());
            let (one, two) = ("1".parse().unwrap(), "1".parse().unwrap());
            let done = match verb {
                "invoke" => block_on(vm.invoke(request("c", "read"))).map(drop),
                "query" => block_on(vm.query(request("c", "read"))).map(drop),
                "upgrade" => upgrade(&vm, "3", "c-v2").map(drop),
                "migrate" => block_on(vm.migrate(MigrateRequest::new(name("c"), one).from(owner()))).map(drop),
                "rollback" => block_on(vm.rollback(RollbackRequest::new(name("c"), two).from(owner()))).map(drop),
                "freeze" => change(&vm, Change::Freeze).map(drop),
                "unfreeze" => change(&vm, Change::Unfreeze).map(drop),
                "revoke" => change(&vm, Change::Revoke).map(drop),
                "grant" => block_on(vm.grant(rules)).map(drop),
                _ => deploy(&vm, "c").map(drop),
            };
            match done {
                Ok(()) => {
                    assert_eq!(vm.record(&name("c")).unwrap().unwrap().lifecycle.as_str(), expected, "{verb} {life}")
                }
                Err(error) => {
                    assert!(error.to_string().contains(expected), "{verb} {life}: {error}");
                    assert_eq!((vm.view().unwrap().height(), vm.record(&name("c")).unwrap()), before);
                }
            }
        }
    }
}

#[test]
fn only_the_owner_changes_a_contracts_life() {
    let vm = machine();
    let request = ChangeRequest::new(name("c"), Change::Freeze).from(Address::from_name("stranger"));
    let error = block_on(vm.change(request)).unwrap_err();
    assert_eq!(error.phase, Phase::Permission);
    assert!(error.to_string().contains("may not freeze contract 'c'"));
}

#[test]
fn a_query_moves_no_value() {
    let vm = machine();
    let query = request("c", "read").value(Amount::from(1));
    let error = block_on(vm.query(query)).unwrap_err();
    assert_eq!(error.phase, Phase::Admit);
    assert!(matches!(refusal(&error), Refusal::QueryValue));
}
