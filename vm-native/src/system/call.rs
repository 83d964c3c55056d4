//! Operations in the form in which `multi_sign` takes them.

use borsh::BorshSerialize;
use vm_core::{Arguments, Change, Code, Governance, GrantRequest, Managed, Right, Room, UpgradeRequest};

use super::Operations;

/// An operation as a call of `contract_manager` or `access_control`: what `multi_sign.propose` takes.
///
/// ```
/// use vm_core::{Change, ChangeRequest, Managed};
/// use vm_native::SystemCall;
///
/// let freeze = Managed::Change(ChangeRequest::new("token".parse()?, Change::Freeze).because("suspicion"));
/// let call = SystemCall::of(&freeze)?;
/// assert_eq!((call.contract, call.method), ("contract_manager", "freeze_contract"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SystemCall {
    /// The system contract that has the operation as a method, by the name that it is linked under.
    pub contract: &'static str,
    /// The method.
    pub method: &'static str,
    /// Its arguments in borsh.
    pub input: Vec<u8>,
}

/// An operation that no method of a system contract says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this cannot be asked for by a transaction: {0}")]
pub struct Unsayable(String);

impl SystemCall {
    /// The call that asks for an operation. Its sender is no part of it: who calls, or proposes, takes its place.
    ///
    /// # Errors
    /// When the operation moves a value, has arguments that are not in the contract's encoding, or options or rules that the
    /// methods' texts cannot hold.
    pub fn of(operation: &Managed) -> Result<Self, Unsayable> {
        if !operation.sender().value.is_zero() {
            return Err(unsayable("it moves a value, and operations of transactions move none"));
        }
        let reason = operation.reason();
        let of = |kind: Operations, method, input| Ok(Self { contract: kind.name(), method, input });
        let contracts = |method, input| of(Operations::Contracts, method, input);
        match operation {
            Managed::Deploy(request) => {
                let Code { runtime, bytes, abi, .. } = &request.code;
                let (name, version) = (request.name.as_str(), request.version.as_str());
                let (abi, options) = (abi.as_deref().unwrap_or_default(), options(&request.code)?);
                let (input, capabilities) = (raw(&request.arguments)?, request.capabilities.to_string());
                let code = (runtime.as_str(), &**bytes, abi, options);
                contracts("deploy_contract", borsh(&((name, version), code, (input, capabilities, reason)))?)
            }
            Managed::Upgrade(request) => {
                let UpgradeRequest { skip_migration, change_runtime, .. } = *request;
                let Code { runtime, bytes, abi, .. } = &request.code;
                let (name, version) = (request.name.as_str(), request.version.as_str());
                let (abi, options) = (abi.as_deref().unwrap_or_default(), options(&request.code)?);
                let how = words([("skip-migration", skip_migration), ("change-runtime", change_runtime)]);
                let code = (runtime.as_str(), &**bytes, abi, options);
                let input = raw(&request.arguments)?;
                contracts("upgrade_contract", borsh(&((name, version), code, (input, how, reason)))?)
            }
            Managed::Migrate(request) => {
                let (name, written_by) = (request.name.as_str(), request.written_by.as_str());
                contracts("migrate_contract", borsh(&(name, written_by, raw(&request.arguments)?, reason))?)
            }
            Managed::Rollback(request) => {
                let (name, version) = (request.name.as_str(), request.version.as_str());
                let input = request.migration.as_ref().map_or(Ok(&[][..]), raw)?;
                let how = words([("migrate", request.migration.is_some()), ("change-runtime", request.change_runtime)]);
                contracts("rollback_contract", borsh(&(name, version, input, how, reason))?)
            }
            Managed::Change(request) => {
                let method = match request.change {
                    Change::Freeze => "freeze_contract",
                    Change::Unfreeze => "unfreeze_contract",
                    Change::Revoke => "revoke_contract",
                };
                contracts(method, borsh(&(request.name.as_str(), reason))?)
            }
            Managed::Grant(request) => {
                let (method, input) = grant(request, reason)?;
                of(Operations::Access, method, input)
            }
            Managed::Govern(request) => {
                let (method, input) = govern(&request.changes, reason)?;
                of(Operations::Access, method, input)
            }
            other => Err(unsayable(&format!("no method says '{other}'"))),
        }
    }
}

