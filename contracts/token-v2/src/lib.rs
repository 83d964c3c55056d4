//! A fungible token, version 2: units can be burned. It takes over the state of version 1.

use token::Ledger;
use vm_sdk::{Address, Context, Result, contract, ensure};

/// The token. Who deploys it owns the whole supply.
#[derive(Debug)]
pub struct Token;

/// The layout of the state that this version writes.
const SCHEMA: u32 = 2;

#[contract]
impl Token {
    /// Gives `supply` to the caller.
    #[init]
    pub fn init(cx: &mut Context, supply: u128) -> Result<()> {
        Ledger::open(cx, supply)?;
        Ledger::set_schema_version(cx, SCHEMA)
    }

    /// Takes over the state of version 1.
    #[upgrade]
    pub fn upgrade(cx: &mut Context, from: &str, to: &str) -> Result<()> {
        let schema = Ledger::schema_version(cx)?;
        ensure!(schema == 1, "upgrade from {from} to {to}: expected state of schema 1, found {schema}");
        Ledger::set_schema_version(cx, SCHEMA)
    }

    /// Moves `amount` from the caller to `to`.
    pub fn transfer(cx: &mut Context, to: Address, amount: u128) -> Result<()> {
        let from = cx.caller()?;
        Ledger::transfer(cx, from, to, amount)
    }

    /// Lets `spender` move up to `amount` of the caller's, in place of what it was allowed before.
    pub fn approve(cx: &mut Context, spender: Address, amount: u128) -> Result<()> {
        let owner = cx.caller()?;
        Ledger::approve(cx, owner, spender, amount)
    }

    /// Moves `amount` from `from` to `to`, out of what `from` allowed the caller.
    pub fn transfer_from(cx: &mut Context, from: Address, to: Address, amount: u128) -> Result<()> {
        let spender = cx.caller()?;
        Ledger::spend(cx, from, spender, amount)?;
        Ledger::transfer(cx, from, to, amount)
    }

    /// Removes `amount` of the caller's from the supply.
    pub fn burn(cx: &mut Context, amount: u128) -> Result<()> {
        let from = cx.caller()?;
        Ledger::burn(cx, from, amount)
    }

    /// What `account` has.
    #[view]
    pub fn balance_of(cx: &Context, account: Address) -> Result<u128> {
        Ledger::balance_of(cx, account)
    }

    /// What `spender` may still move of `owner`'s.
    #[view]
    pub fn allowance(cx: &Context, owner: Address, spender: Address) -> Result<u128> {
        Ledger::allowance(cx, owner, spender)
    }

    /// What all accounts have together.
    #[view]
    pub fn total_supply(cx: &Context) -> Result<u128> {
        Ledger::total_supply(cx)
    }

    /// The version of the state's layout: 2.
    #[view]
    pub fn schema_version(cx: &Context) -> Result<u32> {
        Ledger::schema_version(cx)
    }
}
