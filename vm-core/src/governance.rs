use std::fmt;
use std::str::FromStr;

use crate::{Address, ContractName, Right, Room, Rule, abridged};

/// A change of the host's policy, or of what its administrators decide about a contract.
///
/// As text, for the command line and contracts:
///
/// ```text
/// deploy RULE | administrators RULE | contracts RIGHT RULE
/// enrol ORGANISATION ROLE ADDRESS | dismiss ORGANISATION ROLE ADDRESS
/// bound NAME KEYS BYTES | unbound NAME
/// ```
///
/// ```
/// use vm_core::Governance;
/// let change: Governance = "contracts call:mint role(minter of org1)".parse()?;
/// assert_eq!(change.to_string().parse::<Governance>()?, change);
/// assert!("enrol org1 admin".parse::<Governance>().unwrap_err().to_string().contains("expected deploy RULE"));
/// # Ok::<(), vm_core::InvalidGovernance>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Governance {
    /// Who deploys.
    Deploy(Rule),
    /// Who governs.
    Administrators(Rule),
    /// What new contracts begin with.
    Contracts(Right, Rule),
    /// Gives a role in an organisation to somebody.
    Enrol {
        /// The organisation.
        organisation: String,
        /// The role.
        role: String,
        /// Who gets it.
        member: Address,
    },
    /// Bounds a contract's state, or bounds it no more. What it has now is counted once, key by key; a write beyond the bound
    /// traps, writes that leave no more than before do not. Contracts with a bound count every write in one place, so
    /// transactions that write to one of them follow each other. An EVM contract's slots are counted at the end of the
    /// transaction, which traps as a whole.
    Room {
        /// The contract.
        contract: ContractName,
        /// The most that it may have.
        room: Option<Room>,
    },
    /// Takes it away.
    Dismiss {
        /// The organisation.
        organisation: String,
        /// The role.
        role: String,
        /// Who loses it.
        member: Address,
    },
}

/// Text that is no change of the host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidGovernance(String);

/// The most characters of a text that an error shows.
const SHOWN: usize = 80;

impl FromStr for Governance {
    type Err = InvalidGovernance;

    fn from_str(text: &str) -> Result<Self, InvalidGovernance> {
        let text = text.trim();
        let (what, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let rest = rest.trim();
        let words: Vec<&str> = rest.split_whitespace().collect();
        let owned = |text: &str| text.to_owned();
        Ok(match (what, &*words) {
            ("deploy", [_, ..]) => Self::Deploy(parsed(rest)?),
            ("administrators", [_, ..]) => Self::Administrators(parsed(rest)?),
            ("contracts", [right, _, ..]) => {
                let rule = rest.strip_prefix(right).unwrap_or_default();
                Self::Contracts(parsed(right)?, parsed(rule.trim())?)
            }
            ("enrol", [organisation, role, member]) => {
                Self::Enrol { organisation: owned(organisation), role: owned(role), member: parsed(member)? }
            }
            ("dismiss", [organisation, role, member]) => {
                Self::Dismiss { organisation: owned(organisation), role: owned(role), member: parsed(member)? }
            }
            ("bound", [contract, keys, bytes]) => {
                let room = Room { keys: number(keys)?, bytes: number(bytes)? };
                Self::Room { contract: parsed(contract)?, room: Some(room) }
            }
            ("unbound", [contract]) => Self::Room { contract: parsed(contract)?, room: None },
            _ => {
                return Err(InvalidGovernance(format!(
                    "'{}' is no change of the host; expected deploy RULE, administrators RULE, contracts RIGHT RULE, enrol or \
                     dismiss ORGANISATION ROLE ADDRESS, bound NAME KEYS BYTES, or unbound NAME",
                    abridged(text, SHOWN)
                )));
            }
        })
    }
}

fn parsed<T: FromStr<Err: fmt::Display>>(text: &str) -> Result<T, InvalidGovernance> {
    text.parse().map_err(|error: T::Err| InvalidGovernance(error.to_string()))
}

fn number(text: &str) -> Result<u64, InvalidGovernance> {
    let invalid = |_| InvalidGovernance(format!("'{}' is no number of keys or bytes", abridged(text, SHOWN)));
    text.parse().map_err(invalid)
}

impl fmt::Display for Governance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deploy(rule) => write!(f, "deploy {rule}"),
            Self::Administrators(rule) => write!(f, "administrators {rule}"),
            Self::Contracts(right, rule) => write!(f, "contracts {right} {rule}"),
            Self::Enrol { organisation, role, member } => write!(f, "enrol {organisation} {role} {member}"),
            Self::Dismiss { organisation, role, member } => write!(f, "dismiss {organisation} {role} {member}"),
            Self::Room { contract, room: Some(Room { keys, bytes }) } => write!(f, "bound {contract} {keys} {bytes}"),
            Self::Room { contract, room: None } => write!(f, "unbound {contract}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_what_their_text_says() {
        let ann = Address::from_name("ann");
        for (text, told) in [
            ("deploy  anyone ", "deploy anyone".to_owned()),
            ("administrators majority(admin of org1, org2)", "administrators majority(admin of org1, org2)".to_owned()),
            ("contracts call:mint owner or role(minter)", "contracts call:mint owner or role(minter)".to_owned()),
            ("enrol org1 admin ann", format!("enrol org1 admin {ann}")),
            ("dismiss org1 admin ann", format!("dismiss org1 admin {ann}")),
            ("bound token 1 2", "bound token 1 2".to_owned()),
            ("unbound token", "unbound token".to_owned()),
        ] {
            let change: Governance = text.parse().unwrap();
            assert_eq!(change.to_string(), told);
            assert_eq!(told.parse::<Governance>().unwrap(), change);
        }
    }

    #[test]
    fn mistakes_say_what_was_expected() {
        let long = "x".repeat(500);
        for (text, why) in [
            ("", "'' is no change of the host; expected deploy RULE, "),
            ("deploy", "'deploy' is no change of the host"),
            ("contracts freeze", "is no change of the host"),
            ("contracts frieze owner", "'frieze' is no right"),
            ("administrators everybody", "'everybody' is no rule"),
            ("enrol org1 admin", "dismiss ORGANISATION ROLE ADDRESS"),
            ("enrol org1 admin 0x1", "0x1"),
            ("bound token 1 -2", "'-2' is no number of keys or bytes"),
            ("bound a/b 1 2", "a/b"),
            (&*long, "xxx…' is no change"),
        ] {
            let error = text.parse::<Governance>().unwrap_err().to_string();
            assert!(error.contains(why) && error.len() < 400, "{text}: {error}");
        }
    }
}
