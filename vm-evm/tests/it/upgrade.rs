//! Upgrades: code replaced, storage kept, with and without the constructor's effects.

use futures_executor::block_on;
use vm_core::{
    Amount, Arguments, HostPolicy, InvokeRequest, Limits, MigrateRequest, Migration, Phase, Receipt, RollbackRequest,
    Rule, Status, UpgradeRequest, VmError, VmProvider,
};
use vm_evm::EvmConfig;

use crate::machine::{Machine, alice, compiled, failed, name};
use crate::script::{Evm, Output, native_call, native_method};

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
    assert!(error.to_string().contains("its current version has no migration"), "{error}");
    block_on(machine.vm.rollback(back("1"))).unwrap();
    assert_eq!(code(&machine), first);
    assert_eq!(machine.text("ledger", "increment", &["1"]), "2");
    assert_eq!(machine.text("ledger", "balanceOf", &["bob"]), "500");
    assert_eq!(machine.text("ledger", "total", &[]), "900", "the state stays");
    block_on(machine.vm.rollback(back("2"))).unwrap();
    assert_eq!((code(&machine), machine.text("ledger", "step", &[])), (second, "3".to_owned()));
}

/// A ledger at version 1, which alice owns; she also administers the host.
fn ledger() -> Machine {
    let mut policy = HostPolicy::default();
    policy.administrators = Rule::Callers([alice()].into());
    let machine = Machine::governed(EvmConfig::default(), Limits::default(), policy).unwrap();
    machine.deploy("ledger", compiled("Ledger"), &["1000", "first"]).unwrap();
    machine
}

fn to_v3(arguments: &[&str]) -> UpgradeRequest {
    let request = UpgradeRequest::new(name("ledger"), "3".parse().unwrap(), compiled("LedgerV3")).from(alice());
    request.args(arguments.iter().copied())
}

fn migrate(machine: &Machine, data: &str) -> Result<Receipt, VmError> {
    block_on(machine.vm.migrate(MigrateRequest::new(name("ledger"), "1".parse().unwrap()).from(alice()).args([data])))
}

/// What the newest entry of the history says of the migration.
fn migration(machine: &Machine) -> (Migration, Option<String>) {
    let entries = machine.vm.record(&name("ledger")).unwrap().unwrap().entries;
    let entry = machine.vm.history(&name("ledger"), entries, 1).unwrap().remove(0);
    (entry.migration, entry.migrated_from.map(|version| version.to_string()))
}

#[test]
fn the_upgrade_function_migrates_with_both_versions() {
    let machine = ledger();
    machine.text("ledger", "move", &["bob", "400"]);
    let receipt = block_on(machine.vm.upgrade(to_v3(&["7", "0x"]).value(Amount::from(5)))).unwrap();
    assert_eq!((receipt.events.len(), receipt.text), (1, None), "what the constructor did is undone");
    assert_eq!(migration(&machine), (Migration::Ran, Some("1".into())));
    assert_eq!(machine.text("ledger", "last", &[]), "1 -> 3");
    assert_eq!(machine.text("ledger", "schema", &[]), "3");
    assert_eq!(machine.text("ledger", "step", &[]), "7", "the constructor makes the code, with its own arguments");
    assert_eq!(machine.text("ledger", "paid", &[]), "5", "the value is the migration's");
    assert_eq!(machine.text("ledger", "by", &[]).to_lowercase(), alice().to_string().to_lowercase());
    assert_eq!(machine.text("ledger", "balanceOf", &["bob"]), "400");
    assert_eq!(machine.balance("ledger"), Amount::from(5));
}

#[test]
fn a_migration_that_fails_leaves_the_old_version() {
    let machine = ledger();
    let code = machine.account(name("ledger").address()).evm_code;
    for (arguments, why) in [(["7", "0x01"], "not yet"), (["0", "0x"], "step must not be zero")] {
        let receipt = failed(block_on(machine.vm.upgrade(to_v3(&arguments))));
        assert_eq!((receipt.status, receipt.text.as_deref()), (Status::Revert, Some(why)));
    }
    let receipt = failed(block_on(machine.vm.upgrade(to_v3(&["7", "0x0202"]).gas(vm_core::Gas::new(500_000_000)))));
    assert_eq!(receipt.status, Status::Trap(vm_core::Trap::OutOfGas));
    let receipt =
        failed(block_on(machine.vm.upgrade(UpgradeRequest { arguments: Arguments::Raw("no".into()), ..to_v3(&[]) })));
    assert_eq!(
        receipt.text.unwrap(),
        "the arguments are not those of upgrade: the constructor's, where the code is made, and then one of type bytes"
    );
    let error = block_on(machine.vm.upgrade(to_v3(&["7"]))).unwrap_err().to_string();
    assert!(error.contains("upgrade(uint256 step_, bytes data) takes 2 arguments, but 1 was given"), "{error}");
    assert_eq!(machine.account(name("ledger").address()).evm_code, code);
    assert_eq!(
        (machine.text("ledger", "schema", &[]), machine.text("ledger", "total", &[])),
        ("1".into(), "1000".into())
    );
    block_on(machine.vm.upgrade(to_v3(&["7", "0x"]))).unwrap();
}

