//! A contract that does whatever a test wants to see, the same in every runtime.

use std::hint::black_box;

use vm_sdk::{Address, CallRequest, Context, Entries, Level, Result, Status, Target, borsh, contract, revert};

/// The probe.
#[derive(Debug)]
pub struct Probe;

/// State.
const UPGRADED: &[u8] = b"upgraded";

#[contract(concurrency = 4)]
impl Probe {
    /// Reverts with `message`, unless it is empty.
    #[init]
    pub fn init(_cx: &mut Context, message: &str) -> Result<()> {
        Self::refuse(message)
    }

    /// Records `from -> to` under the key `upgraded`; reverts after that with `message`, unless it is empty.
    #[upgrade]
    pub fn upgrade(cx: &mut Context, from: &str, to: &str, message: &str) -> Result<()> {
        cx.put_raw(UPGRADED, format!("{from} -> {to}").as_bytes())?;
        Self::refuse(message)
    }

    /// Returns what it is given.
    #[view]
    pub fn echo(_cx: &Context, data: Vec<u8>) -> Vec<u8> {
        data
    }

    /// Does nothing at all.
    pub fn nothing(_cx: &mut Context) {}

    /// Puts `value` under `key`.
    pub fn put(cx: &mut Context, key: &[u8], value: &[u8]) -> Result<()> {
        cx.put_raw(key, value)
    }

    /// What is under `key`; reverts if nothing is.
    #[view]
    pub fn get(cx: &Context, key: &[u8]) -> Result<Vec<u8>> {
        match cx.get_raw(key)? {
            Some(value) => Ok(value),
            None => revert!("no such key"),
        }
    }

    /// Whether something is under `key`.
    #[view]
    pub fn has(cx: &Context, key: &[u8]) -> Result<bool> {
        Ok(cx.get_raw(key)?.is_some())
    }

    /// Deletes `key`.
    pub fn delete(cx: &mut Context, key: &[u8]) -> Result<()> {
        cx.delete(key)
    }

    /// Up to `limit` entries from `start` to `end`, borsh of a list of pairs.
    #[view]
    pub fn scan(cx: &Context, start: &[u8], end: &[u8], limit: u32) -> Result<Vec<u8>> {
        encode(&cx.scan(start, end, limit)?)
    }

    /// Adds one to the number under `key` and returns it; starts at 1.
    pub fn count(cx: &mut Context, key: &[u8]) -> Result<u64> {
        let count = cx.get::<u64>(key)?.unwrap_or_default() + 1;
        cx.put(key, &count)?;
        Ok(count)
    }

    /// Emits an event.
    pub fn emit(cx: &mut Context, topic: &str, data: &[u8]) -> Result<()> {
        cx.emit_raw(topic, data)
    }

    /// Emits an event and puts a value, then reverts with `message`.
    pub fn change_and_revert(cx: &mut Context, key: &[u8], value: &[u8], message: &str) -> Result<()> {
        cx.put_raw(key, value)?;
        cx.emit_raw("changed", key)?;
        revert!("{message}")
    }

    /// Reverts with `message`.
    pub fn fail(_cx: &mut Context, message: &str) -> Result<()> {
        revert!("{message}")
    }

    /// Panics.
    pub fn panic(_cx: &mut Context) {
        Self::divide(black_box(1), black_box(0));
    }

    /// Adds with the compiler's check for overflow.
    #[view]
    pub fn add(_cx: &Context, left: u64, right: u64) -> u64 {
        left + right
    }

    /// Computes for ever.
    pub fn spin(_cx: &mut Context) {
        let mut turns = 0u64;
        loop {
            turns = black_box(turns.wrapping_add(1));
        }
    }

    /// Computes for `turns` turns and returns a number that depends on all of them.
    #[view]
    pub fn compute(_cx: &Context, turns: u64) -> u64 {
        (0..turns)
            .fold(1, |state: u64, turn| black_box(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(turn)))
    }

    /// Calls itself `depth` times, with the host knowing nothing of it.
    #[view]
    pub fn recurse(_cx: &Context, depth: u64) -> u64 {
        Self::descend(depth)
    }

    /// Allocates and touches `mebibytes`, a mebibyte at a time, and returns how many it got.
    #[view]
    pub fn allocate(_cx: &Context, mebibytes: u32) -> u32 {
        let mut held = Vec::new();
        for number in 0..mebibytes {
            let fill = black_box(number.to_le_bytes()[0] | 1);
            held.push(black_box(vec![fill; 1 << 20]));
        }
        black_box(&held).len().try_into().unwrap_or(u32::MAX)
    }

