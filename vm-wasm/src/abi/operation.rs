//! The operations behind the imports.

use bytes::Bytes;
use vm_core::{Address, Amount, CallRequest, ContractName, Env, Gas, HostFault, LogLevel, Status, Stop, Target, Trap};

use super::frame::{Exit, Frame, Stopped};
use super::import::{BY_ITSELF, Op};
use super::memory::{read, text, write};

/// The size of what `env` writes.
const ENV_BYTES: usize = 224;

/// The longest topic of an event, in bytes.
const TOPIC_BYTES: u32 = 255;

/// The longest name of an account or a contract, in bytes: 128, and `contract:` before a contract's.
const NAME_BYTES: u32 = 137;

/// `abort`: the contract has no memory for what it wants to do.
const OUT_OF_MEMORY: u32 = 1;
/// `abort`: the contract panicked.
const PANIC: u32 = 2;

/// `call`, bit 0 of the flags: the callee may change nothing.
const FLAG_STATIC: u32 = 1;
/// `call`, bit 1 of the flags: the callee is given by its address.
const FLAG_ADDRESS: u32 = 2;

/// The operands of `call`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CallOperands {
    pub(crate) to: u32,
    pub(crate) to_len: u32,
    pub(crate) method: u32,
    pub(crate) method_len: u32,
    pub(crate) input: u32,
    pub(crate) input_len: u32,
    pub(crate) value: u32,
    pub(crate) gas: u64,
    pub(crate) flags: u32,
}

impl Frame<'_> {
    /// Performs an operation other than `call`. Returns its result, 0 where it has none, and the next slice of gas.
    pub(crate) fn operate(
        &mut self,
        memory: &mut [u8],
        op: i32,
        operands: [u32; 5],
        left: i64,
    ) -> Result<(i64, i64), Stopped> {
        if op == Op::Grow as i32 {
            return Ok((BY_ITSELF, left));
        }
        self.enter(memory.len(), left, |frame| {
            let op =
                Op::from_number(op).ok_or_else(|| HostFault::Internal(format!("there is no host operation {op}")))?;
            frame.perform(memory, op, operands)
        })
    }

    /// Calls another contract. Returns length and status of the result, and the next slice of gas.
    pub(crate) fn call_out(&mut self, memory: &[u8], operands: CallOperands, left: i64) -> Result<(i64, i64), Stopped> {
        self.enter(memory.len(), left, |frame| Ok(frame.call_contract(memory, operands)?))
    }

    fn perform(&mut self, memory: &mut [u8], op: Op, [a, b, c, d, e]: [u32; 5]) -> Result<i64, Exit> {
        match op {
            // The slice is given anyway; the instrumented code asks for this also when its stack is used up.
            Op::Refill if a != 0 => return Err(Trap::StackOverflow.into()),
            Op::Refill => {}
            Op::Method => self.copy_out(memory, a, self.call.method.as_bytes())?,
            Op::Input => self.copy_out(memory, a, &self.input.clone())?,
            Op::Output => {
                let bytes = read(memory, a, b)?;
                self.host.charge(self.prices.copy(bytes.len()))?;
                self.output = Bytes::copy_from_slice(bytes);
            }
            Op::Get => {
                let Some(value) = self.host.get(read(memory, a, b)?)? else {
                    self.kept = Bytes::new();
                    return Ok(-1);
                };
                let fitting = value.len().min(d as usize);
                write(memory, c, value.get(..fitting).unwrap_or_default())?;
                self.kept = value;
                return Ok(self.kept_length()?);
            }
            Op::Result => self.copy_out(memory, a, &self.kept.clone())?,
            Op::Put => self.host.put(read(memory, a, b)?, read(memory, c, d)?)?,
            Op::Delete => self.host.delete(read(memory, a, b)?)?,
            Op::Scan => {
                let entries = self.host.scan(read(memory, a, b)?, read(memory, c, d)?, e as usize)?;
                self.kept = encode_entries(&entries)?;
                return Ok(self.kept_length()?);
            }
            Op::Emit => {
                if b > TOPIC_BYTES {
                    return Err(Trap::BadHostCall.into());
                }
                let topic = Bytes::copy_from_slice(text(memory, a, b)?.as_bytes());
                self.host.emit(vec![topic.into()], Bytes::copy_from_slice(read(memory, c, d)?))?;
            }
            Op::Env => {
                let env = encode_env(self.host.env());
                self.host.charge(self.prices.copy(ENV_BYTES))?;
                write(memory, a, &env)?;
            }
            Op::GasLeft => return Ok(i64::try_from(self.host.gas_left().get()).unwrap_or(i64::MAX)),
            Op::Log => self.host.log(LogLevel::from_number(a), text(memory, b, c)?)?,
            Op::AddressOf => {
                if b > NAME_BYTES {
                    return Err(Trap::BadHostCall.into());
                }
                self.host.charge(self.prices.address_of)?;
                let address = Address::from_name(text(memory, a, b)?);
                write(memory, c, address.as_bytes())?;
            }
            Op::Abort => {
                let trap = match a {
                    OUT_OF_MEMORY => Trap::MemoryLimit,
                    PANIC => Trap::Panic,
                    _ => Trap::Unreachable,
                };
                return Err(trap.into());
            }
            Op::SysCall => return self.sys_call(memory, [a, b, c, d]),
            Op::LogMessage => self.log_message(memory, a, b)?,
            Op::Parameters => self.parameters(memory, a)?,
            Op::Call | Op::Nothing | Op::Never | Op::Grow => {
                return Err(HostFault::Internal(format!("{op:?} is no operation of this host function")).into());
            }
        }
        Ok(0)
    }

    /// Copies to the contract's memory what nothing was charged for yet.
    pub(super) fn copy_out(&mut self, memory: &mut [u8], pointer: u32, bytes: &[u8]) -> Result<(), Stop> {
        self.host.charge(self.prices.copy(bytes.len()))?;
        Ok(write(memory, pointer, bytes)?)
    }

    fn kept_length(&self) -> Result<i64, Stop> {
        i64::try_from(self.kept.len()).map_err(|_| Trap::BadHostCall.into())
    }

    fn call_contract(&mut self, memory: &[u8], operands: CallOperands) -> Result<i64, Stop> {
        let CallOperands { flags, gas, .. } = operands;
        if flags & !(FLAG_STATIC | FLAG_ADDRESS) != 0 {
            return Err(Trap::BadHostCall.into());
        }
        let to = if flags & FLAG_ADDRESS != 0 {
            let bytes = read(memory, operands.to, operands.to_len)?;
            Target::Address(Address::new(bytes.try_into().map_err(|_| Trap::BadHostCall)?))
        } else {
            match ContractName::new(text(memory, operands.to, operands.to_len)?) {
                Ok(name) => Target::Name(name),
                Err(error) => return self.called(Status::Revert, error.to_string().into()),
            }
        };
        let method = text(memory, operands.method, operands.method_len)?;
        let input = Bytes::copy_from_slice(read(memory, operands.input, operands.input_len)?);
        let mut request = CallRequest::new(to, method, input);
        if operands.value != 0 {
            let value = read(memory, operands.value, 32)?;
            request.value = Amount::from_be_bytes(value.try_into().map_err(|_| Trap::BadHostCall)?);
        }
        request.gas = (gas != 0).then(|| Gas::new(gas));
        request.is_static = flags & FLAG_STATIC != 0;
        let outcome = self.call(request)?;
        self.called(outcome.status, outcome.output)
    }

    /// Keeps the output of a call; returns its length, and the status above it.
    fn called(&mut self, status: Status, output: Bytes) -> Result<i64, Stop> {
        self.kept = output;
        let status = match status {
            Status::Success => 0,
            Status::Revert => 1,
            Status::Trap(_) => 2,
        };
        let length = u32::try_from(self.kept.len()).map_err(|_| Trap::BadHostCall)?;
        Ok(status << 32 | i64::from(length))
    }
}

