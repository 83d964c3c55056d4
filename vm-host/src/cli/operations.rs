//! The operations that change contracts and the host: what each asks for, and how it is told.

use std::fmt::Display;
use std::process::ExitCode;
use std::str::FromStr;

use serde_json::{Value, json};
use vm_core::{
    Change, ChangeRequest, DeployRequest, GovernRequest, Governance, GrantRequest, Managed, MigrateRequest, Receipt,
    Regulated, Right, RollbackRequest, Room, Rule, Trial, UpgradeRequest, Vm, VmError, VmProvider,
};
use vm_host::Config;

use super::arguments::{By, ChangeArgs, Govern, Member, Operation, Trying};
use super::artifact::Upgraded;
use super::commands::{Kind, finish};
use super::dry_run::Tried;
use super::failure::Usage;
use super::output::{Output, with};
use super::records::Records;
use super::trace::Tracing;
use super::{artifact, dry_run, inspect, progress};

/// What a command asks for.
pub(super) struct Asked {
    pub(super) operation: Managed,
    /// Whether it is only tried, and with which calls.
    pub(super) trial: Option<Tried>,
}

/// Does what the command line asks for, or only tries it.
pub(super) fn run(
    vm: &Vm,
    config: &Config,
    tracing: &Tracing,
    output: Output,
    operation: Operation,
) -> anyhow::Result<ExitCode> {
    let Asked { operation, trial } = asked(vm, config, operation)?;
    match operation {
        Managed::Deploy(request) => {
            let title = format!("deployed {} {}", request.name, request.version);
            operate(vm, tracing, output, &title, trial, || vm.deploy(request))
        }
        Managed::Upgrade(request) => {
            let title = format!("upgraded {} to {}", request.name, request.version);
            operate(vm, tracing, output, &title, trial, || vm.upgrade(request))
        }
        Managed::Migrate(request) => {
            let title = format!("migrated {} from {}", request.name, request.written_by);
            operate(vm, tracing, output, &title, trial, || vm.migrate(request))
        }
        Managed::Rollback(request) => {
            let title = format!("rolled {} back to {}", request.name, request.version);
            operate(vm, tracing, output, &title, trial, || vm.rollback(request))
        }
        Managed::Change(request) => {
            let record = progress::wait("storing", vm.change(request))??;
            let line = format!("{} is {}", record.name, record.lifecycle);
            output.done(|| json!({ "ok": true, "contract": record }), &line)?;
            Ok(ExitCode::SUCCESS)
        }
        Managed::Grant(request) => {
            let granted = progress::wait("storing", vm.grant(request))??;
            let line = format!("{} has policy {}", granted.now.name, granted.now.policy);
            regulated(output, json!({ "ok": true, "contract": granted.now }), &line, &granted)
        }
        Managed::Govern(request) => govern(vm, output, request),
        other => Err(Usage(format!("no command can {other}")).into()),
    }
}

/// What the command line asks for.
pub(super) fn asked(vm: &Vm, config: &Config, operation: Operation) -> anyhow::Result<Asked> {
    let tried = |operation: Managed, trial: Trial, trying: &Trying| {
        let trial = match operation.name() {
            Some(name) => dry_run::request(|| trial, trying, &Records::of(config), name)?,
            None => None,
        };
        anyhow::Ok(Asked { operation, trial })
    };
    match operation {
        Operation::Deploy { name, code, version, call, capabilities, dry_run, reason, trace } => {
            let code = artifact::load(config, &code, None)?;
            let request = DeployRequest::new(name, version, code).arguments(call.arguments()).because(reason.text);
            let request = DeployRequest { capabilities, sender: call.sender(config)?, ..request }.traced(trace.level());
            let trial = dry_run.then(|| Trial::Deploy(request.clone()).into());
            Ok(Asked { operation: Managed::Deploy(request), trial })
        }
        Operation::Upgrade { name, code, version, call, skip_migration, change_runtime, trying, trace } => {
            let runtime = vm.record(&name)?.map(|record| record.runtime);
            let known = runtime.map(|runtime| Upgraded { name: &name, runtime, change_runtime });
            let code = artifact::load(config, &code, known)?;
            let request = UpgradeRequest::new(name, version, code).arguments(call.arguments());
            let (sender, reason) = (call.sender(config)?, &*trying.reason.text);
            let request = UpgradeRequest { sender, skip_migration, change_runtime, ..request.because(reason) };
            let request = request.traced(trace.level());
            tried(Managed::Upgrade(request.clone()), Trial::Upgrade(request), &trying)
        }
        Operation::Migrate { name, written_by, call, trying } => {
            let request = MigrateRequest::new(name, written_by).arguments(call.arguments());
            let request = MigrateRequest { sender: call.sender(config)?, ..request.because(&*trying.reason.text) };
            tried(Managed::Migrate(request.clone()), Trial::Migrate(request), &trying)
        }
        Operation::Rollback { name, version, migrate, call, change_runtime, trying } => {
            let arguments = call.arguments();
            if !migrate && !arguments.is_empty() {
                let told = "arguments are for the migration; add --migrate, or leave them out";
                return Err(Usage(told.to_owned()).into());
            }
            let migration = migrate.then_some(arguments);
            let request = RollbackRequest::new(name, version).because(&*trying.reason.text);
            let request = RollbackRequest { migration, change_runtime, sender: call.sender(config)?, ..request };
            tried(Managed::Rollback(request.clone()), Trial::Rollback(request), &trying)
        }
        Operation::Freeze(args) => Ok(change(args, Change::Freeze)),
        Operation::Unfreeze(args) => Ok(change(args, Change::Unfreeze)),
        Operation::Revoke(args) => Ok(change(args, Change::Revoke)),
        Operation::Grant { name, rules, clear, by } => {
            let rules = changed_rules(&rules, clear)?;
            let request = GrantRequest { rules, sender: by.from.sender(), ..GrantRequest::new(name) };
            Ok(Asked { operation: Managed::Grant(request.because(by.reason.text)), trial: None })
        }
        Operation::Govern { change } => {
            let (changes, by) = changes_of_host(change);
            let request = GovernRequest { changes, sender: by.from.sender(), ..GovernRequest::default() };
            Ok(Asked { operation: Managed::Govern(request.because(by.reason.text)), trial: None })
        }
    }
}