fn unsayable(why: &str) -> Unsayable {
    Unsayable(why.to_owned())
}

fn borsh(arguments: &impl BorshSerialize) -> Result<Vec<u8>, Unsayable> {
    borsh::to_vec(arguments).map_err(|error| unsayable(&error.to_string()))
}

/// The arguments in the contract's encoding. None at all are no input, as the methods read it.
fn raw(arguments: &Arguments) -> Result<&[u8], Unsayable> {
    match arguments {
        Arguments::Raw(bytes) => Ok(bytes),
        Arguments::Text(list) if list.is_empty() => Ok(&[]),
        Arguments::Text(_) => Err(unsayable("its arguments have to be in the contract's encoding")),
    }
}

/// `migrate=constructor, params=string`.
fn options(code: &Code) -> Result<String, Unsayable> {
    let pair = |(key, value): (&String, &String)| {
        let plain = |text: &str| text.trim() == text && !text.contains(',');
        match plain(key) && plain(value) && !key.contains('=') {
            true => Ok(format!("{key}={value}")),
            false => Err(unsayable(&format!("the option '{key}' has a comma or spaces that its list would lose"))),
        }
    };
    Ok(code.options.iter().map(pair).collect::<Result<Vec<_>, _>>()?.join(", "))
}

/// Those words that hold.
fn words<const N: usize>(words: [(&str, bool); N]) -> String {
    words.iter().filter(|(_, holds)| *holds).map(|(word, _)| *word).collect::<Vec<_>>().join(", ")
}

fn grant(request: &GrantRequest, reason: &str) -> Result<(&'static str, Vec<u8>), Unsayable> {
    let name = request.name.as_str();
    match &*request.rules {
        [(right, Some(rule))] => Ok(("grant", borsh(&(name, right.to_string(), rule.to_string(), reason))?)),
        [(Right::Method(method), None)] => Ok(("clear", borsh(&(name, method, reason))?)),
        rules => {
            let one = |(right, rule): &(Right, Option<_>)| {
                let right = right.to_string();
                let is_plain = right.trim() == right && !right.contains('=');
                listed(rule.as_ref().map_or(right.clone(), |rule| format!("{right} = {rule}")), is_plain)
            };
            let rules = rules.iter().map(one).collect::<Result<Vec<_>, _>>()?.join("; ");
            Ok(("grant_all", borsh(&(name, rules, reason))?))
        }
    }
}

/// A part of a list with semicolons, if it is read as what it is.
fn listed(part: String, is_plain: bool) -> Result<String, Unsayable> {
    match is_plain && !part.contains(';') {
        true => Ok(part),
        false => Err(unsayable(&format!("'{part}' has characters that divide the list of changes; ask for it alone"))),
    }
}

fn govern(changes: &[Governance], reason: &str) -> Result<(&'static str, Vec<u8>), Unsayable> {
    Ok(match changes {
        [Governance::Deploy(rule)] => ("deploy", borsh(&(rule.to_string(), reason))?),
        [Governance::Administrators(rule)] => ("administrators", borsh(&(rule.to_string(), reason))?),
        [Governance::Contracts(right, rule)] => ("contracts", borsh(&(right.to_string(), rule.to_string(), reason))?),
        [Governance::Enrol { organisation, role, member }] => ("enrol", borsh(&(organisation, role, member, reason))?),
        [Governance::Dismiss { organisation, role, member }] => {
            ("dismiss", borsh(&(organisation, role, member, reason))?)
        }
        [Governance::Room { contract, room: Some(Room { keys, bytes }) }] => {
            ("bound", borsh(&(contract.as_str(), keys, bytes, reason))?)
        }
        [Governance::Room { contract, room: None }] => ("unbound", borsh(&(contract.as_str(), reason))?),
        changes => {
            let all = changes.iter().map(|change| {
                let text = change.to_string();
                let is_plain = text.parse().as_ref() == Ok(change);
                listed(text, is_plain)
            });
            ("govern_all", borsh(&(all.collect::<Result<Vec<_>, _>>()?.join("; "), reason))?)
        }
    })
}
