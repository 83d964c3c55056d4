use std::cell::{OnceCell, RefCell, RefMut};
use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};

#[allow(unused_imports, reason = "needed where the host is no trait object")]
use crate::HostApi;
use crate::abi::{decode, encode};
use crate::host::{Entries, HostRef};
use crate::{Address, Amount, CallRequest, Env, Event, Level, Reply, Result};

/// What a contract's method is given: its state, its surroundings, other contracts.
///
/// `&Context` can only look; what changes something needs `&mut Context`. Every operation can fail with
/// [`Error::Stop`](crate::Error::Stop), which must be handed up: write `?`.
///
/// State is a map from bytes to bytes that belongs to the contract alone.
/// [`Item`](crate::Item) and [`Map`](crate::Map) give it types and keep keys apart.
pub struct Context<'h> {
    host: RefCell<HostRef<'h>>,
    env: OnceCell<Env>,
}

impl<'h> Context<'h> {
    /// The context of one call, on top of a host.
    pub fn new(host: HostRef<'h>) -> Self {
        Self { host: RefCell::new(host), env: OnceCell::new() }
    }

    fn host(&self) -> RefMut<'_, HostRef<'h>> {
        self.host.borrow_mut()
    }
}

/// State.
impl Context<'_> {
    /// The value under a key.
    ///
    /// # Errors
    ///
    /// The value is no `T`; the contract must stop.
    pub fn get<T: BorshDeserialize>(&self, key: &[u8]) -> Result<Option<T>> {
        let value = self.get_raw(key)?;
        value.map(|value| decode(&value, "a stored value")).transpose()
    }

    /// The bytes under a key.
    ///
    /// # Errors
    ///
    /// The contract must stop.
    pub fn get_raw(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.host().get(key)?)
    }

    /// The bytes under several keys, in their order. In a container that takes one round trip instead of one for each.
    ///
    /// # Errors
    ///
    /// The contract must stop.
    pub fn get_many_raw(&self, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>> {
        Ok(self.host().get_many(keys)?)
    }

    /// Puts a value under a key, in place of what is there.
    ///
    /// # Errors
    ///
    /// The value cannot be encoded; the contract must stop.
    pub fn put(&mut self, key: &[u8], value: &(impl BorshSerialize + ?Sized)) -> Result<()> {
        self.put_raw(key, &encode(value)?)
    }

    /// Puts bytes under a key. None at all are still something.
    ///
    /// # Errors
    ///
    /// The contract must stop.
    pub fn put_raw(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        Ok(self.host().put(key, value)?)
    }

    /// Deletes a key, if it exists.
    ///
    /// # Errors
    ///
    /// The contract must stop.
    pub fn delete(&mut self, key: &[u8]) -> Result<()> {
        Ok(self.host().delete(key)?)
    }

    /// Up to `limit` entries, ascending by key, from `start` (included) to `end` (excluded; empty: to the last).
    ///
    /// # Errors
    ///
    /// The contract must stop.
    pub fn scan(&self, start: &[u8], end: &[u8], limit: u32) -> Result<Entries> {
        Ok(self.host().scan(start, end, limit)?)
    }
}

/// Events and the log.
impl Context<'_> {
    /// Emits an event.
    ///
    /// # Errors
    ///
    /// The event cannot be encoded; the contract must stop.
    pub fn emit<E: Event>(&mut self, event: &E) -> Result<()> {
        self.emit_raw(E::TOPIC, &encode(event)?)
    }

    /// Emits an event with a topic of at most 255 bytes.
    ///
    /// # Errors
    ///
    /// The contract must stop.
    pub fn emit_raw(&mut self, topic: &str, data: &[u8]) -> Result<()> {
        Ok(self.host().emit(topic, data)?)
    }

    /// Writes a line into the host's log. No contract and no result depends on it.
    ///
    /// # Errors
    ///
    /// The contract must stop.
    pub fn log(&self, level: Level, message: &str) -> Result<()> {
        Ok(self.host().log(level, message)?)
    }
}

/// Other contracts.
impl Context<'_> {
    /// Calls another contract. The clients that [`contract`](macro@crate::contract) makes are more convenient.
    ///
    /// # Errors
    ///
    /// The contract must stop. A callee that does not succeed is no error but a [`Reply`].
    pub fn call(&mut self, request: &CallRequest<'_>) -> Result<Reply> {
        Ok(self.host().call(request)?)
    }

    /// As [`call`](Self::call), but neither the callee nor anyone it calls can change anything.
    ///
    /// # Errors
    ///
    /// The contract must stop.
    pub fn query(&self, request: &CallRequest<'_>) -> Result<Reply> {
        let request = CallRequest { is_static: true, ..request.clone() };
        Ok(self.host().call(&request)?)
    }

    /// The address of the account with this name, or of the contract `NAME` if it is `contract:NAME`.
    ///
    /// # Errors
    ///
    /// The contract must stop.
    pub fn address_of(&self, name: &str) -> Result<Address> {
        Ok(self.host().address_of(name)?)
    }
}

/// Gas.
impl Context<'_> {
    /// The gas that this call has left.
    ///
    /// # Errors
    ///
    /// The contract must stop.
    pub fn gas_left(&self) -> Result<u64> {
        Ok(self.host().gas_left()?)
    }

    /// Uses gas for work that a native host or a container's host does not see: long computations. On WASM, where all
    /// work is metered, it does nothing.
    ///
    /// # Errors
    ///
    /// The contract must stop, because the gas does not suffice.
    pub fn charge(&self, gas: u64) -> Result<()> {
        Ok(self.host().charge(gas)?)
    }
}

/// The surroundings of the call. They are constant while it runs.
impl Context<'_> {
    /// Everything that the host tells about the call and its block.
    ///
    /// # Errors
    ///
    /// The contract must stop; so for all methods that follow.
    pub fn env(&self) -> Result<&Env> {
        if let Some(env) = self.env.get() {
            return Ok(env);
        }
        let env = self.host().env()?;
        Ok(self.env.get_or_init(|| env))
    }

    /// The contract that runs.
    pub fn this(&self) -> Result<Address> {
        Ok(self.env()?.this)
    }

    /// Who called it: an account or a contract.
    pub fn caller(&self) -> Result<Address> {
        Ok(self.env()?.caller)
    }

    /// The account that signed the transaction. To check permissions, ask for the caller.
    pub fn origin(&self) -> Result<Address> {
        Ok(self.env()?.origin)
    }

    /// What was transferred with the call.
    pub fn value(&self) -> Result<Amount> {
        Ok(self.env()?.value)
    }

    /// The block's number.
    pub fn block_number(&self) -> Result<u64> {
        Ok(self.env()?.block_number)
    }

    /// The block's time, in seconds since 1970-01-01 UTC.
    pub fn timestamp(&self) -> Result<u64> {
        Ok(self.env()?.timestamp)
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("env", &self.env.get()).finish_non_exhaustive()
    }
}
