//! The token in a sandbox.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

use proptest::prelude::*;
use token::{Approval, Token, TokenClient, Transfer};
use vm_sdk::testing::Sandbox;
use vm_sdk::{Address, Contract, Event, borsh};

const NAMES: [&str; 4] = ["alice", "bob", "carol", "dave"];

fn deployed(supply: u128) -> (Sandbox, TokenClient) {
    let mut sandbox = Sandbox::new();
    sandbox.from("alice").deploy::<Token>("token", &supply).unwrap();
    (sandbox, TokenClient::at("token"))
}

fn balances(sandbox: &mut Sandbox) -> [u128; 4] {
    NAMES.map(|name| {
        let account = sandbox.address_of(name);
        sandbox.from("x").run(|cx| TokenClient::at("token").balance_of(cx, account)).unwrap()
    })
}

fn last_event<E: Event + borsh::BorshDeserialize>(sandbox: &Sandbox) -> E {
    let event = sandbox.events().last().unwrap();
    assert_eq!(event.topic, E::TOPIC);
    borsh::from_slice(&event.data).unwrap()
}

#[test]
fn the_interface_is_what_documentation_and_demo_say() {
    assert_eq!(
        Token::INTERFACE,
        "init(supply: u128)\n\
         transfer(to: address, amount: u128)\n\
         approve(spender: address, amount: u128)\n\
         transfer_from(from: address, to: address, amount: u128)\n\
         view balance_of(account: address) -> u128\n\
         view allowance(owner: address, spender: address) -> u128\n\
         view total_supply() -> u128"
    );
}

#[test]
fn who_deploys_owns_the_supply() {
    let (mut sandbox, token) = deployed(1_000);
    assert_eq!(balances(&mut sandbox), [1_000, 0, 0, 0]);
    assert_eq!(sandbox.from("bob").run(|cx| token.total_supply(cx)), Ok(1_000));
    let to = sandbox.address_of("alice");
    assert_eq!(last_event::<Transfer>(&sandbox), Transfer { from: Address::ZERO, to, amount: 1_000 });
}

#[test]
fn a_transfer_moves_and_tells() {
    let (mut sandbox, token) = deployed(1_000);
    let [alice, bob] = ["alice", "bob"].map(|name| sandbox.address_of(name));
    sandbox.from("alice").run(|cx| token.transfer(cx, bob, 300)).unwrap();
    assert_eq!(balances(&mut sandbox), [700, 300, 0, 0]);
    assert_eq!(last_event::<Transfer>(&sandbox), Transfer { from: alice, to: bob, amount: 300 });
    // To oneself: nothing is made or lost.
    sandbox.from("alice").run(|cx| token.transfer(cx, alice, 700)).unwrap();
    assert_eq!(balances(&mut sandbox), [700, 300, 0, 0]);
}

#[test]
fn nobody_gives_what_they_have_not() {
    let (mut sandbox, token) = deployed(1_000);
    let bob = sandbox.address_of("bob");
    let error = sandbox.from("alice").run(|cx| token.transfer(cx, bob, 1_001)).unwrap_err();
    assert_eq!(error.to_string(), "insufficient balance: have 1000, need 1001");
    let error = sandbox.from("carol").run(|cx| token.transfer(cx, bob, u128::MAX)).unwrap_err();
    assert_eq!(error.to_string(), format!("insufficient balance: have 0, need {}", u128::MAX));
    assert_eq!((balances(&mut sandbox), sandbox.events().len()), ([1_000, 0, 0, 0], 1));
}

#[test]
fn an_allowance_is_used_up() {
    let (mut sandbox, token) = deployed(1_000);
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| sandbox.address_of(name));
    sandbox.from("alice").run(|cx| token.approve(cx, bob, 100)).unwrap();
    assert_eq!(last_event::<Approval>(&sandbox), Approval { owner: alice, spender: bob, amount: 100 });
    sandbox.from("bob").run(|cx| token.transfer_from(cx, alice, carol, 60)).unwrap();
    assert_eq!(sandbox.from("x").run(|cx| token.allowance(cx, alice, bob)), Ok(40));
    let error = sandbox.from("bob").run(|cx| token.transfer_from(cx, alice, carol, 41)).unwrap_err();
    assert_eq!(error.to_string(), "insufficient allowance: have 40, need 41");
    assert_eq!(balances(&mut sandbox), [940, 0, 60, 0]);

    // The allowance suffices, the balance does not: both stay.
    sandbox.from("alice").run(|cx| token.approve(cx, bob, 2_000)).unwrap();
    assert!(sandbox.from("bob").run(|cx| token.transfer_from(cx, alice, carol, 1_500)).is_err());
    assert_eq!(sandbox.from("x").run(|cx| token.allowance(cx, alice, bob)), Ok(2_000));
}

proptest! {
    /// Whatever is tried: the balances sum up to the supply, and they are those of a plain list of numbers.
    #[test]
    fn supply_is_conserved(supply: u128, moves in prop::collection::vec((0usize..4, 0usize..4, any::<u128>(), 0u32..128), 0..12)) {
        let (mut sandbox, token) = deployed(supply);
        let mut model = [supply, 0, 0, 0];
        for (from, to, amount, shift) in moves {
            let amount = amount >> shift;
            let receiver = sandbox.address_of(NAMES[to]);
            let moved = sandbox.from(NAMES[from]).run(|cx| token.transfer(cx, receiver, amount));
            prop_assert_eq!(moved.is_ok(), amount <= model[from]);
            if moved.is_ok() {
                model[from] -= amount;
                model[to] += amount;
            }
        }
        prop_assert_eq!(balances(&mut sandbox), model);
    }
}
