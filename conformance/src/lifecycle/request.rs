//! Steps as what a machine is asked for: requests, and transactions of system contracts.

use std::fmt::Display;

use vm_core::{
    Address, Arguments, Block, Change, ChangeRequest, Code, ContractName, DeployRequest, DryRunRequest, GovernRequest,
    Governance, GrantRequest, InvokeRequest, Managed, MigrateRequest, RollbackRequest, Room, Rule, RuntimeKind, Sender,
    Trial, UpgradeRequest,
};

use super::model::other;
use super::step::{Calling, Governing, RULES, Step, Verb};

/// The probe as a module; its native twin is linked.
const MODULE: &[u8] = include_bytes!("../../../contracts/artifacts/probe.wasm");

/// What the time is, for contracts that may know it.
pub(super) const TIME: u64 = 7;

/// Takes what belongs to a block; it is no other than that of requests without one.
pub(super) fn block() -> Block {
    Block { timestamp: TIME, ..Block::default() }
}

/// The operation of a step, unless it is a call or only tried.
pub(super) fn operation(step: &Step) -> Result<Option<Managed>, String> {
    let name = name(step.name)?;
    let managed = match step.verb {
        Verb::Deploy { version, kind, capabilities, fails } => {
            let request = DeployRequest::new(name, parsed(version)?, code(kind)).args([message(fails)]);
            Managed::Deploy(request.capabilities(parsed(capabilities)?))
        }
        Verb::Upgrade { version, kind, fails, skip, change_runtime } => {
            let request = UpgradeRequest::new(name, parsed(version)?, code(kind));
            let request = if skip { request.skip_migration() } else { request.args([message(fails)]) };
            Managed::Upgrade(UpgradeRequest { change_runtime, ..request })
        }
        Verb::Migrate { written_by, fails } => {
            Managed::Migrate(MigrateRequest::new(name, parsed(written_by)?).args([message(fails)]))
        }
        Verb::Rollback { version, migration, change_runtime } => {
            let migration = migration.map(|fails| Arguments::positional([message(fails)]));
            let request = RollbackRequest::new(name, parsed(version)?);
            Managed::Rollback(RollbackRequest { migration, change_runtime, ..request })
        }
        Verb::Change(change) => Managed::Change(ChangeRequest::new(name, change)),
        Verb::Grant { right, rule } => {
            Managed::Grant(GrantRequest::new(name).set(parsed(right)?, parsed(text_of(rule))?))
        }
        Verb::Govern(change) => Managed::Govern(GovernRequest::new(match change {
            Governing::Deploy { rule } => Governance::Deploy(parsed(text_of(rule))?),
            Governing::Enrol((organisation, role, member)) => {
                Governance::Enrol { organisation: organisation.into(), role: role.into(), member: address(member) }
            }
            Governing::Dismiss((organisation, role, member)) => {
                Governance::Dismiss { organisation: organisation.into(), role: role.into(), member: address(member) }
            }
            Governing::Room(room) => {
                Governance::Room { contract: name, room: room.map(|(keys, bytes)| Room { keys, bytes }) }
            }
        })),
        Verb::Call(_) | Verb::DryRun { .. } => return Ok(None),
    };
    Ok(Some(managed.by(sender(step))))
}

/// What a step only tries, if it does.
pub(super) fn trial(step: &Step) -> Result<Option<DryRunRequest>, String> {
    let Verb::DryRun { version, kind } = step.verb else { return Ok(None) };
    let request = UpgradeRequest::new(name(step.name)?, parsed(version)?, code(kind)).args([""]).change_runtime();
    Ok(Some(DryRunRequest::new(Trial::Upgrade(UpgradeRequest { sender: sender(step), ..request }))))
}

/// The call of a step, if it is one.
pub(super) fn call(step: &Step) -> Result<Option<InvokeRequest>, String> {
    let Verb::Call(method) = step.verb else { return Ok(None) };
    let key = |key: &str| hex(key.as_bytes());
    let peer = || (other(step.name).to_owned(), hex(&[&1u32.to_le_bytes()[..], b"n"].concat()));
    let (method, args) = match method {
        Calling::Count => ("count", vec![key("n")]),
        Calling::Put(of, length) => ("put", vec![key(of), hex(&vec![7; length])]),
        Calling::Delete(of) => ("delete", vec![key(of)]),
        Calling::Emit => ("emit", vec!["topic".into(), "0x01".into()]),
        Calling::Time => ("env", Vec::new()),
        Calling::Forward => ("forward", vec![peer().0, "count".into(), peer().1]),
        Calling::Ask => ("ask", vec![peer().0, "has".into(), peer().1]),
    };
    Ok(Some(InvokeRequest { sender: sender(step), ..InvokeRequest::new(name(step.name)?, method).args(args) }))
}

