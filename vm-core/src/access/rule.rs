use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use borsh::{BorshDeserialize, BorshSerialize};

use super::organisations::check_name;
use super::{HostPolicy, Organisations};
use crate::Address;

/// Who may do something.
///
/// As text, for configurations, the command line and contracts:
///
/// ```text
/// anyone | nobody | owner | administrators
/// callers(alice, 0x…)                 one of these
/// role(auditor)                       who has the role in any organisation
/// role(auditor of org1, org2)         who has it in one of these
/// quorum(2 of alice, bob, carol)      so many of these endorse it
/// majority(admin)                     holders of the role in more than half of the organisations that have it endorse it
/// majority(admin of org1, org2, org3) in more than half of these
/// owner or callers(alice)             either
/// ```
///
/// ```
/// use vm_core::Rule;
/// let rule: Rule = "owner or majority(admin of org1, org2, org3)".parse()?;
/// assert_eq!(rule.to_string().parse::<Rule>()?, rule);
/// assert!("quorum(3 of alice, bob)".parse::<Rule>().is_err(), "nobody could ever meet it");
/// # Ok::<(), vm_core::InvalidRule>(())
/// ```
///
/// Who acts counts as endorsing. An organisation of a majority that has nobody with the role counts as not endorsing.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[non_exhaustive]
pub enum Rule {
    /// Everybody.
    Anyone,
    /// Nobody.
    Nobody,
    /// The contract's owner.
    Owner,
    /// Whom the host's policy calls its administrators.
    Administrators,
    /// One of these.
    Callers(BTreeSet<Address>),
    /// Who has a role.
    Role {
        /// The role.
        role: String,
        /// In one of these organisations; in any when empty.
        organisations: BTreeSet<String>,
    },
    /// So many of a set endorse it.
    Quorum {
        /// How many, at least 1 and at most all.
        threshold: u32,
        /// Of whom.
        of: BTreeSet<Address>,
    },
    /// In more than half of the organisations, somebody with the role endorses it.
    Majority {
        /// The role.
        role: String,
        /// Of these organisations; of all that have the role when empty.
        organisations: BTreeSet<String>,
    },
    /// One of several rules.
    Either(Vec<Rule>),
}

/// Text that is no rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is no rule: {why}")]
pub struct InvalidRule {
    text: String,
    why: String,
}

/// Who asks a rule.
pub(crate) struct Question<'q> {
    pub(crate) actor: Address,
    pub(crate) owner: Option<Address>,
    pub(crate) endorsers: &'q [Address],
    pub(crate) host: &'q HostPolicy,
}

impl Question<'_> {
    fn endorses(&self, address: &Address) -> bool {
        self.actor == *address || self.endorsers.contains(address)
    }

    const fn organisations(&self) -> &Organisations {
        &self.host.organisations
    }

    /// How many organisations endorse, and of how many.
    fn majority(&self, role: &str, organisations: &BTreeSet<String>) -> (usize, usize) {
        let holders: Vec<_> = self.organisations().holders(role, organisations).collect();
        let endorsing = holders.iter().filter(|holders| holders.iter().any(|holder| self.endorses(holder))).count();
        (endorsing, if organisations.is_empty() { holders.len() } else { organisations.len() })
    }
}

impl Rule {
    /// True when the rule lets it happen.
    pub(crate) fn permits(&self, question: &Question<'_>) -> bool {
        match self {
            Self::Anyone => true,
            Self::Nobody => false,
            Self::Owner => question.owner == Some(question.actor),
            // The host's own rule has no administrators in it, so this ends.
            Self::Administrators => question.host.administrators.permits(question),
            Self::Callers(callers) => callers.contains(&question.actor),
            Self::Role { role, organisations } => {
                question.organisations().holders(role, organisations).any(|holders| holders.contains(&question.actor))
            }
            Self::Quorum { threshold, of } => {
                of.iter().filter(|address| question.endorses(address)).count() >= *threshold as usize
            }
            Self::Majority { role, organisations } => {
                let (endorsing, all) = question.majority(role, organisations);
                endorsing.saturating_mul(2) > all
            }
            Self::Either(rules) => rules.iter().any(|rule| rule.permits(question)),
        }
    }