fn change(args: ChangeArgs, change: Change) -> Asked {
    let ChangeArgs { name, by } = args;
    let request = ChangeRequest { sender: by.from.sender(), ..ChangeRequest::new(name, change) };
    Asked { operation: Managed::Change(request.because(by.reason.text)), trial: None }
}

/// Rights and rules by turns, and the methods that lose their rule.
fn changed_rules(words: &[String], clear: Vec<String>) -> Result<Vec<(Right, Option<Rule>)>, Usage> {
    let pairs = words.chunks(2).map(|pair| match pair {
        [right, rule] => Ok((parsed("RIGHT", right)?, Some(parsed("RULE", rule)?))),
        [right] => Err(Usage(format!(
            "each right comes with its rule, and the last one, '{right}', has none; add who has it, such as owner, or take a \
             method's rule back with --clear METHOD"
        ))),
        _ => Ok((Right::Call, None)),
    });
    let cleared = clear.into_iter().map(|method| match method.strip_prefix("call:") {
        Some(method) => Ok((Right::Method(method.to_owned()), None)),
        None => Ok((Right::Method(method), None)),
    });
    pairs.chain(cleared).collect()
}

fn parsed<T: FromStr<Err: Display>>(what: &str, text: &str) -> Result<T, Usage> {
    text.parse().map_err(|error| Usage(format!("invalid {what}: {error}")))
}

fn changes_of_host(change: Govern) -> (Vec<Governance>, By) {
    let (change, by) = match change {
        Govern::Deploy { rule, by } => (Governance::Deploy(rule), by),
        Govern::Administrators { rule, by } => (Governance::Administrators(rule), by),
        Govern::Contracts { right, rule, by } => (Governance::Contracts(right, rule), by),
        Govern::Enrol { member: Member { organisation, role, account: member }, by } => {
            (Governance::Enrol { organisation, role, member }, by)
        }
        Govern::Dismiss { member: Member { organisation, role, account: member }, by } => {
            (Governance::Dismiss { organisation, role, member }, by)
        }
        Govern::Room { name: contract, keys, bytes, by } => {
            let room = keys.zip(bytes).map(|(keys, bytes)| Room { keys, bytes });
            (Governance::Room { contract, room }, by)
        }
        Govern::All { changes, by } => return (changes, by),
    };
    (vec![change], by)
}

/// Gives or replaces code, or migrates; or only tries it.
fn operate<O: Future<Output = Result<Receipt, VmError>> + Send>(
    vm: &Vm,
    tracing: &Tracing,
    output: Output,
    title: &str,
    trial: Option<Tried>,
    operation: impl FnOnce() -> O,
) -> anyhow::Result<ExitCode> {
    if let Some(trial) = trial {
        return dry_run::run(vm, tracing, output, &format!("would have {title}"), trial);
    }
    let mut receipt = progress::wait(title, operation())??;
    tracing.keep(&mut receipt);
    finish(vm, output, &receipt, title, Kind::Creation)
}

fn govern(vm: &Vm, output: Output, request: GovernRequest) -> anyhow::Result<ExitCode> {
    // The bound of a contract is in its record, and leaves the host's policy as it is.
    let bounded = request.changes.iter().filter_map(|change| match change {
        Governance::Room { contract, room } => Some((contract.clone(), *room)),
        _ => None,
    });
    let bounded: Vec<_> = bounded.collect();
    let changes_the_policy = request.changes_the_policy();
    let governed = progress::wait("storing", vm.govern(request))??;
    let (mut lines, mut told) = (Vec::new(), vec![("ok", json!(true))]);
    if changes_the_policy {
        lines.push(format!("the host has policy {}", governed.now.version));
        told.push(("policy", json!(governed.now)));
    }
    let mut records = Vec::new();
    for (name, room) in bounded {
        let room = room.map_or_else(|| "as much state as it needs".to_owned(), inspect::room);
        lines.push(format!("{name} may have {room}"));
        records.extend(vm.record(&name)?);
    }
    match &*records {
        [] => {}
        [record] => told.push(("contract", json!(record))),
        records => told.push(("contracts", json!(records))),
    }
    regulated(output, with(json!({}), told), &lines.join("; "), &governed)
}

/// Says what is in force now, and whether that is new.
fn regulated<T>(output: Output, told: Value, line: &str, of: &Regulated<T>) -> anyhow::Result<ExitCode> {
    let Regulated { changed, already, .. } = of;
    let told = with(told, [("changed", json!(changed)), ("already", json!(already))]);
    let told_already = match (changed, &**already) {
        (_, []) => String::new(),
        (true, already) => format!(", of which was so: {}", already.join("; ")),
        (false, already) => format!(", unchanged: {}", already.join("; ")),
    };
    output.done(|| told, &format!("{line}{told_already}"))?;
    Ok(ExitCode::SUCCESS)
}