/// Borsh of `Vec<(Vec<u8>, Vec<u8>)>`.
fn encode_entries(entries: &[(Bytes, Bytes)]) -> Result<Bytes, Trap> {
    let size = entries.iter().fold(4usize, |size, (key, value)| {
        size.saturating_add(8).saturating_add(key.len()).saturating_add(value.len())
    });
    let mut out = Vec::with_capacity(size);
    let length = |length: usize| u32::try_from(length).map(u32::to_le_bytes).map_err(|_| Trap::BadHostCall);
    out.extend_from_slice(&length(entries.len())?);
    for part in entries.iter().flat_map(|(key, value)| [key, value]) {
        out.extend_from_slice(&length(part.len())?);
        out.extend_from_slice(part);
    }
    Ok(out.into())
}

/// What `env` writes.
fn encode_env(env: &Env) -> [u8; ENV_BYTES] {
    let parts: [&[u8]; 10] = [
        env.this.as_bytes(),
        env.caller.as_bytes(),
        env.origin.as_bytes(),
        env.block.coinbase.as_bytes(),
        &env.value.to_be_bytes(),
        &env.block.chain_id.to_le_bytes(),
        &env.block.number.to_le_bytes(),
        &env.block.timestamp.to_le_bytes(),
        &u32::from(env.is_static).to_le_bytes(),
        &u32::from(env.depth).to_le_bytes(),
    ];
    let mut out = [0; ENV_BYTES];
    for (target, byte) in out.iter_mut().zip(parts.into_iter().flatten()) {
        *target = *byte;
    }
    out
}