    /// Whose endorsements made it that the rule lets it happen, the actor's among them; of several rules the first that lets it.
    /// Nobody where none is asked for.
    pub(crate) fn endorsers(&self, question: &Question<'_>) -> BTreeSet<Address> {
        let endorses = |address: &&Address| question.endorses(address);
        match self {
            Self::Administrators => question.host.administrators.endorsers(question),
            Self::Quorum { of, .. } => of.iter().filter(endorses).copied().collect(),
            Self::Majority { role, organisations } => {
                let holders = question.organisations().holders(role, organisations).flatten();
                holders.filter(endorses).copied().collect()
            }
            Self::Either(rules) => rules
                .iter()
                .find(|rule| rule.permits(question))
                .map(|rule| rule.endorsers(question))
                .unwrap_or_default(),
            Self::Anyone | Self::Nobody | Self::Owner | Self::Callers(_) | Self::Role { .. } => BTreeSet::new(),
        }
    }

    /// Whom the rule would have let, for the one whom it refused.
    pub(crate) fn explain(&self, question: &Question<'_>) -> String {
        match self {
            Self::Anyone => "anyone may".into(),
            Self::Nobody => "nobody may".into(),
            Self::Owner => "only its owner may".into(),
            Self::Administrators => {
                format!("only the host's administrators may: {}", question.host.administrators.explain(question))
            }
            Self::Callers(callers) => format!("only {} may", list(callers, ", ")),
            Self::Role { role, organisations } if organisations.is_empty() => {
                format!("only those with the role '{role}' may")
            }
            Self::Role { role, organisations } => {
                format!("only those with the role '{role}' in {} may", list(organisations, " or "))
            }
            Self::Quorum { threshold, of } => {
                let endorsing = of.iter().filter(|address| question.endorses(address)).count();
                format!("{threshold} of {} must endorse it, and {endorsing} did", list(of, ", "))
            }
            Self::Majority { role, organisations } => {
                let (endorsing, all) = question.majority(role, organisations);
                format!("more than half of {all} organisations must endorse it by their '{role}', and {endorsing} did")
            }
            Self::Either(rules) => rules.iter().map(|rule| rule.explain(question)).collect::<Vec<_>>().join("; or "),
        }
    }

    /// True when the rule asks for the endorsement of somebody, and of others perhaps: of a member of a quorum, or of who has the
    /// role of a majority.
    pub(crate) fn counts(&self, endorser: &Address, host: &HostPolicy) -> bool {
        match self {
            Self::Administrators => host.administrators.counts(endorser, host),
            Self::Quorum { of, .. } => of.contains(endorser),
            Self::Majority { role, organisations } => {
                host.organisations.holders(role, organisations).any(|holders| holders.contains(endorser))
            }
            Self::Either(rules) => rules.iter().any(|rule| rule.counts(endorser, host)),
            Self::Anyone | Self::Nobody | Self::Owner | Self::Callers(_) | Self::Role { .. } => false,
        }
    }

    /// True when somebody could meet the rule of a host, alone or with others.
    pub(super) fn can_be_met(&self, host: &HostPolicy) -> bool {
        match self {
            Self::Anyone => true,
            // The host has no owner, and its administrators are not defined by themselves.
            Self::Nobody | Self::Owner | Self::Administrators => false,
            Self::Callers(callers) => !callers.is_empty(),
            Self::Quorum { threshold, of } => of.len() >= *threshold as usize,
            Self::Role { role, organisations } => host.organisations.holders(role, organisations).next().is_some(),
            Self::Majority { role, organisations } => {
                let holders = host.organisations.holders(role, organisations).count();
                let all = if organisations.is_empty() { holders } else { organisations.len() };
                holders.saturating_mul(2) > all
            }
            Self::Either(rules) => rules.iter().any(|rule| rule.can_be_met(host)),
        }
    }

    /// True when the host's policy has a part in the answer.
    pub(crate) fn asks_the_host(&self) -> bool {
        self.has(|rule| matches!(rule, Self::Administrators | Self::Role { .. } | Self::Majority { .. }))
    }

    /// True when administrators have a part in the answer.
    pub(super) fn asks_administrators(&self) -> bool {
        self.has(|rule| matches!(rule, Self::Administrators))
    }

