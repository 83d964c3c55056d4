//! Whose endorsement an operation asks for, before it is asked for itself.

use super::phase;
use crate::access::shown_rule;
use crate::core::Core;
use crate::transaction::Transaction;
use crate::{Action, Address, Gas, HostPolicy, Managed, Phase, Policy, Rule, VmError};

/// Nothing when somebody's endorsement would count for one of the rules that an operation is under, or why it would not; and what
/// reading the policies costs.
pub(crate) fn endorsable(
    transaction: &Transaction<'_>,
    operation: &Managed,
    endorser: Address,
) -> Result<(Result<(), String>, Gas), VmError> {
    let (journal, prices) = (&transaction.journal, &transaction.core.schedule.host);
    let host = phase(Phase::Load, || HostPolicy::load(journal))?;
    let mut price = prices.put.of(host.size());
    let mut rules: Vec<Rule> = Vec::new();
    match operation {
        Managed::Deploy(_) => rules.push(host.deploy.clone()),
        Managed::Govern(_) => rules.push(Rule::Administrators),
        Managed::Upgrade(_) | Managed::Migrate(_) | Managed::Rollback(_) | Managed::Change(_) | Managed::Grant(_) => {
            // All of them are about a contract.
            let Some((name, action)) = operation.name().zip(operation.action()) else { return Ok((Ok(()), price)) };
            let record = phase(Phase::Load, || Core::load(journal, name))?;
            let policy = phase(Phase::Load, || Policy::load(journal, name, record.policy))?;
            price = price.saturating_add(prices.put.of(policy.length()));
            let skips = matches!(operation, Managed::Upgrade(request) if request.skip_migration);
            rules.push(policy.rule(if skips { Action::SkipMigration } else { action }).clone());
        }
    }
    if rules.iter().any(|rule| rule.counts(&endorser, &host)) {
        return Ok((Ok(()), price));
    }
    let rules: Vec<_> = rules.iter().map(shown_rule).collect();
    Ok((Err(format!("the rule '{}' does not ask for the endorsement of {endorser}", rules.join("' and '"))), price))
}
