//! What contracts are kept from: capabilities that they were deployed without, and room for their slots.

use futures_executor::block_on;
use vm_core::{
    Address, Block, DeployRequest, Excess, GovernRequest, Governance, HostPolicy, InvokeRequest, Measure, Receipt,
    Room, Rule, Status, Trap, Vm, VmProvider,
};
use vm_evm::{EvmConfig, EvmRuntime};

use crate::machine::{Machine, alice, assembled, name};

/// Returns the word on the stack.
const RETURN: &str = "60005260206000f3";
const LOG: &str = "60006000a000";
const TIME: &str = "42";
/// Calls the address in the first word of the input, with the rest of it.
const CALL: &str = "602036036020600037600060006020360360006000600035 5af1";
const STATICCALL: &str = "60006000600060006000355afa";
const CREATE: &str = "600060006000f0";
/// Sets the slot of the first word to the second.
const STORE: &str = "6020356000355500";

fn machine() -> Machine {
    let mut policy = HostPolicy::default();
    policy.administrators = Rule::Callers([alice()].into());
    let evm = EvmRuntime::new(EvmConfig::default()).unwrap();
    let vm =
        Vm::builder().runtime(evm).policy(policy).block(Block { timestamp: 77, ..Block::default() }).build().unwrap();
    block_on(vm.start()).unwrap();
    Machine::of(vm)
}

/// A contract, deployed with some capabilities; its address.
fn deploy(machine: &Machine, as_name: &str, code: &[&str], capabilities: &str) -> Address {
    let code = assembled(&code.concat().replace(' ', ""));
    let request = DeployRequest::new(name(as_name), "1".parse().unwrap(), code).from(alice());
    block_on(machine.vm.deploy(request.capabilities(capabilities.parse().unwrap()))).unwrap();
    name(as_name).address()
}

fn word(bytes: &[u8]) -> Vec<u8> {
    [&vec![0; 32 - bytes.len()][..], bytes].concat()
}

fn run(machine: &Machine, to: Address, input: Vec<u8>) -> Receipt {
    block_on(machine.vm.invoke(InvokeRequest::new(to, "").input(input).from(alice()))).unwrap()
}

/// The word that a contract returns; its last byte.
fn told(machine: &Machine, contract: Address, target: Address) -> u8 {
    // The target gets a word, too, that it can take for an address.
    let receipt = run(machine, contract, [word(target.as_bytes()), word(&[])].concat());
    assert_eq!(receipt.status, Status::Success, "{:?}", receipt.text);
    receipt.output[31]
}

#[test]
fn a_contract_has_the_capabilities_that_it_was_deployed_with() {
    let machine = machine();
    let target = deploy(&machine, "target", &["00"], "all");
    for (some, calls, reads, logs, time) in [
        ("all", 1, 1, 1, 77),
        ("none", 0, 0, 0, 0),
        ("state", 0, 1, 0, 0),
        ("calls", 1, 1, 0, 0),
        ("calls, state, time", 1, 1, 0, 77),
        ("events, time", 0, 0, 1, 77),
    ] {
        let of =
            |what: &str, code: &[&str]| deploy(&machine, &format!("{what}-{}", some.replace(", ", "-")), code, some);
        let [call, ask, create] =
            [("call", CALL), ("ask", STATICCALL), ("create", CREATE)].map(|(what, code)| of(what, &[code, RETURN]));
        assert_eq!(told(&machine, call, target), calls, "{some}");
        assert_eq!(told(&machine, ask, target), reads, "{some}");
        let made = told(&machine, create, target);
        // What it created would have them all.
        assert_eq!(made != 0, some == "all", "{some}");
        // Each refusal is told, though the contracts go on.
        let lacking = [(call, calls, "calls"), (ask, reads, "state"), (create, u8::from(some == "all"), "")];
        for (contract, has, capability) in lacking {
            let denials = run(&machine, contract, [word(target.as_bytes()), word(&[])].concat()).denials;
            assert_eq!(denials.len(), usize::from(has == 0), "{some}: {denials:?}");
            let told = format!("{contract} could not use the capability '{capability}");
            assert!(denials.iter().all(|denial| denial.to_string().starts_with(&told)), "{some}: {denials:?}");
        }
        assert_eq!(told(&machine, of("time", &[TIME, RETURN]), target), time, "{some}");
        let receipt = run(&machine, of("log", &[LOG]), Vec::new());
        match logs {
            1 => assert_eq!((receipt.status, receipt.events.len()), (Status::Success, 1), "{some}"),
            _ => {
                assert_eq!(receipt.status, Status::Trap(Trap::NoCapability), "{some}");
                assert!(receipt.denials[0].to_string().contains("could not use the capability 'events'"), "{some}");
            }
        }
        // Its own code, and what is part of the machine.
        let itself = of("itself", &[CALL, RETURN]);
        assert_eq!(told(&machine, itself, itself), 1, "{some}");
        let identity = Address::new([&[0; 19][..], &[4]].concat().try_into().unwrap());
        assert_eq!(told(&machine, itself, identity), 1, "{some}");
    }
}

