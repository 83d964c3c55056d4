use std::os::unix::net::UnixStream;

use vm_container_protocol::{
    AddressOf, Call, CallContract, Charge, ContractFrame, Delete, Emit, Environment, FrameError, FrameReader,
    FrameWriter, GasLeft, Get, GetMany, HostFrame, Log, Put, Scan, Status as StatusFrame, call_contract,
    host_frame::Kind,
};

use crate::{Address, Amount, CallRequest, Entries, Env, HostApi, Level, Reply, Status, Stop, Target};

/// Most keys that one request reads.
const BATCH: usize = 1000;

/// The host, behind the socket, during one call.
///
/// Operations without an answer are queued and travel with the next one that has an answer, or with the call's end.
pub(super) struct Link<'a> {
    reader: &'a mut FrameReader<UnixStream>,
    writer: &'a mut FrameWriter<UnixStream>,
    env: Env,
    /// The call's number.
    call: u64,
    /// Once the host said stop, or is gone, or was to be told more than a frame holds, every operation fails.
    stopped: bool,
    /// The bytes of what no frame holds.
    too_long: Option<usize>,
    broken: Option<FrameError>,
}

impl<'a> Link<'a> {
    pub(super) fn new(
        reader: &'a mut FrameReader<UnixStream>,
        writer: &'a mut FrameWriter<UnixStream>,
        call: &Call,
    ) -> Self {
        let environment = call.environment.as_ref();
        Self {
            reader,
            writer,
            env: environment.map(env).unwrap_or_else(|| env(&Environment::default())),
            call: call.number,
            stopped: false,
            too_long: None,
            broken: None,
        }
    }

    /// How a call ends that went on after its stop, or handed it up. Empty where the host knows why.
    pub(super) fn trapped(&self) -> Option<String> {
        let told = |length| format!("it told the host {length} bytes at once, which no frame holds");
        self.stopped.then(|| self.too_long.map(told).unwrap_or_default())
    }

    /// Why the process cannot go on, if it cannot.
    pub(super) fn broken(&mut self) -> Option<FrameError> {
        self.broken.take()
    }

    fn tell(&mut self, frame: impl Into<ContractFrame>) -> Result<(), Stop> {
        if self.stopped {
            return Err(Stop);
        }
        let queued = self.writer.queue(&frame.into().of_call(self.call));
        queued.map_err(|error| self.unsent(error))
    }

    fn ask(&mut self, frame: impl Into<ContractFrame>) -> Result<Kind, Stop> {
        if self.stopped {
            return Err(Stop);
        }
        let asked = self.writer.send(&frame.into().of_call(self.call));
        asked.map_err(|error| self.unsent(error))?;
        match self.reader.receive::<HostFrame>() {
            Ok(Some(HostFrame { kind: Some(Kind::Stop(_)) })) => {
                self.stopped = true;
                Err(Stop)
            }
            Ok(Some(HostFrame { kind: Some(answer) })) => Ok(answer),
            Ok(_) => Err(self.protocol_error("the host gave no answer")),
            Err(error) => Err(self.lost(error)),
        }
    }

    fn protocol_error(&mut self, message: &str) -> Stop {
        self.lost(std::io::Error::new(std::io::ErrorKind::InvalidData, message).into())
    }

    /// A frame could not be sent.
    fn unsent(&mut self, error: FrameError) -> Stop {
        let FrameError::TooLong { length } = error else { return self.lost(error) };
        // That is the contract's fault: the call traps, the connection is as good as before.
        self.stopped = true;
        self.too_long = Some(length);
        Stop
    }

    fn lost(&mut self, error: FrameError) -> Stop {
        self.stopped = true;
        self.broken = Some(error);
        Stop
    }
}

/// Asks and takes the kind of answer that belongs to the question.
macro_rules! ask {
    ($link:expr, $question:expr, $answer:ident) => {
        match $link.ask($question)? {
            Kind::$answer(answer) => answer,
            _ => return Err($link.protocol_error("the host's answer is of another kind")),
        }
    };
}

