//! The section `vm.access`: who may do what in a new state.

use vm_core::{HostPolicy, Policy, Right, Rule};

use super::Mistake;
use super::document::{Node, Value};
use super::section::{Mistakes, Section, wrong_type};
use super::value;

/// Reads the section into a policy.
pub(super) fn read(section: Section<'_>, policy: &mut HostPolicy, mistakes: &mut Mistakes) {
    section.expect_keys(&["deploy", "administrators", "contracts", "organisations"], mistakes, |key| {
        let moved = key.parse::<Right>().is_ok();
        moved.then(|| format!("it belongs under `contracts`: `vm.access.contracts.{key}`"))
    });
    if let Some(deploy) = section.get("deploy", mistakes, rule) {
        policy.deploy = deploy;
    }
    if let Some(administrators) = section.get("administrators", mistakes, rule) {
        policy.administrators = administrators;
    }
    if let Some(contracts) = section.get("contracts", mistakes, Section::of) {
        rights(contracts, &mut policy.contracts, mistakes);
    }
    if let Some(organisations) = section.get("organisations", mistakes, Section::of) {
        for organisation in organisations.entries() {
            if let Some(roles) = mistakes.note(Section::of(&organisation.node, &organisation.key)) {
                enrol(&organisation.key, roles, policy, mistakes);
            }
        }
    }
    if let Err(refusal) = policy.check() {
        mistakes.0.push(Mistake::at(section.at, refusal.to_string()));
    }
}

fn rule(node: &Node, key: &str) -> Result<Rule, Mistake> {
    value::text(node, key)?.parse().map_err(|error| Mistake::at(node.at, format!("{error}")))
}

fn rights(section: Section<'_>, policy: &mut Policy, mistakes: &mut Mistakes) {
    for entry in section.entries() {
        let right = entry.key.parse::<Right>().map_err(|error| Mistake::at(entry.at, error.to_string()));
        let (right, rule) = (mistakes.note(right), mistakes.note(rule(&entry.node, &entry.key)));
        if let (Some(right), Some(rule)) = (right, rule) {
            policy.set(right, rule);
        }
    }
}

/// The members of an organisation: a list of accounts for each role.
fn enrol(organisation: &str, roles: Section<'_>, policy: &mut HostPolicy, mistakes: &mut Mistakes) {
    for role in roles.entries() {
        let Value::List(members) = &role.node.value else {
            let expected = "a list of accounts such as [\"alice\", \"bob\"]";
            mistakes.0.push(wrong_type(&role.node, &role.key, expected));
            continue;
        };
        for member in members {
            let enrolled = value::text(member, &role.key).and_then(|account| {
                let account = account.parse().map_err(|error| Mistake::at(member.at, format!("{error}")))?;
                let enrolled = policy.organisations.enrol(organisation, &role.key, account);
                enrolled.map_err(|error| Mistake::at(role.at, error.to_string()))
            });
            mistakes.note(enrolled);
        }
    }
}
