//! What the protocol's messages are in the terms of vm-core.

use bytes::Bytes;
use vm_container_protocol::{
    Call as CallFrame, CallContract, Entry as EntryFrame, Environment, Return as ReturnFrame, Status as StatusFrame,
    call_contract::Target,
};
use vm_core::{Address, Amount, Call, CallRequest, ContractName, Entry, Gas, Host, Return, Status, Trap};

use super::{Break, broken};

/// A call, but for its number.
pub(super) fn call(call: &Call, host: &dyn Host) -> CallFrame {
    let (entry, from_version, to_version) = match &call.entry {
        Entry::Deploy => (EntryFrame::Deploy, String::new(), String::new()),
        Entry::Invoke => (EntryFrame::Invoke, String::new(), String::new()),
        Entry::Upgrade { from, to } | Entry::Replace { from, to, .. } => {
            (EntryFrame::Upgrade, from.to_string(), to.to_string())
        }
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
        number: 0,
    }
}

/// A call of another contract.
pub(super) fn call_request(frame: CallContract) -> Result<CallRequest, Trap> {
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

/// How a call of another contract ended.
pub(super) fn status(status: &Status) -> StatusFrame {
    match status {
        Status::Success => StatusFrame::Success,
        Status::Revert => StatusFrame::Revert,
        Status::Trap(_) => StatusFrame::Trap,
    }
}

/// What a call returned.
pub(super) fn finish(frame: ReturnFrame) -> Result<Return, Break> {
    let output = Bytes::from(frame.output);
    match StatusFrame::try_from(frame.status) {
        Ok(StatusFrame::Success) => Ok(Return::success(output)),
        Ok(StatusFrame::Revert) => Ok(Return::revert(output)),
        Ok(StatusFrame::Trap) => {
            tracing::debug!(message = %String::from_utf8_lossy(&output), "a contract trapped");
            Ok(Return::trap(Trap::Panic))
        }
        _ => Err(broken(format!("Return with status {}", frame.status))),
    }
}
