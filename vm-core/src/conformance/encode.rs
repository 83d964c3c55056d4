//! Bodies as programs of actors, and what comes back from them.

use super::stage::{Actor, Dialect};
use super::tree::{Body, Call, End, Op};
use crate::{Address, Gas, GasSchedule};

/// What a call whose body burns its gas gets: enough for what comes before.
const LITTLE: u64 = 20_000_000;

/// What a body may use at most that is called out of one that may use `gas`. There are at most six calls in a body, and what else it
/// does costs far less than the rest.
pub(super) fn gas_of(body: &Body, gas: u64) -> u64 {
    if body.end == End::Burn { LITTLE } else { gas / 8 }
}

/// The program of an actor; `handed_down` is what each call gets of `gas`, if not so much as may be.
pub(super) fn program(actors: &[Actor], actor: &Actor, body: &Body, gas: Option<u64>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for op in &body.ops {
        match op {
            Op::Put(key, value) => bytes.extend([0, *key, *value]),
            Op::Delete(key) => bytes.extend([1, *key]),
            Op::Get(key) => bytes.extend([2, *key]),
            Op::Scan(start, end) => bytes.extend([3, *start, *end]),
            Op::Emit(number) => bytes.extend([4, *number]),
            Op::Who => bytes.push(10),
            Op::Fill(number, length) => {
                bytes.extend([11, *number]);
                bytes.extend(length.to_be_bytes());
            }
            Op::Call(call) => bytes.extend(encode_call(actors, actor, call, gas)),
        }
    }
    match body.end {
        End::Return => bytes.push(9),
        End::Revert(number, length) => {
            bytes.extend([6, number]);
            bytes.extend(length.to_be_bytes());
        }
        End::Trap => bytes.push(7),
        End::Burn => bytes.push(8),
    }
    bytes
}

/// Method and input of an actor.
pub(super) fn input(callee: &Actor, program: Vec<u8>) -> (&'static str, Vec<u8>) {
    match callee.dialect {
        Dialect::Sdk => ("run", borsh_bytes(&program)),
        Dialect::Solidity => ("", program),
    }
}

fn encode_call(actors: &[Actor], actor: &Actor, call: &Call, gas: Option<u64>) -> Vec<u8> {
    let Some(callee) = actors.get(call.to) else { return Vec::new() };
    let given = gas.map_or(u64::MAX, |gas| gas_of(&call.body, gas));
    let (method, input) = input(callee, program(actors, callee, &call.body, gas.map(|_| given)));
    let mut bytes = vec![5, u8::from(call.is_static) | (u8::from(call.tells) << 1)];
    bytes.extend(callee.address().as_bytes());
    bytes.push(call.value);
    let data = match actor.dialect {
        Dialect::Sdk => {
            bytes.extend(given.to_be_bytes());
            bytes.push(method.len() as u8);
            bytes.extend(method.as_bytes());
            input
        }
        Dialect::Solidity => {
            // Of Ethereum's.
            let factor = GasSchedule::v1().evm.factor.max(1);
            bytes.extend((given / factor).to_be_bytes());
            if method.is_empty() { input } else { abi_call(method, &input) }
        }
    };
    bytes.extend((data.len() as u16).to_be_bytes());
    bytes.extend(data);
    bytes
}

/// The gas that a callee gets when its caller asks for `given`: one that runs on another machine than its caller's EVM gets it less the
/// dispatcher's price, and the EVM gives more to those who get value.
pub(super) fn handed_down(actors: &[Actor], caller: &Actor, call: &Call, given: u64) -> Option<Gas> {
    const STIPEND: u64 = 2300;
    let callee = actors.get(call.to)?;
    let (schedule, factor) = (GasSchedule::v1(), GasSchedule::v1().evm.factor.max(1));
    if caller.dialect == Dialect::Sdk {
        return Some(Gas::new(given));
    }
    let asked = (given / factor).saturating_add(if call.value > 0 { STIPEND } else { 0 }).saturating_mul(factor);
    if callee.dialect == Dialect::Solidity {
        return Some(Gas::new(asked));
    }
    let (method, input) = input(callee, program(actors, callee, &call.body, Some(given)));
    let mut price = schedule.host.call.of(method.len() + input.len());
    if call.value > 0 {
        price = price.saturating_add(schedule.host.transfer.of(0));
    }
    Some(Gas::new(asked).saturating_sub(price))
}

/// What a caller gets to see of a revert.
pub(super) fn refused(caller: Dialect, callee: Dialect, data: &[u8]) -> Vec<u8> {
    /// Selector of `Error(string)`.
    const ERROR: [u8; 4] = [0x08, 0xc3, 0x79, 0xa0];
    match (caller, callee) {
        (Dialect::Solidity, Dialect::Sdk) => [ERROR.to_vec(), word(32), abi_bytes(data)].concat(),
        _ => data.to_vec(),
    }
}

/// What a caller gets to see of an actor's output.
pub(super) fn returned(caller: Dialect, callee: Dialect, output: &[u8]) -> Vec<u8> {
    match (caller, callee) {
        (_, Dialect::Solidity) => output.to_vec(),
        (Dialect::Sdk, Dialect::Sdk) => borsh_bytes(output),
        (Dialect::Solidity, Dialect::Sdk) => [word(32), abi_bytes(&borsh_bytes(output))].concat(),
    }
}

/// borsh of a list of bytes.
pub(super) fn borsh_bytes(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_le_bytes()[..], bytes].concat()
}

/// Call data of `call(string,bytes)`.
fn abi_call(method: &str, input: &[u8]) -> Vec<u8> {
    let method = abi_bytes(method.as_bytes());
    let selector = vec![0x29, 0x3b, 0x48, 0x52];
    [selector, word(64), word(64 + method.len()), method, abi_bytes(input)].concat()
}

fn word(number: usize) -> Vec<u8> {
    [&[0; 24][..], &(number as u64).to_be_bytes()].concat()
}

fn abi_bytes(bytes: &[u8]) -> Vec<u8> {
    [word(bytes.len()), bytes.to_vec(), vec![0; (32 - bytes.len() % 32) % 32]].concat()
}

/// What code 10 tells.
pub(super) fn who(caller: &Address, value: u8) -> Vec<u8> {
    [&caller.as_bytes()[..], &[value]].concat()
}
