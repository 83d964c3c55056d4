use borsh::BorshDeserialize;

use crate::abi::{Input, decode};
use crate::{Amount, CallRequest, Context, Error, Reply, Result, Status, Target};

/// Another contract, and the terms on which it is called.
///
/// A client such as `TokenClient`, which [`contract`](macro@crate::contract) makes, wraps one and knows the methods:
///
/// ```
/// # use vm_sdk::*;
/// # struct Token;
/// # #[contract]
/// # impl Token {
/// #     #[view]
/// #     pub fn total_supply(cx: &Context) -> Result<u128> { Ok(0) }
/// # }
/// fn supply_of(cx: &Context, token: Address) -> Result<u128> {
///     TokenClient::at(token).total_supply(cx)
/// }
/// fn supply_with_little_gas(cx: &Context, token: Address) -> Result<u128> {
///     TokenClient(Remote::new(token).with_gas(10_000)).total_supply(cx)
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    target: Target,
    value: Amount,
    gas: Option<u64>,
}

impl Remote {
    /// The contract with this name or address; without value, with as much gas as the rules allow.
    pub fn new(target: impl Into<Target>) -> Self {
        Self { target: target.into(), value: Amount::ZERO, gas: None }
    }

    /// Transfers `value` with every call that is not a view.
    #[must_use]
    pub fn with_value(self, value: impl Into<Amount>) -> Self {
        Self { value: value.into(), ..self }
    }

    /// Lets the callee use at most so much gas.
    #[must_use]
    pub fn with_gas(self, gas: u64) -> Self {
        Self { gas: Some(gas), ..self }
    }

    /// Calls a method.
    ///
    /// # Errors
    ///
    /// The callee's own message if it refused; a message if it failed or its answer is no `T`. What it did is undone then,
    /// and this contract may go on. Or this contract must stop.
    pub fn call<T: BorshDeserialize>(&self, cx: &mut Context<'_>, method: &str, input: Input) -> Result<T> {
        let reply = cx.call(&self.request(method, &input.into_bytes()?, self.value))?;
        answer(method, &reply)
    }

    /// Calls a method that changes nothing.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub fn query<T: BorshDeserialize>(&self, cx: &Context<'_>, method: &str, input: Input) -> Result<T> {
        let reply = cx.query(&self.request(method, &input.into_bytes()?, Amount::ZERO))?;
        answer(method, &reply)
    }

    fn request<'a>(&'a self, method: &'a str, input: &'a [u8], value: Amount) -> CallRequest<'a> {
        CallRequest { to: &self.target, method, input, value, gas: self.gas, is_static: false }
    }
}

fn answer<T: BorshDeserialize>(method: &str, reply: &Reply) -> Result<T> {
    match reply.status {
        Status::Success => decode(&reply.output, "the called contract's answer"),
        Status::Revert => Err(Error::Revert(String::from_utf8_lossy(&reply.output).into_owned())),
        Status::Trap => Err(Error::Revert(format!("{method}: the called contract failed"))),
    }
}