#[test]
fn a_migration_is_skipped_made_up_for_and_undone() {
    let machine = ledger();
    let paying = block_on(machine.vm.upgrade(to_v3(&["7"]).skip_migration().value(Amount::from(1)))).unwrap_err();
    assert!(paying.to_string().contains("takes neither arguments nor a value"), "{paying}");
    // The arguments are the constructor's, which is not skipped.
    block_on(machine.vm.upgrade(to_v3(&["7"]).skip_migration())).unwrap();
    assert_eq!(migration(&machine), (Migration::Skipped, None));
    let state = || [machine.text("ledger", "schema", &[]), machine.text("ledger", "last", &[])];
    assert_eq!((state(), machine.text("ledger", "step", &[])), (["1".into(), "".into()], "7".into()));

    let receipt = failed(migrate(&machine, "0x01"));
    assert_eq!((receipt.status, receipt.text.as_deref()), (Status::Revert, Some("not yet")));
    assert_eq!(state(), ["1", ""]);
    migrate(&machine, "0x").unwrap();
    assert_eq!((state(), migration(&machine)), (["3".into(), "1 -> 3".into()], (Migration::Ran, Some("1".into()))));

    // Down, by the code that is left.
    let back = |data: &str| {
        RollbackRequest::new(name("ledger"), "1".parse().unwrap()).from(alice()).migrate(Arguments::positional([data]))
    };
    let receipt = failed(block_on(machine.vm.rollback(back("0x01"))));
    assert_eq!((receipt.text.as_deref(), state()), (Some("not yet"), ["3".into(), "1 -> 3".into()]));
    block_on(machine.vm.rollback(back("0x"))).unwrap();
    assert_eq!(migration(&machine), (Migration::Ran, Some("3".into())));
    assert_eq!(
        (machine.text("ledger", "schema", &[]), machine.text("ledger", "increment", &["1"])),
        ("1".into(), "2".into())
    );
    let error = migrate(&machine, "0x").unwrap_err().to_string();
    assert!(error.contains("its current version has no migration"), "{error}");
}

#[test]
fn the_constructor_migrates_only_if_the_migration_is_not_skipped() {
    let machine = ledger();
    let code = || compiled("LedgerV2").with_option("migrate", "constructor");
    let request = UpgradeRequest::new(name("ledger"), "2".parse().unwrap(), code()).from(alice()).args(["3"]);
    block_on(machine.vm.upgrade(request.skip_migration())).unwrap();
    assert_eq!((machine.text("ledger", "schema", &[]), migration(&machine)), ("1".into(), (Migration::Skipped, None)));
}

/// Solidity's call data of `upgrade(string,string,bytes)`, with three empty arguments.
fn entering() -> Vec<u8> {
    let words = [0x60, 0x80, 0xa0, 0, 0, 0].map(|n| format!("{n:064x}"));
    hex::decode(format!("2e239666{}", words.concat())).unwrap()
}

#[test]
fn only_the_host_enters_a_migration() {
    let told = "upgrade is no method of a contract with a name: the host enters it";
    let machine = ledger();
    block_on(machine.vm.upgrade(to_v3(&["7", "0x"]))).unwrap();
    machine.deploy("script", compiled("Script"), &[]).unwrap();
    machine.deploy("f", vm_core::Code::new(vm_core::RuntimeKind::Native, "script"), &[]).unwrap();
    let at = name("ledger").address();
    // From outside, in whatever notation.
    let empty = Arguments::positional(["", "", "0x"]);
    for method in ["upgrade", "upgrade(string,string,bytes)"] {
        let request = InvokeRequest { arguments: empty.clone(), ..InvokeRequest::new(name("ledger"), method) };
        let receipt = machine.send(request.clone()).unwrap();
        assert_eq!(receipt.status, Status::Revert, "{method}");
        assert!(receipt.text.unwrap().starts_with(told), "{method}");
        let queried = block_on(machine.vm.query(request.from(alice()))).unwrap();
        assert!(queried.text.unwrap().starts_with(told), "{method}");
    }
    assert!(machine.raw(at, entering()).text.unwrap().starts_with(told));
    assert!(!machine.vm.contract(&name("ledger")).unwrap().interface().methods().join(" ").contains("upgrade"));
    // By a contract of the same runtime, and of another one.
    let receipt = machine.raw(name("script").address(), Evm::new().call(at, entering()).into());
    let (ok, data) = Output(&receipt.output).call();
    assert!(!ok && String::from_utf8_lossy(data).contains(told));
    let word = |n: usize| format!("{n:064x}");
    let input = hex::decode([0x60, 0x80, 0xa0, 0, 0, 0].map(word).concat()).unwrap();
    for script in [native_method(at, "upgrade", &input, None), native_call(at, 0, false, 90_000_000, entering())] {
        let receipt = machine.send(InvokeRequest::new(name("f"), "run").input(script)).unwrap();
        assert!(String::from_utf8_lossy(&receipt.output).contains(told), "{:?}", receipt.output);
    }
    // By itself.
    for delegated in ["true", "false"] {
        let answer = machine.text("ledger", "again", &[delegated]);
        let reason = hex::encode(told);
        assert!(answer.starts_with("(false") && answer.contains(&reason[..20]), "{answer}");
    }
    assert_eq!(machine.text("ledger", "last", &[]), "1 -> 3");
}

#[test]
fn nobody_calls_a_contract_while_it_migrates() {
    let machine = ledger();
    machine.deploy("script", compiled("Script"), &[]).unwrap();
    let total = hex::decode("2ddbd13a").unwrap();
    let at = name("ledger").address();
    let back = Evm::new().call(at, total);
    let data = [name("script").address().as_bytes().to_vec(), back.into()].concat();
    block_on(machine.vm.upgrade(to_v3(&["7", &format!("0x{}", hex::encode(&data))]))).unwrap();
    let answer = machine.text("ledger", "answer", &[]);
    assert!(answer.contains(&hex::encode("contract 'ledger' is upgrading and cannot be called")), "{answer}");
}
