//! A contract that does what a program says that it is given, the same in every runtime. `contracts/actor-sol` is the same in
//! Solidity.
//!
//! A program is a sequence of instructions; keys and values are single bytes, and other numbers big-endian.
//!
//! | Code | Operands | Does |
//! |---|---|---|
//! | 0 | key, value | puts the value |
//! | 1 | key | deletes the key |
//! | 2 | key | reads it; the value, or 0, to the output |
//! | 3 | start, end | reads all keys from `start` to before `end`, in order; how many there are, and their values, to the output |
//! | 4 | number | emits an event with the number as data |
//! | 5 | flags, address (20), value, gas (8), length of a method, method, length of an input (2), input | calls, read-only with flag 1; to the output 1 and what it returned, or 0 when it failed and with flag 2 what it returned then; the length stands before that (2) |
//! | 6 | number, length (2) | reverts with the number, below 128, so many times |
//! | 7 | | panics |
//! | 8 | | uses up all gas |
//! | 9 | | returns |
//! | 10 | | the caller's address (20) and the value that came (1) to the output |
//! | 11 | number, length (2) | the number so many times to the output |
//!
//! What is no program is a panic.

#![allow(clippy::expect_used, clippy::panic, reason = "what is no program is a panic")]

use std::hint::black_box;

use vm_sdk::{Address, CallRequest, Context, Result, Status, contract, revert};

/// The actor.
#[derive(Debug)]
pub struct Actor;

#[contract(concurrency = 16)]
impl Actor {
    /// Does what the program says, and returns the output.
    pub fn run(cx: &mut Context, program: &[u8]) -> Result<Vec<u8>> {
        let (mut rest, mut output) = (Program(program), Vec::new());
        while !rest.0.is_empty() {
            let [code] = rest.take();
            match code {
                0 => {
                    let [key, value] = rest.take();
                    cx.put_raw(&[key], &[value])?;
                }
                1 => {
                    let key: [u8; 1] = rest.take();
                    cx.delete(&key)?;
                }
                2 => {
                    let key: [u8; 1] = rest.take();
                    output.extend(cx.get_raw(&key)?.unwrap_or_else(|| vec![0]));
                }
                3 => {
                    let [start, end] = rest.take();
                    let found = cx.scan(&[start], &[end], 1000)?;
                    output.push(found.len() as u8);
                    output.extend(found.into_iter().flat_map(|(_, value)| value));
                }
                4 => {
                    let number: [u8; 1] = rest.take();
                    cx.emit_raw("n", &number)?;
                }
                5 => call(cx, &mut rest, &mut output)?,
                6 => {
                    let [number] = rest.take();
                    let length = u16::from_be_bytes(rest.take());
                    revert!("{}", char::from(number).to_string().repeat(length.into()));
                }
                8 => {
                    // A container is told that it has none left when it asks something; a module just has none left some day.
                    cx.charge(u64::MAX)?;
                    cx.gas_left()?;
                    loop {
                        black_box(());
                    }
                }
                9 => break,
                10 => {
                    output.extend(cx.caller()?.as_bytes());
                    output.push(cx.env()?.value.to_u128().unwrap_or_default() as u8);
                }
                11 => {
                    let [number] = rest.take();
                    output.extend(vec![number; u16::from_be_bytes(rest.take()).into()]);
                }
                _ => panic!("no program"),
            }
        }
        Ok(output)
    }
}

/// What is left of a program.
struct Program<'p>(&'p [u8]);

impl<'p> Program<'p> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (head, rest) = self.0.split_first_chunk().expect("a whole program");
        self.0 = rest;
        *head
    }

    fn bytes(&mut self, length: usize) -> &'p [u8] {
        let (head, rest) = self.0.split_at(length);
        self.0 = rest;
        head
    }
}

fn call(cx: &mut Context<'_>, program: &mut Program<'_>, output: &mut Vec<u8>) -> Result<()> {
    let [flags] = program.take();
    let to = Address::new(program.take());
    let [value] = program.take();
    let gas = u64::from_be_bytes(program.take());
    let [length] = program.take();
    let method = std::str::from_utf8(program.bytes(length.into())).expect("the name of a method");
    let length = u16::from_be_bytes(program.take());
    let input = program.bytes(length.into());
    let (to, value, is_static) = (to.into(), u128::from(value).into(), flags & 1 != 0);
    let reply = cx.call(&CallRequest { to: &to, method, input, value, gas: Some(gas), is_static })?;
    let ok = reply.status == Status::Success;
    output.push(ok.into());
    if ok || flags & 2 != 0 {
        output.extend((reply.output.len() as u16).to_be_bytes());
        output.extend(reply.output);
    }
    Ok(())
}
