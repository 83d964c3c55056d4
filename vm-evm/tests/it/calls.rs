//! Calls of EVM contracts: results, reverts, values, read-only calls.

use vm_core::{Address, Amount, ContractName, InvokeRequest, Status, Trap, VmProvider};

use crate::{
    machine::{Machine, address, alice, assembled, name},
    script::{Evm, Output},
};

#[test]
fn transfer_changes_balances_and_emits() {
    let machine = Machine::holding(&[("Ledger", "ledger")]);
    let receipt = machine.invoke("ledger", "move", &["bob", "300"]);
    assert_eq!((receipt.status, receipt.text.as_deref()), (Status::Success, Some("true")));
    assert_eq!(receipt.events.len(), 1);
    assert_eq!(receipt.method, "move(address,uint256)");
    assert_eq!(machine.text("ledger", "balanceOf", &["alice"]), "700");
    assert_eq!(machine.text("ledger", "balanceOf", &["bob"]), "300");
    assert_eq!(machine.text("ledger", "spread", &["[(bob, 1), [\"carol\", 2]]"]), "3");
    assert_eq!(machine.text("ledger", "balanceOf", &["carol"]), "2");
}

#[test]
fn a_failed_call_changes_nothing_and_says_why() {
    let machine = Machine::holding(&[("Ledger", "ledger")]);
    let height = machine.vm.view().unwrap().height();
    let largest_uint = "255";
    for (method, arguments, want) in [
        ("move", vec!["bob", "1001"], format!("TooPoor(who: {}, has: 1000, needs: 1001)", alice())),
        ("increment", vec![largest_uint], "panic 0x11: arithmetic overflow or underflow".to_owned()),
        ("divide", vec!["1", "0"], "panic 0x12: division or modulo by zero".to_owned()),
        ("check", vec!["false"], "panic 0x01: assertion failed".to_owned()),
        ("pay", vec!["bob", "1"], "payment failed".to_owned()),
        ("spread", vec!["[(bob, 900), (bob, 900)]"], format!("TooPoor(who: {}, has: 100, needs: 900)", alice())),
    ] {
        let receipt = machine.invoke("ledger", method, &arguments);
        assert_eq!((receipt.status, receipt.text), (Status::Revert, Some(want)), "{method}");
        assert!(receipt.writes.is_empty() && receipt.events.is_empty() && !receipt.reads.is_empty());
    }
    assert_eq!(machine.vm.view().unwrap().height(), height);
}

#[test]
fn several_results_negative_numbers_and_overloads() {
    let machine = Machine::holding(&[("Ledger", "ledger")]);
    assert_eq!(machine.text("ledger", "divide", &["-7", "2"]), "(-3, -1)");
    assert_eq!(machine.text("ledger", "move", &["bob", "1", "with a memo"]), "true");
    assert_eq!(machine.text("ledger", "move(address,uint)", &["bob", "1"]), "true");
}

#[test]
fn the_environment_is_the_requests() {
    let machine = Machine::holding(&[("Ledger", "ledger")]);
    let block = vm_core::Block { chain_id: 77, number: 5, ..Default::default() };
    let request = InvokeRequest::new(name("ledger"), "context").value(Amount::from(9)).block(block.into());
    let receipt = machine.send(request).unwrap();
    let (this, alice) = (name("ledger").address(), alice());
    assert_eq!(receipt.text, Some(format!("({this}, {alice}, {alice}, 9, 77, 5)")));
    assert_eq!(machine.balance("ledger"), Amount::from(9));
    // Not payable: the value comes back.
    let receipt = machine.send(InvokeRequest::new(name("ledger"), "total").value(Amount::from(9))).unwrap();
    assert_eq!(receipt.status, Status::Revert);
    assert_eq!(machine.balance("ledger"), Amount::from(9));
}

#[test]
fn every_field_of_the_block_is_seen() {
    let machine = Machine::new();
    // Each opcode's word behind the last: PUSH1 offset MSTORE, and RETURN of all of them.
    let opcodes = ["41", "42", "43", "44", "45", "46", "48"];
    let stores: String = opcodes.iter().enumerate().map(|(n, opcode)| format!("{opcode}60{:02x}52", n * 32)).collect();
    machine.deploy("block", assembled(&format!("{stores}60e05ff3")), &[]).unwrap();
    let block = vm_core::Block {
        coinbase: address("carol"),
        timestamp: 1_700_000_000,
        number: 9,
        prevrandao: [7; 32],
        gas_limit: 45_000_000,
        chain_id: 77,
        base_fee: 13,
        ..Default::default()
    };
    let receipt = machine.send(InvokeRequest::new(name("block"), "").block(block.into())).unwrap();
    let words: Vec<_> = receipt.output.chunks(32).map(hex::encode).collect();
    let number = |n: u64| format!("{n:064x}");
    let coinbase = format!("{:0>64}", hex::encode(address("carol").as_bytes()));
    let numbers = [number(45_000_000), number(77), number(13)];
    assert_eq!(words[..4], [coinbase, number(1_700_000_000), number(9), "07".repeat(32)]);
    assert_eq!(words[4..], numbers);
}

