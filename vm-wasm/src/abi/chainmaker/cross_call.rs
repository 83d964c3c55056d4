//! Calls of other contracts.

use bytes::Bytes;
use vm_core::{CallRequest, ContractName, Status};

use super::easycodec;
use super::parameters::{self, MOST};
use super::sys_call::{Body, Fail, refused};
use crate::abi::Frame;

impl Frame<'_> {
    /// Calls another contract, of whichever runtime, and returns what it returns. A callee that fails ends the caller.
    pub(super) fn cross_call(&mut self, body: &Body<'_>) -> Result<Bytes, Fail> {
        let name = body.text("contract_name")?;
        let name = ContractName::new(name).or_else(|error| refused(error.to_string()))?;
        let method = body.text("method")?;
        let parameters = easycodec::decode(body.bytes("param")?)?;
        if parameters.len() > MOST {
            return refused(format!("there are {} parameters, {MOST} are allowed", parameters.len()));
        }
        let values = parameters::by_name(&parameters)?;
        let outcome = self.call(CallRequest::named(name.clone(), method, values))?;
        match outcome.status {
            Status::Success => Ok(outcome.output),
            Status::Revert => {
                refused(format!("{method} of contract '{name}': {}", String::from_utf8_lossy(&outcome.output)))
            }
            Status::Trap(trap) => refused(format!("{method} of contract '{name}': {trap}")),
        }
    }
}
