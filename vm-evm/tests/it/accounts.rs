//! Accounts that contracts create, and what becomes of those that destroy themselves.

use vm_core::{Account, Address, Amount, InvokeRequest, Status};
use vm_evm::{EvmConfig, Fork};

use crate::machine::{Machine, address, compiled, name};

fn made(machine: &Machine) -> Address {
    machine.text("ledger", "make", &[]).parse().unwrap()
}

fn add(n: u8) -> InvokeRequestOn {
    InvokeRequestOn(n)
}

struct InvokeRequestOn(u8);

impl InvokeRequestOn {
    fn to(self, to: Address) -> InvokeRequest {
        InvokeRequest::new(to, "add(uint256)").args([self.0.to_string()])
    }
}

#[test]
fn created_accounts_are_called_by_address() {
    let machine = Machine::holding(&[("Ledger", "ledger")]);
    let (first, second) = (made(&machine), made(&machine));
    assert_ne!(first, second, "the creator's nonce is kept");
    for (to, n, sum) in [(first, 2, 2), (first, 3, 5), (second, 4, 4)] {
        let receipt = machine.send(add(n).to(to)).unwrap();
        assert_eq!(receipt.status, Status::Success);
        assert_eq!(receipt.output.last(), Some(&sum));
    }
    let account = machine.account(first);
    assert_eq!((account.nonce, account.contract), (1, None));
    assert_eq!(account.evm_code, machine.account(second).evm_code);
}

#[test]
fn a_reverted_creation_leaves_nothing_but_the_nonce() {
    let machine = Machine::holding(&[("Ledger", "ledger")]);
    let receipt = machine.invoke("ledger", "makeAndFail", &[]);
    assert_eq!(receipt.status, Status::Success);
    assert_eq!(receipt.writes.len(), 0, "{:?}", receipt.writes);
}

#[test]
fn destruction_by_the_rules_of_the_fork() {
    for (fork, gone) in [(Fork::Shanghai, true), (Fork::Cancun, false)] {
        let machine = Machine::with(EvmConfig::new(fork), Default::default());
        machine.deploy("ledger", compiled("Ledger"), &["1000", ""]).unwrap();
        machine.deploy("script", compiled("Script"), &[]).unwrap();
        machine.send(InvokeRequest::new(name("ledger"), "").value(Amount::from(40))).unwrap();
        assert_eq!(machine.invoke("ledger", "destroy", &["bob"]).status, Status::Success);
        assert_eq!(machine.balance("bob"), Amount::from(40));
        let ledger = name("ledger").address();
        assert_eq!(machine.account(ledger).evm_code.is_none(), gone, "{fork}");
        assert_eq!(machine.slot(ledger, 1).is_none(), gone, "{fork}");
        // The name stays; what lives there is an account without code, for callers and for other contracts.
        assert_eq!(machine.account(ledger).contract, Some(name("ledger")));
        if gone {
            let receipt = machine.invoke("ledger", "total", &[]);
            assert_eq!((receipt.status, receipt.output.len()), (Status::Success, 0));
            let call = crate::script::Evm::new().call(ledger, [1, 2, 3, 4]);
            let receipt = machine.raw(name("script").address(), call.into());
            assert_eq!(crate::script::Output(&receipt.output).call(), (true, &[][..]));
        }
    }
}

#[test]
fn empty_accounts_are_not_stored() {
    let machine = Machine::holding(&[("Script", "script")]);
    let stranger = address("0x00000000000000000000000000000000000000aa");
    let receipt = machine.raw(name("script").address(), crate::script::Evm::new().call(stranger, []).into());
    assert_eq!(receipt.status, Status::Success);
    assert!(receipt.writes.is_empty(), "{:?}", receipt.writes);
    assert_eq!(machine.account(stranger), Account::default());
}