impl HostApi for Link<'_> {
    fn env(&mut self) -> Result<Env, Stop> {
        Ok(self.env.clone())
    }

    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, Stop> {
        Ok(ask!(self, Get { key: key.to_vec() }, Value).value)
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), Stop> {
        self.tell(Put { key: key.to_vec(), value: value.to_vec() })
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), Stop> {
        self.tell(Delete { key: key.to_vec() })
    }

    fn get_many(&mut self, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>, Stop> {
        let mut values = Vec::with_capacity(keys.len());
        for batch in keys.chunks(BATCH) {
            let found = ask!(self, GetMany::of(batch.iter().copied()), Values).values;
            if found.len() != batch.len() {
                return Err(self.protocol_error("the host's answer has another number of values"));
            }
            values.extend(found.into_iter().map(|found| found.value));
        }
        Ok(values)
    }

    fn scan(&mut self, start: &[u8], end: &[u8], limit: u32) -> Result<Entries, Stop> {
        if limit == 0 {
            return Ok(Entries::new());
        }
        // One page, as on the other runtimes: the host bounds it, and the next one starts after its last key.
        let page = ask!(self, Scan { start: start.to_vec(), end: end.to_vec(), limit }, Entries);
        Ok(page.entries.into_iter().map(|entry| (entry.key, entry.value)).collect())
    }

    fn emit(&mut self, topic: &str, data: &[u8]) -> Result<(), Stop> {
        self.tell(Emit { topic: topic.to_owned(), data: data.to_vec() })
    }

    fn call(&mut self, request: &CallRequest<'_>) -> Result<Reply, Stop> {
        let target = match request.to {
            Target::Name(name) => call_contract::Target::Name(name.clone()),
            Target::Address(address) => call_contract::Target::Address(address.as_bytes().to_vec()),
        };
        let call = CallContract {
            target: Some(target),
            method: request.method.to_owned(),
            input: request.input.to_vec(),
            value: match request.value.is_zero() {
                true => Vec::new(),
                false => request.value.to_be_bytes().to_vec(),
            },
            gas: request.gas.unwrap_or(0),
            is_static: request.is_static,
        };
        let result = ask!(self, call, CallResult);
        let status = match result.status() {
            StatusFrame::Success => Status::Success,
            StatusFrame::Revert => Status::Revert,
            StatusFrame::Trap | StatusFrame::Unspecified => Status::Trap,
        };
        Ok(Reply { status, output: result.output })
    }

    fn gas_left(&mut self) -> Result<u64, Stop> {
        Ok(ask!(self, GasLeft {}, Gas).left)
    }

    fn charge(&mut self, gas: u64) -> Result<(), Stop> {
        self.tell(Charge { gas })
    }

    fn log(&mut self, level: Level, message: &str) -> Result<(), Stop> {
        self.tell(Log { level: level as u32, message: message.to_owned() })
    }

    fn address_of(&mut self, name: &str) -> Result<Address, Stop> {
        let answer = ask!(self, AddressOf { name: name.to_owned() }, Address);
        match <[u8; 20]>::try_from(&answer.address[..]) {
            Ok(bytes) => Ok(Address::new(bytes)),
            Err(_) => Err(self.protocol_error("the host's answer is no address")),
        }
    }
}

fn env(frame: &Environment) -> Env {
    let address = |bytes: &[u8]| Address::new(bytes.try_into().unwrap_or_default());
    Env {
        this: address(&frame.this),
        caller: address(&frame.caller),
        origin: address(&frame.origin),
        coinbase: address(&frame.coinbase),
        value: Amount::from_be_bytes(frame.value[..].try_into().unwrap_or_default()),
        chain_id: frame.chain_id,
        block_number: frame.block_number,
        timestamp: frame.timestamp,
        is_static: frame.is_static,
        depth: frame.depth,
    }
}
