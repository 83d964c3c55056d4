//! `sys_call`: the one function through which a contract asks for everything.

use bytes::Bytes;
use vm_core::{HostFault, LogLevel, Stop, Trap};

use super::easycodec::{self, Malformed, Value};
use crate::abi::Frame;
use crate::abi::frame::Exit;
use crate::abi::memory::{read, write};

/// What a sys_call answers.
const SUCCESS: i64 = 0;
const FAILURE: i64 = 1;

/// The methods that need what this host does not have, and what that is.
const UNSUPPORTED: [(&str, &[&str]); 3] = [
    (
        "Paillier encryption",
        &["GetPaillierOperationResultLen", "GetPaillierOperationResult", "GetPaillierResultLen", "GetPaillierResult"],
    ),
    (
        "Bulletproofs",
        &["GetBulletproofsResultLen", "GetBulletproofsResult", "GetBulletProofsResultLen", "GetBulletProofsResult"],
    ),
    (
        "SQL",
        &[
            "ExecuteQuery",
            "ExecuteQueryOneLen",
            "ExecuteQueryOne",
            "RSHasNext",
            "RSNextLen",
            "RSNext",
            "RSClose",
            "ExecuteUpdate",
            "ExecuteDDL",
            "ExecuteDdl",
        ],
    ),
];

/// Why a sys_call does not succeed. A refusal ends the call: its failure is sticky, so nothing that the contract still did could
/// be seen, and a contract that panics over it would only hide the reason.
#[derive(Debug)]
pub(super) enum Fail {
    Stop(Stop),
    Refused(String),
}

impl Fail {
    /// Says which method was refused.
    fn of(self, method: &str) -> Self {
        match self {
            Self::Refused(why) => {
                let method: String = method.chars().take(64).collect();
                Self::Refused(format!("{method}: {why}"))
            }
            stop => stop,
        }
    }
}

impl From<Stop> for Fail {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<Trap> for Fail {
    fn from(trap: Trap) -> Self {
        Self::Stop(trap.into())
    }
}

impl From<Malformed> for Fail {
    fn from(error: Malformed) -> Self {
        Self::Refused(error.to_string())
    }
}

pub(super) fn refused<T>(why: impl Into<String>) -> Result<T, Fail> {
    Err(Fail::Refused(why.into()))
}

/// What is written to the contract's memory when a method is done.
pub(super) enum Answer {
    Nothing,
    Number(u32, i32),
    Bytes(u32, Bytes),
}

/// The operands of a method.
pub(super) struct Body<'a>(pub(super) Vec<easycodec::Item<'a>>);

impl<'a> Body<'a> {
    /// The last value of a name.
    fn find(&self, name: &str) -> Option<Value<'a>> {
        self.0.iter().rev().find(|item| item.key == name.as_bytes()).map(|item| item.value)
    }

    /// The bytes of an operand; none if it is not there.
    pub(super) fn bytes(&self, name: &str) -> Result<&'a [u8], Fail> {
        match self.find(name) {
            None => Ok(&[]),
            Some(Value::Text(bytes) | Value::Bytes(bytes)) => Ok(bytes),
            Some(Value::Int(_)) => refused(format!("'{name}' is a number, not text or bytes")),
        }
    }

    /// The text of an operand; empty if it is not there.
    pub(super) fn text(&self, name: &str) -> Result<&'a str, Fail> {
        std::str::from_utf8(self.bytes(name)?).or_else(|_| refused(format!("'{name}' is not UTF-8")))
    }

    pub(super) fn number(&self, name: &str) -> Result<i32, Fail> {
        match self.find(name) {
            Some(Value::Int(number)) => Ok(number),
            _ => refused(format!("the number '{name}' is missing")),
        }
    }

    /// Where the answer goes.
    pub(super) fn pointer(&self) -> Result<u32, Fail> {
        self.number("value_ptr").map(i32::cast_unsigned)
    }
}