#[test]
fn contracts_pay_and_are_paid() {
    let machine = Machine::holding(&[("Ledger", "ledger")]);
    let pay = InvokeRequest::new(name("ledger"), "").value(Amount::from(50));
    assert_eq!(machine.send(pay).unwrap().status, Status::Success);
    machine.text("ledger", "pay", &["bob", "20"]);
    assert_eq!((machine.balance("ledger"), machine.balance("bob")), (Amount::from(30), Amount::from(20)));
    // To an address that nobody has seen: a plain transfer.
    let stranger = address("0x00000000000000000000000000000000000000aa");
    let pay = InvokeRequest::new(stranger, "").value(Amount::from(7));
    assert_eq!(machine.send(pay).unwrap().status, Status::Success);
    assert_eq!(machine.balance("0x00000000000000000000000000000000000000aa"), Amount::from(7));
    // More than alice has.
    let pay = InvokeRequest::new(stranger, "").value(Amount::from(10_000_000));
    assert_eq!(machine.send(pay).unwrap().status, Status::Revert);
}

#[test]
fn queries_read_and_cannot_write() {
    let machine = Machine::holding(&[("Ledger", "ledger")]);
    let receipt = machine.query("ledger", "balanceOf", &["alice"]);
    assert_eq!((receipt.status, receipt.text.as_deref()), (Status::Success, Some("1000")));
    let receipt = machine.query("ledger", "move", &["bob", "1"]);
    assert_eq!(receipt.status, Status::Trap(Trap::StaticViolation));
    assert_eq!(machine.text("ledger", "balanceOf", &["bob"]), "0");
}

#[test]
fn a_full_signature_works_without_an_abi_and_raw_data_with_one() {
    let machine = Machine::new();
    let code = crate::machine::compiled("Bridge");
    machine.deploy("plain", vm_core::Code { abi: None, ..code.clone() }, &[]).unwrap();
    machine.deploy("described", code, &[]).unwrap();
    let receipt = machine.invoke("plain", "store(uint256)", &["300"]);
    assert_eq!(receipt.status, Status::Success);
    assert_eq!(machine.slot(name("plain").address(), 0), Some(300));
    // The same as whole call data.
    let data = hex::decode("6057361d000000000000000000000000000000000000000000000000000000000000012d").unwrap();
    assert_eq!(machine.raw(name("described").address(), data).status, Status::Success);
    assert_eq!(machine.text("described", "stored", &[]), "301");
}

#[test]
fn same_input_same_receipt() {
    // A fresh thread-local session, a re-used one, and one after a failed transaction give the same digest.
    let receipts: Vec<_> = (0..3)
        .map(|n| {
            let machine = Machine::holding(&[("Ledger", "ledger")]);
            for _ in 0..n {
                machine.invoke("ledger", "move", &["bob", "1001"]);
                machine.query("ledger", "balanceOf", &["bob"]);
            }
            let receipt = machine.invoke("ledger", "move", &["bob", "300"]);
            (receipt.digest(), receipt.reads.len(), receipt.gas_used)
        })
        .collect();
    assert_eq!(receipts[0], receipts[1]);
    assert_eq!(receipts[0], receipts[2]);
}

#[test]
fn frozen_and_revoked_contracts_refuse_callers_and_other_evm_contracts() {
    let machine = Machine::holding(&[("Ledger", "ledger"), ("Script", "script")]);
    let ledger = name("ledger").address();
    let total = hex::decode("2ddbd13a").unwrap();
    let through = |machine: &Machine| {
        let script = Evm::new().call(ledger, total.clone());
        let receipt = machine.raw(name("script").address(), script.into());
        assert_eq!(receipt.status, Status::Success);
        let mut output = Output(&receipt.output);
        let (ok, data) = output.call();
        (ok, String::from_utf8_lossy(data).into_owned())
    };
    assert!(through(&machine).0);
    machine.change("ledger", vm_core::Change::Freeze);
    let (ok, reason) = through(&machine);
    assert!(!ok && reason.contains("contract 'ledger' is frozen and cannot be called"), "{reason}");
    let request = InvokeRequest::new(name("ledger"), "total");
    let error = futures_executor::block_on(machine.vm.invoke(request)).unwrap_err();
    assert!(error.to_string().contains("frozen"), "{error}");
    machine.change("ledger", vm_core::Change::Unfreeze);
    assert!(through(&machine).0);
    machine.change("ledger", vm_core::Change::Revoke);
    assert!(through(&machine).1.contains("revoked"));
}

#[test]
fn unknown_contracts_are_addresses_without_code() {
    let machine = Machine::new();
    let error = machine.send(InvokeRequest::new(ContractName::new("nobody").unwrap(), "f()")).unwrap_err();
    assert!(error.to_string().contains("there is no contract 'nobody'"), "{error}");
    let receipt = machine.raw(Address::new([9; 20]), vec![1, 2, 3, 4]);
    assert_eq!((receipt.status, receipt.output.len()), (Status::Success, 0));
}

#[test]
fn the_authorizer_is_asked_for_calls_inside_the_evm_too() {
    let machine = Machine::holding(&[("Script", "private"), ("Script", "stranger"), ("Script", "friend")]);
    let private = name("private").address();
    let call = |from: &str, script: Evm| machine.raw(name(from).address(), script.into());
    let direct = || Evm::new().call(private, Evm::new().store(1, 1));
    let receipt = call("stranger", direct());
    let (ok, reason) = Output(&receipt.output).call();
    let reason = String::from_utf8_lossy(reason).into_owned();
    assert!(!ok && reason.contains("may not call '0x00000000' of contract 'private': not the stranger"), "{reason}");
    assert_eq!(machine.slot(private, 1), None);
    // Below another EVM frame: the actor is whoever calls.
    call("friend", Evm::new().call(name("stranger").address(), direct()));
    assert_eq!(machine.slot(private, 1), None);
    assert_eq!(call("friend", direct()).status, Status::Success);
    assert_eq!(machine.slot(private, 1), Some(1));
}
