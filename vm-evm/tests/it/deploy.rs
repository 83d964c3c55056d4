//! Deployments: constructors, their reasons, and code that is not acceptable.

use vm_core::{Amount, Code, DeployRequest, Phase, RuntimeKind, Status, Trap};

use crate::machine::{Machine, alice, assembled, compiled, failed, name, refused};

#[test]
fn the_contract_lives_at_its_names_address_with_its_constructors_state() {
    let machine = Machine::new();
    let receipt = machine.deploy("ledger", compiled("Ledger"), &["1000", "first entry"]).unwrap();
    assert_eq!(receipt.status, Status::Success);
    assert_eq!(machine.text("ledger", "balanceOf", &["alice"]), "1000");
    assert_eq!(machine.text("ledger", "maker", &[]), alice().to_string());

    let account = machine.account(name("ledger").address());
    assert_eq!((account.contract, account.nonce), (Some(name("ledger")), 1));
    assert!(account.evm_code.is_some());
    let event = machine.vm.contract(&name("ledger")).unwrap().interface().decode_event(&receipt.events[0]);
    let nobody = vm_core::Address::ZERO;
    assert_eq!(event, Some(format!("Moved(from: {nobody}, to: {}, amount: 1000, memo: \"first entry\")", alice())));
    assert_eq!(receipt.events[0].contract, Some(name("ledger")));
}

#[test]
fn hex_with_prefix_and_raw_bytes_deploy_too() {
    let machine = Machine::new();
    let code = compiled("Bridge");
    let hex_text = String::from_utf8(code.bytes.clone()).unwrap();
    let raw = hex::decode(hex_text.trim()).unwrap();
    for (n, bytes) in [format!("0x{hex_text}").into_bytes(), raw].into_iter().enumerate() {
        let code = Code { bytes, ..code.clone() };
        machine.deploy(&format!("bridge{n}"), code, &[]).unwrap();
        assert_eq!(machine.text(&format!("bridge{n}"), "stored", &[]), "0");
    }
}

#[test]
fn a_constructor_that_reverts_gives_its_reason_and_leaves_nothing() {
    let machine = Machine::new();
    let height = machine.vm.view().unwrap().height();
    let receipt = failed(machine.deploy("ledger", compiled("Ledger"), &["0", ""]));
    assert_eq!((receipt.status, receipt.text.as_deref()), (Status::Revert, Some("supply must not be zero")));
    assert!(receipt.writes.is_empty() && receipt.events.is_empty());
    assert!(receipt.gas_used.get() > 0);
    assert_eq!(machine.vm.view().unwrap().height(), height);
    assert_eq!(machine.account(name("ledger").address()), vm_core::Account::default());
    // The name is still free.
    machine.deploy("ledger", compiled("Ledger"), &["1", ""]).unwrap();
}

#[test]
fn constructors_that_trap_or_return_bad_code() {
    let machine = Machine::new();
    let code = |hex: &str| Code::new(RuntimeKind::Evm, hex);
    // INVALID; a jump into nothing; a pop of nothing.
    for (creation, trap) in
        [("fe", Trap::InvalidInstruction), ("600056", Trap::InvalidInstruction), ("50", Trap::InvalidInstruction)]
    {
        let receipt = failed(machine.deploy("bad", code(creation), &[]));
        assert_eq!(receipt.status, Status::Trap(trap), "{creation}");
    }
    // Returns 0xef; returns 0x6001 bytes.
    for (creation, reason) in [("60ef60005360016000f3", "EIP-3541"), ("6160016000f3", "EIP-170")] {
        let receipt = failed(machine.deploy("bad", code(creation), &[]));
        assert!(receipt.text.as_deref().unwrap().contains(reason), "{:?}", receipt.text);
    }
    let request = DeployRequest::new(name("bad"), "1".parse().unwrap(), code("00")).input(vec![0; 49_152]);
    let result = futures_executor::block_on(vm_core::VmProvider::deploy(&machine.vm, request));
    assert!(failed(result).text.unwrap().contains("EIP-3860"));
    // Nothing returned is a contract without code, as on Ethereum.
    machine.deploy("empty", code("00"), &[]).unwrap();
    assert_eq!(machine.invoke("empty", "", &[]).status, Status::Success);
}

#[test]
fn the_code_deposit_is_paid() {
    let machine = Machine::new();
    let small = machine.deploy("small", assembled("00"), &[]).unwrap();
    let large = machine.deploy("large", assembled(&"00".repeat(101)), &[]).unwrap();
    let paid = large.gas_used.get() - small.gas_used.get();
    assert!((20_000..22_000).contains(&paid), "{paid}");
}

#[test]
fn value_goes_to_the_contract_once() {
    let machine = Machine::new();
    let request = DeployRequest::new(name("ledger"), "1".parse().unwrap(), compiled("Ledger"));
    let request = request.from(alice()).value(Amount::from(70)).args(["1", ""]);
    futures_executor::block_on(vm_core::VmProvider::deploy(&machine.vm, request)).unwrap();
    assert_eq!(machine.balance("ledger"), Amount::from(70));
    assert_eq!(machine.balance("alice"), Amount::from(999_930));
}

#[test]
fn bad_code_abi_and_arguments_are_refused_before_anything_runs() {
    let machine = Machine::new();
    let ledger = || compiled("Ledger");
    for (code, arguments, phase, want) in [
        (Code::new(RuntimeKind::Evm, ""), vec![], Phase::Verify, "code-empty"),
        (Code::new(RuntimeKind::Evm, "60806"), vec![], Phase::Verify, "hex-odd"),
        (ledger().with_abi("[{"), vec![], Phase::Verify, "abi-invalid"),
        (ledger().with_abi("{}"), vec![], Phase::Verify, "missing field `abi`"),
        (ledger().with_option("migrate", "maybe"), vec![], Phase::Verify, "option-unknown"),
        (
            ledger(),
            vec![],
            Phase::Validate,
            "constructor(uint256 supply, string memo) takes 2 arguments, but 0 were given",
        ),
        (ledger(), vec!["-1", ""], Phase::Validate, "parameter 'supply' is of type uint256, but '-1' is not a number"),
        (Code { abi: None, ..ledger() }, vec!["1"], Phase::Validate, "does not describe its methods"),
    ] {
        let error = machine.deploy("bad", code, &arguments).unwrap_err();
        assert_eq!(error.phase, phase, "{error}");
        assert!(error.to_string().contains(want), "{error}");
    }
    assert!(refused(machine.deploy("json", Code::new(RuntimeKind::Evm, "{\"abi\":[]}"), &[])).contains("bytecode"));
}

#[test]
fn arguments_can_be_raw_and_the_abi_an_artefact() {
    let machine = Machine::new();
    let code = compiled("LedgerV2");
    let artefact = format!("{{\"contractName\": \"LedgerV2\", \"abi\": {}}}", code.abi.clone().unwrap());
    let mut step = vec![0; 31];
    step.push(9);
    let request =
        DeployRequest::new(name("v2"), "1".parse().unwrap(), code.with_abi(artefact)).from(alice()).input(step);
    futures_executor::block_on(vm_core::VmProvider::deploy(&machine.vm, request)).unwrap();
    assert_eq!(machine.text("v2", "step", &[]), "9");
    assert_eq!(machine.text("v2", "bare", &[]), "true");
}