impl Frame<'_> {
    /// A sys_call. Its result is 0, or 1 where the contract may go on after a failure.
    pub(in crate::abi) fn sys_call(
        &mut self,
        memory: &mut [u8],
        [header, header_len, body, body_len]: [u32; 4],
    ) -> Result<i64, Exit> {
        let length = (header_len as usize).saturating_add(body_len as usize);
        self.host.charge(self.prices.sys_call.saturating_add(self.prices.copy(length)))?;
        let (header, body) = (read(memory, header, header_len)?, read(memory, body, body_len)?);
        let done = method(header).and_then(|method| self.perform_method(method, body).map_err(|fail| fail.of(method)));
        let (result, answer) = match done {
            Ok(done) => done,
            Err(Fail::Stop(stop)) => return Err(stop.into()),
            Err(Fail::Refused(why)) => {
                self.session.fail(&why);
                return Err(Exit::Refused);
            }
        };
        match answer {
            Answer::Nothing => {}
            Answer::Number(pointer, number) => write(memory, pointer, &number.to_le_bytes())?,
            Answer::Bytes(pointer, bytes) => self.copy_out(memory, pointer, &bytes)?,
        }
        Ok(result)
    }

    fn perform_method(&mut self, method: &str, raw: &[u8]) -> Result<(i64, Answer), Fail> {
        match method {
            "LogMessage" => {
                self.host.log(LogLevel::Debug, &String::from_utf8_lossy(raw))?;
                return Ok((SUCCESS, Answer::Nothing));
            }
            "SuccessResult" if self.session.has_failed() => return Ok((FAILURE, Answer::Nothing)),
            "SuccessResult" => {
                self.output = Bytes::copy_from_slice(raw);
                return Ok((SUCCESS, Answer::Nothing));
            }
            "ErrorResult" => {
                self.session.fail(&String::from_utf8_lossy(raw));
                return Ok((SUCCESS, Answer::Nothing));
            }
            _ => {}
        }
        let body = Body(easycodec::decode(raw)?);
        let answer = match method {
            "GetStateLen" => {
                self.kept = self.get_state(&body)?;
                self.kept_number(&body)?
            }
            "PutState" => self.put_state(&body)?,
            "DeleteState" => self.delete_state(&body)?,
            "EmitEvent" => self.emit_event(&body)?,
            "CallContractLen" => {
                self.kept = self.cross_call(&body)?;
                self.kept_number(&body)?
            }
            "KvIterator" => self.open_range(&body)?,
            "KvPreIterator" => self.open_prefix(&body)?,
            "KvIteratorHasNext" => self.advance(&body)?,
            "KvIteratorNextLen" => {
                self.kept = self.row(&body)?;
                self.kept_number(&body)?
            }
            "KvIteratorClose" => self.close_iterator(&body)?,
            "GetState" | "CallContract" | "KvIteratorNext" => {
                Answer::Bytes(body.pointer()?, std::mem::take(&mut self.kept))
            }
            other => return refused(unknown(other)),
        };
        Ok((SUCCESS, answer))
    }

    /// The length of what is kept, for the first half of a pair of methods.
    fn kept_number(&self, body: &Body<'_>) -> Result<Answer, Fail> {
        let length =
            i32::try_from(self.kept.len()).map_err(|_| HostFault::Internal("a value beyond all limits".into()));
        Ok(Answer::Number(body.pointer()?, length.map_err(Stop::from)?))
    }

    /// Copies the parameters to where the contract allocated memory for them.
    pub(in crate::abi) fn parameters(&mut self, memory: &mut [u8], pointer: u32) -> Result<(), Stop> {
        let parameters = self.session.parameters.clone();
        self.copy_out(memory, pointer, &parameters)
    }

    /// `log_message`.
    pub(in crate::abi) fn log_message(&mut self, memory: &[u8], pointer: u32, length: u32) -> Result<(), Stop> {
        let text = String::from_utf8_lossy(read(memory, pointer, length)?);
        self.host.log(LogLevel::Debug, &text)
    }
}

/// The method that a header names.
fn method(header: &[u8]) -> Result<&str, Fail> {
    match easycodec::decode(header) {
        Ok(items) => match Body(items).text("method")? {
            "" => refused("sys_call: the header names no method"),
            method => Ok(method),
        },
        Err(error) => refused(format!("sys_call: {error}; contracts of SDKs before 1.0 are not supported")),
    }
}

/// Why a method is not performed.
fn unknown(method: &str) -> String {
    match UNSUPPORTED.iter().find(|(_, methods)| methods.contains(&method)) {
        Some((what, _)) => format!("{what} is not supported by this host"),
        None => "there is no such method of the host".into(),
    }
}
