use super::operation::check_reason;
use super::{Base, phase};
use crate::access::{Question, answer};
use crate::{Changes, ErrorKind, GovernRequest, Governance, HostPolicy, Phase, Refusal, Sender, VmError};

/// load → permission → the new policy → store.
pub(crate) fn govern(base: &Base<'_>, request: &GovernRequest) -> Result<(HostPolicy, Changes), VmError> {
    let GovernRequest { changes, reason, sender } = request;
    let transaction = base.begin(sender);
    let mut policy = phase(Phase::Load, || HostPolicy::load(&transaction.journal))?;
    phase(Phase::Permission, || permit(sender, &policy))?;
    phase(Phase::Store, || {
        check_reason(reason)?;
        for change in changes {
            apply(&mut policy, change)?;
        }
        policy.check()?;
        policy.version = policy.version.saturating_add(1);
        (policy.author, policy.reason, policy.block) = (sender.caller, reason.clone(), transaction.block_number());
        Ok::<_, ErrorKind>(policy.store(&transaction.journal)?)
    })?;
    let changes = phase(Phase::Store, || transaction.finish())?;
    Ok((policy, changes))
}

fn permit(sender: &Sender, policy: &HostPolicy) -> Result<(), Refusal> {
    let question = Question { actor: sender.caller, owner: None, endorsers: &sender.endorsers, host: policy };
    answer(&policy.administrators, &question).map_err(|rule| Refusal::Ungoverned { actor: sender.caller, rule })
}

fn apply(policy: &mut HostPolicy, change: &Governance) -> Result<(), Refusal> {
    match change {
        Governance::Deploy(rule) => policy.deploy = rule.clone(),
        Governance::Administrators(rule) => policy.administrators = rule.clone(),
        Governance::Contracts(right, rule) => policy.contracts.set(right.clone(), rule.clone()),
        Governance::Enrol { organisation, role, member } => policy.organisations.enrol(organisation, role, *member)?,
        Governance::Dismiss { organisation, role, member } => {
            policy.organisations.dismiss(organisation, role, *member);
        }
    }
    Ok(())
}
