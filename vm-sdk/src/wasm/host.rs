use std::ptr;

use super::imports;
use crate::{Address, Amount, CallRequest, Entries, Env, HostApi, Level, Reply, Status, Stop, Target};

/// Flags of the import `call`.
const STATIC: u32 = 1;
const BY_ADDRESS: u32 = 2;

/// Most values are no longer: they come with the first question.
const EXPECTED_VALUE: usize = 64;

/// The host behind the imports. It unwinds a contract that must stop, so nothing here fails.
#[derive(Debug)]
pub struct Imports;

/// A buffer of `length` bytes that the host has filled. The closure is not the import itself: the ABI forbids imports as
/// values, which tables of functions would hold.
pub(super) fn filled(length: usize, fill: impl FnOnce(*mut u8)) -> Vec<u8> {
    let mut bytes = vec![0; length];
    if length > 0 {
        fill(bytes.as_mut_ptr());
    }
    bytes
}

/// Sets the call's output.
pub(super) fn output(bytes: &[u8]) {
    if !bytes.is_empty() {
        imports::output(bytes.as_ptr(), bytes.len());
    }
}

/// What the host has kept of the last answer.
fn result(length: usize) -> Vec<u8> {
    filled(length, |to| imports::result(to))
}

impl HostApi for Imports {
    fn env(&mut self) -> Result<Env, Stop> {
        let mut bytes = [0; 224];
        imports::env(bytes.as_mut_ptr());
        let mut fields = Fields(&bytes);
        Ok(Env {
            this: Address::new(fields.take()),
            caller: Address::new(fields.take()),
            origin: Address::new(fields.take()),
            coinbase: Address::new(fields.take()),
            value: Amount::from_be_bytes(fields.take()),
            chain_id: u64::from_le_bytes(fields.take()),
            block_number: u64::from_le_bytes(fields.take()),
            timestamp: u64::from_le_bytes(fields.take()),
            is_static: u32::from_le_bytes(fields.take()) & STATIC != 0,
            depth: u32::from_le_bytes(fields.take()),
        })
    }

    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, Stop> {
        let mut value = vec![0; EXPECTED_VALUE];
        let length = imports::get(key.as_ptr(), key.len(), value.as_mut_ptr(), value.len());
        // Negative: there is no such key.
        let Ok(length) = usize::try_from(length) else {
            return Ok(None);
        };
        if length > value.len() {
            return Ok(Some(result(length)));
        }
        value.truncate(length);
        Ok(Some(value))
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), Stop> {
        imports::put(key.as_ptr(), key.len(), value.as_ptr(), value.len());
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), Stop> {
        imports::delete(key.as_ptr(), key.len());
        Ok(())
    }

    fn scan(&mut self, start: &[u8], end: &[u8], limit: u32) -> Result<Entries, Stop> {
        let length = imports::scan(start.as_ptr(), start.len(), end.as_ptr(), end.len(), limit);
        let bytes = result(usize::try_from(length).unwrap_or(0));
        // The host's own encoding: it can be decoded.
        borsh::from_slice(&bytes).map_err(|_| Stop)
    }

    fn emit(&mut self, topic: &str, data: &[u8]) -> Result<(), Stop> {
        imports::emit(topic.as_ptr(), topic.len(), data.as_ptr(), data.len());
        Ok(())
    }

    fn call(&mut self, request: &CallRequest<'_>) -> Result<Reply, Stop> {
        let (to, by_address) = match request.to {
            Target::Name(name) => (name.as_bytes(), 0),
            Target::Address(address) => (&address.as_bytes()[..], BY_ADDRESS),
        };
        let value = request.value.to_be_bytes();
        let answer = imports::call(
            to.as_ptr(),
            to.len(),
            request.method.as_ptr(),
            request.method.len(),
            request.input.as_ptr(),
            request.input.len(),
            if request.value.is_zero() { ptr::null() } else { value.as_ptr() },
            request.gas.unwrap_or(0),
            by_address | u32::from(request.is_static),
        );
        #[allow(clippy::cast_possible_truncation, reason = "the lower half is the length")]
        let output = result(answer as u32 as usize);
        let status = match answer >> 32 {
            0 => Status::Success,
            1 => Status::Revert,
            _ => Status::Trap,
        };
        Ok(Reply { status, output })
    }

    fn gas_left(&mut self) -> Result<u64, Stop> {
        Ok(imports::gas_left())
    }

    fn charge(&mut self, _gas: u64) -> Result<(), Stop> {
        // The instructions themselves are metered.
        Ok(())
    }

    fn log(&mut self, level: Level, message: &str) -> Result<(), Stop> {
        imports::log(level as u32, message.as_ptr(), message.len());
        Ok(())
    }

    fn address_of(&mut self, name: &str) -> Result<Address, Stop> {
        let mut bytes = [0; 20];
        imports::address_of(name.as_ptr(), name.len(), bytes.as_mut_ptr());
        Ok(Address::new(bytes))
    }
}

/// Fields of fixed size, one after the other.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        match self.0.split_first_chunk() {
            Some((field, rest)) => {
                self.0 = rest;
                *field
            }
            None => [0; N],
        }
    }
}
