//! What each command does.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::CommandFactory;
use serde_json::json;
use vm_core::{
    Account, HostFault, InvokeRequest, Journal, Phase, Receipt, RuntimeKind, Target, Trial, Vm, VmError, VmProvider,
};
use vm_host::config::{Config, Format, State};

use super::arguments::{CallArgs, Cli, Command, Global, Operation, TraceArgs};
use super::counters::Counters;
use super::failure::{self, Class, Usage, unusable};
use super::interrupt::{self, Interrupted};
use super::output::{Output, Told};
use super::records::Records;
use super::trace::Tracing;
use super::{analyze, doctor, dry_run, history, inspect, kept, operations, policy, progress, proposals};

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
                Command::Operation(Operation::Deploy { trace, .. } | Operation::Upgrade { trace, .. })
                | Command::Invoke { trace, .. }
                | Command::Query { trace, .. } => Some(trace.clone()),
                _ => None,
            };
            with_vm(&config, trace.as_ref(), |vm, tracing| {
                let mut done = on_vm(command, &config, vm, tracing, output);
                if let Some(receipt) = done.as_mut().err().and_then(failure::receipt_mut) {
                    tracing.keep(receipt);
                }
                done
            })
        }
    }
}

fn on_vm(command: Command, config: &Config, vm: &Vm, tracing: &Tracing, output: Output) -> anyhow::Result<ExitCode> {
    match command {
        Command::Operation(operation) => operations::run(vm, config, tracing, output, operation),
        Command::Propose { until, through, operation } => {
            proposals::propose(vm, config, output, &through, until, operation)
        }
        Command::Proposals { through, from } => proposals::list(vm, output, &through, &from),
        Command::Approve(vote) => proposals::vote(vm, output, "approve", vote),
        Command::Reject(vote) => proposals::vote(vm, output, "reject", vote),
        Command::Execute(vote) => proposals::vote(vm, output, "execute", vote),
        Command::Expire(vote) => proposals::vote(vm, output, "expire", vote),
        Command::Invoke { name, method, call, dry_run, .. } => {
            let (title, request) = request(vm, config, &name, method, &call)?;
            let request = request.traced(tracing.level());
            if dry_run {
                return dry_run::run(vm, tracing, output, &title, Trial::Invoke(request).into());
            }
            let mut receipt = progress::wait(&title, vm.invoke(request))??;
            tracing.keep(&mut receipt);
            finish(vm, output, &receipt, &title, Kind::Call)
        }
        Command::Query { name, method, call, .. } => {
            let (title, request) = request(vm, config, &name, method, &call)?;
            let mut receipt = progress::wait(&title, vm.query(request.traced(tracing.level())))??;
            tracing.keep(&mut receipt);
            finish(vm, output, &receipt, &title, Kind::Query)
        }
        Command::Policy { name, version } => policy::show(vm, &Records::of(config), output, name.as_ref(), version),
        Command::List => inspect::list(vm, output),
        Command::Show { name } => inspect::show(vm, output, &name),
        Command::Code { name, version, output: to, abi } => {
            kept::code(vm, output, &name, version.as_ref(), to.as_deref(), abi.as_deref())
        }
        Command::History { name, last } => match name {
            Some(name) => history::of_contract(vm, &Records::of(config), output, &name, last),
            None => history::of_host(vm, &Records::of(config), output, last),
        },
        Command::Status => inspect::status(vm, output),
        Command::Metrics { reset } => metrics(vm, config, output, reset),
        Command::Init { .. } | Command::Completions { .. } | Command::Analyze { .. } | Command::Doctor => {
            Ok(ExitCode::SUCCESS)
        }
    }
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
pub(super) enum Kind {
    Call,
    Query,
    Creation,
}

/// Prints a receipt; a contract that failed has its own exit code.
pub(super) fn finish(vm: &Vm, output: Output, receipt: &Receipt, title: &str, kind: Kind) -> anyhow::Result<ExitCode> {
    let told = Told { receipt, events: events(vm, receipt), creation: kind == Kind::Creation };
    if kind == Kind::Query {
        output.answer(&told, title)?
    } else {
        output.receipt(&told, title)?
    }
    Ok(if receipt.status.is_success() { ExitCode::SUCCESS } else { ExitCode::from(Class::Contract as u8) })
}

/// The events of a receipt as text, where the contracts describe them.
pub(super) fn events(vm: &Vm, receipt: &Receipt) -> Vec<Option<String>> {
    let events = receipt.events.iter().map(|event| {
        let contract = vm.contract(event.contract.as_ref()?).ok()?;
        contract.interface().decode_event(event)
    });
    events.collect()
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
    trace: Option<&TraceArgs>,
    work: impl FnOnce(&Vm, &Tracing) -> anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    let builder = vm_host::builder(config).sample_contracts()?;
    let (builder, tracing) = Tracing::begin(builder, trace)?;
    let (builder, runtimes) = builder.into_parts()?;
    let vm = builder.observer(Records::of(config)).warm(false).build()?;
    interrupt::guard();
    let done = match progress::wait("starting the runtimes", vm.start()) {
        Ok(started) => started.map_err(anyhow::Error::from).and_then(|()| work(&vm, &tracing)),
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
    tracing.end();
    let code = done?;
    stopped?;
    Ok(code)
}

fn in_stop(fault: HostFault) -> VmError {
    VmError { phase: Phase::Admit, kind: fault.into() }
}
