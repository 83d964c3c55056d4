//! The machine that is tested.

mod expected;
mod observer;
mod tried;

use std::fmt::Display;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_executor::block_on;
use vm_core::{
    Arguments, Code, DeployRequest, Entry, ErrorKind, HostFault, InvokeRequest, KeyRange, Managed, Quota, Quotas, Rate,
    Receipt, Refusal, RuntimeKind, Space, StateKey, Status, Vm, VmError, VmProvider,
};
use vm_native::NativeRuntime;

use super::answer::Found;
use super::crash::{Crashing, Plan, tear};
use super::model::{BURST, Contract, Host, Model, UNCHANGED};
use super::program::{Modules, linked};
use super::request::{Transaction, address, block, call, hex, name, operation, parsed, transaction, trial};
use super::step::{Crash, OWN_BLOCK, Step, Verb, Way};
use expected::same;
use observer::Listener;
use tried::tried;

/// The contracts by which operations are transactions.
const SYSTEM: [&str; 3] = ["access_control", "contract_manager", MULTI_SIGN];
const MULTI_SIGN: &str = "multi_sign";

/// A machine over a data directory.
pub(super) struct Machine {
    vm: Vm,
    plan: Arc<Mutex<Plan>>,
    listener: Listener,
}

/// How much of the past is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// What is in force now, with all histories and versions.
    Now,
    /// All policies that were in force, too.
    Ever,
}

impl Machine {
    pub(super) fn start(directory: &Path) -> io::Result<Self> {
        let (plan, listener) = (Arc::new(Mutex::default()), Listener::default());
        let backend = Crashing::open(directory, plan.clone())?;
        let linked = linked().and_then(vm_native::NativeConfig::system_contracts).map_err(io::Error::other)?;
        let rate = Some(Rate { burst: BURST, every: Duration::from_secs(24 * 3_600) });
        let quota = Quota { rate, ..Quota::default() };
        let vm = Vm::builder()
            .runtime(NativeRuntime::new(linked))
            .shared_runtime(Modules::shared()?)
            .backend(Arc::new(backend))
            .policy(expected::host_policy(&Host::default(), 1).map_err(io::Error::other)?)
            .quotas(Quotas { caller: quota, contract: quota })
            .block(block(OWN_BLOCK))
            .observer(listener.clone())
            .workers(1)
            .build()
            .map_err(io::Error::other)?;
        block_on(vm.start()).map_err(io::Error::other)?;
        let machine = Self { vm, plan, listener };
        machine.begin().map_err(io::Error::other)?;
        Ok(machine)
    }

