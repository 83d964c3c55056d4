//! Operations as calls: a method and its arguments in borsh.

use borsh::BorshDeserialize;
use vm_core::{
    Address, Arguments, Change, ChangeRequest, Code, ContractName, DeployRequest, GovernRequest, Governance,
    GrantRequest, Managed, MigrateRequest, Right, RollbackRequest, Room, Rule, UpgradeRequest, Version,
};

/// The two kinds of operations, each of which is a system contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operations {
    Contracts,
    Access,
}

impl Operations {
    /// The name of the contract that is linked in.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Contracts => "contract_manager",
            Self::Access => "access_control",
        }
    }

    /// By the name of its contract.
    pub(super) fn named(name: &str) -> Result<Self, String> {
        [Self::Contracts, Self::Access].into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
            format!("'{name}' has no operations that can be proposed; expected contract_manager or access_control")
        })
    }

    /// The methods.
    pub(crate) const fn interface(self) -> &'static str {
        match self {
            Self::Contracts => {
                "deploy_contract(name: string, version: string, runtime: string, code: bytes, abi: string, options: string, input: bytes, capabilities: string, reason: string)
                 upgrade_contract(name: string, version: string, runtime: string, code: bytes, abi: string, options: string, input: bytes, how: string, reason: string)
                 migrate_contract(name: string, written_by: string, input: bytes, reason: string)
                 rollback_contract(name: string, version: string, input: bytes, how: string, reason: string)
                 freeze_contract(name: string, reason: string)
                 unfreeze_contract(name: string, reason: string)
                 revoke_contract(name: string, reason: string)"
            }
            Self::Access => {
                "grant(name: string, right: string, rule: string, reason: string)
                 clear(name: string, method: string, reason: string)
                 grant_all(name: string, rules: string, reason: string)
                 deploy(rule: string, reason: string)
                 administrators(rule: string, reason: string)
                 contracts(right: string, rule: string, reason: string)
                 enrol(organisation: string, role: string, member: address, reason: string)
                 dismiss(organisation: string, role: string, member: address, reason: string)
                 bound(name: string, keys: u64, bytes: u64, reason: string)
                 unbound(name: string, reason: string)
                 govern_all(changes: string, reason: string)"
            }
        }
    }

    /// The operation that a call asks for, by nobody yet.
    ///
    /// # Errors
    /// When there is no such method, or an argument is none of its kind: which, and what was expected.
    pub(super) fn decode(self, method: &str, input: &[u8]) -> Result<Managed, String> {
        match (self, method) {
            (Self::Contracts, "deploy_contract") => deploy(arguments(input)?),
            (Self::Contracts, "upgrade_contract") => upgrade(arguments(input)?),
            (Self::Contracts, "migrate_contract") => {
                let (contract, written_by, input, reason): (String, String, Vec<u8>, String) = arguments(input)?;
                let request = MigrateRequest::new(name(&contract)?, parsed::<Version>(&written_by)?);
                Ok(Managed::Migrate(request.arguments(raw(input)).because(reason)))
            }
            (Self::Contracts, "rollback_contract") => rollback(arguments(input)?),
            (Self::Contracts, "freeze_contract") => change(Change::Freeze, arguments(input)?),
            (Self::Contracts, "unfreeze_contract") => change(Change::Unfreeze, arguments(input)?),
            (Self::Contracts, "revoke_contract") => change(Change::Revoke, arguments(input)?),
            (Self::Access, "grant") => {
                let (contract, right, rule, reason): (String, String, String, String) = arguments(input)?;
                let request = GrantRequest::new(name(&contract)?).set(parsed::<Right>(&right)?, parsed::<Rule>(&rule)?);
                Ok(Managed::Grant(request.because(reason)))
            }
            (Self::Access, "clear") => {
                let (contract, method, reason): (String, String, String) = arguments(input)?;
                Ok(Managed::Grant(GrantRequest::new(name(&contract)?).clear(method).because(reason)))
            }
            (Self::Access, "grant_all") => grant_all(arguments(input)?),
            (Self::Access, "govern_all") => {
                let (changes, reason): (String, String) = arguments(input)?;
                let changes = parts(&changes).map(parsed::<Governance>).collect::<Result<_, String>>()?;
                Ok(Managed::Govern(GovernRequest { changes, ..GovernRequest::default() }.because(reason)))
            }
            (Self::Access, _) => govern(method, input),
            _ => Err(format!("unknown method '{}'", method.chars().take(80).collect::<String>())),
        }
    }
}

type Deployment = (String, String, String, Vec<u8>, String, String, Vec<u8>, String, String);

fn deploy(arguments: Deployment) -> Result<Managed, String> {
    let (contract, version, runtime, bytes, abi, options, input, capabilities, reason) = arguments;
    let code = code(&runtime, bytes, abi, &options)?;
    let request = DeployRequest::new(name(&contract)?, parsed::<Version>(&version)?, code);
    let request = request.arguments(raw(input)).capabilities(parsed(&capabilities)?);
    Ok(Managed::Deploy(request.because(reason)))
}

type Renewal = (String, String, String, Vec<u8>, String, String, Vec<u8>, String, String);

