//! What is kept of a proposal: itself, which never changes, and a vote each under its own key.

use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;
use vm_core::{Address, Basis, Host, Managed, Stop, printable};

use super::super::{Operations, Refused};

/// The number that the next proposal gets.
pub(super) const NEXT: &[u8] = b"next";

#[derive(Debug, BorshSerialize, BorshDeserialize)]
pub(super) struct Proposal {
    pub(super) proposer: Address,
    /// Which system contract's operation it is.
    pub(super) contract: String,
    pub(super) method: String,
    pub(super) input: Vec<u8>,
    /// The number of the last block in which something can become of it.
    pub(super) expires: u64,
    /// What it was made for. Once that has changed, nothing becomes of it any more.
    pub(super) basis: Basis,
}

impl Proposal {
    pub(super) fn load(host: &mut dyn Host, id: u64) -> Result<Self, Refused> {
        let Some(bytes) = host.get(&key(id))? else {
            return Err(format!("there is no proposal {id}; it was executed or withdrawn, or never made").into());
        };
        Ok(Self::try_from_slice(&bytes).map_err(|_| format!("proposal {id} is damaged"))?)
    }

    /// As [`load`](Self::load), unless it has expired.
    pub(super) fn live(host: &mut dyn Host, id: u64) -> Result<Self, Refused> {
        let proposal = Self::load(host, id)?;
        proposal.check_expiry(host, id)?;
        Ok(proposal)
    }

    pub(super) fn store(&self, host: &mut dyn Host, id: u64) -> Result<(), Refused> {
        let bytes = borsh::to_vec(self).map_err(|error| error.to_string())?;
        let (size, limit) = (bytes.len(), host.transaction().value_limit());
        if size > limit {
            let why = format!("the proposal has {size} bytes, above the limit of {limit}; raise vm.limits.value_size");
            return Err(why.into());
        }
        Ok(host.put(&key(id), &bytes)?)
    }

    /// Removes it with all votes.
    pub(super) fn remove(host: &mut dyn Host, id: u64) -> Result<(), Stop> {
        for (voter, _) in Vote::list(host, id)? {
            host.delete(&vote_key(id, voter))?;
        }
        host.delete(&key(id))
    }

    pub(super) fn check_expiry(&self, host: &dyn Host, id: u64) -> Result<(), Refused> {
        let block = host.env().block.number;
        if block > self.expires {
            return Err(format!("proposal {id} expired in block {}; this is block {block}", self.expires).into());
        }
        Ok(())
    }

    /// Refuses what was decided for a contract or a host that is not the same any more.
    pub(super) fn check_basis(&self, host: &mut dyn Host, id: u64) -> Result<(), Refused> {
        match self.overtaken(host)? {
            Some(why) => Err(format!("proposal {id} is overtaken: {why}; propose it again").into()),
            None => Ok(()),
        }
    }

    /// What has changed since it was made, if something has.
    pub(super) fn overtaken(&self, host: &mut dyn Host) -> Result<Option<String>, Refused> {
        let operation = self.operation()?;
        Ok(self.basis.overtaken(&host.transaction().basis(&operation)?))
    }

    /// What is proposed, by nobody yet.
    pub(super) fn operation(&self) -> Result<Managed, String> {
        Operations::named(&self.contract)?.decode(&self.method, &self.input)
    }

    /// The number of the first proposal beyond one.
    pub(super) fn after(host: &mut dyn Host, id: u64) -> Result<Option<u64>, Stop> {
        let (start, end) = (key(id.saturating_add(1)), [&key(u64::MAX)[..], &[0]].concat());
        let page = host.scan(&start, &end, 1)?;
        let number = |(key, _): &(Bytes, Bytes)| key.last_chunk().copied().map(u64::from_be_bytes);
        Ok(page.first().and_then(number).filter(|found| *found > id))
    }

    /// For those who are to approve it: what it would do, and who has said what. All of it is in the input.
    pub(super) fn text(&self, host: &mut dyn Host, id: u64) -> Result<String, Refused> {
        let operation = self.operation()?;
        let mut text = format!("{} proposes to {operation}", self.proposer);
        if matches!(operation, Managed::Deploy(_)) {
            text.push_str("; who proposes will own it");
        }
        match self.expires {
            expires if host.env().block.number > expires => text.push_str(&format!("; expired in block {expires}")),
            expires => text.push_str(&format!("; until block {expires}")),
        }
        if let Some(why) = self.overtaken(host)? {
            text.push_str(&format!("; overtaken: {why}"));
        }
        if !operation.reason().is_empty() {
            text.push_str(&format!("; because: {}", printable(operation.reason())));
        }
        for vote in [Vote::Approved, Vote::Rejected] {
            let voters: Vec<_> = Vote::all(host, id, vote)?.iter().map(Address::to_string).collect();
            if !voters.is_empty() {
                text = format!("{text}; {} by {}", vote.word(), voters.join(", "));
            }
        }
        Ok(text)
    }
}

/// What somebody has said to a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vote {
    Rejected,
    Approved,
}

/// Votes that are read at once.
const PAGE: usize = 64;

impl Vote {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Approved => "approved",
        }
    }

    fn read(value: &[u8]) -> Self {
        if value == [1] { Self::Approved } else { Self::Rejected }
    }

    /// What somebody has said.
    pub(super) fn of(host: &mut dyn Host, id: u64, voter: Address) -> Result<Option<Self>, Stop> {
        Ok(host.get(&vote_key(id, voter))?.map(|value| Self::read(&value)))
    }

    pub(super) fn store(self, host: &mut dyn Host, id: u64, voter: Address) -> Result<(), Stop> {
        host.put(&vote_key(id, voter), &[u8::from(self == Self::Approved)])
    }

    /// Who has said this, in the order of their addresses.
    pub(super) fn all(host: &mut dyn Host, id: u64, vote: Self) -> Result<Vec<Address>, Stop> {
        let all = Self::list(host, id)?.into_iter();
        Ok(all.filter(|(_, said)| *said == vote).map(|(voter, _)| voter).collect())
    }

    /// All votes, in the order of the voters' addresses.
    fn list(host: &mut dyn Host, id: u64) -> Result<Vec<(Address, Self)>, Stop> {
        let mut all = Vec::new();
        let (mut start, end) = (vote_key(id, Address::ZERO), votes(id.saturating_add(1)));
        loop {
            let page = host.scan(&start, &end, PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(all) };
            start = [&**last, &[0]].concat();
            let voter = |key: &[u8]| key.last_chunk().copied().map(Address::new);
            all.extend(page.iter().filter_map(|(key, value)| Some((voter(key)?, Self::read(value)))));
        }
    }
}

fn key(id: u64) -> Vec<u8> {
    [&b"proposal"[..], &id.to_be_bytes()].concat()
}

/// What the keys of a proposal's votes begin with.
fn votes(id: u64) -> Vec<u8> {
    [&b"vote"[..], &id.to_be_bytes()].concat()
}

fn vote_key(id: u64, voter: Address) -> Vec<u8> {
    [&votes(id)[..], voter.as_bytes()].concat()
}