    /// True when the owner has a part in the answer.
    pub(super) fn asks_the_owner(&self) -> bool {
        self.has(|rule| matches!(rule, Self::Owner))
    }

    fn has(&self, what: fn(&Self) -> bool) -> bool {
        match self {
            Self::Either(rules) => rules.iter().any(|rule| rule.has(what)),
            rule => what(rule),
        }
    }
}

fn list<T: ToString>(items: &BTreeSet<T>, between: &str) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(between)
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = |organisations: &BTreeSet<String>| match organisations.is_empty() {
            true => String::new(),
            false => format!(" of {}", list(organisations, ", ")),
        };
        match self {
            Self::Anyone => f.write_str("anyone"),
            Self::Nobody => f.write_str("nobody"),
            Self::Owner => f.write_str("owner"),
            Self::Administrators => f.write_str("administrators"),
            Self::Callers(callers) => write!(f, "callers({})", list(callers, ", ")),
            Self::Role { role, organisations } => write!(f, "role({role}{})", group(organisations)),
            Self::Quorum { threshold, of } => write!(f, "quorum({threshold} of {})", list(of, ", ")),
            Self::Majority { role, organisations } => write!(f, "majority({role}{})", group(organisations)),
            Self::Either(rules) => f.write_str(&rules.iter().map(Self::to_string).collect::<Vec<_>>().join(" or ")),
        }
    }
}

impl serde::Serialize for Rule {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

/// The longest text of a rule, in bytes.
const LONGEST: usize = 8_192;

impl FromStr for Rule {
    type Err = InvalidRule;

    fn from_str(text: &str) -> Result<Self, InvalidRule> {
        let invalid = |why: String| InvalidRule { text: text.chars().take(80).collect(), why };
        if text.len() > LONGEST {
            return Err(invalid(format!("it has {} bytes, above the limit of {LONGEST}", text.len())));
        }
        let rules = text.split(" or ").map(|term| term_of(term.trim()));
        let mut rules = rules.collect::<Result<Vec<_>, String>>().map_err(invalid)?;
        Ok(match rules.len() {
            1 => rules.pop().unwrap_or(Self::Nobody),
            _ => Self::Either(rules),
        })
    }
}

fn term_of(term: &str) -> Result<Rule, String> {
    match term {
        "anyone" => return Ok(Rule::Anyone),
        "nobody" => return Ok(Rule::Nobody),
        "owner" => return Ok(Rule::Owner),
        "administrators" => return Ok(Rule::Administrators),
        _ => {}
    }
    let inside = |name: &str| term.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')');
    if let Some(callers) = inside("callers") {
        return Ok(Rule::Callers(addresses(callers)?));
    }
    if let Some(inside) = inside("role") {
        let (role, organisations) = group(inside)?;
        return Ok(Rule::Role { role, organisations });
    }
    if let Some(inside) = inside("majority") {
        let (role, organisations) = group(inside)?;
        return Ok(Rule::Majority { role, organisations });
    }
    if let Some(inside) = inside("quorum") {
        let Some((threshold, of)) = inside.split_once(" of ") else {
            return Err("expected quorum(NUMBER of ADDRESS, ...)".into());
        };
        let of = addresses(of)?;
        return match threshold.trim().parse::<u32>() {
            Ok(threshold) if (1..=of.len()).contains(&(threshold as usize)) => Ok(Rule::Quorum { threshold, of }),
            _ => Err(format!("the quorum has to be 1 to {}", of.len())),
        };
    }
    let known = "anyone, nobody, owner, administrators, callers(...), role(...), quorum(...) or majority(...)";
    Err(format!("expected {known}, or several with ' or ' between them"))
}

fn addresses(text: &str) -> Result<BTreeSet<Address>, String> {
    text.split(',').map(|address| address.trim().parse().map_err(|error| format!("{error}"))).collect()
}

/// `role`, or `role of organisation, ...`.
fn group(text: &str) -> Result<(String, BTreeSet<String>), String> {
    let name = |text: &str| check_name(text.trim()).map(|()| text.trim().to_owned()).map_err(|error| error.to_string());
    match text.split_once(" of ") {
        None => Ok((name(text)?, BTreeSet::new())),
        Some((role, organisations)) => Ok((name(role)?, organisations.split(',').map(name).collect::<Result<_, _>>()?)),
    }
}
