use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::manager::check_reason;
use crate::{
    Action, Arguments, ChangeRequest, Code, ContractName, DeployRequest, GovernRequest, Governance, GrantRequest,
    MigrateRequest, Operation, Outcome, Refusal, RollbackRequest, Sender, UpgradeRequest, abridged,
};

/// What became of a change of rules, roles or bounds that was permitted.
///
/// Asking for what is so already is no error, so that what asks can be run again. It is no operation either: when nothing
/// changed, nothing was written, neither a version of a policy nor an entry of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Regulated<T> {
    /// What is in force now.
    pub now: T,
    /// False when it was in force before.
    pub changed: bool,
    /// What was asked for and was so already, in words, such as `the rule of freeze is 'owner' already`. The rest was done.
    pub already: Vec<String>,
}

/// What became of an operation that a contract asked for.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Operated {
    /// Success, or a revert that says what refused it, or how the contract failed whose code was entered.
    pub outcome: Outcome,
    /// False when it was refused or failed, and when what was asked for was so already.
    pub changed: bool,
    /// What whoever asked for it should look at: as [`Receipt::warnings`](crate::Receipt::warnings), and what was so already.
    pub warnings: Vec<String>,
}

impl Operated {
    /// An operation that ended so, without more to say.
    #[must_use]
    pub const fn new(outcome: Outcome) -> Self {
        let changed = outcome.status.is_success();
        Self { outcome, changed, warnings: Vec::new() }
    }

    /// The same with warnings.
    #[must_use]
    pub fn warning(self, warnings: Vec<String>) -> Self {
        Self { warnings, ..self }
    }
}

/// An operation on a contract or on the host: everything that can be asked for but calls.
///
/// A contract can ask for it inside its own transaction, too; see [`TransactionHost::manage`](crate::TransactionHost::manage). Of the
/// sender count the caller and the endorsers then; there is no value, and gas and block are those of the transaction.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Managed {
    /// A deployment.
    Deploy(DeployRequest),
    /// An upgrade.
    Upgrade(UpgradeRequest),
    /// A migration by itself.
    Migrate(MigrateRequest),
    /// A rollback.
    Rollback(RollbackRequest),
    /// Freeze, unfreeze, revoke.
    Change(ChangeRequest),
    /// Another policy for a contract.
    Grant(GrantRequest),
    /// Another policy for the host.
    Govern(GovernRequest),
}

/// What somebody has in view who decides on an operation: to be kept with the decision, and compared when it is carried out.
///
/// A contract's history has one more entry after each operation on it, also after one on its policy; so contracts of which
/// this is equal are the same as they were but for what calls have done.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Basis {
    /// The contracts that the operation is about, with the entries of their histories; none where there is no contract yet.
    pub contracts: Vec<(ContractName, u64)>,
    /// The version of the host's policy, where that has the rule: for deployments, changes of the host, and migrations that are
    /// skipped.
    pub policy: Option<u32>,
}

impl Basis {
    /// Says what has changed since, if something has. `now` is what the same operation builds on later.
    pub fn overtaken(&self, now: &Self) -> Option<String> {
        let contracts = self.contracts.iter().zip(&now.contracts);
        let changed = contracts.filter(|(then, now)| then != now).map(|((name, then), (_, now))| match then {
            0 => format!("contract '{name}' has been deployed since"),
            then => format!("the history of contract '{name}' had {then} entries then, and has {now} now"),
        });
        let governed = match (self.policy, now.policy) {
            (Some(then), Some(now)) if then != now => {
                Some(format!("the host's policy had version {then} then, and has version {now} now"))
            }
            _ => None,
        };
        let told: Vec<_> = changed.chain(governed).collect();
        (self != now).then(|| told.join("; "))
    }
}

/// What all requests have, of whichever it is.
macro_rules! of_any {
    ($managed:expr, $request:ident => $part:expr) => {
        match $managed {
            Managed::Deploy($request) => $part,
            Managed::Upgrade($request) => $part,
            Managed::Migrate($request) => $part,
            Managed::Rollback($request) => $part,
            Managed::Change($request) => $part,
            Managed::Grant($request) => $part,
            Managed::Govern($request) => $part,
        }
    };
}

impl Managed {
    /// Which contract it is about; none for the host. To bound the state of one contract, and no more, is about that one.
    pub fn name(&self) -> Option<&ContractName> {
        match self {
            Self::Deploy(request) => Some(&request.name),
            Self::Upgrade(request) => Some(&request.name),
            Self::Migrate(request) => Some(&request.name),
            Self::Rollback(request) => Some(&request.name),
            Self::Change(request) => Some(&request.name),
            Self::Grant(request) => Some(&request.name),
            Self::Govern(request) => match &*request.changes {
                [Governance::Room { contract, .. }] => Some(contract),
                _ => None,
            },
        }
    }

    /// What it wants to do with a contract; none for the host.
    pub fn action(&self) -> Option<Action<'static>> {
        match self {
            Self::Deploy(_) => Some(Action::Deploy),
            Self::Upgrade(_) => Some(Action::Upgrade),
            Self::Migrate(_) => Some(Action::Migrate),
            Self::Rollback(_) => Some(Action::Rollback),
            Self::Change(request) => Some(Action::Change(request.change)),
            Self::Grant(_) => Some(Action::Grant),
            Self::Govern(_) => self.name().map(|_| Action::Room),
        }
    }

    /// Who does it, and who endorses it.
    pub const fn sender(&self) -> &Sender {
        of_any!(self, request => &request.sender)
    }

    /// Refuses what no host does in any state, so that it is not collected approvals for: a reason that is too long.
    ///
    /// # Errors
    /// When it is.
    pub fn check(&self) -> Result<(), Refusal> {
        check_reason(self.reason())
    }

    /// Why, in the sender's words.
    pub fn reason(&self) -> &str {
        of_any!(self, request => &request.reason)
    }

    /// Sets who does it, and who endorses it.
    #[must_use]
    pub fn by(mut self, sender: Sender) -> Self {
        *of_any!(&mut self, request => &mut request.sender) = sender;
        self
    }
}

