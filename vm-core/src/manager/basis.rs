//! What an operation is decided on, so that it can be told later whether that is still so.

use crate::transaction::Transaction;
use crate::{Basis, ContractName, ContractRecord, Gas, Governance, HostPolicy, Managed, Policy, StateError};

/// What an operation builds on now, and what reading that costs.
pub(crate) fn basis(transaction: &Transaction<'_>, operation: &Managed) -> Result<(Basis, Gas), StateError> {
    let (journal, prices) = (&transaction.journal, &transaction.core.schedule.host);
    let (mut basis, mut price) = (Basis { contracts: Vec::new(), policy: None }, Gas::ZERO);
    let mut by_the_host = match operation {
        Managed::Deploy(_) | Managed::Govern(_) => true,
        Managed::Upgrade(request) => request.skip_migration,
        _ => false,
    };
    for name in contracts(operation) {
        let record = ContractRecord::load(journal, name)?;
        if let (Some(record), Some(action)) = (&record, operation.action()) {
            let policy = Policy::load(journal, name, record.policy)?;
            price = price.saturating_add(prices.put.of(policy.length()));
            // Whom its rule lets may change with the host's people.
            by_the_host |= policy.rule(action).asks_the_host();
        }
        price = price.saturating_add(prices.get.of(record.as_ref().map_or(0, ContractRecord::size)));
        basis.contracts.push((name.clone(), record.map_or(0, |record| record.entries)));
    }
    if by_the_host {
        let host = HostPolicy::load(journal)?;
        price = price.saturating_add(prices.put.of(host.size()));
        basis.policy = Some(host.version);
    }
    Ok((basis, price))
}

/// The contracts that an operation is about.
fn contracts(operation: &Managed) -> impl Iterator<Item = &ContractName> {
    let changes = match operation {
        Managed::Govern(request) => &*request.changes,
        _ => &[],
    };
    let bounded = changes.iter().filter_map(|change| match change {
        Governance::Room { contract, .. } => Some(contract),
        _ => None,
    });
    operation.name().filter(|_| changes.is_empty()).into_iter().chain(bounded)
}
