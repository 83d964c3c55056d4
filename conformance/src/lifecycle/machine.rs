//! The machine that is tested.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_executor::block_on;
use vm_core::{
    Address, Arguments, Code, DeployRequest, Entry, ErrorKind, Event, HistoryEntry, HostFault, HostPolicy,
    InvokeRequest, KeyRange, Managed, Organisations, Quota, Quotas, Rate, Receipt, Refusal, Rule, RuntimeKind, Status,
    Vm, VmError, VmProvider,
};
use vm_native::{NativeConfig, NativeContract, NativeRuntime};
use vm_wasm::{WasmConfig, WasmRuntime};

use super::crash::{Crashing, Plan, tear};
use super::model::{BURST, Contract, Model, UNCHANGED, Verdict, rights_as_text, told as endorsed};
use super::request::{TIME, Transaction, address, block, call, code, hex, name, operation, rule, transaction, trial};
use super::step::{ACTORS, ADMINISTRATORS, Crash, MEMBERS, RULES, Step, Verb, Way};

/// The contracts by which operations are transactions.
const SYSTEM: [&str; 3] = ["access_control", "contract_manager", "multi_sign"];

/// A machine over a data directory.
pub(super) struct Machine {
    vm: Vm,
    plan: Arc<Mutex<Plan>>,
}

/// How a request ended: in an error of the host, or as a model can say it.
pub(super) type Ending = Result<Result<(), &'static str>, String>;

/// What is asked for, once everything is said that comes before.
pub(super) enum Prepared {
    Request,
    Invoke(InvokeRequest),
}

impl Machine {
    pub(super) fn start(directory: &Path) -> io::Result<Self> {
        let plan = Arc::new(Mutex::default());
        let backend = Crashing::open(directory, plan.clone())?;
        let linked = NativeConfig::new().contract("probe", NativeContract::of::<probe::Probe>());
        let linked = linked.and_then(NativeConfig::system_contracts).map_err(io::Error::other)?;
        let rate = Some(Rate { burst: BURST, every: Duration::from_secs(24 * 3_600) });
        let quota = Quota { rate, ..Quota::default() };
        let vm = Vm::builder()
            .runtime(NativeRuntime::new(linked))
            .runtime(WasmRuntime::new(WasmConfig::default()).map_err(io::Error::other)?)
            .backend(Arc::new(backend))
            .policy(policy().map_err(io::Error::other)?)
            .quotas(Quotas { caller: quota, contract: quota })
            .block(block())
            .workers(1)
            .build()
            .map_err(io::Error::other)?;
        block_on(vm.start()).map_err(io::Error::other)?;
        let machine = Self { vm, plan };
        machine.begin().map_err(io::Error::other)?;
        Ok(machine)
    }

    /// Deploys the system's contracts, if they are not there.
    fn begin(&self) -> Result<(), String> {
        for contract in SYSTEM {
            let name = name(contract)?;
            if self.vm.record(&name).map_err(told)?.is_none() {
                let code = Code::new(RuntimeKind::Native, contract);
                let request = DeployRequest::new(name, super::request::parsed("1")?, code).block(Arc::new(block()));
                block_on(self.vm.deploy(request)).map_err(told)?;
            }
        }
        Ok(())
    }

    /// Ends the machine, and tears what its last commit wrote.
    pub(super) fn end(self, directory: &Path, crash: Crash) -> io::Result<()> {
        block_on(self.vm.stop()).map_err(io::Error::other)?;
        let written = self.lock().written.take();
        drop(self.vm);
        match (crash, written) {
            (Crash::Within(thousandths), Some(written)) => tear(directory, written, thousandths),
            _ => Ok(()),
        }
    }

