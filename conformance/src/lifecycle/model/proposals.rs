//! Proposals, what those who sign them say, and what becomes of them.

use std::collections::{BTreeMap, BTreeSet};

use vm_core::{Rule, printable};

use super::super::answer::{Expected, Told};
use super::super::request::address;
use super::super::step::{Governing, Signing, Step, Verb, Way, Who};
use super::{Host, Model, REASON, Why};

/// An operation that somebody has proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Proposal {
    /// What is asked for, by whom, and why.
    pub(in super::super) asked: Step,
    /// The last block in which something can become of it.
    until: u64,
    /// What it was made for.
    basis: Basis,
    /// Who has approved it, or rejected.
    votes: BTreeMap<&'static str, bool>,
}

/// What an operation builds on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Basis {
    /// The contract that it is about, with the entries of its history.
    contract: Option<(&'static str, usize)>,
    /// The version of the host's policy, if that decides on it.
    host: Option<usize>,
}

/// The most blocks that a proposal is open for.
const LONGEST: u64 = 1_000_000;

/// Nobody's endorsement is asked for, or not that of who signs.
const NO_CONTRACT: &str = "no contract";
const NO_PART: &str = "no part";

/// What was done, for reports, and the answer.
struct Signed(&'static str, String);

/// Why somebody cannot sign, for reports, and the text, where that is known.
struct Unsigned(&'static str, Option<String>);

impl Unsigned {
    const fn told(why: &'static str, text: String) -> Self {
        Self(why, Some(text))
    }
}

impl Model {
    /// The number of a proposal, counted from the newest one that is open; of one that is not open any more where there are less.
    pub(in super::super) fn number(&self, which: u64) -> u64 {
        let newest = self.proposals.keys().rev().zip(0..);
        newest.clone().find(|(_, at)| *at == which).map_or(self.proposed.saturating_sub(which), |(number, _)| *number)
    }

    /// A proposal, or something that somebody does with one.
    pub(super) fn apply_signing(&mut self, step: &Step) -> Expected {
        let signed = match &step.verb {
            Verb::Propose { operation, until } => self.propose(step, operation, *until),
            Verb::Sign(Signing::Execute, which) => {
                let number = self.number(*which);
                match self.executable(number, step) {
                    Ok(proposal) => return self.execute(step, number, proposal),
                    Err(why) => Err(why),
                }
            }
            Verb::Sign(signing, which) => self.sign(step, *signing, self.number(*which)),
            _ => Ok(Signed("nothing", String::new())),
        };
        let told = vec![Told::Called { contract: "multi_sign".into() }];
        match signed {
            Ok(Signed(what, text)) => {
                let (text, ending) = (Some(text), Some(format!("{what} done")));
                Expected { name: "done", text, told, commits: true, ending, ..Expected::default() }
            }
            Err(Unsigned(why, text)) => {
                let mut told = told;
                if let (Verb::Sign(_, which), NO_PART | NO_CONTRACT) = (&step.verb, why)
                    && let Some(proposal) = self.proposals.get(&self.number(*which))
                {
                    let asked = Step { actor: step.actor, ..proposal.asked.clone() };
                    let refused = Why { name: "denied", text: text.clone() };
                    told.insert(0, self.refused(&asked, &asked.verb, &refused, false));
                }
                let ending = Some(format!("{} reverted: {why}", step.verb.name()));
                Expected { name: "reverted", text, told, ending, ..Expected::default() }
            }
        }
    }

    /// Answers with the proposal's number.
    fn propose(&mut self, step: &Step, operation: &Verb, until: u64) -> Result<Signed, Unsigned> {
        if step.reason.len() > REASON {
            return Err(Unsigned("too_large", None));
        }
        let (block, last) = (step.block, step.block + LONGEST);
        let until = if until == u64::MAX { last } else { until };
        if until < block {
            let text = format!("the proposal would have expired in block {until}; this is block {block}");
            return Err(Unsigned::told("expired", text));
        }
        if until > last {
            let text =
                format!("a proposal is open for {LONGEST} blocks at most, so until block {last} and not {until}");
            return Err(Unsigned::told("open too long", text));
        }
        let asked = Step { verb: operation.clone(), way: Way::Proposal, endorsers: Vec::new(), ..step.clone() };
        let has_a_part = self.has_a_part(&asked, step.actor).is_ok();
        let votes = has_a_part.then_some((step.actor, true)).into_iter().collect();
        let basis = self.basis(&asked);
        self.proposed += 1;
        self.proposals.insert(self.proposed, Proposal { asked, until, basis, votes });
        Ok(Signed("propose", self.proposed.to_string()))
    }

    /// Everything but to carry it out.
    fn sign(&mut self, step: &Step, signing: Signing, number: u64) -> Result<Signed, Unsigned> {
        let (actor, block) = (step.actor, step.block);
        let proposal = self.open(number)?;
        let done = |what| Ok(Signed(what, String::new()));
        match signing {
            Signing::Approve => {
                proposal.check_expiry(number, block)?;
                self.has_a_part(&proposal.asked, actor)?;
                self.check_basis(number, proposal)?;
                self.vote(number, actor, true)?;
                done("approve")
            }
            Signing::Reject if proposal.asked.actor == actor => {
                self.proposals.remove(&number);
                done("withdraw")
            }
            Signing::Reject => {
                proposal.check_expiry(number, block)?;
                if !proposal.votes.contains_key(actor) {
                    self.has_a_part(&proposal.asked, actor)?;
                }
                self.vote(number, actor, false)?;
                done("reject")
            }
            Signing::Expire | Signing::Execute => {
                let (is_over, is_overtaken) = (block > proposal.until, self.overtaken(proposal).is_some());
                if !is_over && !is_overtaken {
                    let text =
                        format!("proposal {number} expires after block {}; this is block {block}", proposal.until);
                    return Err(Unsigned::told("open", text));
                }
                self.proposals.remove(&number);
                done(if is_over { "expire" } else { "expire overtaken" })
            }
        }
    }

    fn vote(&mut self, number: u64, actor: &'static str, approves: bool) -> Result<(), Unsigned> {
        let Some(proposal) = self.proposals.get_mut(&number) else { return Ok(()) };
        if proposal.votes.insert(actor, approves) == Some(approves) {
            let said = if approves { "approved" } else { "rejected" };
            let text = format!("{} has {said} proposal {number} already", address(actor));
            return Err(Unsigned::told("said already", text));
        }
        Ok(())
    }

    /// Carries a proposal out for its proposer, endorsed by those who approved.
    fn execute(&mut self, step: &Step, number: u64, proposal: Proposal) -> Expected {
        let endorsers = proposal.votes.iter().filter(|(_, approved)| **approved).map(|(name, _)| *name).collect();
        let asked = Step { endorsers, block: step.block, crash: step.crash, ..proposal.asked };
        let expected = self.apply_operation(&asked, &asked.verb);
        if expected.commits {
            self.proposals.remove(&number);
        }
        let ending = format!("{} {}{}", asked.verb.name(), expected.name, asked.way.name());
        Expected { ending: Some(ending), ..expected }
    }

    fn executable(&self, number: u64, step: &Step) -> Result<Proposal, Unsigned> {
        let proposal = self.open(number)?;
        proposal.check_expiry(number, step.block)?;
        self.check_basis(number, proposal)?;
        if step.actor != proposal.asked.actor {
            self.has_a_part(&proposal.asked, step.actor)?;
        }
        Ok(proposal.clone())
    }

    fn open(&self, number: u64) -> Result<&Proposal, Unsigned> {
        self.proposals.get(&number).ok_or_else(|| {
            let text = format!("there is no proposal {number}; it was executed or withdrawn, or never made");
            Unsigned::told("not there", text)
        })
    }

    fn check_basis(&self, number: u64, proposal: &Proposal) -> Result<(), Unsigned> {
        match self.overtaken(proposal) {
            Some(why) => {
                let text = format!("proposal {number} is overtaken: {why}; propose it again");
                Err(Unsigned::told("overtaken", text))
            }
            None => Ok(()),
        }
    }

    /// What has changed since a proposal was made.
    fn overtaken(&self, proposal: &Proposal) -> Option<String> {
        let (then, now) = (proposal.basis, self.basis(&proposal.asked));
        let contract = match (then.contract, now.contract) {
            (Some((name, 0)), Some((_, now))) if now > 0 => Some(format!("contract '{name}' has been deployed since")),
            (Some((name, then)), Some((_, now))) if then != now => {
                Some(format!("the history of contract '{name}' had {then} entries then, and has {now} now"))
            }
            _ => None,
        };
        let host = match (then.host, now.host) {
            (Some(then), Some(now)) if then != now => {
                Some(format!("the host's policy had version {then} then, and has version {now} now"))
            }
            _ => None,
        };
        let changed: Vec<_> = [contract, host].into_iter().flatten().collect();
        (!changed.is_empty()).then(|| changed.join("; "))
    }

    fn basis(&self, asked: &Step) -> Basis {
        let contract = self.contracts.get(asked.name);
        let by_the_host = match &asked.verb {
            Verb::Deploy { .. } | Verb::Govern(_) | Verb::GovernAll(_) | Verb::Upgrade { skip: true, .. } => true,
            verb => {
                contract.is_some_and(|contract| verb.right().is_some_and(|right| contract.who(right).asks_the_host()))
            }
        };
        let is_about_one = match asked.verb {
            Verb::Govern(change) => matches!(change, Governing::Room(_)),
            Verb::GovernAll(_) => false,
            _ => true,
        };
        let entries = contract.map_or(0, |contract| contract.history.len());
        Basis {
            contract: is_about_one.then_some((asked.name, entries)),
            host: by_the_host.then_some(self.earlier.len() + 1),
        }
    }

    /// Refuses those whom no rule of the operation asks.
    fn has_a_part(&self, asked: &Step, actor: &str) -> Result<(), Unsigned> {
        let who = match &asked.verb {
            Verb::Deploy { .. } => self.host.deploys,
            Verb::Govern(_) | Verb::GovernAll(_) => Who::Administrators,
            verb => {
                let missing = || Unsigned::told(NO_CONTRACT, format!("there is no contract '{}'", asked.name));
                let contract = self.contracts.get(asked.name).ok_or_else(missing)?;
                verb.right().map_or(Who::Nobody, |right| contract.who(right))
            }
        };
        if self.host.asks(who, actor) {
            return Ok(());
        }
        let rule = who.text().parse::<Rule>().map(|rule| rule.to_string()).unwrap_or_default();
        let text = format!("the rule '{rule}' does not ask for the endorsement of {}", address(actor));
        Err(Unsigned::told(NO_PART, text))
    }

    /// How a proposal is shown in a block: how that begins, and how it ends behind the operation.
    pub(in super::super) fn shown(&self, proposal: &Proposal, block: u64) -> (String, String) {
        let Proposal { asked, until, votes, .. } = proposal;
        let owner = if matches!(asked.verb, Verb::Deploy { .. }) { "; who proposes will own it" } else { "" };
        let mut end = match *until {
            until if block > until => format!("{owner}; expired in block {until}"),
            until => format!("{owner}; until block {until}"),
        };
        if let Some(why) = self.overtaken(proposal) {
            end = format!("{end}; overtaken: {why}");
        }
        if !asked.reason.is_empty() {
            end = format!("{end}; because: {}", printable(asked.reason));
        }
        for (said, word) in [(true, "approved"), (false, "rejected")] {
            let voters: BTreeSet<_> =
                votes.iter().filter(|(_, vote)| **vote == said).map(|(name, _)| address(name)).collect();
            if !voters.is_empty() {
                let voters: Vec<_> = voters.iter().map(ToString::to_string).collect();
                end = format!("{end}; {word} by {}", voters.join(", "));
            }
        }
        (format!("{} proposes to ", address(asked.actor)), end)
    }
}

impl Proposal {
    fn check_expiry(&self, number: u64, block: u64) -> Result<(), Unsigned> {
        if block <= self.until {
            return Ok(());
        }
        let text = format!("proposal {number} expired in block {}; this is block {block}", self.until);
        Err(Unsigned::told("expired", text))
    }
}

impl Who {
    /// Whether the host's policy has a part in the answer.
    fn asks_the_host(self) -> bool {
        match self {
            Self::Administrators | Self::Role(_) | Self::Majority(_) => true,
            Self::Either(rules) => rules.iter().any(|rule| rule.asks_the_host()),
            _ => false,
        }
    }
}

impl Host {
    /// Whether a rule asks for somebody's endorsement, and for others' perhaps.
    fn asks(&self, who: Who, name: &str) -> bool {
        match who {
            Who::Administrators => self.asks(self.administrators, name),
            Who::Two(names) => names.contains(&name),
            Who::Majority(role) => self.members.iter().any(|(_, of, member)| *of == role && *member == name),
            Who::Either(rules) => rules.iter().any(|rule| self.asks(*rule, name)),
            _ => false,
        }
    }
}
