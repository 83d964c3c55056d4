//! Contracts in unit tests: an in-memory host that runs them as they are, without any engine.
//!
//! ```
//! use vm_sdk::testing::Sandbox;
//! use vm_sdk::{Context, Item, Result, contract};
//!
//! struct Counter;
//! const COUNT: Item<u64> = Item::new("count");
//!
//! #[contract]
//! impl Counter {
//!     pub fn count_up(cx: &mut Context) -> Result<u64> {
//!         let count = COUNT.get(cx)?.unwrap_or_default() + 1;
//!         COUNT.set(cx, &count)?;
//!         Ok(count)
//!     }
//! }
//!
//! let mut sandbox = Sandbox::new();
//! sandbox.from("alice").deploy::<Counter>("counter", &())?;
//! let counter = CounterClient::at("counter");
//! assert_eq!(sandbox.from("bob").run(|cx| counter.count_up(cx))?, 1);
//! # Ok::<(), vm_sdk::Error>(())
//! ```

mod frame;
mod world;

use borsh::BorshSerialize;
use sha3::{Digest, Keccak256};

use crate::abi::encode;
use crate::{Address, Amount, Context, Contract, Entry, Error, Level, Result, Status, enter};
use frame::Frame;
use world::{Deployed, Request, World};

/// A small world of contracts and accounts in memory.
///
/// It has the rules of a real host that contracts can notice: a call that fails leaves no trace, read-only calls change
/// nothing, a contract is not entered again while it runs, at most 64 calls are nested. Gas differs: an operation costs one
/// unit, whatever its size, and computation nothing. Value is passed on without looking at balances.
#[derive(Debug, Default)]
pub struct Sandbox {
    world: World,
}

/// An account of a [`Sandbox`], about to do something.
#[derive(Debug)]
pub struct Account<'s> {
    world: &'s mut World,
    address: Address,
    value: Amount,
}

/// An event that a contract of a [`Sandbox`] emitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emitted {
    /// The contract's address.
    pub contract: Address,
    /// The topic.
    pub topic: String,
    /// The content, borsh.
    pub data: Vec<u8>,
}

/// A line that a contract of a [`Sandbox`] logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// The contract's address.
    pub contract: Address,
    /// How severe it is.
    pub level: Level,
    /// The line.
    pub message: String,
}

impl Sandbox {
    /// A world without contracts, at block 1, second 1, with 10 million units of gas for each transaction.
    pub fn new() -> Self {
        Self::default()
    }

    /// The account with this name.
    pub fn from(&mut self, name: &str) -> Account<'_> {
        self.from_address(address_of(name))
    }

    /// The account with this address.
    pub fn from_address(&mut self, address: Address) -> Account<'_> {
        Account { world: &mut self.world, address, value: Amount::ZERO }
    }

    /// The address of the account with this name, or of the contract `NAME` if it is `contract:NAME`; the same as on a
    /// real host.
    pub fn address_of(&self, name: &str) -> Address {
        address_of(name)
    }

    /// All events of successful transactions, in order.
    pub fn events(&self) -> &[Emitted] {
        self.world.events()
    }

    /// All lines that were logged, also by transactions that failed; and why contracts were stopped, as errors.
    pub fn logs(&self) -> &[Logged] {
        self.world.logs()
    }

    /// The bytes under a key of a contract.
    pub fn state(&self, contract: &str, key: &[u8]) -> Option<&[u8]> {
        self.world.state(contract_address(contract), key)
    }

    /// Sets number and time (seconds since 1970) of the block that the next transactions see.
    pub fn set_block(&mut self, number: u64, timestamp: u64) {
        self.world.block_number = number;
        self.world.timestamp = timestamp;
    }

    /// Sets the gas of the next transactions.
    pub fn set_gas(&mut self, gas: u64) {
        self.world.gas = gas;
    }
}

