//! Steps as what a machine is asked for: requests, and transactions of system contracts.

use std::fmt::Display;

use vm_core::{
    Address, Arguments, Block, Change, ChangeRequest, ContractName, DeployRequest, DryRunRequest, GovernRequest,
    Governance, GrantRequest, InvokeRequest, Managed, MigrateRequest, RollbackRequest, Room, Rule, Sender, Trial,
    UpgradeRequest,
};

use super::program::Program;
use super::step::{Calling, Governing, Step, Verb, Who, peer};

/// What the time is, for contracts that may know it.
pub(super) const TIME: u64 = 7;

/// A block, of which nothing but the number differs from that of requests that belong to none.
pub(super) fn block(number: u64) -> Block {
    Block { number, timestamp: TIME, ..Block::default() }
}

/// What a step asks for with one of its verbs, unless that is a call, a query or a dry run.
pub(super) fn operation(step: &Step, verb: &Verb) -> Result<Option<Managed>, String> {
    let (name, reason) = (name(step.name)?, step.reason);
    let managed = match *verb {
        Verb::Deploy { version, program, capabilities, fails } => {
            let request = DeployRequest::new(name, parsed(version)?, program.code().clone()).args([message(fails)]);
            Managed::Deploy(request.capabilities(parsed(capabilities)?).because(reason))
        }
        Verb::Upgrade { version, program, fails, skip, change_runtime } => {
            let request = UpgradeRequest::new(name, parsed(version)?, program.code().clone()).because(reason);
            let request = if skip { request.skip_migration() } else { request.args([message(fails)]) };
            Managed::Upgrade(UpgradeRequest { change_runtime, ..request })
        }
        Verb::Migrate { written_by, fails } => {
            Managed::Migrate(MigrateRequest::new(name, parsed(written_by)?).args([message(fails)]).because(reason))
        }
        Verb::Rollback { version, migration, change_runtime } => {
            let migration = migration.map(|fails| Arguments::positional([message(fails)]));
            let request = RollbackRequest::new(name, parsed(version)?).because(reason);
            Managed::Rollback(RollbackRequest { migration, change_runtime, ..request })
        }
        Verb::Change(change) => Managed::Change(ChangeRequest::new(name, change).because(reason)),
        Verb::Grant { right, rule: given } => granted(step, &[(right, given)])?,
        Verb::GrantAll(ref rules) => granted(step, rules)?,
        Verb::Govern(change) => governed(step, &[change])?,
        Verb::GovernAll(ref changes) => governed(step, changes)?,
        Verb::Call(_) | Verb::Query(_) | Verb::DryRun { .. } | Verb::Propose { .. } | Verb::Sign(..) => {
            return Ok(None);
        }
    };
    Ok(Some(managed.by(sender(step))))
}

fn granted(step: &Step, rules: &[(&str, Option<Who>)]) -> Result<Managed, String> {
    let rule = |(right, who): &(&str, Option<Who>)| {
        Ok((parsed(right)?, who.map(|who| parsed::<Rule>(who.text())).transpose()?))
    };
    let rules = rules.iter().map(rule).collect::<Result<_, String>>()?;
    Ok(Managed::Grant(GrantRequest { rules, ..GrantRequest::new(name(step.name)?) }.because(step.reason)))
}

fn governed(step: &Step, changes: &[Governing]) -> Result<Managed, String> {
    let rule = |who: Who| parsed::<Rule>(who.text());
    let change = |change: &Governing| {
        Ok(match *change {
            Governing::Deploy(who) => Governance::Deploy(rule(who)?),
            Governing::Administrators(who) => Governance::Administrators(rule(who)?),
            Governing::Contracts { right, rule: who } => Governance::Contracts(parsed(right)?, rule(who)?),
            Governing::Enrol((organisation, role, member)) => {
                Governance::Enrol { organisation: organisation.into(), role: role.into(), member: address(member) }
            }
            Governing::Dismiss((organisation, role, member)) => {
                Governance::Dismiss { organisation: organisation.into(), role: role.into(), member: address(member) }
            }
            Governing::Room(room) => {
                let room = room.map(|(keys, bytes)| Room { keys, bytes });
                Governance::Room { contract: name(step.name)?, room }
            }
        })
    };
    let changes = changes.iter().map(change).collect::<Result<_, String>>()?;
    let first = GovernRequest::new(Governance::Deploy(Rule::Nobody));
    Ok(Managed::Govern(GovernRequest { changes, ..first }.because(step.reason)))
}

/// What a step only tries, if it does.
pub(super) fn trial(step: &Step) -> Result<Option<DryRunRequest>, String> {
    let Verb::DryRun { trial, calls } = &step.verb else { return Ok(None) };
    let trial = match (&**trial, operation(step, trial)?) {
        (Verb::Call(calling), _) => Trial::Invoke(called(step.name, *calling, sender(step))?),
        (_, Some(Managed::Deploy(request))) => Trial::Deploy(request),
        (_, Some(Managed::Upgrade(request))) => Trial::Upgrade(request),
        (_, Some(Managed::Migrate(request))) => Trial::Migrate(request),
        (_, Some(Managed::Rollback(request))) => Trial::Rollback(request),
        _ => return Err("something that cannot be tried".into()),
    };
    let call = |(to, by, calling): &(&str, &str, Calling)| {
        called(to, *calling, Sender { caller: address(by), ..Sender::default() })
    };
    let calls = calls.iter().map(call).collect::<Result<Vec<_>, _>>()?;
    Ok(Some(DryRunRequest::new(trial).replay(calls)))
}

