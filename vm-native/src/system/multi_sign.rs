//! Operations that several have to approve.

mod proposal;

use bytes::Bytes;
use vm_core::{
    Address, Call, Contract, Entry, Event, Host, HostFault, Interface, InvalidSignature, Managed, Return, Sender, Stop,
    Topic,
};

use super::interface::Told;
use super::operation::arguments;
use super::{Operations, Refused, perform, returned, takes_no_value, topics};
use proposal::{NEXT, Proposal, Vote};

/// Proposals, approvals and rejections of operations of the other system contracts.
///
/// A proposal is carried out when its proposer, or somebody whose endorsement they ask for, calls `execute` and the rules that the
/// operation is under are content with its proposer as actor and those who approved it as endorsers; until then `execute` reverts with
/// the rule's words. Only those approve or reject whose endorsement these rules ask for; so nobody else can fill a proposal. Whoever approved can
/// reject, which takes the approval back; the proposer's rejection withdraws the proposal. A proposal is for the contract, or the host's
/// policy, as it was when it was made: after any other operation on that it is overtaken, and neither approved nor carried out.
/// One that has expired or is overtaken can be removed by anybody, with `expire`. Whatever ends a proposal leaves nothing of it.
pub(crate) struct MultiSign {
    interface: Told,
}

/// The most blocks that a proposal is open for.
const LONGEST: u64 = 1_000_000;

const INTERFACE: &str = "propose(contract: string, method: string, input: bytes, expires: u64) -> u64
    approve(id: u64)
    reject(id: u64)
    execute(id: u64)
    expire(id: u64)
    view approvals(id: u64) -> u64
    view proposal(id: u64) -> string
    view input(id: u64) -> bytes
    view next(after: u64) -> u64";

impl MultiSign {
    pub(crate) fn new() -> Result<Self, InvalidSignature> {
        Ok(Self { interface: Told::new(INTERFACE, describe)? })
    }

