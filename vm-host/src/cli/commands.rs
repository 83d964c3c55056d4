//! What each command does.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::CommandFactory;
use serde_json::{Value, json};
use vm_core::{
    Account, Change, ChangeRequest, DeployRequest, GovernRequest, Governance, GrantRequest, HostFault, InvokeRequest,
    Journal, MigrateRequest, Phase, Receipt, Regulated, RollbackRequest, Room, RuntimeKind, Target, Trial,
    UpgradeRequest, Vm, VmError, VmProvider,
};
use vm_host::config::{Config, Format, State};

use super::arguments::{CallArgs, ChangeArgs, Cli, Command, Global, Govern, Member};
use super::counters::Counters;
use super::dry_run::Tried;
use super::failure::{Class, Usage, unusable};
use super::interrupt::{self, Interrupted};
use super::output::{Output, Told};
use super::records::Records;
use super::{analyze, artifact, doctor, dry_run, inspect, kept, policy, progress, trace};

/// Does what the command line asks for.
pub(super) fn run(cli: Cli, output: Output) -> anyhow::Result<ExitCode> {
    let Cli { global, command } = cli;
    match command {
        Command::Init { file, force } => init(&file, force, output),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "vm-host", &mut script);
            // A script is for a shell, whatever --json says.
            Output { json: false }.print(|| json!(null), |out| out.write_all(&script))?;
            Ok(ExitCode::SUCCESS)
        }
        command => {
            let config = configuration(&global)?;
            if let Command::Analyze { code } = &command {
                return analyze::analyze(&config, output, code);
            }
            if let Command::Doctor = &command {
                return doctor::doctor(&config, output);
            }
            let trace = match &command {
                Command::Deploy { trace, .. }
                | Command::Upgrade { trace, .. }
                | Command::Invoke { trace, .. }
                | Command::Query { trace, .. } => trace.trace.clone(),
                _ => None,
            };
            with_vm(&config, trace.as_deref(), |vm| on_vm(command, &config, vm, output))
        }
    }
}

