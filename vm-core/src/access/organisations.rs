use std::collections::{BTreeMap, BTreeSet};

use borsh::{BorshDeserialize, BorshSerialize};

use crate::Address;

/// Who has which role in which organisation: organisation, then role, then members. Those without members do not exist.
#[derive(Debug, Clone, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, serde::Serialize)]
pub struct Organisations(BTreeMap<String, BTreeMap<String, BTreeSet<Address>>>);

/// Text that names no organisation or role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no name of an organisation or role; expected 1 to 64 characters out of a-z A-Z 0-9 . _ -")]
pub struct InvalidGroup(String);

/// Checks the name of an organisation or role.
pub(super) fn check_name(name: &str) -> Result<(), InvalidGroup> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if (1..=64).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(());
    }
    Err(InvalidGroup(name.chars().take(80).collect()))
}

impl Organisations {
    /// Gives a role in an organisation to somebody; false when they have it already.
    ///
    /// # Errors
    /// When the organisation's or the role's name is invalid.
    pub fn enrol(&mut self, organisation: &str, role: &str, member: Address) -> Result<bool, InvalidGroup> {
        check_name(organisation)?;
        check_name(role)?;
        Ok(self.0.entry(organisation.into()).or_default().entry(role.into()).or_default().insert(member))
    }

    /// Takes it away; false when they do not have it.
    pub fn dismiss(&mut self, organisation: &str, role: &str, member: Address) -> bool {
        let Some(roles) = self.0.get_mut(organisation) else { return false };
        let had = roles.get_mut(role).is_some_and(|members| members.remove(&member));
        roles.retain(|_, members| !members.is_empty());
        self.0.retain(|_, roles| !roles.is_empty());
        had
    }

    /// The members of all roles: organisation, role, members.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, &BTreeSet<Address>)> {
        self.0.iter().flat_map(|(organisation, roles)| {
            roles.iter().map(move |(role, members)| (organisation.as_str(), role.as_str(), members))
        })
    }

    /// Those who have a role, by organisation; only in the given ones, unless none is given.
    pub(super) fn holders<'o>(
        &'o self,
        role: &'o str,
        organisations: &'o BTreeSet<String>,
    ) -> impl Iterator<Item = &'o BTreeSet<Address>> {
        let counts = |organisation: &String| organisations.is_empty() || organisations.contains(organisation);
        self.0
            .iter()
            .filter(move |(organisation, _)| counts(organisation))
            .filter_map(move |(_, roles)| roles.get(role))
    }
}
