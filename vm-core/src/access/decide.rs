//! The answer to the question who may do what.

use std::collections::BTreeSet;

use super::{Access, Action, Denied, HostPolicy, Policy, Question, Rule};
use crate::{Address, Journal, StateError};

/// Asks the policies: the host's for a deployment, version `policy` of the contract's for everything else. Tells whose endorsements
/// counted, but of calls, which are not written down.
pub(crate) fn decide(
    journal: &Journal,
    access: &Access<'_>,
    policy: u32,
    endorsers: &[Address],
) -> Result<Result<BTreeSet<Address>, Denied>, StateError> {
    let is_call = matches!(access.action, Action::Call { .. });
    if is_call && !access.guarded {
        return Ok(Ok(BTreeSet::new()));
    }
    let (host, contract);
    let rule = if access.action == Action::Deploy {
        host = HostPolicy::in_force(journal)?;
        &host.deploy
    } else {
        contract = Policy::of(journal, access.contract, policy)?;
        let rule = contract.rule(access.action);
        host = if rule.asks_the_host() { HostPolicy::in_force(journal)? } else { HostPolicy::usual() };
        rule
    };
    let question = Question { actor: access.actor, owner: access.owner, endorsers, host: &host };
    Ok(match rule.permits(&question) {
        true if is_call => Ok(BTreeSet::new()),
        _ => answer(rule, &question).map_err(|rule| access.denied(rule)),
    })
}

/// Whose endorsements counted, or whom the rule would have let.
pub(crate) fn answer(rule: &Rule, question: &Question<'_>) -> Result<BTreeSet<Address>, String> {
    if rule.permits(question) { Ok(rule.endorsers(question)) } else { Err(rule.explain(question)) }
}