impl Account<'_> {
    /// Transfers `value` with a deployment. With calls, the client's [`Remote`](crate::Remote) says how much.
    #[must_use]
    pub fn with_value(self, value: impl Into<Amount>) -> Self {
        Self { value: value.into(), ..self }
    }

    /// Deploys contract `C` under a name. `arguments` is what `#[init]` takes: nothing is `&()`, more than one a tuple.
    ///
    /// # Errors
    ///
    /// The contract refused or failed, or the name is taken. Nothing is deployed then.
    pub fn deploy<C: Contract>(self, name: &str, arguments: &impl BorshSerialize) -> Result<()> {
        let to = contract_address(name);
        if self.world.contract(to).is_some() {
            return Err(Error::Revert(format!("contract '{name}' exists already")));
        }
        let before = self.world.clone();
        self.world.place(to, deployed::<C>(name, C::VERSION));
        self.enter(before, to, Entry::Deploy, "init", encode(arguments)?)
    }

    /// Replaces the code of a contract by `C` and runs its `#[upgrade]` hook, if it has one. `arguments` is what the hook takes
    /// after the versions.
    ///
    /// # Errors
    ///
    /// The contract refused or failed, or does not exist. Nothing is changed then.
    pub fn upgrade<C: Contract>(self, name: &str, version: &str, arguments: &impl BorshSerialize) -> Result<()> {
        let to = contract_address(name);
        let Some(old) = self.world.contract(to) else {
            return Err(Error::Revert(format!("there is no contract '{name}'")));
        };
        let from = old.version.clone();
        let before = self.world.clone();
        self.world.place(to, deployed::<C>(name, version));
        let entry = Entry::Upgrade { from: &from, to: version };
        self.enter(before, to, entry, "upgrade", encode(arguments)?)
    }

    /// One transaction: what `calls` does with the contracts, as this account. Use their clients, or
    /// [`Remote`](crate::Remote).
    ///
    /// # Errors
    ///
    /// What `calls` returns. Everything that it did is undone then.
    pub fn run<T>(self, calls: impl FnOnce(&mut Context<'_>) -> Result<T>) -> Result<T> {
        let before = self.world.clone();
        let mut frame = Frame::account(self.world, self.address);
        let result = calls(&mut Context::new(&mut frame));
        let result = if frame.is_stopped() { result.and(Err(crate::Stop.into())) } else { result };
        if result.is_err() {
            self.world.undo(before);
        }
        result
    }

    fn enter(self, before: World, to: Address, entry: Entry<'_>, method: &str, input: Vec<u8>) -> Result<()> {
        let request = Request { to, called: method, entry, method, input: &input, value: self.value, is_static: false };
        let gas = self.world.gas;
        let (reply, _) = Frame::account(self.world, self.address).enter(&request, gas);
        let message = match reply.status {
            Status::Success => return Ok(()),
            Status::Revert => String::from_utf8_lossy(&reply.output).into_owned(),
            Status::Trap => format!("{method}: the contract failed"),
        };
        self.world.undo(before);
        Err(Error::Revert(message))
    }
}

fn deployed<C: Contract>(name: &str, version: &str) -> Deployed {
    Deployed { name: name.to_owned(), version: version.to_owned(), entry: enter::<C> }
}

/// Where the contract with this name lives.
fn contract_address(name: &str) -> Address {
    derived("vm.contract.v1:", name)
}

fn address_of(name: &str) -> Address {
    match name.strip_prefix("contract:") {
        Some(contract) => contract_address(contract),
        None => derived("vm.address.v1:", name),
    }
}

fn derived(domain: &str, name: &str) -> Address {
    let digest = Keccak256::new().chain_update(domain).chain_update(name).finalize();
    let mut bytes = [0; 20];
    bytes.copy_from_slice(digest.split_at(12).1);
    Address::new(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_addresses_of_real_hosts() {
        let alice = address_of("alice").to_string();
        assert_eq!(alice, "0x44384f6e8abb9db201551d52f4e4d7e34b1cd6da");
        let token = address_of("contract:token");
        assert_eq!(token.to_string(), "0x7f20d0ca74ec41a471a4fd27e44764e29922b72b");
        assert_eq!(token, contract_address("token"));
    }
}