    fn invoke(host: &mut dyn Host, call: &Call) -> Result<Bytes, Refused> {
        takes_no_value(host)?;
        let caller = host.env().caller;
        if &*call.method == "propose" {
            return propose(host, caller, &call.input);
        }
        let (id,): (u64,) = arguments(&call.input)?;
        match &*call.method {
            "approve" => {
                let proposal = Proposal::live(host, id)?;
                has_a_part(host, &proposal.operation()?, caller)?;
                proposal.check_basis(host, id)?;
                vote(host, id, caller, Vote::Approved)?;
                told(host, "approved", id, caller)
            }
            "reject" => {
                let proposal = Proposal::load(host, id)?;
                // Also when it has expired: it is the proposer's to clear away.
                if caller == proposal.proposer {
                    Proposal::remove(host, id)?;
                    return told(host, "withdrawn", id, caller);
                }
                proposal.check_expiry(host, id)?;
                // Whoever approved can take it back, though the rule does not ask for it any more.
                if Vote::of(host, id, caller)?.is_none() {
                    has_a_part(host, &proposal.operation()?, caller)?;
                }
                vote(host, id, caller, Vote::Rejected)?;
                told(host, "rejected", id, caller)
            }
            "execute" => {
                let proposal = Proposal::live(host, id)?;
                proposal.check_basis(host, id)?;
                // It runs in the transaction, and with the gas, of who carries it out, which is no business of strangers.
                if caller != proposal.proposer {
                    has_a_part(host, &proposal.operation()?, caller)?;
                }
                let (operation, endorsers) = (proposal.operation()?, Vote::all(host, id, Vote::Approved)?);
                // First, so that the operation cannot meet its own proposal again.
                Proposal::remove(host, id)?;
                let sender = Sender { caller: proposal.proposer, endorsers, ..Sender::default() };
                let changed = perform(host, operation, sender)?;
                tell(host, topics("executed".into(), changed), id, caller)
            }
            "expire" => {
                let proposal = Proposal::load(host, id)?;
                let block = host.env().block.number;
                if block <= proposal.expires && proposal.overtaken(host)?.is_none() {
                    let told = format!("proposal {id} expires after block {}; this is block {block}", proposal.expires);
                    return Err(told.into());
                }
                Proposal::remove(host, id)?;
                told(host, "expired", id, caller)
            }
            "approvals" => {
                Proposal::live(host, id)?;
                Ok((Vote::all(host, id, Vote::Approved)?.len() as u64).to_le_bytes().to_vec().into())
            }
            "proposal" => {
                let text = Proposal::load(host, id)?.text(host, id)?;
                Ok(borsh::to_vec(&text).map_err(|error| error.to_string())?.into())
            }
            "input" => {
                let proposal = Proposal::load(host, id)?;
                Ok(borsh::to_vec(&proposal.input).map_err(|error| error.to_string())?.into())
            }
            // The first proposal with a higher number, or 0: so one view lists them all, page by page.
            "next" => Ok(Proposal::after(host, id)?.unwrap_or_default().to_le_bytes().to_vec().into()),
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

    /// Proposers and votes are believed.
    fn keeps_apart(&self) -> bool {
        true
    }
}

/// What became of a proposal, in words.
fn describe(event: &Event) -> Option<String> {
    let what = std::str::from_utf8(event.topics.first()?).ok()?;
    let (id, by) = event.data.split_first_chunk::<8>()?;
    let by = Address::new(by.try_into().ok()?);
    Some(format!("proposal {} {what} by {by}", u64::from_le_bytes(*id)))
}

fn propose(host: &mut dyn Host, caller: Address, input: &[u8]) -> Result<Bytes, Refused> {
    let (contract, method, input, expires): (String, String, Vec<u8>, u64) = arguments(input)?;
    // What could never be executed is refused now.
    let operation = Operations::named(&contract)?.decode(&method, &input)?;
    operation.check().map_err(|refusal| refusal.to_string())?;
    let expires = open_until(host.env().block.number, expires)?;
    let basis = host.transaction().basis(&operation)?;
    let own = host.env().name.as_ref();
    if basis.contracts.iter().any(|(name, _)| Some(name) == own) {
        return Err("no contract is changed while it runs; propose it to another deployment of multi_sign"
            .to_owned()
            .into());
    }
    let proposal = Proposal { proposer: caller, contract, method, input, expires, basis };
    let id = match host.get(NEXT)? {
        Some(bytes) => <[u8; 8]>::try_from(&*bytes)
            .map(u64::from_le_bytes)
            .map_err(|_| "the number of proposals is damaged".to_owned())?,
        None => 1,
    };
    host.put(NEXT, &id.saturating_add(1).to_le_bytes())?;
    proposal.store(host, id)?;
    // Who proposes approves, where that is asked for.
    if host.transaction().endorsable(&operation, caller)?.is_ok() {
        vote(host, id, caller, Vote::Approved)?;
    }
    told(host, "proposed", id, caller)?;
    Ok(id.to_le_bytes().to_vec().into())
}

/// The last block of a proposal. The largest number stands for as long as may be.
fn open_until(block: u64, expires: u64) -> Result<u64, String> {
    let last = block.saturating_add(LONGEST);
    match expires {
        u64::MAX => Ok(last),
        _ if expires < block => {
            Err(format!("the proposal would have expired in block {expires}; this is block {block}"))
        }
        _ if expires > last => {
            Err(format!("a proposal is open for {LONGEST} blocks at most, so until block {last} and not {expires}"))
        }
        _ => Ok(expires),
    }
}

/// Refuses those whose endorsement counts for nothing.
fn has_a_part(host: &mut dyn Host, operation: &Managed, caller: Address) -> Result<(), Refused> {
    if let Err(why) = host.transaction().endorsable(operation, caller)? {
        let asked = operation.clone().by(Sender { caller, ..Sender::default() });
        host.transaction().note_refused(&asked, why.clone());
        return Err(why.into());
    }
    Ok(())
}

fn vote(host: &mut dyn Host, id: u64, caller: Address, vote: Vote) -> Result<(), Refused> {
    if Vote::of(host, id, caller)? == Some(vote) {
        return Err(format!("{caller} has {} proposal {id} already", vote.word()).into());
    }
    Ok(vote.store(host, id, caller)?)
}

fn told(host: &mut dyn Host, what: &'static str, id: u64, by: Address) -> Result<Bytes, Refused> {
    tell(host, vec![what.into()], id, by)
}

fn tell(host: &mut dyn Host, topics: Vec<Topic>, id: u64, by: Address) -> Result<Bytes, Refused> {
    let data = [&id.to_le_bytes()[..], by.as_bytes()].concat();
    let emitted: Result<(), Stop> = host.emit(topics, data.into());
    emitted?;
    Ok(Bytes::new())
}
