use vm_sdk::{Address, Context, Item, Map, Result, ensure, event};

const SCHEMA_VERSION: Item<u32> = Item::new("schema_version");
const TOTAL_SUPPLY: Item<u128> = Item::new("total_supply");
const BALANCES: Map<Address, u128> = Map::new("balances");
const ALLOWANCES: Map<(Address, Address), u128> = Map::new("allowances");

/// `amount` moved from one account to another. The zero address stands for nobody: supply comes from and goes to it.
#[derive(Debug, PartialEq, Eq)]
#[event]
pub struct Transfer {
    /// Who had it.
    pub from: Address,
    /// Who has it.
    pub to: Address,
    /// How much.
    pub amount: u128,
}

/// `owner` lets `spender` move up to `amount`.
#[derive(Debug, PartialEq, Eq)]
#[event]
pub struct Approval {
    /// Whose it is.
    pub owner: Address,
    /// Who may move it.
    pub spender: Address,
    /// How much.
    pub amount: u128,
}

/// Who has and may move how much: the state that all versions of the token share.
#[derive(Debug)]
pub struct Ledger;

impl Ledger {
    /// A ledger in which the caller has `supply`.
    ///
    /// # Errors
    ///
    /// The contract must stop; so for everything here.
    pub fn open(cx: &mut Context<'_>, supply: u128) -> Result<()> {
        let to = cx.caller()?;
        SCHEMA_VERSION.set(cx, &1)?;
        TOTAL_SUPPLY.set(cx, &supply)?;
        BALANCES.set(cx, &to, &supply)?;
        cx.emit(&Transfer { from: Address::ZERO, to, amount: supply })
    }

    /// Moves `amount`.
    ///
    /// # Errors
    ///
    /// `from` has less.
    pub fn transfer(cx: &mut Context<'_>, from: Address, to: Address, amount: u128) -> Result<()> {
        Self::take(cx, from, amount)?;
        // The sum of all balances is the supply, so this cannot overflow.
        let balance = Self::balance_of(cx, to)? + amount;
        BALANCES.set(cx, &to, &balance)?;
        cx.emit(&Transfer { from, to, amount })
    }

    /// Removes `amount` of `from`'s from the supply.
    ///
    /// # Errors
    ///
    /// `from` has less.
    pub fn burn(cx: &mut Context<'_>, from: Address, amount: u128) -> Result<()> {
        Self::take(cx, from, amount)?;
        let supply = Self::total_supply(cx)? - amount;
        TOTAL_SUPPLY.set(cx, &supply)?;
        cx.emit(&Transfer { from, to: Address::ZERO, amount })
    }

    /// Sets what `spender` may move of `owner`'s.
    ///
    /// # Errors
    ///
    /// See [`open`](Self::open).
    pub fn approve(cx: &mut Context<'_>, owner: Address, spender: Address, amount: u128) -> Result<()> {
        ALLOWANCES.set(cx, &(owner, spender), &amount)?;
        cx.emit(&Approval { owner, spender, amount })
    }

    /// Takes `amount` off what `spender` may move of `owner`'s.
    ///
    /// # Errors
    ///
    /// `spender` may move less.
    pub fn spend(cx: &mut Context<'_>, owner: Address, spender: Address, amount: u128) -> Result<()> {
        let have = Self::allowance(cx, owner, spender)?;
        ensure!(amount <= have, "insufficient allowance: have {have}, need {amount}");
        ALLOWANCES.set(cx, &(owner, spender), &(have - amount))
    }

    /// What `account` has.
    ///
    /// # Errors
    ///
    /// See [`open`](Self::open).
    pub fn balance_of(cx: &Context<'_>, account: Address) -> Result<u128> {
        Ok(BALANCES.get(cx, &account)?.unwrap_or_default())
    }

    /// What `spender` may move of `owner`'s.
    ///
    /// # Errors
    ///
    /// See [`open`](Self::open).
    pub fn allowance(cx: &Context<'_>, owner: Address, spender: Address) -> Result<u128> {
        Ok(ALLOWANCES.get(cx, &(owner, spender))?.unwrap_or_default())
    }

    /// What all accounts have together.
    ///
    /// # Errors
    ///
    /// See [`open`](Self::open).
    pub fn total_supply(cx: &Context<'_>) -> Result<u128> {
        Ok(TOTAL_SUPPLY.get(cx)?.unwrap_or_default())
    }

    /// The version of the state's layout.
    ///
    /// # Errors
    ///
    /// See [`open`](Self::open).
    pub fn schema_version(cx: &Context<'_>) -> Result<u32> {
        Ok(SCHEMA_VERSION.get(cx)?.unwrap_or_default())
    }

    /// Records that the state has the layout `version`.
    ///
    /// # Errors
    ///
    /// See [`open`](Self::open).
    pub fn set_schema_version(cx: &mut Context<'_>, version: u32) -> Result<()> {
        SCHEMA_VERSION.set(cx, &version)
    }

    fn take(cx: &mut Context<'_>, from: Address, amount: u128) -> Result<()> {
        let have = Self::balance_of(cx, from)?;
        ensure!(amount <= have, "insufficient balance: have {have}, need {amount}");
        BALANCES.set(cx, &from, &(have - amount))
    }
}
