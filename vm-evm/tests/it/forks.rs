//! The fork decides which instructions exist and what they cost.

use vm_core::{Limits, Status, Trap};
use vm_evm::{EvmConfig, Fork};

use crate::machine::{Machine, assembled, compiled, name, refused};

#[test]
fn instructions_appear_with_their_fork() {
    // Runtime code that uses the instruction and stops; the first fork that has it.
    for (code, since) in [
        ("60003d5000", Fork::Byzantium),     // RETURNDATASIZE
        ("60016001 1b00", Fork::Petersburg), // SHL
        ("4600", Fork::Istanbul),            // CHAINID
        ("4800", Fork::London),              // BASEFEE
        ("5f00", Fork::Shanghai),            // PUSH0
        ("60005c00", Fork::Cancun),          // TLOAD
        ("60011e00", Fork::Osaka),           // CLZ
    ] {
        for fork in Fork::ALL {
            let machine = Machine::with(EvmConfig::new(fork), Limits::default());
            let deployed = machine.deploy("code", assembled(&code.replace(' ', "")), &[]);
            if fork >= since {
                assert_eq!(machine.invoke("code", "", &[]).status, Status::Success, "{code} on {fork}");
            } else {
                let reason = refused(deployed);
                assert!(reason.contains(&format!("is not an opcode of {fork}: it came with {since}")), "{reason}");
            }
        }
    }
}

#[test]
fn a_geth_version_is_a_fork() {
    let machine = Machine::with(EvmConfig::new("1.9.24".parse().unwrap()), Limits::default());
    machine.deploy("ledger", compiled("Ledger"), &["5", ""]).unwrap();
    assert_eq!(machine.text("ledger", "total", &[]), "5");
    let status = vm_core::VmProvider::status(&machine.vm);
    let evm = status.runtimes.iter().find(|(kind, _)| *kind == vm_core::RuntimeKind::Evm).unwrap();
    assert!(evm.1.details.contains(&("hard_fork".to_owned(), "istanbul".to_owned())), "{:?}", evm.1);
}

#[test]
fn warm_access_and_refunds_are_counted_per_transaction() {
    let machine = Machine::holding(&[("Script", "script")]);
    let this = name("script").address();
    let used = |script: crate::script::Evm| machine.raw(this, script.into()).gas_used.get();
    let script = crate::script::Evm::new;
    // The second load of a slot is warm (EIP-2929): 100 instead of 2100, and both have 33 bytes of call data.
    let (cold, warm) = (used(script().load(1).load(2)), used(script().load(1).load(1)));
    assert_eq!(cold - warm, 2000);
    // Clearing a slot refunds 4800, up to a fifth (EIP-3529).
    used(script().store(1, 1));
    let (change, clear) = (used(script().store(1, 2)), used(script().store(1, 0)));
    assert!(change > clear, "{change} {clear}");
    assert!(change - clear <= 4800 && change - clear >= 1000, "{change} {clear}");
}

#[test]
fn origin_and_coinbase_are_warm_when_the_fork_says_so() {
    for (fork, origin, coinbase) in [(Fork::Istanbul, 700, 700), (Fork::London, 100, 2600), (Fork::Shanghai, 100, 100)]
    {
        let machine = Machine::with(EvmConfig::new(fork), Limits::default());
        let used = |as_name: &str, code: &str| {
            machine.deploy(as_name, assembled(code), &[]).unwrap();
            let block = vm_core::Block { coinbase: vm_core::Address::from_name("miner"), ..Default::default() };
            let request = vm_core::InvokeRequest::new(name(as_name), "").block(block.into());
            machine.send(request).unwrap().gas_used.get()
        };
        let nothing = used("stop", "00");
        // ORIGIN or COINBASE 2, BALANCE, POP 2.
        assert_eq!(used("origin", "32315000") - nothing - 4, origin, "{fork}");
        assert_eq!(used("coinbase", "41315000") - nothing - 4, coinbase, "{fork}");
    }
}

#[test]
fn refunds_are_capped() {
    let machine = Machine::holding(&[("Script", "script")]);
    let this = name("script").address();
    let store = |value| {
        let script: Vec<u8> = (1..=20).fold(crate::script::Evm::new(), |script, key| script.store(key, value)).into();
        let base = machine.raw(vm_core::Address::new([1; 20]), script.clone()).gas_used.get();
        machine.raw(this, script).gas_used.get() - base
    };
    store(1);
    let (change, clear) = (store(2), store(0));
    // 20 refunds of 4800 are more than a fifth of what was used (EIP-3529).
    assert_eq!(clear, change - change / 5);
}

#[test]
fn code_that_looks_like_the_marker_of_other_runtimes_is_just_code() {
    // Before London such code can be deployed: it begins with an invalid instruction.
    let machine = Machine::with(EvmConfig::new(Fork::Berlin), Limits::default());
    machine.deploy("fake", assembled("effe0100"), &[]).unwrap();
    machine.deploy("script", compiled("Script"), &[]).unwrap();
    assert!(machine.account(name("fake").address()).evm_code.is_some());
    assert_eq!(machine.invoke("fake", "", &[]).status, Status::Trap(Trap::InvalidInstruction));
    let call = crate::script::Evm::new().call_with(crate::script::Kind::Call, name("fake").address(), 0, 50_000, []);
    let receipt = machine.raw(name("script").address(), call.into());
    assert_eq!(receipt.status, Status::Success);
    assert_eq!(crate::script::Output(&receipt.output).call(), (false, &[][..]));
}

#[test]
fn gas_is_ethereums_to_the_unit() {
    let machine = Machine::new();
    let used = |as_name: &str, code: &str| {
        machine.deploy(as_name, assembled(code), &[]).unwrap();
        machine.invoke(as_name, "", &[]).gas_used.get()
    };
    let nothing = used("stop", "00");
    // PUSH1 3, JUMP 8, JUMPDEST 1.
    assert_eq!(used("jump", "6003565b00") - nothing, 12);
    // Ten times: JUMPDEST 1, PUSH1 3, SWAP1 3, SUB 3, DUP1 3, PUSH1 3, JUMPI 10; before it PUSH1 3.
    assert_eq!(used("loop", "600a5b60019003806002 5700".replace(' ', "").as_str()) - nothing, 3 + 10 * 26);
    // SSTORE of a fresh cold slot: 20000 + 2100, and two PUSH1.
    assert_eq!(used("store", "600160015500") - nothing, 22_106);
}
