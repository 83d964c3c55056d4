//! One call: frames from the container become operations of the host.

mod frames;
pub(crate) mod replay;

use std::time::Duration;

use vm_container_protocol::{
    Address as AddressFrame, Call as CallFrame, CallResult, ContractFrame, Emit, Entries, FrameError, Gas as GasFrame,
    GetMany, HostFrame, KeyValue, MAX_FRAME, Stop as StopFrame, Value, Values, contract_frame::Kind,
};
use vm_core::{Address, Call, Gas, Host, Interrupt, LogLevel, Return, Stop, Trap};

use crate::{
    DockerError,
    connection::{Connection, was_interrupted},
};
use replay::Script;

/// How long a contract that must stop may take until it says that it has; then it is killed.
const SETTLE: Duration = Duration::from_millis(250);

/// Longest topic of an event, in bytes.
const TOPIC_LIMIT: usize = 255;

/// Longest name whose address is told, in bytes.
const NAME_LIMIT: usize = 255;

/// Most keys that one request reads.
const BATCH_LIMIT: usize = 1000;

/// How a call went.
pub(crate) struct Ran {
    pub(crate) end: End,
    /// False if the process has ended, or said something that belongs to an earlier call, before it took this one: nothing has
    /// happened, and another process can have it.
    pub(crate) taken: bool,
}

/// How a call ended.
pub(crate) enum End {
    /// The contract returned, and its container is ready for the next call.
    Returned(Return),
    /// The host stopped the contract.
    Stopped {
        stop: Stop,
        /// True if the container is ready for the next call.
        settled: bool,
    },
    /// The deadline was over.
    Late,
    /// The container closed the connection.
    Closed,
    /// The container broke the rules.
    Broken(DockerError),
}

/// What ends a call before its contract returns.
enum Break {
    Stop(Stop),
    End(End),
}

impl From<Stop> for Break {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<Trap> for Break {
    fn from(trap: Trap) -> Self {
        Self::Stop(trap.into())
    }
}

impl From<FrameError> for Break {
    fn from(error: FrameError) -> Self {
        Self::End(match error {
            // The contract asked for more than a frame holds.
            FrameError::TooLong { .. } => return Self::Stop(Trap::MemoryLimit.into()),
            error if was_interrupted(&error) => End::Late,
            FrameError::Truncated { .. } => End::Closed,
            FrameError::Io(_) => End::Closed,
            error => End::Broken(error.into()),
        })
    }
}

/// Performs a call on a container that waits for one, its `number`th. What is said is written into `script`, if there is one.
pub(crate) fn run(
    connection: &mut Connection,
    number: u64,
    host: &mut dyn Host,
    call: &Call,
    script: Option<&mut Script>,
) -> Ran {
    let interrupt = host.transaction().interrupt().clone();
    let prices = &host.transaction().schedule().docker;
    let (question_price, notice_price) = (Gas::new(prices.round_trip), Gas::new(prices.frame));
    connection.interrupt_by(&interrupt);
    let line = Line::new(connection, number);
    let mut session = Session { line, host, question_price, notice_price, script };
    let end = match session.perform(frames::call(call, session.host)) {
        Ok(returned) => End::Returned(returned),
        Err(Break::End(end)) => end,
        Err(Break::Stop(stop)) => {
            let settled = session.line.settle(&interrupt);
            End::Stopped { stop, settled }
        }
    };
    Ran { end, taken: session.line.stage != Stage::Refused }
}

/// A connection during one call.
struct Line<'a> {
    connection: &'a mut Connection,
    /// The call's number, which every frame of the contract carries: none can be taken for one of another call.
    number: u64,
    stage: Stage,
}

/// How far a call has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The contract has not been told of it.
    Unsent,
    /// The contract has said nothing in it. What ends it now ends it for good: the process may have begun.
    Sent,
    /// As the opposite of [`Ran::taken`].
    Refused,
    /// The contract works, and needs no answer to go on.
    Works,
    /// The contract waits for an answer.
    Asks,
}

