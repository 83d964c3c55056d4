//! The machine that is tested.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use futures_executor::block_on;
use vm_core::{
    Address, Arguments, ChangeRequest, Code, ContractName, DeployRequest, DryRunRequest, ErrorKind, GovernRequest,
    Governance, GrantRequest, HistoryEntry, HostPolicy, InvokeRequest, Refusal, RollbackRequest, Rule, RuntimeKind,
    StateKey, Status, Trial, UpgradeRequest, Version, Vm, VmError, VmProvider,
};
use vm_native::{NativeConfig, NativeContract, NativeRuntime};
use vm_wasm::{WasmConfig, WasmRuntime};

use super::crash::{Crashing, Plan, tear};
use super::model::{Contract, Model, rights_as_text};
use super::step::{ACTORS, Crash, RULES, Step, Verb};

/// The probe as a module; its native twin is linked.
const MODULE: &[u8] = include_bytes!("../../../contracts/artifacts/probe.wasm");
/// Under which key the probe counts.
const KEY: &[u8] = b"n";

/// A machine over a data directory.
pub(super) struct Machine {
    vm: Vm,
    plan: Arc<Mutex<Plan>>,
}

/// How a request ended: in an error of the host, or as a model can say it.
pub(super) type Ending = Result<Result<(), &'static str>, String>;

