//! A fungible token, version 1.

mod ledger;

use vm_sdk::{Address, Context, Result, contract};

pub use ledger::{Approval, Ledger, Transfer};

/// The token. Who deploys it owns the whole supply.
#[derive(Debug)]
pub struct Token;

#[contract]
impl Token {
    /// Gives `supply` to the caller.
    #[init]
    pub fn init(cx: &mut Context, supply: u128) -> Result<()> {
        Ledger::open(cx, supply)
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
}
