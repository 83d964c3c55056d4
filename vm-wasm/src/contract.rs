use bytes::Bytes;
use vm_core::{Call, Contract, Entry, Gas, Host, HostFault, Interface, Return, Stop, Trap};

use crate::abi::chainmaker::{self, Opening, Session};
use crate::abi::{AbiPrices, Frame};
use crate::engine::{Halt, Invocation, Program, stack};

/// What a contract needs to know beside its program.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The price of a fresh instance.
    pub(crate) entry_price: u64,
    pub(crate) abi: AbiPrices,
    /// What stands between the host and a contract that has another ABI than our own.
    pub(crate) adapter: Option<chainmaker::Adapter>,
    /// The gas between two looks at the deadline.
    pub(crate) slice: u64,
    /// Roughly what the interface occupies, in bytes.
    pub(crate) interface_weight: usize,
}

/// A module that is ready to run.
pub(crate) struct WasmContract {
    program: Box<dyn Program>,
    interface: Box<dyn Interface>,
    settings: Settings,
}

impl WasmContract {
    pub(crate) fn new(program: Box<dyn Program>, interface: Box<dyn Interface>, settings: Settings) -> Self {
        Self { program, interface, settings }
    }

    fn run(&self, host: &mut dyn Host, call: &Call) -> Result<Return, Stop> {
        let Settings { entry_price, abi, slice, .. } = self.settings;
        host.charge(Gas::new(entry_price))?;
        let start = match &self.settings.adapter {
            None => Start::own(call)?,
            Some(adapter) => match adapter.open(host, call)? {
                Ok(opening) => opening.into(),
                Err(reason) => return Ok(Return::revert(reason)),
            },
        };
        let Start { entry, method_len, input_len, input, session } = start;
        let mut frame = Frame::new(host, call, input, abi, slice).with_session(session);
        let gas = frame.give();
        match self.program.run(&mut frame, Invocation { entry, method_len, input_len, gas }) {
            Ok(completion) => {
                frame.settle(completion.gas)?;
                frame.into_return(completion.status)
            }
            Err(Halt::Stopped) => frame.into_stopped(),
            Err(Halt::Trap(trap)) => Err(trap.into()),
            Err(Halt::Fault(message)) => Err(HostFault::Internal(message).into()),
        }
    }
}

impl Contract for WasmContract {
    fn call(&self, host: &mut dyn Host, call: &Call) -> Result<Return, HostFault> {
        let stop = match stack::with_host_room(|| self.run(host, call)) {
            Ok(result) => return Ok(result),
            Err(stop) => stop,
        };
        // A trap costs all the gas of the frame: what the engine was in the middle of is lost with it.
        if matches!(stop, Stop::Trap(_))
            && let Err(Stop::Fault(fault)) = host.charge(host.gas_left())
        {
            return Err(fault);
        }
        stop.into_return()
    }

    fn interface(&self) -> &dyn Interface {
        &*self.interface
    }

    fn weight(&self) -> usize {
        self.program.weight().saturating_add(self.settings.interface_weight)
    }
}

/// What a call begins with.
struct Start {
    entry: i32,
    method_len: i32,
    input_len: i32,
    input: Bytes,
    session: Session,
}

impl Start {
    /// Of a contract with our own ABI. The input of an upgrade begins with borsh of both versions.
    fn own(call: &Call) -> Result<Self, Stop> {
        let (entry, input) = match &call.entry {
            Entry::Deploy => (0, call.input.clone()),
            Entry::Invoke => (1, call.input.clone()),
            Entry::Upgrade { from, to } | Entry::Replace { from, to, .. } => {
                let mut input = Vec::new();
                for version in [from.as_str(), to.as_str()] {
                    input.extend_from_slice(&length(version.len())?.to_le_bytes());
                    input.extend_from_slice(version.as_bytes());
                }
                input.extend_from_slice(&call.input);
                (2, input.into())
            }
        };
        let (method_len, input_len) = (length(call.method.len())?, length(input.len())?);
        Ok(Self { entry, method_len, input_len, input, session: Session::default() })
    }
}

impl From<Opening> for Start {
    fn from(Opening { method, length, session }: Opening) -> Self {
        Self { entry: method, method_len: 0, input_len: length, input: Bytes::new(), session }
    }
}

/// A length as the ABI passes it. The limits of requests are far below.
fn length(length: usize) -> Result<i32, Stop> {
    i32::try_from(length).map_err(|_| Trap::BadHostCall.into())
}
