use super::operation::{Actor, Note, approach, check_reason, write_down};
use super::{Base, phase};
use crate::access::selector_of;
use crate::transaction::Transaction;
use crate::{
    Action, Changes, ContractRecord, GrantRequest, Operation, Phase, Policy, Refusal, Right, RuntimeKind, Situation,
    VmError,
};

/// The most methods that have a rule of their own.
const METHODS: usize = 256;

/// A change of a policy as a transaction of its own.
pub(crate) fn grant(base: &Base<'_>, request: &GrantRequest) -> Result<(ContractRecord, Changes), VmError> {
    let transaction = base.begin(&request.sender);
    let record = regulate(&transaction, &Actor::sending(&request.sender), request)?;
    let changes = phase(Phase::Store, || transaction.finish())?;
    Ok((record, changes))
}

/// load → permission → the new policy → store.
pub(super) fn regulate(
    transaction: &Transaction<'_>,
    actor: &Actor<'_>,
    request: &GrantRequest,
) -> Result<ContractRecord, VmError> {
    let GrantRequest { name, rules, reason, .. } = request;
    let mut record = approach(transaction, actor, name, Action::Grant)?;
    phase(Phase::Store, || {
        check_reason(reason)?;
        let before = Situation::from(&record);
        let mut policy = Policy::load(&transaction.journal, name, record.policy)?;
        for (right, rule) in rules {
            match (known_as(right, record.runtime)?, rule) {
                (right, Some(rule)) => policy.set(right, rule.clone()),
                (Right::Method(method), None) => drop(policy.methods.remove(&method)),
                (_, None) => return Err(Refusal::Policy("only the rule of a method can be taken back").into()),
            }
        }
        if policy.methods.len() > METHODS {
            return Err(
                Refusal::Policy("more than 256 methods have a rule of their own; use the rule of all calls").into()
            );
        }
        (record.policy, record.guarded) = (record.policy.saturating_add(1), policy.guards_calls());
        policy.store(&transaction.journal, name, record.policy)?;
        write_down(transaction, actor, &mut record, Note::of(Operation::Grant, reason, Some(before)))
    })?;
    Ok(record)
}

/// A right with its method as calls are known by.
fn known_as(right: &Right, runtime: RuntimeKind) -> Result<Right, Refusal> {
    let Right::Method(method) = right else { return Ok(right.clone()) };
    let is_selector = method.len() == 10 && method.starts_with("0x");
    match runtime {
        RuntimeKind::Evm if is_selector => Ok(Right::Method(method.to_ascii_lowercase())),
        RuntimeKind::Evm if method.ends_with(')') => Ok(Right::Method(selector_of(method))),
        RuntimeKind::Evm => {
            Err(Refusal::Policy("name an evm method by signature, as transfer(address,uint256), or by selector"))
        }
        _ => Ok(right.clone()),
    }
}