    /// Deploys the system's contracts, if they are not there.
    fn begin(&self) -> Result<(), String> {
        for contract in SYSTEM {
            let name = name(contract)?;
            if self.vm.record(&name).map_err(told)?.is_none() {
                let code = Code::new(RuntimeKind::Native, contract);
                let request = DeployRequest::new(name, parsed("1")?, code).block(Arc::new(block(OWN_BLOCK)));
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

    /// Everything that there is in the state.
    pub(super) fn state(&self) -> Result<Vec<(StateKey, impl PartialEq + use<>)>, String> {
        const SPACES: [Space; 12] = [
            Space::System,
            Space::Record,
            Space::Version,
            Space::Code,
            Space::Account,
            Space::EvmStorage,
            Space::EvmCode,
            Space::Contract,
            Space::Apart,
            Space::History,
            Space::Policy,
            Space::Usage,
        ];
        let view = self.vm.view().map_err(told)?;
        let entries = SPACES.map(|space| view.scan(&KeyRange::space(space), usize::MAX));
        Ok(entries.into_iter().collect::<Result<Vec<_>, _>>().map_err(told)?.into_iter().flatten().collect())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for what a step asks for, of the proposal with this number if it is about one; its crash is for the commit that it makes.
    /// No name is found when the host failed.
    pub(super) fn perform(&self, step: &Step, number: u64) -> Result<Found, String> {
        let asked = match &step.verb {
            Verb::Propose { operation, until } => {
                let Transaction { contract, method, .. } = proposed(step, operation)?;
                let input = hex(&self.input(step, operation)?);
                let args = vec![contract.to_owned(), method.to_owned(), input, until.to_string()];
                Some(Transaction { contract: MULTI_SIGN, method: "propose", args })
            }
            Verb::Sign(signing, _) => {
                Some(Transaction { contract: MULTI_SIGN, method: signing.method(), args: vec![number.to_string()] })
            }
            _ if step.way == Way::Request => None,
            _ => transaction(step),
        };
        let request = match asked {
            Some(asked) => Some(sent(asked, step.block)?.from(address(step.actor))),
            None => call(step)?,
        };
        self.listener.take();
        self.lock().next = Some(step.crash);
        let ending = match request {
            Some(request) => {
                let queries = matches!(step.verb, Verb::Query(_));
                let receipt = if queries { self.vm.query(request) } else { self.vm.invoke(request) };
                block_on(receipt).map(|receipt| ended(step, &receipt))
            }
            None => block_on(self.request(step))?,
        };
        self.lock().next = None;
        let found = ending.unwrap_or_else(|error| {
            let (name, text) = (label(&error).unwrap_or_default(), error.to_string());
            Found { name, text, ..Found::default() }
        });
        Ok(Found { told: self.listener.take(), ..found })
    }

    async fn request(&self, step: &Step) -> Result<Result<Found, VmError>, String> {
        let vm = &self.vm;
        if let Some(request) = trial(step)? {
            let run = vm.dry_run(request).await;
            return Ok(run.map(|run| Found { tried: Some(tried(&run)), ..ended(step, &run.receipt) }));
        }
        let changed = |changed: bool| if changed { "done" } else { UNCHANGED };
        let done = match operation(step, &step.verb)?.ok_or("a step without request")? {
            Managed::Deploy(request) => vm.deploy(request).await.map(|_| "done"),
            Managed::Upgrade(request) => vm.upgrade(request).await.map(|_| "done"),
            Managed::Migrate(request) => vm.migrate(request).await.map(|_| "done"),
            Managed::Rollback(request) => vm.rollback(request).await.map(|_| "done"),
            Managed::Change(request) => vm.change(request).await.map(|_| "done"),
            Managed::Grant(request) => vm.grant(request).await.map(|done| changed(done.changed)),
            Managed::Govern(request) => vm.govern(request).await.map(|done| changed(done.changed)),
            _ => return Err("an operation that nobody knows".into()),
        };
        Ok(done.map(|name| Found { name, ..Found::default() }))
    }

    /// Compares the machine with a model.
    ///
    /// # Errors
    /// In what they differ.
    pub(super) fn compare(&self, model: &Model, depth: Depth) -> Result<(), String> {
        let records = self.vm.contracts().map_err(told)?;
        let names = records.iter().map(|record| record.name.as_str()).filter(|name| !SYSTEM.contains(name));
        same("contracts", &names.collect::<Vec<_>>(), &model.contracts.keys().copied().collect())?;
        let version = model.earlier.len() as u32 + 1;
        same("host", &self.vm.host_policy().map_err(told)?, &expected::host_policy(&model.host, version)?)?;
        if depth == Depth::Ever {
            for (version, host) in (1..).zip(model.earlier.iter().chain([&model.host])) {
                let found = self.vm.host_policy_version(version).map_err(told)?;
                same(format!("host's policy {version}"), &found, &Some(expected::host_policy(host, version)?))?;
            }
        }
        for (name, contract) in &model.contracts {
            self.compare_contract(name, contract, depth).map_err(|what| format!("contract {name}: {what}"))?;
        }
        self.compare_proposals(model)
    }

    /// Those that are open are shown, with everything that was said of them.
    fn compare_proposals(&self, model: &Model) -> Result<(), String> {
        let ask = |method, number: u64| {
            let view = Transaction { contract: MULTI_SIGN, method, args: vec![number.to_string()] };
            let receipt = block_on(self.vm.query(sent(view, OWN_BLOCK)?)).map_err(told)?;
            Ok::<_, String>(text_of(&receipt))
        };
        let mut last = 0;
        for (number, proposal) in &model.proposals {
            same("the next proposal", &ask("next", last)?, &number.to_string())?;
            let (shown, (begin, end)) = (ask("proposal", *number)?, model.shown(proposal, OWN_BLOCK));
            if !shown.starts_with(&begin) || !shown.ends_with(&end) {
                return Err(format!("proposal {number} is shown as {shown:?} instead of {begin:?} and {end:?}"));
            }
            let input = self.input(&proposal.asked, &proposal.asked.verb)?;
            same(format!("the input of proposal {number}"), &ask("input", *number)?, &hex(&input))?;
            last = *number;
        }
        same("the last proposal", &ask("next", last)?, &"0".to_owned())
    }

    /// The arguments of an operation that is proposed, in borsh.
    fn input(&self, step: &Step, operation: &Verb) -> Result<Vec<u8>, String> {
        let Transaction { contract, method, args } = proposed(step, operation)?;
        let contract = self.vm.contract(&name(contract)?).map_err(told)?;
        let encoded =
            contract.interface().encode(&Entry::Invoke, method, &Arguments::positional(args)).map_err(told)?;
        Ok(encoded.input.to_vec())
    }

    fn compare_contract(&self, text: &str, of: &Contract, depth: Depth) -> Result<(), String> {
        let (name, vm) = (name(text)?, &self.vm);
        same("record", &vm.record(&name).map_err(told)?, &Some(expected::record(text, of)?))?;
        same("versions", &vm.versions(&name).map_err(told)?, &expected::versions(&of.versions)?)?;
        same("history", &vm.history(&name, 1, usize::MAX).map_err(told)?, &expected::history(&of.history)?)?;
        let policies = (0..).zip(&of.policies);
        for (version, rights) in policies.filter(|(version, _)| depth == Depth::Ever || *version == of.now.policy) {
            let found = vm.policy_version(&name, version).map_err(told)?;
            same(format!("policy {version}"), &found, &Some(expected::policy(rights)?))?;
        }
        same("policy", &vm.policy(&name).map_err(told)?, &Some(expected::policy(&of.rights())?))?;
        let found =
            vm.view().and_then(|view| view.scan(&KeyRange::contract(&name, &[], &[]), usize::MAX)).map_err(told)?;
        let found = found.iter().map(|(key, value)| (key.suffix().unwrap_or_default().to_vec(), value.to_vec()));
        let state = of.state.iter().map(|(key, value)| (key.as_bytes().to_vec(), value.clone()));
        same("state", &found.collect::<Vec<_>>(), &state.collect())?;
        for version in &of.versions {
            let (kept, program) = (vm.code(&version.program.hash()).map_err(told)?, version.program);
            if kept.as_ref() != Some(program.code()) {
                return Err(format!("the code of {} is not what was deployed", version.name));
            }
        }
        Ok(())
    }
}

/// An operation as the method that a proposal names.
fn proposed(step: &Step, operation: &Verb) -> Result<Transaction, String> {
    transaction(&Step { verb: operation.clone(), ..step.clone() })
        .ok_or_else(|| "something that nobody proposes".into())
}

/// A call of a system contract, in a block.
fn sent(asked: Transaction, number: u64) -> Result<InvokeRequest, String> {
    let Transaction { contract, method, args } = asked;
    Ok(InvokeRequest::new(name(contract)?, method).args(args).block(Arc::new(block(number))))
}

fn told(error: impl Display) -> String {
    error.to_string()
}

/// How a call ended, or an operation by transaction.
fn ended(step: &Step, receipt: &Receipt) -> Found {
    // Of the contracts that carry out operations.
    let unchanged = || receipt.events.iter().any(|event| event.topics.get(1).is_some_and(|topic| *topic == UNCHANGED));
    let name = if step.way != Way::Request && unchanged() { UNCHANGED } else { status(receipt) };
    Found { name, text: text_of(receipt), ..Found::default() }
}

/// The model's name of how a call ended.
const fn status(receipt: &Receipt) -> &'static str {
    match receipt.status {
        Status::Success => "done",
        Status::Revert => "reverted",
        Status::Trap(_) => "trapped",
    }
}

/// What was answered, or how it trapped.
fn text_of(receipt: &Receipt) -> String {
    match &receipt.status {
        Status::Trap(_) => receipt.status.to_string(),
        _ => receipt.text.clone().unwrap_or_default(),
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
        Refusal::TooLarge { .. } => "too_large",
        _ => "refused",
    })
}