impl<'a> Line<'a> {
    fn new(connection: &'a mut Connection, number: u64) -> Self {
        Self { connection, number, stage: Stage::Unsent }
    }

    fn begin(&mut self, call: CallFrame) -> Result<(), FrameError> {
        match self.connection.send(CallFrame { number: self.number, ..call }) {
            // Nothing of it was sent.
            Err(error @ FrameError::TooLong { .. }) => Err(error),
            sent => {
                self.stage = Stage::Sent;
                sent.inspect_err(|error| self.refused_if(is_hung_up(error)))
            }
        }
    }

    /// Nothing was taken, if that was seen before the contract said anything.
    fn refused_if(&mut self, seen: bool) {
        if seen && self.stage == Stage::Sent {
            self.stage = Stage::Refused;
        }
    }

    /// The next frame, received under the rules of reading: what the container sends too long is its own fault.
    fn receive(&mut self) -> Result<ContractFrame, Break> {
        let frame = match self.connection.receive() {
            Ok(Some(frame)) => frame,
            Ok(None) => return Err(Break::End(End::Closed)),
            Err(error @ FrameError::TooLong { .. }) => return Err(Break::End(End::Broken(error.into()))),
            Err(error) => {
                self.refused_if(is_hung_up(&error));
                return Err(error.into());
            }
        };
        if frame.kind.is_none() {
            return Err(broken("a frame without a known message".into()));
        }
        if frame.call != self.number {
            self.refused_if(frame.call < self.number);
            return Err(broken(format!("a frame of call {} in call {}", frame.call, self.number)));
        }
        self.stage = if is_question(&frame) { Stage::Asks } else { Stage::Works };
        Ok(frame)
    }

    /// Tells the contract to stop and waits until it has returned. False if it does not.
    fn settle(&mut self, interrupt: &Interrupt) -> bool {
        if self.stage == Stage::Unsent {
            return true;
        }
        let left = interrupt.remaining().min(SETTLE);
        self.connection.interrupt_by(&Interrupt::after(left));
        loop {
            // Only who waits for an answer is told; others learn it when they ask.
            if self.stage == Stage::Asks && self.connection.send(StopFrame {}).is_err() {
                return false;
            }
            match self.receive() {
                Ok(ContractFrame { kind: Some(Kind::Return(_)), .. }) => return true,
                Ok(_) => {}
                Err(_) => return false,
            }
        }
    }
}

struct Session<'a> {
    line: Line<'a>,
    host: &'a mut dyn Host,
    /// The price of a request that waits for its answer.
    question_price: Gas,
    /// The price of a request that needs none.
    notice_price: Gas,
    script: Option<&'a mut Script>,
}

