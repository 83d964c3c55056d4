//! System contracts: the verbs of the lifecycle as methods of contracts, so that transactions and other contracts can use
//! them.
//!
//! * `contract_manager` deploys, upgrades, migrates, rolls back, freezes, unfreezes and revokes contracts for its caller.
//! * `access_control` changes the policies of contracts and of the host for its caller.
//! * `multi_sign` collects approvals of such an operation, and does it for its proposer, endorsed by those who approved.
//!
//! None of them has rights of its own: the rules ask for the caller, or the proposer, as if they had made the request
//! themselves. What they do is written into the same histories. Who proposed and who approved is kept where no other code writes
//! ([`Contract::keeps_apart`]).

mod call;
mod interface;
mod multi_sign;
mod operation;

use bytes::Bytes;
use vm_core::{
    Call, CodeHash, Contract, Entry, Event, Host, HostFault, Interface, InvalidSignature, Managed, Operated, Return,
    Sender, Stop, Topic,
};

pub use call::{SystemCall, Unsayable};
pub(crate) use multi_sign::MultiSign;
pub(crate) use operation::Operations;

use interface::Told;

/// Why a method ends early.
enum Refused {
    Revert(String),
    Stop(Stop),
}

impl From<Stop> for Refused {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<String> for Refused {
    fn from(reason: String) -> Self {
        Self::Revert(reason)
    }
}

fn returned(result: Result<Bytes, Refused>) -> Result<Return, HostFault> {
    match result {
        Ok(output) => Ok(Return::success(output)),
        Err(Refused::Revert(reason)) => Ok(Return::revert(reason)),
        Err(Refused::Stop(stop)) => stop.into_return(),
    }
}

/// A contract whose methods are the operations of one kind, done for their caller.
pub(crate) struct Direct {
    operations: Operations,
    interface: Told,
}

impl Direct {
    pub(crate) fn new(operations: Operations) -> Result<Self, InvalidSignature> {
        let interface = match operations {
            Operations::Contracts => Told::new(operations.interface(), |event| describe(Operations::Contracts, event)),
            Operations::Access => Told::new(operations.interface(), |event| describe(Operations::Access, event)),
        };
        Ok(Self { operations, interface: interface? })
    }

    fn invoke(&self, host: &mut dyn Host, call: &Call) -> Result<Bytes, Refused> {
        takes_no_value(host)?;
        let operation = self.operations.decode(&call.method, &call.input)?;
        let sender = Sender { caller: host.env().caller, ..Sender::default() };
        let told = told(&operation, &call.input)?;
        let changed = perform(host, operation, sender)?;
        let method = Bytes::copy_from_slice(call.method.as_bytes()).into();
        host.emit(topics(method, changed), told)?;
        Ok(Bytes::new())
    }
}

impl Contract for Direct {
    fn call(&self, host: &mut dyn Host, call: &Call) -> Result<Return, HostFault> {
        returned(match call.entry {
            Entry::Invoke => self.invoke(host, call),
            // Nothing to set up and nothing to migrate.
            _ => Ok(Bytes::new()),
        })
    }

    fn interface(&self) -> &dyn Interface {
        &self.interface
    }
}

/// Nothing would ever give it back.
fn takes_no_value(host: &dyn Host) -> Result<(), String> {
    match host.env().value.is_zero() {
        true => Ok(()),
        false => Err("system contracts take no value".to_owned()),
    }
}

/// What the event of an operation tells: of code its hash and no more, since it may be larger than an event; otherwise all.
fn told(operation: &Managed, input: &Bytes) -> Result<Bytes, String> {
    let (name, version, code) = match operation {
        Managed::Deploy(request) => (&request.name, &request.version, Some(&request.code)),
        Managed::Upgrade(request) => (&request.name, &request.version, Some(&request.code)),
        Managed::Migrate(request) => (&request.name, &request.written_by, None),
        Managed::Rollback(request) => (&request.name, &request.version, None),
        _ => return Ok(input.clone()),
    };
    let hash = code.map(|code| *code.hash().as_bytes());
    borsh::to_vec(&(name, version, hash)).map(Bytes::from).map_err(|error| error.to_string())
}

/// The event of an operation in words: what was done and why, or of code which version of which contract it is now.
fn describe(operations: Operations, event: &Event) -> Option<String> {
    let method = std::str::from_utf8(event.topics.first()?).ok()?;
    if let Ok((name, version, code)) = borsh::from_slice::<(String, String, Option<CodeHash>)>(&event.data) {
        let code = code.map(|hash| format!(", code {hash}")).unwrap_or_default();
        return Some(format!("{method} '{name}', version '{version}'{code}"));
    }
    let operation = operations.decode(method, &event.data).ok()?;
    Some(match operation.reason() {
        "" => operation.to_string(),
        reason => format!("{operation}: {reason}"),
    })
}

/// The topic of an event that says what somebody should look at, or what was so already.
const WARNING: &str = "warning";
/// The second topic of the event of an operation that changed nothing.
const UNCHANGED: &str = "unchanged";

/// The topics of the event of an operation.
fn topics(what: Topic, changed: bool) -> Vec<Topic> {
    [what].into_iter().chain((!changed).then(|| UNCHANGED.into())).collect()
}

/// Does an operation for somebody; what refuses it is the reason of a revert. True when it changed something. Each warning is an
/// event, with the text as borsh.
fn perform(host: &mut dyn Host, operation: Managed, sender: Sender) -> Result<bool, Refused> {
    let Operated { outcome, changed, warnings, .. } = host.transaction().manage(&operation.by(sender))?;
    if !outcome.status.is_success() {
        let reason = String::from_utf8_lossy(&outcome.output).into_owned();
        return Err(Refused::Revert(if reason.is_empty() { outcome.status.to_string() } else { reason }));
    }
    for warning in warnings {
        let text = borsh::to_vec(&warning).map_err(|error| error.to_string())?;
        host.emit(vec![WARNING.into()], text.into())?;
    }
    Ok(changed)
}