/// A method of a system contract.
pub(super) struct Transaction {
    pub(super) contract: &'static str,
    pub(super) method: &'static str,
    pub(super) args: Vec<String>,
}

/// The operation of a step as a method, unless it is none.
pub(super) fn transaction(step: &Step) -> Option<Transaction> {
    let manager = |method, args| Some(Transaction { contract: "contract_manager", method, args });
    let access = |method, args| Some(Transaction { contract: "access_control", method, args });
    let (name, reason) = (|| step.name.to_owned(), || "life".to_owned());
    let runtime = |kind: RuntimeKind| [kind.to_string(), hex(&code(kind).bytes), String::new(), String::new()];
    let input = |fails: bool| {
        let text = message(fails).as_bytes();
        hex(&[&(text.len() as u32).to_le_bytes()[..], text].concat())
    };
    let ways = |ways: &[(bool, &str)]| {
        let ways = ways.iter().filter(|(wanted, _)| *wanted).map(|(_, way)| *way);
        ways.collect::<Vec<_>>().join(", ")
    };
    let with_code = |version: &str, kind, rest: [String; 3]| {
        [name(), version.to_owned()].into_iter().chain(runtime(kind)).chain(rest).collect()
    };
    match step.verb {
        Verb::Deploy { version, kind, capabilities, fails } => {
            manager("deploy_contract", with_code(version, kind, [input(fails), capabilities.to_owned(), reason()]))
        }
        Verb::Upgrade { version, kind, fails, skip, change_runtime } => {
            let input = if skip { "0x".to_owned() } else { input(fails) };
            let how = ways(&[(skip, "skip-migration"), (change_runtime, "change-runtime")]);
            manager("upgrade_contract", with_code(version, kind, [input, how, reason()]))
        }
        Verb::Migrate { written_by, fails } => {
            manager("migrate_contract", vec![name(), written_by.to_owned(), input(fails), reason()])
        }
        Verb::Rollback { version, migration, change_runtime } => {
            let how = ways(&[(migration.is_some(), "migrate"), (change_runtime, "change-runtime")]);
            let input = migration.map_or("0x".to_owned(), input);
            manager("rollback_contract", vec![name(), version.to_owned(), input, how, reason()])
        }
        Verb::Change(change) => {
            let method = match change {
                Change::Freeze => "freeze_contract",
                Change::Unfreeze => "unfreeze_contract",
                Change::Revoke => "revoke_contract",
            };
            manager(method, vec![name(), reason()])
        }
        Verb::Grant { right, rule } => {
            access("grant", vec![name(), right.to_owned(), text_of(rule).to_owned(), reason()])
        }
        Verb::Govern(Governing::Deploy { rule }) => access("deploy", vec![text_of(rule).to_owned(), reason()]),
        Verb::Govern(Governing::Enrol((organisation, role, member))) => {
            access("enrol", vec![organisation.to_owned(), role.to_owned(), member.to_owned(), reason()])
        }
        Verb::Govern(Governing::Dismiss((organisation, role, member))) => {
            access("dismiss", vec![organisation.to_owned(), role.to_owned(), member.to_owned(), reason()])
        }
        Verb::Govern(Governing::Room(Some((keys, bytes)))) => {
            access("bound", vec![name(), keys.to_string(), bytes.to_string(), reason()])
        }
        Verb::Govern(Governing::Room(None)) => access("unbound", vec![name(), reason()]),
        Verb::Call(_) | Verb::DryRun { .. } => None,
    }
}

fn sender(step: &Step) -> Sender {
    let endorsers = step.endorsers.iter().copied().map(address).collect();
    Sender { caller: address(step.actor), endorsers, ..Sender::default() }
}

/// What the probe refuses with, or nothing.
const fn message(fails: bool) -> &'static str {
    if fails { "no" } else { "" }
}

fn text_of(rule: usize) -> &'static str {
    RULES.get(rule).map_or("", |(text, _)| text)
}

/// A rule of the model as the machine tells it: with addresses where the model has names.
pub(super) fn rule(text: &str) -> String {
    text.parse::<Rule>().map_or_else(|error| error.to_string(), |rule| rule.to_string())
}

pub(super) fn address(name: &str) -> Address {
    Address::from_name(name)
}

pub(super) fn name(text: &str) -> Result<ContractName, String> {
    parsed(text)
}

pub(super) fn code(kind: RuntimeKind) -> Code {
    match kind {
        RuntimeKind::Wasm => Code::new(kind, MODULE),
        _ => Code::new(kind, "probe"),
    }
}

pub(super) fn parsed<T: std::str::FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}
