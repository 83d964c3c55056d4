//! Methods as policies know them, by the runtimes and contracts that have them.

use std::collections::BTreeMap;

use super::cautions::{listed, opens};
use super::{Policy, Right, Rule};
use crate::core::Core;
use crate::{Contract, Refusal, RuntimeKind, abridged};

impl Core {
    /// Refuses rules for new contracts that no runtime could keep, and two rules for one method.
    pub(crate) fn check_methods(&self, policy: &Policy) -> Result<(), Refusal> {
        let refuse = |method: &str, why: String| Err(Refusal::Method { method: shown(method), why });
        let mut known: Vec<_> = self.providers().map(|provider| (provider, BTreeMap::new())).collect();
        for (method, rule) in &policy.methods {
            let mut fits = false;
            for (provider, known) in &mut known {
                for key in provider.guards(method).into_iter().flatten() {
                    fits = true;
                    match known.insert(key, (method, rule)) {
                        Some((other, before)) if before != rule => {
                            return refuse(
                                method,
                                format!("'{}' is another name of it, with another rule", shown(other)),
                            );
                        }
                        _ => {}
                    }
                }
            }
            if !fits {
                // Runtimes of the kind would know; where there is none, it is not for this machine to say.
                let mut kinds = RuntimeKind::ALL.into_iter().filter(|kind| kind.has_notations() != is_name(method));
                if let Some(kind) = kinds.clone().next().filter(|_| kinds.all(|kind| self.runtime(kind).is_err())) {
                    return Err(Refusal::NoRuntime(kind));
                }
                let why = "no contract of this host's runtimes can have it; give a name, for an evm contract a signature such as \
                           transfer(address,uint256) or a selector";
                return refuse(method, why.into());
            }
        }
        Ok(())
    }

    /// The policy that a new contract begins with: the rules of methods as its calls are known by. Where several fit, the one
    /// for a signature or selector counts before the one for a name. Rules that fit no method of its runtime are left out.
    ///
    /// A rule for a name that may be one of the contract's methods, and nobody can tell which, cannot be kept: the deployment is
    /// refused, unless those that it is for may do no more without it. Then that is told beside the policy.
    pub(crate) fn first_policy(
        &self,
        runtime: RuntimeKind,
        contract: &dyn Contract,
        host: &Policy,
    ) -> Result<(Policy, Option<String>), Refusal> {
        let mut policy = Policy { methods: BTreeMap::new(), ..host.clone() };
        // A method that only later versions have is under its rule, too.
        let later = |method: &str| self.runtime(runtime).ok()?.guards(method);
        let interface = contract.interface();
        let is_undescribed = runtime.has_notations() && interface.methods().is_empty();
        let mut lost = Vec::new();
        // Those for names first: what comes later replaces them.
        let (names, exact): (Vec<_>, Vec<_>) = host.methods.iter().partition(|(method, _)| is_name(method));
        for (method, rule) in names.into_iter().chain(exact) {
            let keys = interface.guards(method).ok().or_else(|| later(method));
            if keys.is_none() && is_undescribed && is_name(method) && *rule != host.call {
                if opens(rule, &host.call) {
                    let why = format!(
                        "the host's policy has '{}' for this name in new contracts, and without an ABI nobody can tell which \
                         functions of this one have it; deploy it with its ABI, or have the host's rule given by signature or \
                         selector",
                        shown_rule(rule)
                    );
                    return Err(Refusal::Method { method: shown(method), why });
                }
                lost.push((method, rule));
            }
            for key in keys.into_iter().flatten() {
                policy.set(Right::Method(key), rule.clone());
            }
        }
        let lost = listed(lost.into_iter()).map(|list| {
            format!(
                "without an ABI nobody can tell which functions the host's rules by name are for: {list}; they are under the rule \
                 of all calls, '{}'",
                host.call
            )
        });
        Ok((policy, lost))
    }
}

/// True for a bare name, which stands for all its overloads; a signature has a parenthesis, a selector begins as hex does.
fn is_name(method: &str) -> bool {
    !method.contains('(') && !method.starts_with("0x")
}

/// The most characters that a message shows of a name, and of a rule: enough for a dozen accounts.
const NAME: usize = 80;
const RULE: usize = 1_024;

/// A method's name, or another one that somebody gave, in a message.
pub(crate) fn shown(method: &str) -> String {
    abridged(method, NAME)
}

/// A rule in a message.
pub(crate) fn shown_rule(rule: &Rule) -> String {
    abridged(&rule.to_string(), RULE)
}

/// What is said of a rule that a right has already.
pub(crate) fn ruled(right: &str, rule: &Rule) -> String {
    format!("the rule of {} is '{}' already", shown(right), shown_rule(rule))
}