impl Session<'_> {
    fn perform(&mut self, call: CallFrame) -> Result<Return, Break> {
        if let Some(script) = &mut self.script {
            script.begin(&call)?;
        }
        self.line.begin(call)?;
        loop {
            let frame = self.line.receive()?;
            if let Some(script) = &mut self.script {
                script.said(&frame)?;
            }
            if let Some(Kind::Return(returned)) = frame.kind {
                return frames::finish(returned);
            }
            let asks = self.line.stage == Stage::Asks;
            self.host.charge(if asks { self.question_price } else { self.notice_price })?;
            if let Some(answer) = self.serve(frame)? {
                if let Some(script) = &mut self.script {
                    script.answered(&answer)?;
                }
                self.line.connection.send(answer)?;
            }
        }
    }

    /// Does what one frame asks for, and gives the answer if there is one.
    fn serve(&mut self, frame: ContractFrame) -> Result<Option<HostFrame>, Break> {
        let answer = match frame.kind {
            Some(Kind::Get(get)) => Value { value: self.read(&get.key)? }.into(),
            Some(Kind::GetMany(many)) => self.read_many(&many)?.into(),
            Some(Kind::Scan(scan)) => {
                let most = self.host.transaction().scan_limit();
                let limit = if scan.limit == 0 { most } else { most.min(scan.limit as usize) };
                let found = self.host.scan(&scan.start, &scan.end, limit)?;
                // The key that follows the last one in the order of bytes.
                let next = found.last().filter(|_| found.len() == limit).map(|(key, _)| [key, &[0][..]].concat());
                let entries =
                    found.iter().map(|(key, value)| KeyValue { key: key.to_vec(), value: value.to_vec() }).collect();
                Entries { entries, next: next.unwrap_or_default() }.into()
            }
            Some(Kind::CallContract(request)) => {
                let outcome = self.host.call(frames::call_request(request)?)?;
                let status = frames::status(&outcome.status);
                CallResult { status: status.into(), output: outcome.output.to_vec() }.into()
            }
            Some(Kind::GasLeft(_)) => GasFrame { left: self.host.gas_left().get() }.into(),
            // Hashing has no price of its own, and no name is longer.
            Some(Kind::AddressOf(of)) if of.name.len() > NAME_LIMIT => return Err(Trap::BadHostCall.into()),
            Some(Kind::AddressOf(of)) => {
                AddressFrame { address: Address::from_name(&of.name).as_bytes().to_vec() }.into()
            }
            notice => return self.heed(notice).map(|()| None),
        };
        Ok(Some(answer))
    }

    /// Does what a frame asks for that has no answer.
    fn heed(&mut self, notice: Option<Kind>) -> Result<(), Break> {
        match notice {
            Some(Kind::Put(put)) => self.host.put(&put.key, &put.value)?,
            Some(Kind::Delete(delete)) => self.host.delete(&delete.key)?,
            Some(Kind::Emit(Emit { topic, data })) => {
                if topic.len() > TOPIC_LIMIT {
                    return Err(Trap::BadHostCall.into());
                }
                self.host.emit(vec![topic.into()], data.into())?;
            }
            Some(Kind::Charge(charge)) => self.host.charge(Gas::new(charge.gas))?,
            Some(Kind::Log(log)) => self.host.log(LogLevel::from_number(log.level), &log.message)?,
            _ => return Err(broken("Hello inside a call".into())),
        }
        Ok(())
    }

    fn read(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, Stop> {
        Ok(self.host.get(key)?.map(|value| value.to_vec()))
    }

    /// Each key but the first costs what a request without an answer does, in addition to the operation.
    fn read_many(&mut self, many: &GetMany) -> Result<Values, Break> {
        let (mut values, mut size) = (Vec::new(), 0_usize);
        for key in many.split() {
            let key = key.map_err(|error| broken(error.to_string()))?;
            if values.len() == BATCH_LIMIT {
                return Err(Trap::BadHostCall.into());
            }
            if !values.is_empty() {
                self.host.charge(self.notice_price)?;
            }
            let value = self.read(key)?;
            // What no frame holds is not gathered first.
            size = size.saturating_add(value.as_ref().map_or(0, Vec::len));
            if size > MAX_FRAME {
                return Err(Trap::MemoryLimit.into());
            }
            values.push(Value { value });
        }
        Ok(Values { values })
    }
}

fn broken(message: String) -> Break {
    Break::End(End::Broken(DockerError::Protocol(message)))
}

/// True for the errors of a connection whose other side was closed with something in it that was not read. (Where all was
/// read, the stream just ends.)
fn is_hung_up(error: &FrameError) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset};
    matches!(error, FrameError::Io(error) if matches!(error.kind(), BrokenPipe | ConnectionReset))
}

/// True for frames that the contract waits for an answer to.
fn is_question(frame: &ContractFrame) -> bool {
    matches!(
        frame.kind,
        Some(
            Kind::Get(_)
                | Kind::GetMany(_)
                | Kind::Scan(_)
                | Kind::CallContract(_)
                | Kind::GasLeft(_)
                | Kind::AddressOf(_)
        )
    )
}
