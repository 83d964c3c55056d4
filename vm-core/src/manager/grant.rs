use super::operation::{Actor, approach, write_down};
use super::{Base, phase};
use crate::access::{METHODS, ruled, shown};
use crate::transaction::Transaction;
use crate::{
    Action, Changes, ContractRecord, ErrorKind, GrantRequest, Operation, Phase, Policy, Refusal, Regulated, Right,
    Rule, VmError,
};

/// A change of a policy as a transaction of its own.
pub(crate) fn grant(base: &Base<'_>, request: &GrantRequest) -> Result<(Regulated<ContractRecord>, Changes), VmError> {
    let transaction = base.begin(&request.sender);
    let regulated = regulate(&transaction, &Actor::sending(&request.sender), request)?;
    let changes = phase(Phase::Store, || transaction.finish())?;
    Ok((regulated, changes))
}

/// load → permission → the new policy → store, unless it is the one that there is.
pub(super) fn regulate(
    transaction: &Transaction<'_>,
    actor: &Actor<'_>,
    request: &GrantRequest,
) -> Result<Regulated<ContractRecord>, VmError> {
    let GrantRequest { name, rules, reason, .. } = request;
    let approached = approach(transaction, actor, name, Action::Grant)?;
    let note = approached.note(Operation::Grant, reason);
    let (mut record, mut already) = (approached.record, Vec::new());
    let changed = phase(Phase::Store, || {
        if rules.is_empty() {
            return Err(Refusal::Policy("no change of the contract's policy is asked for; name a rule").into());
        }
        let mut policy = Policy::load(&transaction.journal, name, record.policy)?;
        let old = policy.clone();
        for (right, rule) in rules {
            match (right, rule) {
                (Right::Method(method), rule) => {
                    already.extend(regulate_method(transaction, &record, &mut policy, method, rule.as_ref())?);
                }
                (right, Some(rule)) => {
                    if !policy.set(right.clone(), rule.clone()) {
                        already.push(ruled(&right.to_string(), rule));
                    }
                }
                (_, None) => return Err(Refusal::Policy("only the rule of a method can be taken back").into()),
            }
        }
        if policy == old {
            return Ok(false);
        }
        if policy.methods.len() > METHODS.max(old.methods.len()) {
            return Err(
                Refusal::Policy("more than 256 methods have a rule of their own; use the rule of all calls").into()
            );
        }
        policy.check_size(Some(&old))?;
        (record.policy, record.guarded) = (record.policy.saturating_add(1), policy.guards_calls());
        policy.store(&transaction.journal, name, record.policy)?;
        write_down(transaction, actor, &mut record, note)?;
        Ok::<_, ErrorKind>(true)
    })?;
    Ok(Regulated { now: record, changed, already })
}

/// Sets or takes back the rule of a method, as the contract's interface knows it. Says what was so already.
fn regulate_method(
    transaction: &Transaction<'_>,
    record: &ContractRecord,
    policy: &mut Policy,
    method: &str,
    rule: Option<&Rule>,
) -> Result<Option<String>, ErrorKind> {
    let (_, contract) = transaction.ready(Some(record))?;
    let named = contract.interface().guards(method);
    let refuse = |why: String| Err(Refusal::Method { method: shown(method), why }.into());
    match (rule, named) {
        (Some(rule), Ok(methods)) => {
            // One name may stand for several.
            let mut changed = false;
            for method in methods {
                changed |= policy.set(Right::Method(method), rule.clone());
            }
            Ok((!changed).then(|| ruled(&format!("call:{method}"), rule)))
        }
        (Some(_), Err(error)) => refuse(error.to_string()),
        (None, named) => {
            // Also the rule of a method that the contract does not have any more.
            let methods = named.as_deref().unwrap_or_default();
            let before = policy.methods.len();
            policy.methods.retain(|known, _| known != method && !methods.contains(known));
            match named {
                _ if policy.methods.len() < before => Ok(None),
                Ok(_) => Ok(Some(format!("method '{}' has no rule of its own", shown(method)))),
                Err(error) => refuse(format!("{error}; nor has it a rule of its own that could be taken back")),
            }
        }
    }
}
