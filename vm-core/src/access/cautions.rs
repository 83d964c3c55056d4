//! What whoever looks after a contract should know of its rules for methods: those that hold for none of its methods, and methods
//! that are without the rule that new contracts have.

use super::{HostPolicy, Policy, Rule};
use crate::{Contract, ContractRecord, Interface, Journal, StateError, abridged};

/// The most characters that a caution shows of a list of methods.
const LIST: usize = 1_024;

/// The cautions about a contract with this code.
///
/// Methods with rules of their own that the code does not have: one that was renamed is under the rule of all calls now. Methods that
/// the host's policy has rules for, and this contract has not: later code may have brought them. Code that does not describe its methods
/// says nothing of either; where its runtime knows them by that description alone, that is a caution as well.
pub(crate) fn cautions(
    journal: &Journal,
    record: &ContractRecord,
    contract: &dyn Contract,
) -> Result<Vec<String>, StateError> {
    let policy = Policy::of(journal, &record.name, record.policy)?;
    let host = HostPolicy::in_force(journal)?;
    let interface = contract.interface();
    let version = &record.version;
    let mut told = Vec::new();
    if interface.methods().is_empty() {
        let unknown = host.contracts.methods.iter().filter(|(method, rule)| {
            opens(rule, &policy.call) && record.runtime.has_notations() && interface.guards(method).is_err()
        });
        if let Some(list) = listed(unknown) {
            told.push(format!(
                "the host has rules for methods of new contracts by name: {list}; version '{version}' has no ABI that would tell \
                 which functions these are, so they are under the rule of all calls, '{}'",
                policy.call
            ));
        }
        return Ok(told);
    }
    let gone = policy.methods.keys().filter(|method| interface.described(method).is_none());
    let gone = gone.map(String::as_str).collect::<Vec<_>>().join(", ");
    if !gone.is_empty() {
        told.push(format!(
            "the policy has rules for methods that version '{version}' does not have: {}; what they are called now is under the \
             rule of all calls, '{}'",
            abridged(&gone, LIST),
            policy.call
        ));
    }
    let open = host.contracts.methods.iter();
    let open = open.filter(|(method, rule)| opens(rule, &policy.call) && has_without_rule(interface, method, &policy));
    if let Some(list) = listed(open) {
        told.push(format!(
            "the host has rules for methods of new contracts that this contract has without a rule: {list}; here they are under \
             the rule of all calls, '{}', until they are given one (grant)",
            policy.call
        ));
    }
    Ok(told)
}

/// True when somebody may do what a rule forbids, in case that another one stands in its place. Which of two rules permits more is
/// not told but in plain cases.
pub(super) fn opens(rule: &Rule, instead: &Rule) -> bool {
    *rule != Rule::Anyone && *instead != Rule::Nobody && rule != instead
}

/// True when a method is one that the code describes, and the policy has no rule for it.
fn has_without_rule(interface: &dyn Interface, method: &str, policy: &Policy) -> bool {
    let keys = interface.guards(method).unwrap_or_default();
    keys.iter().any(|key| !policy.methods.contains_key(key) && interface.described(key).is_some())
}

/// `mint: owner, burn: role(auditor)`, if there is one.
pub(super) fn listed<'r>(rules: impl Iterator<Item = (&'r String, &'r Rule)>) -> Option<String> {
    let list = rules.map(|(method, rule)| format!("{method}: {rule}")).collect::<Vec<_>>().join(", ");
    (!list.is_empty()).then(|| abridged(&list, LIST))
}
