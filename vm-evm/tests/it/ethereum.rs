//! Ethereum transactions next to contract calls, and what the block tells both.

use std::{sync::Arc, time::Duration};

use vm_core::{Amount, Block, GrantRequest, Interrupt, InvokeRequest, Limits, Right, Status, VmProvider};
use vm_evm::{EthereumReceipt, EthereumTransaction, EvmConfig, EvmRuntime, TransactError};

use crate::machine::{Machine, address, alice, assembled, compiled, failed, name};
use crate::script::Evm;

/// The transaction on the machine's state, which it does not change.
fn transact(machine: &Machine, transaction: &EthereumTransaction) -> Result<EthereumReceipt, TransactError> {
    let evm = EvmRuntime::new(EvmConfig::default()).unwrap();
    let deadline = Interrupt::after(Duration::from_secs(60));
    evm.transact(machine.vm.view().unwrap(), &Block::default(), transaction, &deadline)
}

fn call(to: &str) -> EthereumTransaction {
    let mut call = EthereumTransaction::legacy(alice(), 0, 1);
    (call.to, call.gas_limit) = (Some(address(to)), 100_000);
    call
}

#[test]
fn what_no_block_can_contain_is_refused_with_its_rule() {
    let machine = Machine::new();
    let rule = |transaction: EthereumTransaction| match transact(&machine, &transaction) {
        Err(TransactError::Invalid(invalid)) => invalid.rule(),
        other => panic!("{other:?}"),
    };
    assert_eq!(rule(EthereumTransaction { nonce: 1, ..call("bob") }), "nonce-too-high");
    assert_eq!(rule(EthereumTransaction { gas_limit: 20_999, ..call("bob") }), "gas-below-intrinsic");
    assert_eq!(rule(EthereumTransaction { value: Amount::from(1_000_000), ..call("bob") }), "balance-too-low");
    assert_eq!(rule(EthereumTransaction { chain_id: Some(2), ..call("bob") }), "chain-id");
    assert_eq!(
        rule(EthereumTransaction { gas_limit: 2, ..EthereumTransaction::legacy(alice(), 0, u128::MAX) }),
        "fee-overflow"
    );
}

#[test]
fn contracts_of_other_runtimes_are_out_of_reach_and_refuse() {
    let machine = Machine::holding(&[("native", "native"), ("Ledger", "ledger")]);
    let mut native = call("native");
    native.to = Some(name("native").address());
    let receipt = transact(&machine, &native).unwrap();
    assert_eq!(receipt.status, Status::Revert);
    assert!(String::from_utf8_lossy(&receipt.output).contains("other runtimes"));
    let mut total = call("ledger");
    total.to = Some(name("ledger").address());
    total.input = alloy_primitives::keccak256("total()")[..4].to_vec().into();
    let receipt = transact(&machine, &total).unwrap();
    assert_eq!((receipt.status, receipt.output.len()), (Status::Success, 32));
}

#[test]
fn contracts_with_rules_for_their_callers_are_out_of_reach() {
    let machine = Machine::holding(&[("Ledger", "ledger")]);
    let mut total = call("ledger");
    total.to = Some(name("ledger").address());
    total.input = alloy_primitives::keccak256("total()")[..4].to_vec().into();
    for (rule, status) in [("owner", Status::Revert), ("anyone", Status::Success)] {
        let right = Right::Method("total()".into());
        let grant = GrantRequest::new(name("ledger")).set(right, rule.parse().unwrap()).from(alice());
        futures_executor::block_on(machine.vm.grant(grant)).unwrap();
        let receipt = transact(&machine, &total).unwrap();
        assert_eq!(receipt.status, status, "{rule}");
        let told = String::from_utf8_lossy(&receipt.output).contains("rules for their callers");
        assert_eq!(told, status == Status::Revert);
    }
}

#[test]
fn a_transaction_enters_no_migration() {
    let machine = Machine::holding(&[("Ledger", "ledger"), ("Script", "script")]);
    machine.upgrade("ledger", "3", compiled("LedgerV3"), &["7", "0x"]).unwrap();
    let at = name("ledger").address();
    let words = [0x60, 0x80, 0xa0, 0, 0, 0].map(|n| format!("{n:064x}")).concat();
    let data = hex::decode(format!("2e239666{words}")).unwrap();
    let through: Vec<u8> = Evm::new().call(at, data.clone()).into();
    for (to, input) in [(at, data), (name("script").address(), through)] {
        let mut entering = call("ledger");
        (entering.to, entering.input) = (Some(to), input.into());
        let receipt = transact(&machine, &entering).unwrap();
        assert!(String::from_utf8_lossy(&receipt.output).contains("upgrade is no method"), "{:?}", receipt.output);
    }
}

#[test]
fn contracts_see_the_hashes_that_the_host_knows() {
    let machine = Machine::new();
    // The hash of the block whose number is the argument: PUSH1 0 CALLDATALOAD BLOCKHASH PUSH1 0 MSTORE PUSH1 32 PUSH1 0 RETURN
    machine.deploy("hashes", assembled("6000354060005260206000f3"), &[]).unwrap();
    let block = Block { number: 300, hashes: Arc::new([(44, [4; 32]), (43, [3; 32])].into()), ..Block::default() };
    for (number, hash) in [(44, 4), (43, 0), (299, 0), (300, 0)] {
        let mut request =
            InvokeRequest::new(name("hashes"), "").input([&[0; 24][..], &u64::to_be_bytes(number)].concat());
        request.sender.block = Some(Arc::new(block.clone()));
        assert_eq!(machine.send(request).unwrap().output[..], [hash; 32], "{number}");
    }
}

#[test]
fn the_limit_of_code_is_a_choice() {
    let small = Machine::with(EvmConfig::default().code_limit(64), Limits::default());
    small.deploy("fits", assembled(&"00".repeat(64)), &[]).unwrap();
    let reason = failed(small.deploy("long", assembled(&"00".repeat(65)), &[])).text.unwrap();
    assert!(reason.contains("limit of 64 bytes (EIP-170)"), "{reason}");
    assert!(small.deploy("longer", compiled("Ledger"), &["1", ""]).unwrap_err().to_string().contains("allows 128"));
}