#[test]
fn what_one_contract_is_kept_from_others_are_not() {
    let machine = machine();
    let silent = deploy(&machine, "silent", &[LOG], "none");
    let timeless = deploy(&machine, "timeless", &[TIME, RETURN], "none");
    let both = deploy(&machine, "both", &[CALL, "50", LOG], "all");
    let after = deploy(&machine, "after", &[CALL, "50", TIME, RETURN], "all");
    for target in [silent, timeless] {
        let receipt = run(&machine, both, word(target.as_bytes()));
        let emitters: Vec<_> = receipt.events.iter().map(|event| event.address).collect();
        assert_eq!((receipt.status, emitters), (Status::Success, vec![both]));
        assert_eq!(receipt.denials.len(), usize::from(target == silent), "{:?}", receipt.denials);
        assert_eq!(told(&machine, after, target), 77);
    }
    // And the other way round: whoever may call is called without events.
    let caller = deploy(&machine, "caller", &[CALL, RETURN], "calls");
    assert_eq!(told(&machine, caller, both), 1);
}

#[test]
fn the_room_of_a_contract_is_for_its_slots() {
    let machine = machine();
    let store = deploy(&machine, "store", &[STORE], "all");
    let forward = deploy(&machine, "forward", &[CALL, RETURN], "all");
    let write = |slot: u8, value: &[u8]| run(&machine, store, [word(&[slot]), word(value)].concat()).status;
    let bound = |room| {
        let request = GovernRequest::new(Governance::Room { contract: name("store"), room }).from(alice());
        block_on(machine.vm.govern(request)).unwrap();
    };
    let full = |what, limit, present, wanted| {
        let contract = name("store").address();
        Status::Trap(Trap::NoRoom(Excess { contract, what, limit, present, wanted }))
    };
    assert_eq!(write(1, &[5]), Status::Success);
    // What is there before counts.
    bound(Some(Room { keys: 2, bytes: 70 }));
    assert_eq!(write(2, &[7]), Status::Success);
    assert_eq!(write(3, &[1]), full(Measure::Keys, 2, 2, 3), "three slots");
    assert_eq!(machine.slot(store, 3), None);
    assert_eq!(write(1, &[1; 6]), full(Measure::Bytes, 70, 66, 71), "33 + 38 bytes");
    assert_eq!(write(1, &[1; 5]), Status::Success, "70 of 70 bytes");
    // Where another contract has it written, the transaction as a whole ends.
    let input = [word(store.as_bytes()), word(&[9]), word(&[1])].concat();
    assert_eq!(run(&machine, forward, input.clone()).status, full(Measure::Keys, 2, 2, 3));
    assert_eq!(write(1, &[]), Status::Success);
    assert_eq!(run(&machine, forward, input).status, Status::Success);
    assert_eq!(machine.slot(store, 9), Some(1));
    // Below what is there: nothing more, but less.
    bound(Some(Room { keys: 1, bytes: 1 }));
    assert_eq!(write(4, &[1]), full(Measure::Keys, 1, 2, 3));
    assert_eq!(write(9, &[1; 2]), full(Measure::Bytes, 1, 66, 67));
    assert_eq!(write(9, &[2]), Status::Success);
    assert_eq!(write(9, &[]), Status::Success);
    bound(None);
    assert_eq!(write(4, &[1; 9]), Status::Success);
}
