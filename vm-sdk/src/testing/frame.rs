use std::panic::{AssertUnwindSafe, catch_unwind};

use super::world::{Request, World};
use super::{Emitted, Logged, address_of, contract_address};
use crate::{
    Address, Amount, Call, CallRequest, Entries, Entry, Env, Error, HostApi, Level, Reply, Status, Stop, Target,
};

/// Calls above the transaction's own one.
const MAX_DEPTH: usize = 64;

/// One call in progress, or the account at the bottom of them.
pub(super) struct Frame<'w> {
    world: &'w mut World,
    /// The contracts that run, the account first, this one last.
    stack: Vec<Address>,
    env: Env,
    gas: u64,
    stopped: bool,
}

impl<'w> Frame<'w> {
    pub(super) fn account(world: &'w mut World, address: Address) -> Self {
        let env = Env {
            this: address,
            caller: address,
            origin: address,
            coinbase: Address::ZERO,
            value: Amount::ZERO,
            chain_id: 1,
            block_number: world.block_number,
            timestamp: world.timestamp,
            is_static: false,
            depth: 0,
        };
        let gas = world.gas;
        Self { world, stack: vec![address], env, gas, stopped: false }
    }

    /// True if the call must not go on.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Performs a call of another contract, with what it did undone unless it succeeded, and says how much gas it used.
    pub(super) fn enter(&mut self, request: &Request<'_>, gas: u64) -> (Reply, u64) {
        let refused = |reason: String| {
            let output = reason.into_bytes();
            (Reply { status: Status::Revert, output }, 0)
        };
        if self.stack.len() > MAX_DEPTH {
            return refused(format!("call depth of {MAX_DEPTH} exceeded"));
        }
        let Some(contract) = self.world.contract(request.to) else {
            return refused(format!("there is no contract '{}'", request.called));
        };
        if self.stack.contains(&request.to) {
            return refused(format!("contract '{}' does not accept being re-entered", contract.name));
        }
        let entry = contract.entry;
        let before = self.world.clone();
        let mut frame = Frame {
            env: Env {
                this: request.to,
                caller: self.env.this,
                value: request.value,
                is_static: self.env.is_static || request.is_static,
                depth: u32::try_from(self.stack.len() - 1).unwrap_or(u32::MAX),
                ..self.env.clone()
            },
            stack: self.stack.iter().copied().chain([request.to]).collect(),
            world: self.world,
            gas,
            stopped: false,
        };
        let call = Call { entry: request.entry, method: request.method, input: request.input };
        let result = catch_unwind(AssertUnwindSafe(|| entry(&mut frame, &call)));
        if result.is_err() {
            frame.stop("the contract panicked");
        }
        let (status, output) = match result {
            Ok(Ok(output)) if !frame.stopped => (Status::Success, output),
            Ok(Err(Error::Revert(message))) if !frame.stopped => (Status::Revert, message.into_bytes()),
            _ => (Status::Trap, Vec::new()),
        };
        let used = gas - frame.gas;
        if status != Status::Success {
            self.world.undo(before);
        }
        (Reply { status, output }, used)
    }

    /// The contract learns only that it must stop; its author finds the reason in the log.
    fn stop(&mut self, reason: &str) -> Stop {
        if !self.stopped {
            self.stopped = true;
            self.world.log(Logged { contract: self.env.this, level: Level::Error, message: reason.to_owned() });
        }
        Stop
    }

    fn operation(&mut self) -> Result<(), Stop> {
        self.charge(1)
    }

    fn change(&mut self) -> Result<(), Stop> {
        self.operation()?;
        if self.env.is_static {
            return Err(self.stop("state change in a read-only call"));
        }
        Ok(())
    }
}

impl HostApi for Frame<'_> {
    fn env(&mut self) -> Result<Env, Stop> {
        self.operation()?;
        Ok(self.env.clone())
    }

    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, Stop> {
        self.operation()?;
        Ok(self.world.state(self.env.this, key).map(<[u8]>::to_vec))
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), Stop> {
        self.change()?;
        self.world.put(self.env.this, key, value);
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), Stop> {
        self.change()?;
        self.world.delete(self.env.this, key);
        Ok(())
    }

    fn scan(&mut self, start: &[u8], end: &[u8], limit: u32) -> Result<Entries, Stop> {
        self.operation()?;
        Ok(self.world.scan(self.env.this, start, end, limit))
    }

    fn emit(&mut self, topic: &str, data: &[u8]) -> Result<(), Stop> {
        self.change()?;
        if topic.len() > 255 {
            return Err(self.stop("bad argument of a host function: a topic has at most 255 bytes"));
        }
        self.world.emit(Emitted { contract: self.env.this, topic: topic.to_owned(), data: data.to_vec() });
        Ok(())
    }

    fn call(&mut self, request: &CallRequest<'_>) -> Result<Reply, Stop> {
        self.operation()?;
        if self.env.is_static && !request.value.is_zero() {
            return Err(self.stop("state change in a read-only call"));
        }
        let most = self.gas - self.gas / 64;
        let gas = request.gas.map_or(most, |gas| gas.min(most));
        let (to, called) = match request.to {
            Target::Name(name) => (contract_address(name), name.clone()),
            Target::Address(address) => (*address, address.to_string()),
        };
        let request = Request {
            to,
            called: &called,
            entry: Entry::Invoke,
            method: request.method,
            input: request.input,
            value: request.value,
            is_static: request.is_static,
        };
        let (reply, used) = self.enter(&request, gas);
        self.gas -= used;
        Ok(reply)
    }

    fn gas_left(&mut self) -> Result<u64, Stop> {
        self.operation()?;
        Ok(self.gas)
    }

    fn charge(&mut self, gas: u64) -> Result<(), Stop> {
        if self.stopped {
            return Err(Stop);
        }
        match self.gas.checked_sub(gas) {
            Some(left) => {
                self.gas = left;
                Ok(())
            }
            None => {
                self.gas = 0;
                Err(self.stop("out of gas"))
            }
        }
    }

    fn log(&mut self, level: Level, message: &str) -> Result<(), Stop> {
        self.operation()?;
        self.world.log(Logged { contract: self.env.this, level, message: message.to_owned() });
        Ok(())
    }

    fn address_of(&mut self, name: &str) -> Result<Address, Stop> {
        self.operation()?;
        Ok(address_of(name))
    }
}
