//! Upgrades: code replaced, storage kept, with and without the constructor's effects.

use futures_executor::block_on;
use vm_core::{Amount, Arguments, InvokeRequest, Migration, Phase, RollbackRequest, Status, VmProvider};

use crate::machine::{Machine, alice, compiled, failed, name};

#[test]
fn without_migration_only_the_code_changes() {
    let machine = Machine::holding(&[("Ledger", "ledger")]);
    machine.text("ledger", "move", &["bob", "400"]);
    machine.send(InvokeRequest::new(name("ledger"), "").value(Amount::from(5))).unwrap();
    let receipt = machine.upgrade("ledger", "2", compiled("LedgerV2"), &["3"]).unwrap();
    assert!(receipt.events.is_empty(), "the constructor's event is undone");
    let entry = machine.vm.history(&name("ledger"), 2, 1).unwrap().remove(0);
    assert_eq!((entry.migration, entry.migrated_from), (Migration::None, None));
    assert_eq!(machine.text("ledger", "schema", &[]), "1");
    assert_eq!(machine.text("ledger", "step", &[]), "3", "immutables are part of the code");
    assert_eq!(machine.text("ledger", "balanceOf", &["bob"]), "400");
    machine.text("ledger", "burn", &["100"]);
    assert_eq!(machine.text("ledger", "total", &[]), "900");
    assert_eq!(machine.balance("ledger"), Amount::from(5));
    assert_eq!(machine.account(name("ledger").address()).contract, Some(name("ledger")));
}

#[test]
fn with_migration_the_constructors_effects_stay() {
    let machine = Machine::holding(&[("Ledger", "ledger")]);
    let code = compiled("LedgerV2").with_option("migrate", "constructor");
    let receipt = machine.upgrade("ledger", "2", code, &["3"]).unwrap();
    assert_eq!(receipt.events.len(), 1);
    let entry = machine.vm.history(&name("ledger"), 2, 1).unwrap().remove(0);
    assert_eq!((entry.migration, entry.migrated_from), (Migration::Ran, Some("1".parse().unwrap())));
    assert_eq!(machine.text("ledger", "schema", &[]), "2");
    assert_eq!(machine.text("ledger", "bare", &[]), "true", "constructors see no code at their address");
    assert_eq!(machine.text("ledger", "balanceOf", &["alice"]), "1000");
}

#[test]
fn a_failed_upgrade_leaves_the_old_version() {
    let machine = Machine::holding(&[("Ledger", "ledger")]);
    for code in [compiled("LedgerV2"), compiled("LedgerV2").with_option("migrate", "constructor")] {
        let receipt = failed(machine.upgrade("ledger", "2", code, &["0"]));
        assert_eq!((receipt.status, receipt.text.as_deref()), (Status::Revert, Some("step must not be zero")));
        assert_eq!(machine.text("ledger", "increment", &["1"]), "2");
        assert_eq!(machine.text("ledger", "total", &[]), "1000");
    }
    let error = machine.upgrade("ledger", "2", compiled("LedgerV2"), &[]).unwrap_err();
    assert_eq!(error.phase, Phase::Validate);
    assert_eq!(machine.vm.record(&name("ledger")).unwrap().unwrap().version.as_str(), "1");
}

#[test]
fn other_contracts_see_the_new_code() {
    let machine = Machine::holding(&[("Ledger", "ledger"), ("Script", "script")]);
    let step = hex::decode("e25fe175").unwrap();
    let call = || crate::script::Evm::new().call(name("ledger").address(), step.clone());
    let before = machine.raw(name("script").address(), call().into());
    assert!(!crate::script::Output(&before.output).call().0);
    machine.upgrade("ledger", "2", compiled("LedgerV2"), &["3"]).unwrap();
    let after = machine.raw(name("script").address(), call().into());
    let (ok, data) = crate::script::Output(&after.output).call();
    assert!(ok && data.last() == Some(&3));
}

#[test]
fn a_rollback_runs_the_very_code_from_before() {
    let machine = Machine::holding(&[("Ledger", "ledger")]);
    let code = |machine: &Machine| machine.account(name("ledger").address()).evm_code;
    let first = code(&machine);
    machine.text("ledger", "move", &["bob", "500"]);
    machine.upgrade("ledger", "2", compiled("LedgerV2"), &["3"]).unwrap();
    let second = code(&machine);
    machine.text("ledger", "burn", &["100"]);
    let back = |version: &str| RollbackRequest::new(name("ledger"), version.parse().unwrap()).from(alice());
    let error = block_on(machine.vm.rollback(back("1").migrate(Arguments::NONE))).unwrap_err();
    assert!(error.to_string().contains("evm contracts migrate in a constructor"), "{error}");
    block_on(machine.vm.rollback(back("1"))).unwrap();
    assert_eq!(code(&machine), first);
    assert_eq!(machine.text("ledger", "increment", &["1"]), "2");
    assert_eq!(machine.text("ledger", "balanceOf", &["bob"]), "500");
    assert_eq!(machine.text("ledger", "total", &[]), "900", "the state stays");
    block_on(machine.vm.rollback(back("2"))).unwrap();
    assert_eq!((code(&machine), machine.text("ledger", "step", &[])), (second, "3".to_owned()));
}