/// The call or the query of a step, if it is one.
pub(super) fn call(step: &Step) -> Result<Option<InvokeRequest>, String> {
    let (Verb::Call(calling) | Verb::Query(calling)) = step.verb else { return Ok(None) };
    called(step.name, calling, sender(step)).map(Some)
}

fn called(to: &str, calling: Calling, sender: Sender) -> Result<InvokeRequest, String> {
    let key = |key: &str| hex(key.as_bytes());
    let pass_on =
        |method: &str| vec![peer(to).to_owned(), method.to_owned(), hex(&[&1u32.to_le_bytes()[..], b"n"].concat())];
    let args = match calling {
        Calling::Count => vec![key("n")],
        Calling::Put(of, length) => vec![key(of), hex(&vec![7; length])],
        Calling::Get(of) | Calling::Delete(of) => vec![key(of)],
        Calling::Emit => vec!["topic".into(), "0x01".into()],
        Calling::Env => Vec::new(),
        Calling::Forward | Calling::Attempt => pass_on("count"),
        Calling::Ask => pass_on("has"),
    };
    Ok(InvokeRequest { sender, ..InvokeRequest::new(name(to)?, calling.method()).args(args) })
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
    let (name, reason) = (|| step.name.to_owned(), || step.reason.to_owned());
    let runtime =
        |program: Program| [program.kind.to_string(), hex(&program.code().bytes), String::new(), String::new()];
    let input = |fails: bool| {
        let text = message(fails).as_bytes();
        hex(&[&(text.len() as u32).to_le_bytes()[..], text].concat())
    };
    let ways = |ways: &[(bool, &str)]| {
        let ways = ways.iter().filter(|(wanted, _)| *wanted).map(|(_, way)| *way);
        ways.collect::<Vec<_>>().join(", ")
    };
    let with_code = |version: &str, program, rest: [String; 3]| {
        [name(), version.to_owned()].into_iter().chain(runtime(program)).chain(rest).collect()
    };
    match step.verb {
        Verb::Deploy { version, program, capabilities, fails } => {
            manager("deploy_contract", with_code(version, program, [input(fails), capabilities.to_owned(), reason()]))
        }
        Verb::Upgrade { version, program, fails, skip, change_runtime } => {
            let input = if skip { "0x".to_owned() } else { input(fails) };
            let how = ways(&[(skip, "skip-migration"), (change_runtime, "change-runtime")]);
            manager("upgrade_contract", with_code(version, program, [input, how, reason()]))
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
        Verb::Grant { right, rule: Some(who) } => {
            access("grant", vec![name(), right.to_owned(), who.text().to_owned(), reason()])
        }
        Verb::Grant { right, rule: None } => {
            let method = right.strip_prefix("call:").unwrap_or(right);
            access("clear", vec![name(), method.to_owned(), reason()])
        }
        Verb::GrantAll(ref rules) => {
            let rule = |(right, who): &(&str, Option<Who>)| match who {
                Some(who) => format!("{right} = {}", who.text()),
                None => (*right).to_owned(),
            };
            let rules: Vec<_> = rules.iter().map(rule).collect();
            access("grant_all", vec![name(), rules.join("; "), reason()])
        }
        Verb::GovernAll(ref changes) => {
            let change = |change: &Governing| match *change {
                Governing::Deploy(who) => format!("deploy {}", who.text()),
                Governing::Administrators(who) => format!("administrators {}", who.text()),
                Governing::Contracts { right, rule } => format!("contracts {right} {}", rule.text()),
                Governing::Enrol((organisation, role, member)) => format!("enrol {organisation} {role} {member}"),
                Governing::Dismiss((organisation, role, member)) => format!("dismiss {organisation} {role} {member}"),
                Governing::Room(Some((keys, bytes))) => format!("bound {} {keys} {bytes}", step.name),
                Governing::Room(None) => format!("unbound {}", step.name),
            };
            let changes: Vec<_> = changes.iter().map(change).collect();
            access("govern_all", vec![changes.join("; "), reason()])
        }
        Verb::Govern(Governing::Deploy(who)) => access("deploy", vec![who.text().to_owned(), reason()]),
        Verb::Govern(Governing::Administrators(who)) => access("administrators", vec![who.text().to_owned(), reason()]),
        Verb::Govern(Governing::Contracts { right, rule: who }) => {
            access("contracts", vec![right.to_owned(), who.text().to_owned(), reason()])
        }
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
        Verb::Call(_) | Verb::Query(_) | Verb::DryRun { .. } | Verb::Propose { .. } | Verb::Sign(..) => None,
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

pub(super) fn address(name: &str) -> Address {
    Address::from_name(name)
}

pub(super) fn name(text: &str) -> Result<ContractName, String> {
    parsed(text)
}

pub(super) fn parsed<T: std::str::FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}
