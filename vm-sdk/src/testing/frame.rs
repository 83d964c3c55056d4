use std::panic::{AssertUnwindSafe, catch_unwind};

use super::world::{Request, World};
use super::{Emitted, Logged, address_of};
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
    stopped: Option<&'static str>,
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
        Self { world, stack: vec![address], env, gas, stopped: None }
    }

    /// Why the call must not go on.
    pub(super) fn stopped(&self) -> Option<&'static str> {
        self.stopped
    }

    /// Performs a call of another contract, with what it did undone unless it succeeded, and says how much gas it used.
    pub(super) fn enter(&mut self, request: &Request<'_>, gas: u64) -> (Reply, u64) {
        let refused = |reason: &str| {
            let output = reason.as_bytes().to_vec();
            (Reply { status: Status::Revert, output }, 0)
        };
        let Some(contract) = self.world.contract(request.to) else {
            return refused("the called contract does not exist");
        };
        if self.stack.contains(&request.to) {
            return refused("the called contract is running already");
        }
        if self.stack.len() > MAX_DEPTH {
            return refused("too many nested calls");
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
            stopped: None,
        };
        let call = Call { entry: request.entry, method: request.method, input: request.input };
        // A panic is a trap here too; the test's output shows its message.
        let result = catch_unwind(AssertUnwindSafe(|| entry(&mut frame, &call)));
        let (status, output) = match (frame.stopped, result) {
            (Some(reason), _) => (Status::Trap, reason.into()),
            (None, Ok(Ok(output))) => (Status::Success, output),
            (None, Ok(Err(Error::Revert(message)))) => (Status::Revert, message.into_bytes()),
            (None, Ok(Err(Error::Stop(Stop)))) => (Status::Trap, "stopped".into()),
            (None, Err(_)) => (Status::Trap, "the contract panicked".into()),
        };
        let used = gas - frame.gas;
        if status != Status::Success {
            self.world.undo(before);
        }
        (Reply { status, output }, used)
    }

    fn stop(&mut self, reason: &'static str) -> Stop {
        self.stopped.get_or_insert(reason);
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
        let request = Request {
            to: match request.to {
                Target::Name(name) => address_of(name),
                Target::Address(address) => *address,
            },
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
        if self.stopped.is_some() {
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