fn on_vm(command: Command, config: &Config, vm: &Vm, output: Output) -> anyhow::Result<ExitCode> {
    match command {
        Command::Deploy { name, code, version, call, capabilities, dry_run, reason, .. } => {
            let title = format!("deployed {name} {version}");
            let code = artifact::load(config, &code, None)?;
            let request = DeployRequest::new(name, version, code).arguments(call.arguments()).because(reason.text);
            let request = DeployRequest { capabilities, sender: call.sender(config)?, ..request };
            let dry = dry_run.then(|| Trial::Deploy(request.clone()).into());
            operate(vm, output, &title, dry, || vm.deploy(request))
        }
        Command::Upgrade { name, code, version, call, skip_migration, change_runtime, trying, .. } => {
            let code = artifact::load(config, &code, vm.record(&name)?.map(|record| record.runtime))?;
            let title = format!("upgraded {name} to {version}");
            let request = UpgradeRequest::new(name.clone(), version, code).arguments(call.arguments());
            let sender = call.sender(config)?;
            let request =
                UpgradeRequest { sender, skip_migration, change_runtime, ..request.because(&*trying.reason.text) };
            let dry = dry_run::request(|| Trial::Upgrade(request.clone()), &trying, &Records::of(config), &name)?;
            operate(vm, output, &title, dry, || vm.upgrade(request))
        }
        Command::Migrate { name, written_by, call, trying } => {
            let title = format!("migrated {name} from {written_by}");
            let request = MigrateRequest::new(name.clone(), written_by).arguments(call.arguments());
            let request = MigrateRequest { sender: call.sender(config)?, ..request.because(&*trying.reason.text) };
            let dry = dry_run::request(|| Trial::Migrate(request.clone()), &trying, &Records::of(config), &name)?;
            operate(vm, output, &title, dry, || vm.migrate(request))
        }
        Command::Rollback { name, version, migrate, call, change_runtime, trying } => {
            let title = format!("rolled {name} back to {version}");
            let arguments = call.arguments();
            if !migrate && !arguments.is_empty() {
                return Err(
                    Usage("arguments are for the migration; add --migrate, or leave them out".to_owned()).into()
                );
            }
            let migration = migrate.then_some(arguments);
            let request = RollbackRequest::new(name.clone(), version).because(&*trying.reason.text);
            let request = RollbackRequest { migration, change_runtime, sender: call.sender(config)?, ..request };
            let dry = dry_run::request(|| Trial::Rollback(request.clone()), &trying, &Records::of(config), &name)?;
            operate(vm, output, &title, dry, || vm.rollback(request))
        }
        Command::Invoke { name, method, call, dry_run, .. } => {
            let (title, request) = request(vm, config, &name, method, &call)?;
            if dry_run {
                return dry_run::run(vm, output, &title, Trial::Invoke(request).into());
            }
            let receipt = progress::wait(&title, vm.invoke(request))??;
            finish(vm, output, &receipt, &title, Kind::Call)
        }
        Command::Query { name, method, call, .. } => {
            let (title, request) = request(vm, config, &name, method, &call)?;
            let receipt = progress::wait(&title, vm.query(request))??;
            finish(vm, output, &receipt, &title, Kind::Query)
        }
        Command::Freeze(args) => change(vm, output, args, Change::Freeze),
        Command::Unfreeze(args) => change(vm, output, args, Change::Unfreeze),
        Command::Revoke(args) => change(vm, output, args, Change::Revoke),
        Command::Grant { name, right, rule, from, reason, .. } => {
            let request = GrantRequest { rules: vec![(right, rule)], sender: from.sender(), ..GrantRequest::new(name) };
            let granted = progress::wait("storing", vm.grant(request.because(reason.text)))??;
            let line = format!("{} has policy {}", granted.now.name, granted.now.policy);
            regulated(output, json!({ "ok": true, "contract": granted.now }), &line, &granted)
        }
        Command::Govern { change } => govern(vm, output, change),
        Command::Policy { name, version } => policy::show(vm, &Records::of(config), output, name.as_ref(), version),
        Command::List => inspect::list(vm, output),
        Command::Show { name } => inspect::show(vm, output, &name),
        Command::Code { name, version, output: to, abi } => {
            kept::code(vm, output, &name, version.as_ref(), to.as_deref(), abi.as_deref())
        }
        Command::History { name, last } => inspect::history(vm, &Records::of(config), output, &name, last),
        Command::Status => inspect::status(vm, output),
        Command::Metrics { reset } => metrics(vm, config, output, reset),
        Command::Init { .. } | Command::Completions { .. } | Command::Analyze { .. } | Command::Doctor => {
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Gives or replaces code, or migrates; or only tries it.
fn operate<O: Future<Output = Result<Receipt, VmError>> + Send>(
    vm: &Vm,
    output: Output,
    title: &str,
    dry: Option<Tried>,
    operation: impl FnOnce() -> O,
) -> anyhow::Result<ExitCode> {
    if let Some(request) = dry {
        return dry_run::run(vm, output, &format!("would have {title}"), request);
    }
    let receipt = progress::wait(title, operation())??;
    finish(vm, output, &receipt, title, Kind::Creation)
}

fn change(vm: &Vm, output: Output, args: ChangeArgs, change: Change) -> anyhow::Result<ExitCode> {
    let ChangeArgs { name, from, reason } = args;
    let request = ChangeRequest { sender: from.sender(), ..ChangeRequest::new(name, change) }.because(reason.text);
    let record = progress::wait("storing", vm.change(request))??;
    let line = format!("{} is {}", record.name, record.lifecycle);
    output.done(|| json!({ "ok": true, "contract": record }), &line)?;
    Ok(ExitCode::SUCCESS)
}

fn govern(vm: &Vm, output: Output, change: Govern) -> anyhow::Result<ExitCode> {
    let (change, by) = match change {
        Govern::Deploy { rule, by } => (Governance::Deploy(rule), by),
        Govern::Administrators { rule, by } => (Governance::Administrators(rule), by),
        Govern::Contracts { right, rule, by } => (Governance::Contracts(right, rule), by),
        Govern::Enrol { member: Member { organisation, role, account: member }, by } => {
            (Governance::Enrol { organisation, role, member }, by)
        }
        Govern::Room { name: contract, keys, bytes, by } => {
            let room = keys.zip(bytes).map(|(keys, bytes)| Room { keys, bytes });
            (Governance::Room { contract, room }, by)
        }
        Govern::Dismiss { member: Member { organisation, role, account: member }, by } => {
            (Governance::Dismiss { organisation, role, member }, by)
        }
    };
    let bounded = match &change {
        Governance::Room { contract, room } => Some((contract.clone(), *room)),
        _ => None,
    };
    let request = GovernRequest { sender: by.from.sender(), ..GovernRequest::new(change) }.because(by.reason.text);
    let governed = progress::wait("storing", vm.govern(request))??;
    // That is in the contract's record, and leaves the host's policy as it is.
    if let Some((name, room)) = bounded {
        let record = vm.record(&name)?;
        let room = room.map_or_else(|| "as much state as it needs".to_owned(), inspect::room);
        let line = format!("{name} may have {room}");
        return regulated(output, json!({ "ok": true, "contract": record }), &line, &governed);
    }
    let line = format!("the host has policy {}", governed.now.version);
    regulated(output, json!({ "ok": true, "policy": governed.now }), &line, &governed)
}

/// Says what is in force now, and whether that is new.
fn regulated<T>(output: Output, mut told: Value, line: &str, of: &Regulated<T>) -> anyhow::Result<ExitCode> {
    if let Value::Object(told) = &mut told {
        told.extend([("changed".to_owned(), of.changed.into()), ("already".to_owned(), of.already.clone().into())]);
    }
    let unchanged = if of.changed { String::new() } else { format!(", unchanged: {}", of.already.join("; ")) };
    output.done(|| told, &format!("{line}{unchanged}"))?;
    Ok(ExitCode::SUCCESS)
}

/// What is asked for, and how it is called.
fn request(
    vm: &Vm,
    config: &Config,
    name: &str,
    method: Option<String>,
    call: &CallArgs,
) -> anyhow::Result<(String, InvokeRequest)> {
    let target = match name.strip_prefix("0x") {
        Some(_) => Target::Address(name.parse().map_err(|error| Usage(format!("{error}")))?),
        None => Target::Name(name.parse().map_err(|error| Usage(format!("{error}")))?),
    };
    let method =
        method.filter(|method| !(call.is_raw() && is_unknown_selector(vm, &target, method))).unwrap_or_default();
    let title = if method.is_empty() { name.to_owned() } else { format!("{name}.{method}") };
    let request = InvokeRequest::new(target, method).arguments(call.arguments());
    Ok((title, InvokeRequest { sender: call.sender(config)?, ..request }))
}

/// True for a method's bare name at an EVM contract without an ABI: nobody knows its selector, so whole call data is meant.
fn is_unknown_selector(vm: &Vm, target: &Target, method: &str) -> bool {
    let name = match target {
        Target::Name(name) => Some(name.clone()),
        Target::Address(address) => {
            vm.view().ok().and_then(|view| Account::load(&Journal::new(view), address).ok()?.contract)
        }
    };
    let Some(name) = &name else { return !method.contains('(') };
    let is_evm = vm.record(name).is_ok_and(|record| record.is_some_and(|record| record.runtime == RuntimeKind::Evm));
    is_evm && !method.contains('(') && vm.contract(name).is_ok_and(|contract| contract.interface().methods().is_empty())
}

/// Shows the counters, or sets them to zero.
fn metrics(vm: &Vm, config: &Config, output: Output, reset: bool) -> anyhow::Result<ExitCode> {
    if reset {
        Counters::default().store(config);
        output.done(|| json!({ "ok": true, "metrics": Counters::default().json() }), "counters are zero")?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut counters = Counters::load(config);
    counters.add(&vm.metrics());
    inspect::metrics(&counters, output)
}

/// What a receipt is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Call,
    Query,
    Creation,
}

/// Prints a receipt; a contract that failed has its own exit code.
fn finish(vm: &Vm, output: Output, receipt: &Receipt, title: &str, kind: Kind) -> anyhow::Result<ExitCode> {
    let events = receipt.events.iter().map(|event| {
        let contract = vm.contract(event.contract.as_ref()?).ok()?;
        contract.interface().decode_event(event)
    });
    let told = Told { receipt, events: events.collect(), creation: kind == Kind::Creation };
    if kind == Kind::Query {
        output.answer(&told, title)?
    } else {
        output.receipt(&told, title)?
    }
    Ok(if receipt.status.is_success() { ExitCode::SUCCESS } else { ExitCode::from(Class::Contract as u8) })
}

fn init(file: &Path, force: bool, output: Output) -> anyhow::Result<ExitCode> {
    let format = Format::of(file).ok_or_else(|| {
        Usage(format!("{} has no known file extension; expected .toml, .yaml or .yml", file.display()))
    })?;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    if !force {
        options.create_new(true);
    }
    let written = options.open(file).and_then(|mut open| open.write_all(Config::template(format).as_bytes()));
    match written {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let message =
                format!("{} is there already; write another file, or replace it with --force", file.display());
            return Err(Usage(message).into());
        }
        Err(error) => return Err(unusable("write", file, &error)),
    }
    output.done(|| json!({ "ok": true, "file": file }), &format!("wrote {}", file.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// The configuration that the options name, or the one that lies in the current directory, or the built-in one.
fn configuration(global: &Global) -> anyhow::Result<Config> {
    let mut config = match &global.config {
        Some(file) => Config::load(file)?,
        None => {
            let present: Vec<&Path> =
                ["vm.toml", "vm.yaml", "vm.yml"].into_iter().map(Path::new).filter(|file| file.exists()).collect();
            match present[..] {
                [] => Config::default(),
                [file] => Config::load(file)?,
                [first, second, ..] => {
                    let (first, second) = (first.display(), second.display());
                    return Err(Usage(format!("both {first} and {second} are here; choose one with --config")).into());
                }
            }
        }
    };
    if let Some(path) = &global.data_dir {
        config.state = State::Fjall { path: PathBuf::clone(path) };
    }
    Ok(config)
}

/// Builds and starts the Vm, does `work`, and stops it again, whether or not the work succeeded.
fn with_vm(
    config: &Config,
    trace: Option<&Path>,
    work: impl FnOnce(&Vm) -> anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    let builder = vm_host::builder(config).sample_contracts()?;
    let (builder, trace) = trace::begin(builder, trace)?;
    let (builder, runtimes) = builder.into_parts()?;
    let vm = builder.observer(Records::of(config)).warm(false).build()?;
    interrupt::guard();
    let done = match progress::wait("starting the runtimes", vm.start()) {
        Ok(started) => started.map_err(anyhow::Error::from).and_then(|()| work(&vm)),
        Err(interrupted) => Err(interrupted.into()),
    };
    let mut stopped = Ok(());
    if done.as_ref().is_err_and(|error| error.is::<Interrupted>())
        || progress::wait("stopping the runtimes", vm.stop()).map(|result| stopped = result).is_err()
    {
        // Nobody waits for the calls in flight any more.
        for runtime in &runtimes {
            stopped = stopped.and(futures_executor::block_on(runtime.stop()).map_err(in_stop));
        }
    }
    let mut counters = Counters::load(config);
    counters.add(&vm.metrics());
    counters.store(config);
    trace.end();
    let code = done?;
    stopped?;
    Ok(code)
}

fn in_stop(fault: HostFault) -> VmError {
    VmError { phase: Phase::Admit, kind: fault.into() }
}
