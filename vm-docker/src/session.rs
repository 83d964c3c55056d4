//! One call: frames from the container become operations of the host.

use std::time::Duration;

use bytes::Bytes;
use vm_container_protocol::{
    Address as AddressFrame, Call as CallFrame, CallContract, CallResult, ContractFrame, Emit, Entries,
    Entry as EntryFrame, Environment, FrameError, Gas as GasFrame, KeyValue, Return as ReturnFrame,
    Status as StatusFrame, Stop as StopFrame, Value, call_contract::Target, contract_frame::Kind,
};
use vm_core::{
    Address, Amount, Call, CallRequest, ContractName, Entry, Gas, Host, Interrupt, LogLevel, Return, Status, Stop, Trap,
};

use crate::{
    DockerError,
    connection::{Connection, was_interrupted},
};

/// How long a contract that must stop may take until it says that it has; then it is killed.
const SETTLE: Duration = Duration::from_millis(250);

/// Longest topic of an event, in bytes.
const TOPIC_LIMIT: usize = 255;

/// How a call went.
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

/// Performs a call on a container that waits for one.
pub(crate) fn run(connection: &mut Connection, host: &mut dyn Host, call: &Call) -> End {
    let interrupt = host.transaction().interrupt().clone();
    let prices = &host.transaction().schedule().docker;
    let (question_price, notice_price) = (Gas::new(prices.round_trip), Gas::new(prices.frame));
    connection.interrupt_by(&interrupt);
    let mut session = Session { connection, host, question_price, notice_price, asked: false };
    match session.perform(call) {
        Ok(returned) => End::Returned(returned),
        Err(Break::End(end)) => end,
        Err(Break::Stop(stop)) => {
            let settled = session.settle(&interrupt);
            End::Stopped { stop, settled }
        }
    }
}

struct Session<'a> {
    connection: &'a mut Connection,
    host: &'a mut dyn Host,
    /// The price of a request that waits for its answer.
    question_price: Gas,
    /// The price of a request that needs none.
    notice_price: Gas,
    /// True while the contract waits for an answer.
    asked: bool,
}

impl Session<'_> {
    fn perform(&mut self, call: &Call) -> Result<Return, Break> {
        let frame = call_frame(call, self.host);
        self.connection.send(frame)?;
        loop {
            let frame = self.receive()?;
            if let Some(Kind::Return(returned)) = frame.kind {
                return finish(returned);
            }
            self.asked = is_question(&frame);
            self.host.charge(if self.asked { self.question_price } else { self.notice_price })?;
            self.serve(frame)?;
        }
    }

    /// The next frame, received under the rules of reading: what the container sends too long is its own fault.
    fn receive(&mut self) -> Result<ContractFrame, Break> {
        match self.connection.receive() {
            Ok(Some(frame)) => Ok(frame),
            Ok(None) => Err(Break::End(End::Closed)),
            Err(error @ FrameError::TooLong { .. }) => Err(Break::End(End::Broken(error.into()))),
            Err(error) => Err(error.into()),
        }
    }

    /// Does what one frame asks for.
    fn serve(&mut self, frame: ContractFrame) -> Result<(), Break> {
        let protocol = |message: &str| Err(Break::End(End::Broken(DockerError::Protocol(message.into()))));
        match frame.kind {
            Some(Kind::Get(get)) => {
                let value = self.host.get(&get.key)?.map(|value| value.to_vec());
                self.connection.send(Value { value })?;
            }
            Some(Kind::Put(put)) => self.host.put(&put.key, &put.value)?,
            Some(Kind::Delete(delete)) => self.host.delete(&delete.key)?,
            Some(Kind::Scan(scan)) => {
                let found = self.host.scan(&scan.start, &scan.end, scan.limit as usize)?;
                let entries = found
                    .into_iter()
                    .map(|(key, value)| KeyValue { key: key.to_vec(), value: value.to_vec() })
                    .collect();
                self.connection.send(Entries { entries })?;
            }
            Some(Kind::Emit(Emit { topic, data })) => {
                if topic.len() > TOPIC_LIMIT {
                    return Err(Trap::BadHostCall.into());
                }
                self.host.emit(vec![topic.into()], data.into())?;
            }
            Some(Kind::CallContract(request)) => {
                let outcome = self.host.call(call_request(request)?)?;
                let status = match outcome.status {
                    Status::Success => StatusFrame::Success,
                    Status::Revert => StatusFrame::Revert,
                    Status::Trap(_) => StatusFrame::Trap,
                };
                let output = outcome.output.to_vec();
                self.connection.send(CallResult { status: status.into(), output })?;
            }
            Some(Kind::GasLeft(_)) => {
                let left = self.host.gas_left().get();
                self.connection.send(GasFrame { left })?;
            }
            Some(Kind::Charge(charge)) => self.host.charge(Gas::new(charge.gas))?,
            Some(Kind::Log(log)) => {
                self.host.log(LogLevel::from_number(log.level), &log.message)?;
            }
            Some(Kind::AddressOf(of)) => {
                let address = Address::from_name(&of.name).as_bytes().to_vec();
                self.connection.send(AddressFrame { address })?;
            }
            Some(Kind::Hello(_)) => return protocol("Hello inside a call"),
            Some(Kind::Return(_)) | None => return protocol("a frame without a known message"),
        }
        Ok(())
    }

    /// Tells the contract to stop and waits until it has returned. False if it does not.
    fn settle(&mut self, interrupt: &Interrupt) -> bool {
        let left = interrupt.remaining().min(SETTLE);
        self.connection.interrupt_by(&Interrupt::after(left));
        loop {
            // Only who waits for an answer is told; others learn it when they ask.
            if self.asked && self.connection.send(StopFrame {}).is_err() {
                return false;
            }
            match self.connection.receive() {
                Ok(Some(ContractFrame { kind: Some(Kind::Return(_)) })) => return true,
                Ok(Some(frame)) => self.asked = is_question(&frame),
                _ => return false,
            }
        }
    }
}

