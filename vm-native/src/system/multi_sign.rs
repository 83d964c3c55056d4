//! Operations that several have to approve.

use std::collections::BTreeSet;

use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;
use vm_core::{Address, Call, Contract, Entry, Host, HostFault, Interface, Return, Sender, Stop, TextInterface};

use super::operation::arguments;
use super::{Operations, Refused, perform, returned};

/// Proposals, approvals and rejections of operations of the other system contracts.
///
/// A proposal is carried out by whoever calls `execute` when the rules that the operation is under are content with its
/// proposer as actor and those who approved it as endorsers; until then `execute` reverts with the rule's words.
/// Approvals are asked for by rules only, so anybody may give one. Whoever approved can reject, which takes the approval back;
/// the proposer's rejection withdraws the proposal. One that has expired can be removed by anybody, with `expire`.
pub(crate) struct MultiSign {
    interface: TextInterface,
}

const INTERFACE: &str = "propose(contract: string, method: string, input: bytes, expires: u64) -> u64
    approve(id: u64)
    reject(id: u64)
    execute(id: u64)
    expire(id: u64)
    view approvals(id: u64) -> u64";

/// The number that the next proposal gets.
const NEXT: &[u8] = b"next";

#[derive(Debug, BorshSerialize, BorshDeserialize)]
struct Proposal {
    proposer: Address,
    /// Which system contract's operation it is.
    contract: String,
    method: String,
    input: Vec<u8>,
    approvals: BTreeSet<Address>,
    rejections: BTreeSet<Address>,
    /// The number of the last block in which something can become of it.
    expires: u64,
}

impl MultiSign {
    pub(crate) fn new() -> Result<Self, vm_core::InvalidSignature> {
        Ok(Self { interface: INTERFACE.parse()? })
    }

    fn invoke(host: &mut dyn Host, call: &Call) -> Result<Bytes, Refused> {
        let caller = host.env().caller;
        match &*call.method {
            "propose" => propose(host, caller, &call.input),
            "approve" => {
                let (id, mut proposal) = load(host, &call.input)?;
                proposal.rejections.remove(&caller);
                if !proposal.approvals.insert(caller) {
                    return Err(format!("{caller} has approved proposal {id} already").into());
                }
                store(host, id, &proposal)?;
                told(host, "approved", id, caller)
            }
            "reject" => {
                let (id, mut proposal) = find(host, &call.input)?;
                // Also when it has expired: it is the proposer's to clear away.
                if caller == proposal.proposer {
                    host.delete(&key(id))?;
                    return told(host, "withdrawn", id, caller);
                }
                proposal.check_expiry(host, id)?;
                proposal.approvals.remove(&caller);
                proposal.rejections.insert(caller);
                store(host, id, &proposal)?;
                told(host, "rejected", id, caller)
            }
            "execute" => {
                let (id, proposal) = load(host, &call.input)?;
                let operation = Operations::named(&proposal.contract)?.decode(&proposal.method, &proposal.input)?;
                let endorsers = proposal.approvals.into_iter().collect();
                // First, so that the operation cannot meet its own proposal again.
                host.delete(&key(id))?;
                perform(host, operation, Sender { caller: proposal.proposer, endorsers, ..Sender::default() })?;
                told(host, "executed", id, caller)
            }
            "expire" => {
                let (id, proposal) = find(host, &call.input)?;
                let block = host.env().block.number;
                if block <= proposal.expires {
                    let told = format!("proposal {id} expires after block {}; this is block {block}", proposal.expires);
                    return Err(told.into());
                }
                host.delete(&key(id))?;
                told(host, "expired", id, caller)
            }
            "approvals" => {
                let (_, proposal) = load(host, &call.input)?;
                Ok((proposal.approvals.len() as u64).to_le_bytes().to_vec().into())
            }
            other => Err(format!("unknown method '{}'", other.chars().take(80).collect::<String>()).into()),
        }
    }
}

impl Contract for MultiSign {
    fn call(&self, host: &mut dyn Host, call: &Call) -> Result<Return, HostFault> {
        returned(match call.entry {
            Entry::Invoke => Self::invoke(host, call),
            _ => Ok(Bytes::new()),
        })
    }

    fn interface(&self) -> &dyn Interface {
        &self.interface
    }
}

fn propose(host: &mut dyn Host, caller: Address, input: &[u8]) -> Result<Bytes, Refused> {
    let (contract, method, input, expires): (String, String, Vec<u8>, u64) = arguments(input)?;
    // What could never be executed is refused now.
    Operations::named(&contract)?.decode(&method, &input)?;
    let block = host.env().block.number;
    if expires < block {
        return Err(format!("the proposal would have expired in block {expires}; this is block {block}").into());
    }
    let id = match host.get(NEXT)? {
        Some(bytes) => u64::try_from_slice(&bytes).map_err(|_| "the number of proposals is damaged".to_owned())?,
        None => 1,
    };
    host.put(NEXT, &id.saturating_add(1).to_le_bytes())?;
    let (approvals, rejections) = ([caller].into(), BTreeSet::new());
    store(host, id, &Proposal { proposer: caller, contract, method, input, approvals, rejections, expires })?;
    told(host, "proposed", id, caller)?;
    Ok(id.to_le_bytes().to_vec().into())
}

/// The proposal whose number is the argument, unless it has expired.
fn load(host: &mut dyn Host, input: &[u8]) -> Result<(u64, Proposal), Refused> {
    let (id, proposal) = find(host, input)?;
    proposal.check_expiry(host, id)?;
    Ok((id, proposal))
}

impl Proposal {
    fn check_expiry(&self, host: &dyn Host, id: u64) -> Result<(), Refused> {
        let block = host.env().block.number;
        if block > self.expires {
            return Err(format!("proposal {id} expired in block {}; this is block {block}", self.expires).into());
        }
        Ok(())
    }
}

fn find(host: &mut dyn Host, input: &[u8]) -> Result<(u64, Proposal), Refused> {
    let (id,): (u64,) = arguments(input)?;
    let Some(bytes) = host.get(&key(id))? else {
        return Err(format!("there is no proposal {id}; it was executed or withdrawn, or never made").into());
    };
    let proposal = Proposal::try_from_slice(&bytes).map_err(|_| format!("proposal {id} is damaged"))?;
    Ok((id, proposal))
}

fn store(host: &mut dyn Host, id: u64, proposal: &Proposal) -> Result<(), Refused> {
    let bytes = borsh::to_vec(proposal).map_err(|error| error.to_string())?;
    Ok(host.put(&key(id), &bytes)?)
}

fn key(id: u64) -> Vec<u8> {
    [&b"proposal"[..], &id.to_be_bytes()].concat()
}

fn told(host: &mut dyn Host, what: &'static str, id: u64, by: Address) -> Result<Bytes, Refused> {
    let data = [&id.to_le_bytes()[..], by.as_bytes()].concat();
    let emitted: Result<(), Stop> = host.emit(vec![what.into()], data.into());
    emitted?;
    Ok(Bytes::new())
}
