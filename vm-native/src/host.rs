use bytes::Bytes;
use vm_core::{Gas, Host, LogLevel, Stop};
use vm_sdk::{Address, Amount, CallRequest, Entries, Env, HostApi, Level, Reply, Status, Target};

/// The SDK's view of the core's host.
pub(crate) struct LinkedHost<'h> {
    host: &'h mut dyn Host,
    /// Why the contract must not go on.
    stop: Option<Stop>,
}

impl<'h> LinkedHost<'h> {
    pub(crate) fn new(host: &'h mut dyn Host) -> Self {
        Self { host, stop: None }
    }

    pub(crate) fn into_stop(self) -> Option<Stop> {
        self.stop
    }

    fn stopped<T>(&mut self, result: Result<T, Stop>) -> Result<T, vm_sdk::Stop> {
        result.map_err(|stop| {
            self.stop.get_or_insert(stop);
            vm_sdk::Stop
        })
    }
}

impl HostApi for LinkedHost<'_> {
    fn env(&mut self) -> Result<Env, vm_sdk::Stop> {
        let env = self.host.env();
        Ok(Env {
            this: address(env.this),
            caller: address(env.caller),
            origin: address(env.origin),
            coinbase: address(env.block.coinbase),
            value: Amount::from_be_bytes(env.value.to_be_bytes()),
            chain_id: env.block.chain_id,
            block_number: env.block.number,
            timestamp: env.block.timestamp,
            is_static: env.is_static,
            depth: env.depth.into(),
        })
    }

    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, vm_sdk::Stop> {
        let value = self.host.get(key);
        Ok(self.stopped(value)?.map(Vec::from))
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), vm_sdk::Stop> {
        let result = self.host.put(key, value);
        self.stopped(result)
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), vm_sdk::Stop> {
        let result = self.host.delete(key);
        self.stopped(result)
    }

    fn scan(&mut self, start: &[u8], end: &[u8], limit: u32) -> Result<Entries, vm_sdk::Stop> {
        let entries = self.host.scan(start, end, usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(self.stopped(entries)?.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }

    fn emit(&mut self, topic: &str, data: &[u8]) -> Result<(), vm_sdk::Stop> {
        let topics = vec![Bytes::copy_from_slice(topic.as_bytes()).into()];
        let result = self.host.emit(topics, Bytes::copy_from_slice(data));
        self.stopped(result)
    }

    fn call(&mut self, request: &CallRequest<'_>) -> Result<Reply, vm_sdk::Stop> {
        let to = match request.to {
            Target::Address(address) => vm_core::Target::Address(vm_core::Address::new(*address.as_bytes())),
            Target::Name(name) => match vm_core::ContractName::new(name) {
                Ok(name) => vm_core::Target::Name(name),
                Err(error) => return Ok(Reply { status: Status::Revert, output: error.to_string().into() }),
            },
        };
        let mut call = vm_core::CallRequest::new(to, request.method, Bytes::copy_from_slice(request.input));
        call.value = vm_core::Amount::from_be_bytes(request.value.to_be_bytes());
        call.gas = request.gas.map(Gas::new);
        call.is_static = request.is_static;
        let outcome = self.host.call(call);
        let outcome = self.stopped(outcome)?;
        let status = match outcome.status {
            vm_core::Status::Success => Status::Success,
            vm_core::Status::Revert => Status::Revert,
            vm_core::Status::Trap(_) => Status::Trap,
        };
        Ok(Reply { status, output: outcome.output.into() })
    }

    fn gas_left(&mut self) -> Result<u64, vm_sdk::Stop> {
        Ok(self.host.gas_left().get())
    }

    fn charge(&mut self, gas: u64) -> Result<(), vm_sdk::Stop> {
        let result = self.host.charge(Gas::new(gas));
        self.stopped(result)
    }

    fn log(&mut self, level: Level, message: &str) -> Result<(), vm_sdk::Stop> {
        let result = self.host.log(LogLevel::from_number(level as u32), message);
        self.stopped(result)
    }

    fn address_of(&mut self, name: &str) -> Result<Address, vm_sdk::Stop> {
        Ok(address(vm_core::Address::from_name(name)))
    }
}

fn address(address: vm_core::Address) -> Address {
    Address::new(*address.as_bytes())
}