/// True for frames that the contract waits for an answer to.
fn is_question(frame: &ContractFrame) -> bool {
    matches!(
        frame.kind,
        Some(Kind::Get(_) | Kind::Scan(_) | Kind::CallContract(_) | Kind::GasLeft(_) | Kind::AddressOf(_))
    )
}

fn call_frame(call: &Call, host: &dyn Host) -> CallFrame {
    let (entry, from_version, to_version) = match &call.entry {
        Entry::Deploy => (EntryFrame::Deploy, String::new(), String::new()),
        Entry::Invoke => (EntryFrame::Invoke, String::new(), String::new()),
        Entry::Upgrade { from, to } => (EntryFrame::Upgrade, from.to_string(), to.to_string()),
    };
    let env = host.env();
    CallFrame {
        entry: entry.into(),
        method: call.method.to_string(),
        input: call.input.to_vec(),
        from_version,
        to_version,
        environment: Some(Environment {
            this: env.this.as_bytes().to_vec(),
            caller: env.caller.as_bytes().to_vec(),
            origin: env.origin.as_bytes().to_vec(),
            coinbase: env.block.coinbase.as_bytes().to_vec(),
            value: if env.value.is_zero() { Vec::new() } else { env.value.to_be_bytes().to_vec() },
            chain_id: env.block.chain_id,
            block_number: env.block.number,
            timestamp: env.block.timestamp,
            is_static: env.is_static,
            depth: env.depth.into(),
        }),
        gas: host.gas_left().get(),
    }
}

fn call_request(frame: CallContract) -> Result<CallRequest, Trap> {
    let value = match frame.value.as_slice() {
        [] => Amount::ZERO,
        bytes => Amount::from_be_bytes(bytes.try_into().map_err(|_| Trap::BadHostCall)?),
    };
    let to: vm_core::Target = match frame.target {
        Some(Target::Name(name)) => ContractName::new(&name).map_err(|_| Trap::BadHostCall)?.into(),
        Some(Target::Address(bytes)) => Address::new(bytes.try_into().map_err(|_| Trap::BadHostCall)?).into(),
        None => return Err(Trap::BadHostCall),
    };
    let mut request = CallRequest::new(to, frame.method, frame.input);
    request.value = value;
    request.gas = (frame.gas > 0).then(|| Gas::new(frame.gas));
    request.is_static = frame.is_static;
    Ok(request)
}

fn finish(frame: ReturnFrame) -> Result<Return, Break> {
    let output = Bytes::from(frame.output);
    match StatusFrame::try_from(frame.status) {
        Ok(StatusFrame::Success) => Ok(Return::success(output)),
        Ok(StatusFrame::Revert) => Ok(Return::revert(output)),
        Ok(StatusFrame::Trap) => {
            tracing::debug!(message = %String::from_utf8_lossy(&output), "a contract trapped");
            Ok(Return::trap(Trap::Panic))
        }
        _ => {
            let message = format!("Return with status {}", frame.status);
            Err(Break::End(End::Broken(DockerError::Protocol(message))))
        }
    }
}