    pub(super) fn height(&self) -> Result<u64, String> {
        Ok(self.vm.view().map_err(told)?.height().get())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what has to come before a step: a proposal is made and approved.
    pub(super) fn prepare(&self, step: &Step) -> Result<Prepared, String> {
        let from = address(step.actor);
        let asked = if step.way == Way::Request { None } else { transaction(step) };
        let Some(Transaction { contract, method, args }) = asked else { return Ok(Prepared::Request) };
        if step.way == Way::Transaction {
            return Ok(Prepared::Invoke(self.transaction(from, contract, method, args)?));
        }
        let target = self.vm.contract(&name(contract)?).map_err(told)?;
        let encoded = target.interface().encode(&Entry::Invoke, method, &Arguments::positional(args)).map_err(told)?;
        let args = vec![contract.to_owned(), method.to_owned(), hex(&encoded.input), "9".to_owned()];
        let proposed = self.sign(from, "propose", args)?;
        let id = proposed.text.ok_or("a proposal without number")?;
        for endorser in step.endorsers.iter().filter(|endorser| **endorser != step.actor) {
            // Whoever is named twice is refused the second time, which changes nothing.
            self.sign(address(endorser), "approve", vec![id.clone()])?;
        }
        Ok(Prepared::Invoke(self.transaction(from, "multi_sign", "execute", vec![id])?))
    }

    fn sign(&self, from: Address, method: &str, args: Vec<String>) -> Result<Receipt, String> {
        block_on(self.vm.invoke(self.transaction(from, "multi_sign", method, args)?)).map_err(told)
    }

    /// A transaction in a block, of which no quota is asked.
    fn transaction(&self, from: Address, to: &str, method: &str, args: Vec<String>) -> Result<InvokeRequest, String> {
        Ok(InvokeRequest::new(name(to)?, method).args(args).from(from).block(Arc::new(block())))
    }

    /// Asks for what a step asks for; `crash` is for the commit that it makes.
    pub(super) fn perform(&self, step: &Step, prepared: Prepared) -> Result<Ending, String> {
        let request = match prepared {
            Prepared::Invoke(request) => Some(request),
            Prepared::Request => call(step)?,
        };
        self.lock().next = Some(step.crash);
        let ending = match request {
            Some(request) => block_on(self.vm.invoke(request)).map(|receipt| ended(step, &receipt)),
            None => block_on(self.request(step))?,
        };
        self.lock().next = None;
        Ok(match ending {
            Ok(verdict) => Ok(verdict),
            Err(error) => match label(&error) {
                Some(label) => Ok(Err(label)),
                None => Err(error.to_string()),
            },
        })
    }

    async fn request(&self, step: &Step) -> Result<Result<Verdict, VmError>, String> {
        let vm = &self.vm;
        if let Some(request) = trial(step)? {
            return Ok(vm.dry_run(request).await.map(|_| Ok(())));
        }
        let regulated = |changed: bool| if changed { Ok(()) } else { Err(UNCHANGED) };
        let done = match operation(step)?.ok_or("a step without request")? {
            Managed::Deploy(request) => vm.deploy(request).await.map(drop),
            Managed::Upgrade(request) => vm.upgrade(request).await.map(drop),
            Managed::Migrate(request) => vm.migrate(request).await.map(drop),
            Managed::Rollback(request) => vm.rollback(request).await.map(drop),
            Managed::Change(request) => vm.change(request).await.map(drop),
            Managed::Grant(request) => return Ok(vm.grant(request).await.map(|done| regulated(done.changed))),
            Managed::Govern(request) => return Ok(vm.govern(request).await.map(|done| regulated(done.changed))),
            _ => return Err("an operation that nobody knows".into()),
        };
        Ok(done.map(Ok))
    }

    /// In what the machine differs from a model.
    pub(super) fn differences(&self, model: &Model) -> Result<Option<String>, String> {
        let records = self.vm.contracts().map_err(told)?;
        let names = records.iter().map(|record| record.name.as_str()).filter(|name| !SYSTEM.contains(name));
        if !names.clone().eq(model.contracts.keys().copied()) {
            let (names, expected) = (names.collect::<Vec<_>>(), model.contracts.keys());
            return Ok(Some(format!("contracts {names:?} instead of {expected:?}")));
        }
        let host = (self.host()?, host(model));
        if host.0 != host.1 {
            return Ok(Some(format!("host {} instead of {}", host.0, host.1)));
        }
        for (name, expected) in &model.contracts {
            let (found, expected) = (self.contract(name)?, contract(expected));
            if let Some((found, expected)) = found.iter().zip(&expected).find(|(found, expected)| found != expected) {
                return Ok(Some(format!("contract {name}: {found} instead of {expected}")));
            }
        }
        Ok(None)
    }

    /// The host's policy as a line, as [`host`] tells that of the model.
    fn host(&self) -> Result<String, String> {
        let policy = self.vm.host_policy().map_err(told)?;
        let members = policy.organisations.iter().flat_map(|(organisation, role, members)| {
            members.iter().map(move |member| format!("{} as {role} of {organisation}", actor(*member)))
        });
        let mut members: Vec<_> = members.collect();
        members.sort();
        let by = told_of(&policy.endorsers);
        Ok(format!("policy {}{by}, deploy {}, {}", policy.version, policy.deploy, members.join(", ")))
    }

    /// A contract as lines, in the order in which [`contract`] tells one of the model.
    fn contract(&self, text: &str) -> Result<Vec<String>, String> {
        let name = name(text)?;
        let record = self.vm.record(&name).map_err(told)?.ok_or("no record")?;
        let versions = self.vm.versions(&name).map_err(told)?;
        let policy = self.vm.policy(&name).map_err(told)?.ok_or("no policy")?;
        let history = self.vm.history(&name, 1, usize::MAX).map_err(told)?;
        let view = self.vm.view().map_err(told)?;
        let state = view.scan(&KeyRange::contract(&name, &[], &[]), usize::MAX).map_err(told)?;
        for version in &versions {
            if self.vm.code(&version.code).map_err(told)? != Some(code(version.runtime)) {
                return Err(format!("the code of {name} {} is not what was deployed", version.version));
            }
        }
        if record.versions as usize != versions.len() || record.entries as usize != history.len() {
            return Err(format!("the record of {name} miscounts: {record:?}"));
        }
        let room = record.room.map(|room| (room.keys, room.bytes));
        let state = state.iter().map(|(key, value)| entry_of(key.suffix().unwrap_or_default(), value));
        let mut lines = vec![
            format!("{} {} {} {}", actor(record.owner), record.lifecycle, record.version, record.runtime),
            format!("{:?}", versions.iter().map(|v| (v.version.as_str(), v.runtime)).collect::<Vec<_>>()),
            format!("may use {}, room {room:?}, policy {}", record.capabilities, record.policy),
            format!("{:?}", policy.iter().map(|(right, rule)| format!("{right} = {rule}")).collect::<Vec<_>>()),
            format!("state {}, {} entries", state.collect::<Vec<_>>().join(" "), history.len()),
        ];
        lines.extend(history.iter().map(entry));
        Ok(lines)
    }
}

/// The policy that a host begins with.
fn policy() -> Result<HostPolicy, String> {
    let (mut policy, mut organisations) = (HostPolicy::default(), Organisations::default());
    for (organisation, role, member) in MEMBERS {
        organisations.enrol(organisation, role, address(member)).map_err(told)?;
    }
    (policy.administrators, policy.organisations) = (ADMINISTRATORS.parse::<Rule>().map_err(told)?, organisations);
    Ok(policy)
}

/// The model's host as a line.
fn host(model: &Model) -> String {
    let deploys = RULES.iter().find(|(_, who)| *who == model.deploys).map_or("", |(text, _)| text);
    let members =
        model.members.iter().map(|(organisation, role, member)| format!("{member} as {role} of {organisation}"));
    let mut members: Vec<_> = members.collect();
    members.sort();
    let by = endorsed(&model.host_endorsers);
    format!("policy {}{by}, deploy {}, {}", model.host_policy, rule(deploys), members.join(", "))
}

/// A contract of the model as lines.
fn contract(contract: &Contract) -> Vec<String> {
    let Contract { owner, life, version, kind, versions, policy, capabilities, room, history, state, .. } = contract;
    let right = |text: String| match text.split_once(" = ") {
        Some((right, of)) => format!("{right} = {}", rule(of)),
        None => text,
    };
    let state = state.iter().map(|(key, value)| entry_of(key.as_bytes(), value));
    let mut lines = vec![
        format!("{owner} {life} {version} {kind}"),
        format!("{versions:?}"),
        format!("may use {capabilities}, room {room:?}, policy {policy}"),
        format!("{:?}", rights_as_text(contract).into_iter().map(right).collect::<Vec<_>>()),
        format!("state {}, {} entries", state.collect::<Vec<_>>().join(" "), history.len()),
    ];
    lines.extend(history.iter().cloned());
    lines
}

fn entry_of(key: &[u8], value: &[u8]) -> String {
    format!("{}={}", String::from_utf8_lossy(key), hex(value))
}

fn entry(entry: &HistoryEntry) -> String {
    let HistoryEntry { operation, migration, before, after, .. } = entry;
    let before = before.as_ref().map_or("-", |before| before.version.as_str());
    let (version, life, policy) = (&after.version, after.lifecycle, after.policy);
    let (actor, by) = (actor(entry.actor), told_of(&entry.endorsers));
    format!("{operation} {migration:?} by {actor}{by}: {before} -> {version} {life} {policy}")
}

/// Endorsers in the model's words.
fn told_of(endorsers: &BTreeSet<Address>) -> String {
    endorsed(&endorsers.iter().copied().map(actor).collect())
}

fn actor(of: Address) -> &'static str {
    ACTORS.into_iter().find(|name| address(name) == of).unwrap_or("somebody")
}