    /// Calls `method` of the contract named `to` and hands on what comes back: its output, or a revert with its message.
    pub fn forward(cx: &mut Context, to: &str, method: &str, input: &[u8]) -> Result<Vec<u8>> {
        Self::relay(cx, &to.into(), method, input)
    }

    /// As `forward`, to an address.
    pub fn forward_to(cx: &mut Context, to: Address, method: &str, input: &[u8]) -> Result<Vec<u8>> {
        Self::relay(cx, &to.into(), method, input)
    }

    /// As `forward`, but the callee may change nothing.
    #[view]
    pub fn ask(cx: &Context, to: &str, method: &str, input: &[u8]) -> Result<Vec<u8>> {
        let to = to.into();
        answer(&cx.query(&request(&to, method, input))?)
    }

    /// As `forward`, but succeeds in any case. Returns the callee's status (0 success, 1 revert, 2 trap), followed by its
    /// output.
    pub fn attempt(cx: &mut Context, to: &str, method: &str, input: &[u8]) -> Result<Vec<u8>> {
        let to = to.into();
        let reply = cx.call(&request(&to, method, input))?;
        Ok([vec![reply.status as u8], reply.output].concat())
    }

    /// As `attempt`, with at most `gas` for the callee and `value` transferred.
    pub fn attempt_with(
        cx: &mut Context,
        to: &str,
        method: &str,
        input: &[u8],
        gas: u64,
        value: u128,
    ) -> Result<Vec<u8>> {
        let to = to.into();
        let request = CallRequest { gas: Some(gas), value: value.into(), ..request(&to, method, input) };
        let reply = cx.call(&request)?;
        Ok([vec![reply.status as u8], reply.output].concat())
    }

    /// Goes on after the host said stop, as no contract should: puts a value, ignores every error, and returns as if all
    /// were well.
    pub fn swallow(cx: &mut Context, key: &[u8], value: &[u8]) {
        let _ = cx.put_raw(key, value);
        let _ = cx.get_raw(key);
    }

    /// Who called.
    #[view]
    pub fn caller(cx: &Context) -> Result<Address> {
        cx.caller()
    }

    /// Its own address.
    #[view]
    pub fn this(cx: &Context) -> Result<Address> {
        cx.this()
    }

    /// Everything about the call and its block, as text.
    #[view]
    pub fn env(cx: &Context) -> Result<String> {
        let env = cx.env()?;
        Ok(format!(
            "this={} caller={} origin={} coinbase={} value={:?} chain_id={} block_number={} timestamp={} is_static={} depth={}",
            env.this,
            env.caller,
            env.origin,
            env.coinbase,
            env.value,
            env.chain_id,
            env.block_number,
            env.timestamp,
            env.is_static,
            env.depth,
        ))
    }

    /// The address that belongs to a name; `contract:NAME` is a contract.
    #[view]
    pub fn address_of(cx: &Context, name: &str) -> Result<Address> {
        cx.address_of(name)
    }

    /// The gas that is left.
    #[view]
    pub fn gas_left(cx: &Context) -> Result<u64> {
        cx.gas_left()
    }

    /// Charges gas by itself; nothing happens on WASM.
    #[view]
    pub fn charge(cx: &Context, gas: u64) -> Result<()> {
        cx.charge(gas)
    }

    /// Writes a line into the log, as information.
    #[view]
    pub fn log(cx: &Context, message: &str) -> Result<()> {
        cx.log(Level::Info, message)
    }

    fn refuse(message: &str) -> Result<()> {
        if !message.is_empty() {
            revert!("{message}");
        }
        Ok(())
    }

    fn relay(cx: &mut Context, to: &Target, method: &str, input: &[u8]) -> Result<Vec<u8>> {
        answer(&cx.call(&request(to, method, input))?)
    }

    #[inline(never)]
    fn divide(a: u32, b: u32) -> u32 {
        black_box(a / b)
    }

    #[inline(never)]
    fn descend(depth: u64) -> u64 {
        match depth {
            0 => 0,
            _ => black_box(Self::descend(black_box(depth - 1)) + 1),
        }
    }
}

fn request<'a>(to: &'a Target, method: &'a str, input: &'a [u8]) -> CallRequest<'a> {
    CallRequest { to, method, input, value: 0.into(), gas: None, is_static: false }
}

fn answer(reply: &vm_sdk::Reply) -> Result<Vec<u8>> {
    match reply.status {
        Status::Success => Ok(reply.output.clone()),
        Status::Revert => revert!("{}", String::from_utf8_lossy(&reply.output)),
        Status::Trap => revert!("the called contract failed"),
    }
}

fn encode(entries: &Entries) -> Result<Vec<u8>> {
    borsh::to_vec(entries).map_err(|_| "cannot be encoded".into())
}
