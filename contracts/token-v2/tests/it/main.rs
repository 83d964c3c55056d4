//! The token's second version in a sandbox, and the way there from the first.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

use token::Transfer;
use token_v2::{Token, TokenClient};
use vm_sdk::testing::Sandbox;
use vm_sdk::{Address, borsh};

/// A first version in which bob has 300 of 1000 and may move 50 of alice's, upgraded.
fn upgraded() -> (Sandbox, TokenClient) {
    let mut sandbox = Sandbox::new();
    sandbox.from("alice").deploy::<token::Token>("token", &1_000u128).unwrap();
    let bob = sandbox.address_of("bob");
    let first = token::TokenClient::at("token");
    sandbox.from("alice").run(|cx| first.transfer(cx, bob, 300)).unwrap();
    sandbox.from("alice").run(|cx| first.approve(cx, bob, 50)).unwrap();
    sandbox.from("alice").upgrade::<Token>("token", "2.0.0", &()).unwrap();
    (sandbox, TokenClient::at("token"))
}

#[test]
fn an_upgrade_keeps_everything_and_migrates_the_schema() {
    let (mut sandbox, token) = upgraded();
    let [alice, bob] = ["alice", "bob"].map(|name| sandbox.address_of(name));
    assert_eq!(sandbox.from("x").run(|cx| token.schema_version(cx)), Ok(2));
    assert_eq!(sandbox.from("x").run(|cx| token.balance_of(cx, alice)), Ok(700));
    assert_eq!(sandbox.from("x").run(|cx| token.balance_of(cx, bob)), Ok(300));
    assert_eq!(sandbox.from("bob").run(|cx| token.transfer_from(cx, alice, bob, 50)), Ok(()));
    assert_eq!(sandbox.from("x").run(|cx| token.allowance(cx, alice, bob)), Ok(0));
}

#[test]
fn burning_takes_from_balance_and_supply() {
    let (mut sandbox, token) = upgraded();
    let bob = sandbox.address_of("bob");
    sandbox.from("bob").run(|cx| token.burn(cx, 100)).unwrap();
    assert_eq!(sandbox.from("x").run(|cx| token.balance_of(cx, bob)), Ok(200));
    assert_eq!(sandbox.from("x").run(|cx| token.total_supply(cx)), Ok(900));
    let event: Transfer = borsh::from_slice(&sandbox.events().last().unwrap().data).unwrap();
    assert_eq!(event, Transfer { from: bob, to: Address::ZERO, amount: 100 });

    let error = sandbox.from("bob").run(|cx| token.burn(cx, 201)).unwrap_err();
    assert_eq!(error.to_string(), "insufficient balance: have 200, need 201");
    assert_eq!(sandbox.from("x").run(|cx| token.total_supply(cx)), Ok(900));
}

#[test]
fn the_first_version_has_neither() {
    let mut sandbox = Sandbox::new();
    sandbox.from("alice").deploy::<token::Token>("token", &1_000u128).unwrap();
    let token = TokenClient::at("token");
    let error = sandbox.from("alice").run(|cx| token.burn(cx, 1)).unwrap_err();
    assert_eq!(error.to_string(), "unknown method 'burn'");
    assert!(sandbox.from("alice").run(|cx| token.schema_version(cx)).is_err());
}

#[test]
fn a_second_upgrade_of_the_same_state_is_refused() {
    let (mut sandbox, token) = upgraded();
    let error = sandbox.from("alice").upgrade::<Token>("token", "2.0.1", &()).unwrap_err();
    assert_eq!(error.to_string(), "upgrade from 2.0.0 to 2.0.1: expected state of schema 1, found 2");
    assert_eq!(sandbox.from("x").run(|cx| token.schema_version(cx)), Ok(2));
}

#[test]
fn it_can_be_deployed_afresh() {
    let mut sandbox = Sandbox::new();
    sandbox.from("alice").deploy::<Token>("token", &5u128).unwrap();
    let token = TokenClient::at("token");
    assert_eq!(sandbox.from("x").run(|cx| token.schema_version(cx)), Ok(2));
    assert_eq!(sandbox.from("x").run(|cx| token.total_supply(cx)), Ok(5));
}
