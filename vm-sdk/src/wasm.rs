//! Contracts as WASM modules: version 1 of the project's WASM ABI (`docs/wasm-abi.md`). [`main!`](crate::main) uses it.

mod allocator;
mod host;
mod imports;

pub use allocator::Allocator;
pub use host::Imports;

use crate::{Call, Contract, Entry, Error, Result, enter};

/// The body of the export `vm_call`: performs one call and says 0 for success and 1 for a revert.
pub fn perform<C: Contract>(entry: u32, method_length: usize, input_length: usize) -> u32 {
    let method = host::filled(method_length, |to| imports::method(to));
    let input = host::filled(input_length, |to| imports::input(to));
    match call::<C>(entry, &method, &input) {
        Ok(output) => {
            host::output(&output);
            0
        }
        Err(Error::Revert(message)) => {
            host::output(message.as_bytes());
            1
        }
        // No host function returns it.
        Err(Error::Stop(_)) => core::arch::wasm32::unreachable(),
    }
}

fn call<C: Contract>(entry: u32, method: &[u8], input: &[u8]) -> Result<Vec<u8>> {
    let method = str::from_utf8(method).map_err(|_| Error::from("the method's name is not UTF-8"))?;
    let enter = |entry, input| enter::<C>(&mut Imports, &Call { entry, method, input });
    match entry {
        0 => enter(Entry::Deploy, input),
        2 => {
            let mut input = input;
            let (from, to) = borsh::BorshDeserialize::deserialize(&mut input)
                .map_err(|_| Error::from("upgrade: the versions cannot be decoded"))?;
            let (from, to): (String, String) = (from, to);
            enter(Entry::Upgrade { from: &from, to: &to }, input)
        }
        _ => enter(Entry::Invoke, input),
    }
}