impl Machine {
    pub(super) fn start(directory: &Path) -> io::Result<Self> {
        let plan = Arc::new(Mutex::default());
        let backend = Crashing::open(directory, plan.clone())?;
        let linked = NativeConfig::new().contract("probe", NativeContract::of::<probe::Probe>());
        let mut policy = HostPolicy::default();
        policy.administrators = Rule::Callers([address("root")].into());
        let vm = Vm::builder()
            .runtime(NativeRuntime::new(linked.map_err(io::Error::other)?))
            .runtime(WasmRuntime::new(WasmConfig::default()).map_err(io::Error::other)?)
            .backend(Arc::new(backend))
            .policy(policy)
            .workers(1)
            .build()
            .map_err(io::Error::other)?;
        block_on(vm.start()).map_err(io::Error::other)?;
        Ok(Self { vm, plan })
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
        Ok(self.vm.view().map_err(|error| error.to_string())?.height().get())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for what a step asks for; `crash` is for the commit that it makes.
    pub(super) fn perform(&self, step: &Step) -> Result<Ending, String> {
        self.lock().next = Some(step.crash);
        let ending = block_on(self.request(step))?;
        self.lock().next = None;
        Ok(match ending {
            Ok(()) => Ok(Ok(())),
            Err(error) => match label(&error) {
                Some(label) => Ok(Err(label)),
                None => Err(error.to_string()),
            },
        })
    }

    async fn request(&self, step: &Step) -> Result<Result<(), VmError>, String> {
        let told = |error: &dyn std::fmt::Display| error.to_string();
        let name = name(step.name)?;
        let version = |text: &str| text.parse::<Version>().map_err(|error| told(&error));
        let rule =
            |rule: usize| RULES.get(rule).map_or("", |(text, _)| text).parse::<Rule>().map_err(|error| told(&error));
        let (from, endorsers) = (address(step.actor), || step.endorsers.iter().copied().map(address));
        let message = |fails: bool| if fails { "no" } else { "" };
        let vm = &self.vm;
        Ok(match &step.verb {
            Verb::Deploy { version: to, kind, fails } => {
                let request = DeployRequest::new(name, version(to)?, code(*kind)).args([message(*fails)]);
                vm.deploy(request.from(from).endorsed_by(endorsers()).because("life")).await.map(drop)
            }
            Verb::Upgrade { version: to, kind, fails, skip, change_runtime } => {
                let request = UpgradeRequest::new(name, version(to)?, code(*kind)).from(from).endorsed_by(endorsers());
                let request = if *skip { request.skip_migration() } else { request.args([message(*fails)]) };
                vm.upgrade(if *change_runtime { request.change_runtime() } else { request }).await.map(drop)
            }
            Verb::Rollback { version: to, migration, change_runtime } => {
                let mut request = RollbackRequest::new(name, version(to)?).from(from).endorsed_by(endorsers());
                request.migration = migration.map(|fails| Arguments::positional([message(fails)]));
                request.change_runtime = *change_runtime;
                vm.rollback(request).await.map(drop)
            }
            Verb::Change(change) => {
                vm.change(ChangeRequest::new(name, *change).from(from).endorsed_by(endorsers())).await.map(drop)
            }
            Verb::Grant { right, rule: by } => {
                let right = right.parse().map_err(|error| told(&error))?;
                let request = GrantRequest::new(name).set(right, rule(*by)?).from(from).endorsed_by(endorsers());
                vm.grant(request).await.map(drop)
            }
            Verb::Govern { rule: by } => {
                let request = GovernRequest::new(Governance::Deploy(rule(*by)?)).from(from).endorsed_by(endorsers());
                vm.govern(request).await.map(drop)
            }
            Verb::Call => {
                let request =
                    InvokeRequest::new(name, "count").arg("key", hex(KEY)).from(from).endorsed_by(endorsers());
                let receipt = vm.invoke(request).await;
                if let Ok(receipt) = &receipt
                    && receipt.status != Status::Success
                {
                    return Err(format!("the call ended with {}: {:?}", receipt.status, receipt.text));
                }
                receipt.map(drop)
            }
            Verb::DryRun { version: to, kind } => {
                let request = UpgradeRequest::new(name, version(to)?, code(*kind)).args([""]).change_runtime();
                let request = request.from(from).endorsed_by(endorsers());
                vm.dry_run(DryRunRequest::new(Trial::Upgrade(request))).await.map(drop)
            }
        })
    }

    /// In what the machine differs from a model.
    pub(super) fn differences(&self, model: &Model) -> Result<Option<String>, String> {
        let told = |error: &dyn std::fmt::Display| error.to_string();
        let records = self.vm.contracts().map_err(|error| told(&error))?;
        let names: Vec<_> = records.iter().map(|record| record.name.as_str()).collect();
        if !names.iter().eq(model.contracts.keys()) {
            return Ok(Some(format!("contracts {names:?} instead of {:?}", model.contracts.keys())));
        }
        let host = self.vm.host_policy().map_err(|error| told(&error))?;
        let deploys = RULES.iter().find(|(_, who)| *who == model.deploys).map_or("", |(text, _)| text);
        let deploys: Rule = deploys.parse().map_err(|error| told(&error))?;
        if (host.version, &host.deploy) != (model.host_policy, &deploys) {
            return Ok(Some(format!(
                "host policy {} {} instead of {} {deploys}",
                host.version, host.deploy, model.host_policy
            )));
        }
        for (name, expected) in &model.contracts {
            let found = self.read(name)?;
            if let Some((found, expected)) =
                found.into_iter().zip(lines(expected)).find(|(found, expected)| found != expected)
            {
                return Ok(Some(format!("contract {name}: {found} instead of {expected}")));
            }
        }
        Ok(None)
    }

    /// A contract as lines, in the order in which [`lines`] tells one of the model.
    fn read(&self, text: &str) -> Result<Vec<String>, String> {
        let told = |error: &dyn std::fmt::Display| error.to_string();
        let name = name(text)?;
        let record = self.vm.record(&name).map_err(|error| told(&error))?.ok_or("no record")?;
        let versions = self.vm.versions(&name).map_err(|error| told(&error))?;
        let policy = self.vm.policy(&name).map_err(|error| told(&error))?.ok_or("no policy")?;
        let history = self.vm.history(&name, 1, usize::MAX).map_err(|error| told(&error))?;
        let view = self.vm.view().map_err(|error| told(&error))?;
        let value = |key: &[u8]| view.get(&StateKey::contract(&name, key)).map_err(|error| told(&error));
        let count = value(KEY)?.and_then(|bytes| bytes.first_chunk::<8>().copied()).map_or(0, u64::from_le_bytes);
        let migrated = value(b"upgraded")?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        for version in &versions {
            let code = self.vm.code(&version.code).map_err(|error| told(&error))?;
            if code != Some(self::code(version.runtime)) {
                return Err(format!("the code of {name} {} is not what was deployed", version.version));
            }
        }
        if record.versions as usize != versions.len() || record.entries as usize != history.len() {
            return Err(format!("the record of {name} miscounts: {record:?}"));
        }
        let mut lines = vec![
            format!("{} {} {} {}", actor(record.owner), record.lifecycle, record.version, record.runtime),
            format!("{:?}", versions.iter().map(|v| (v.version.as_str(), v.runtime)).collect::<Vec<_>>()),
            format!("policy {}", record.policy),
            format!("{:?}", policy.iter().map(|(right, rule)| format!("{right} = {rule}")).collect::<Vec<_>>()),
            format!("count {count}, migrated {migrated:?}, {} entries", history.len()),
        ];
        lines.extend(history.iter().map(entry));
        Ok(lines)
    }
}

/// A contract of the model as lines.
fn lines(contract: &Contract) -> Vec<String> {
    let Contract { owner, life, version, kind, versions, policy, history, count, migrated, .. } = contract;
    // The machine tells addresses where the model has names.
    let with_addresses = |text: String| match text.split_once(" = ") {
        Some((right, rule)) => rule.parse::<Rule>().map_or(text.clone(), |rule| format!("{right} = {rule}")),
        None => text,
    };
    let mut lines = vec![
        format!("{owner} {life} {version} {kind}"),
        format!("{versions:?}"),
        format!("policy {policy}"),
        format!("{:?}", rights_as_text(contract).into_iter().map(with_addresses).collect::<Vec<_>>()),
        format!("count {count}, migrated {migrated:?}, {} entries", history.len()),
    ];
    lines.extend(history.iter().cloned());
    lines
}

fn entry(entry: &HistoryEntry) -> String {
    let HistoryEntry { operation, migration, before, after, .. } = entry;
    let before = before.as_ref().map_or("-", |before| before.version.as_str());
    let (actor, version, life, policy) = (actor(entry.actor), &after.version, after.lifecycle, after.policy);
    format!("{operation} {migration:?} by {actor}: {before} -> {version} {life} {policy}")
}

fn actor(address: Address) -> &'static str {
    ACTORS.into_iter().find(|name| self::address(name) == address).unwrap_or("somebody")
}

fn address(name: &str) -> Address {
    Address::from_name(name)
}

fn name(text: &str) -> Result<ContractName, String> {
    ContractName::new(text).map_err(|error| error.to_string())
}

fn code(kind: RuntimeKind) -> Code {
    match kind {
        RuntimeKind::Wasm => Code::new(kind, MODULE),
        _ => Code::new(kind, "probe"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold("0x".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

/// The model's name of an error; none for those of the host.
fn label(error: &VmError) -> Option<&'static str> {
    let refusal = match &error.kind {
        ErrorKind::Refused(refusal) => refusal,
        ErrorKind::Failed(_) => return Some("failed"),
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