/// What it would do, in words, such as `upgrade contract 'token' to version '2' (wasm code 5f…)`: for those who are to approve it. Rules,
/// arguments and options are told up to a bound, and end in `…` beyond it; who does it and why are not part of it.
impl fmt::Display for Managed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deploy(DeployRequest { name, version, code, arguments, capabilities, .. }) => {
                let told = told_code(code, arguments);
                write!(f, "deploy contract '{name}', version '{version}' ({told}), which may use {capabilities}")
            }
            Self::Upgrade(request) => {
                let UpgradeRequest { name, version, code, arguments, skip_migration, change_runtime, .. } = request;
                write!(f, "upgrade contract '{name}' to version '{version}' ({})", told_code(code, arguments))?;
                f.write_str(if *skip_migration { " without its migration" } else { "" })?;
                f.write_str(if *change_runtime { ", on whichever runtime" } else { "" })
            }
            Self::Migrate(MigrateRequest { name, written_by, arguments, .. }) => {
                write!(f, "migrate contract '{name}' from version '{written_by}'{}", told_arguments(arguments))
            }
            Self::Rollback(RollbackRequest { name, version, migration, change_runtime, .. }) => {
                write!(f, "roll contract '{name}' back to version '{version}'")?;
                if let Some(arguments) = migration {
                    write!(f, " with migration{}", told_arguments(arguments))?;
                }
                f.write_str(if *change_runtime { ", on whichever runtime" } else { "" })
            }
            Self::Change(ChangeRequest { name, change, .. }) => {
                write!(f, "{} contract '{name}'", Operation::from(*change))
            }
            Self::Grant(GrantRequest { name, rules, .. }) => {
                let rules = rules.iter().map(|(right, rule)| match rule {
                    Some(rule) => format!("{right} = {rule}"),
                    None => format!("{right} loses its rule"),
                });
                write!(f, "change the policy of contract '{name}': {}", list(rules))
            }
            Self::Govern(GovernRequest { changes, .. }) => {
                write!(f, "change the host: {}", list(changes.iter().map(Governance::to_string)))
            }
        }
    }
}

/// The most characters of a list of changes, and of arguments, in words.
const LIST: usize = 8_192;
const ARGUMENTS: usize = 256;

fn list(changes: impl Iterator<Item = String>) -> String {
    abridged(&changes.collect::<Vec<_>>().join("; "), LIST)
}

/// `wasm code 5f…, options params=string, arguments 1000`.
fn told_code(code: &Code, arguments: &Arguments) -> String {
    let mut told = format!("{} code {}", code.runtime, code.hash());
    if !code.options.is_empty() {
        let options = code.options.iter().map(|(key, value)| format!("{key}={value}"));
        told = format!("{told}, options {}", abridged(&options.collect::<Vec<_>>().join(", "), ARGUMENTS));
    }
    told + &told_arguments(arguments)
}

fn told_arguments(arguments: &Arguments) -> String {
    let told = match arguments {
        arguments if arguments.is_empty() => return String::new(),
        Arguments::Raw(bytes) => format!("input 0x{}", hex::encode(bytes)),
        Arguments::Text(list) => {
            let named = list.iter().map(|argument| match &argument.name {
                Some(name) => format!("{name}={}", argument.value),
                None => argument.value.clone(),
            });
            format!("arguments {}", named.collect::<Vec<_>>().join(", "))
        }
    };
    format!(", {}", abridged(&told, ARGUMENTS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Change, Right, RuntimeKind};

    #[test]
    fn operations_are_told_in_words() {
        let (name, two): (ContractName, _) = ("token".parse().unwrap(), "2".parse().unwrap());
        let code = Code::new(RuntimeKind::Wasm, vec![1]).with_option("params", "string");
        let hash = code.hash();
        let upgrade = UpgradeRequest::new(name.clone(), two, code).args(["5"]).arg("to", "bob").skip_migration();
        let grant = GrantRequest::new(name.clone()).set(Right::Freeze, "owner".parse().unwrap()).clear("mint");
        let govern = GovernRequest::new("unbound a".parse().unwrap()).and("deploy nobody".parse().unwrap());
        let back = RollbackRequest::new(name.clone(), "1".parse().unwrap());
        let long = back.clone().migrate(Arguments::Raw(vec![7; 10_000].into())).change_runtime();
        for (operation, told) in [
            (
                Managed::Upgrade(upgrade),
                format!(
                    "upgrade contract 'token' to version '2' (wasm code {hash}, options params=string, arguments 5, to=bob) without its \
                     migration"
                ),
            ),
            (
                Managed::Grant(grant),
                "change the policy of contract 'token': freeze = owner; call:mint loses its rule".into(),
            ),
            (Managed::Govern(govern), "change the host: unbound a; deploy nobody".into()),
            (Managed::Change(ChangeRequest::new(name, Change::Revoke)), "revoke contract 'token'".into()),
            (Managed::Rollback(back), "roll contract 'token' back to version '1'".into()),
        ] {
            assert_eq!(operation.to_string(), told);
        }
        let told = Managed::Rollback(long).to_string();
        assert!(told.contains(" with migration, input 0x0707") && told.ends_with("…, on whichever runtime"), "{told}");
        assert!(told.len() < 400, "{told}");
    }
}