fn upgrade(arguments: Renewal) -> Result<Managed, String> {
    let (contract, version, runtime, bytes, abi, options, input, how, reason) = arguments;
    let code = code(&runtime, bytes, abi, &options)?;
    let request = UpgradeRequest::new(name(&contract)?, parsed::<Version>(&version)?, code);
    let [skip_migration, change_runtime] = wanted(&how, ["skip-migration", "change-runtime"])?;
    let request = UpgradeRequest { skip_migration, change_runtime, ..request.arguments(raw(input)) };
    Ok(Managed::Upgrade(request.because(reason)))
}

fn rollback(arguments: (String, String, Vec<u8>, String, String)) -> Result<Managed, String> {
    let (contract, version, input, how, reason) = arguments;
    let request = RollbackRequest::new(name(&contract)?, parsed::<Version>(&version)?);
    let [migrate, change_runtime] = wanted(&how, ["migrate", "change-runtime"])?;
    if !migrate && !input.is_empty() {
        return Err("the input is for the migration; ask for migrate, or leave it out".to_owned());
    }
    let request = RollbackRequest { change_runtime, migration: migrate.then(|| raw(input)), ..request };
    Ok(Managed::Rollback(request.because(reason)))
}

fn change(change: Change, (contract, reason): (String, String)) -> Result<Managed, String> {
    Ok(Managed::Change(ChangeRequest::new(name(&contract)?, change).because(reason)))
}

/// `rules` is a list such as `freeze = role(auditor); call:mint = owner; call:burn`, in which a method without rule loses its own.
fn grant_all((contract, rules, reason): (String, String, String)) -> Result<Managed, String> {
    let rules = parts(&rules).map(|part| match part.split_once('=') {
        Some((right, rule)) => Ok((parsed::<Right>(right.trim())?, Some(parsed::<Rule>(rule.trim())?))),
        None => Ok((parsed::<Right>(part)?, None)),
    });
    let rules = rules.collect::<Result<_, String>>()?;
    Ok(Managed::Grant(GrantRequest { rules, ..GrantRequest::new(name(&contract)?) }.because(reason)))
}

/// What a list has between its semicolons.
fn parts(list: &str) -> impl Iterator<Item = &str> {
    list.split(';').map(str::trim).filter(|part| !part.is_empty())
}

fn govern(method: &str, input: &[u8]) -> Result<Managed, String> {
    let (change, reason) = match method {
        "deploy" | "administrators" => {
            let (rule, reason): (String, String) = arguments(input)?;
            let rule = parsed(&rule)?;
            (if method == "deploy" { Governance::Deploy(rule) } else { Governance::Administrators(rule) }, reason)
        }
        "contracts" => {
            let (right, rule, reason): (String, String, String) = arguments(input)?;
            (Governance::Contracts(parsed(&right)?, parsed(&rule)?), reason)
        }
        "enrol" | "dismiss" => {
            let (organisation, role, member, reason): (String, String, Address, String) = arguments(input)?;
            let change = match method {
                "enrol" => Governance::Enrol { organisation, role, member },
                _ => Governance::Dismiss { organisation, role, member },
            };
            (change, reason)
        }
        "bound" => {
            let (contract, keys, bytes, reason): (String, u64, u64, String) = arguments(input)?;
            (Governance::Room { contract: name(&contract)?, room: Some(Room { keys, bytes }) }, reason)
        }
        "unbound" => {
            let (contract, reason): (String, String) = arguments(input)?;
            (Governance::Room { contract: name(&contract)?, room: None }, reason)
        }
        _ => return Err(format!("unknown method '{}'", method.chars().take(80).collect::<String>())),
    };
    Ok(Managed::Govern(GovernRequest::new(change).because(reason)))
}

/// No input is no arguments, which contracts of every runtime understand.
fn raw(input: Vec<u8>) -> Arguments {
    if input.is_empty() { Arguments::NONE } else { Arguments::Raw(input.into()) }
}

/// `options` is a list such as `migrate=constructor, params=string`.
fn code(runtime: &str, bytes: Vec<u8>, abi: String, options: &str) -> Result<Code, String> {
    let code = Code { abi: (!abi.is_empty()).then_some(abi), ..Code::new(parsed(runtime)?, bytes) };
    let mut pairs = options.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    pairs.try_fold(code, |code, pair| match pair.split_once('=') {
        Some((key, value)) => Ok(code.with_option(key.trim(), value.trim())),
        None => Err(format!("'{pair}' is no option; expected NAME=VALUE")),
    })
}

/// Which of the known words are in a list such as `migrate, change-runtime`.
fn wanted<const N: usize>(list: &str, known: [&str; N]) -> Result<[bool; N], String> {
    let words = list.split(',').map(str::trim).filter(|word| !word.is_empty());
    match words.clone().find(|word| !known.contains(word)) {
        Some(word) => Err(format!("'{word}' is no way to do it; expected some of {}, or nothing", known.join(", "))),
        None => Ok(known.map(|known| words.clone().any(|word| word == known))),
    }
}

fn name(text: &str) -> Result<ContractName, String> {
    parsed(text)
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

pub(super) fn arguments<T: BorshDeserialize>(input: &[u8]) -> Result<T, String> {
    T::try_from_slice(input).map_err(|error| format!("the arguments are not those of the method: {error}"))
}
