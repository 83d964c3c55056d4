//! The answer to the question who may do what.

use super::{Access, Action, Denied, HostPolicy, Policy, Question, Rule};
use crate::{Address, Journal, StateError};

/// Asks the policies: the host's for a deployment, version `policy` of the contract's for everything else.
pub(crate) fn decide(
    journal: &Journal,
    access: &Access<'_>,
    policy: u32,
    endorsers: &[Address],
) -> Result<Result<(), Denied>, StateError> {
    let is_call = matches!(access.action, Action::Call { .. });
    if is_call && !access.guarded {
        return Ok(Ok(()));
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
    Ok(answer(rule, &question).map_err(|rule| access.denied(rule)))
}

/// Nothing, or whom the rule would have let.
pub(crate) fn answer(rule: &Rule, question: &Question<'_>) -> Result<(), String> {
    if rule.permits(question) { Ok(()) } else { Err(rule.explain(question)) }
}