fn told(error: impl Display) -> String {
    error.to_string()
}

/// How a call ended, in the model's words.
fn ended(step: &Step, receipt: &Receipt) -> Result<(), &'static str> {
    let sees_time = || receipt.text.as_ref().is_some_and(|text| text.contains(&format!("timestamp={TIME} ")));
    // Of the contracts that carry out operations; others emit no such topic.
    let says_unchanged = || {
        let second = |event: &Event| event.topics.get(1).is_some_and(|topic| *topic == UNCHANGED);
        receipt.events.iter().any(second)
    };
    match receipt.status {
        Status::Revert => Err("reverted"),
        Status::Trap(_) => Err("trapped"),
        Status::Success if matches!(step.verb, Verb::Call(super::step::Calling::Time)) && !sees_time() => {
            Err("no time")
        }
        Status::Success if says_unchanged() => Err(UNCHANGED),
        Status::Success => Ok(()),
    }
}

/// The model's name of an error; none for those of the host.
fn label(error: &VmError) -> Option<&'static str> {
    let refusal = match &error.kind {
        ErrorKind::Refused(refusal) => refusal,
        ErrorKind::Failed(_) => return Some("failed"),
        ErrorKind::Fault(HostFault::Quota { .. }) => return Some("quota"),
        ErrorKind::Fault(_) => return None,
    };
    Some(match **refusal {
        Refusal::Denied(_) | Refusal::Ungoverned { .. } => "denied",
        Refusal::NameTaken(_) => "name_taken",
        Refusal::UnknownContract(_) => "unknown_contract",
        Refusal::VersionTaken { .. } => "version_taken",
        Refusal::UnknownVersion { .. } => "unknown_version",
        Refusal::CurrentVersion { .. } => "current_version",
        Refusal::RuntimeChange { .. } => "runtime_change",
        Refusal::Transition { .. } => "transition",
        Refusal::NotCallable { .. } => "not_callable",
        Refusal::Policy(_) => "policy",
        _ => "refused",
    })
}
