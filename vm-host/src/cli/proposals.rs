//! Operations that several have to approve: proposed, voted on and carried out through a `multi_sign` contract.

use std::process::ExitCode;

use serde_json::json;
use vm_core::{
    Arguments, ContractName, Entry, ErrorKind, InvokeRequest, Managed, Phase, Version, Vm, VmError, VmProvider,
};
use vm_host::Config;

use super::arguments::{From, Operation, Through, VoteArgs};
use super::commands::{Kind, events, finish};
use super::failure::{Class, Usage};
use super::inspect::unknown;
use super::operations::{Asked, asked};
use super::output::{Output, Told, with};
use super::progress;

/// Proposes an operation.
pub(super) fn propose(
    vm: &Vm,
    config: &Config,
    output: Output,
    through: &Through,
    until: Option<u64>,
    operation: Operation,
) -> anyhow::Result<ExitCode> {
    if let Operation::Deploy { trace, .. } | Operation::Upgrade { trace, .. } = &operation
        && trace.is_asked_for()
    {
        return Err(Usage(
            "nothing runs before a proposal is carried out; leave out --trace and --evm-trace".to_owned(),
        )
        .into());
    }
    let Asked { operation, trial } = asked(vm, config, operation)?;
    if trial.is_some() {
        return Err(Usage("a proposal is not tried; try the operation itself, without propose".to_owned()).into());
    }
    let sender = operation.sender().clone();
    if !sender.endorsers.is_empty() {
        let told = "who endorses a proposal approves it, with vm-host approve; leave out --endorsed-by";
        return Err(Usage(told.to_owned()).into());
    }
    let operation = encoded(vm, operation)?;
    let request = vm_host::proposal(through.name.clone(), &operation, until.unwrap_or(u64::MAX))?;
    let receipt = progress::wait("proposing", vm.invoke(InvokeRequest { sender, ..request }))??;
    let id = receipt.text.as_deref().filter(|_| receipt.status.is_success()).and_then(|id| id.parse::<u64>().ok());
    let title = match id {
        Some(id) => format!("proposal {id} of {}: {operation}", through.name),
        None => format!("{}.propose", through.name),
    };
    let told = Told { receipt: &receipt, events: events(vm, &receipt), creation: false };
    let object = || with(told.json(), [("proposal", json!(id)), ("operation", json!(operation.to_string()))]);
    output.print(object, |out| told.write(out, &title))?;
    Ok(if receipt.status.is_success() { ExitCode::SUCCESS } else { ExitCode::from(Class::Contract as u8) })
}

/// The operation with its arguments in the contract's encoding, as a transaction has them. So what does not fit is told now, and not
/// when all have approved.
fn encoded(vm: &Vm, mut operation: Managed) -> anyhow::Result<Managed> {
    let current =
        |name: &ContractName| -> anyhow::Result<Version> { Ok(vm.record(name)?.ok_or_else(|| unknown(name))?.version) };
    let (contract, entry, arguments) = match &mut operation {
        Managed::Deploy(request) => (vm.prepare(&request.code)?, Entry::Deploy, &mut request.arguments),
        Managed::Upgrade(request) => {
            let (from, to, migrates) = (current(&request.name)?, request.version.clone(), !request.skip_migration);
            let contract = vm.prepare(&request.code)?;
            let making = Entry::Replace { from: from.clone(), to: to.clone(), migrates };
            let migration = Entry::Upgrade { from, to };
            let has = |entry: &Entry| contract.interface().has_entry(entry);
            let entry = if has(&making) { making } else { migration };
            if !has(&entry) && request.arguments.is_empty() || matches!(entry, Entry::Upgrade { .. }) && !migrates {
                return Ok(operation);
            }
            (contract, entry, &mut request.arguments)
        }
        Managed::Migrate(request) => {
            let entry = Entry::Upgrade { from: request.written_by.clone(), to: current(&request.name)? };
            (vm.contract(&request.name)?, entry, &mut request.arguments)
        }
        Managed::Rollback(request) => {
            let entry = Entry::Upgrade { from: current(&request.name)?, to: request.version.clone() };
            let Some(arguments) = &mut request.migration else { return Ok(operation) };
            (vm.contract(&request.name)?, entry, arguments)
        }
        _ => return Ok(operation),
    };
    if let Arguments::Text(_) = arguments {
        let method = if entry == Entry::Deploy { "init" } else { "upgrade" };
        let refused = |error| VmError { phase: Phase::Validate, kind: ErrorKind::from(error) };
        *arguments = Arguments::Raw(contract.interface().encode(&entry, method, arguments).map_err(refused)?.input);
    }
    Ok(operation)
}

/// Says something to a proposal, or has it carried out or cleared away.
pub(super) fn vote(vm: &Vm, output: Output, method: &str, vote: VoteArgs) -> anyhow::Result<ExitCode> {
    let VoteArgs { id, through: Through { name }, from } = vote;
    let done = match method {
        "approve" => "approved",
        "reject" => "rejected",
        "expire" => "cleared away",
        _ => "carried out",
    };
    let title = format!("{done} proposal {id} of {name}");
    let request = InvokeRequest { sender: from.sender(), ..InvokeRequest::new(name, method).args([id.to_string()]) };
    let receipt = progress::wait(&title, vm.invoke(request))??;
    let title = if receipt.status.is_success() { title } else { format!("{method} proposal {id}") };
    finish(vm, output, &receipt, &title, Kind::Call)
}

/// Lists the proposals in words.
pub(super) fn list(vm: &Vm, output: Output, through: &Through, from: &From) -> anyhow::Result<ExitCode> {
    let ask = |method: &str, id: u64| -> anyhow::Result<String> {
        let request = InvokeRequest::new(through.name.clone(), method).args([id.to_string()]);
        let receipt = progress::wait("reading", vm.query(InvokeRequest { sender: from.sender(), ..request }))??;
        match receipt.text {
            Some(text) if receipt.status.is_success() => Ok(text),
            text => Err(Usage(format!(
                "{}.{method}({id}) failed with {}: {}; is {} a multi_sign contract?",
                through.name,
                receipt.status,
                text.unwrap_or_default(),
                through.name
            ))
            .into()),
        }
    };
    let mut proposals: Vec<(u64, String)> = Vec::new();
    loop {
        let after = proposals.last().map_or(0, |(id, _)| *id);
        match ask("next", after)?.parse() {
            Ok(id) if id > after => proposals.push((id, ask("proposal", id)?)),
            _ => break,
        }
    }
    let object = |(id, text): &(u64, String)| json!({ "id": id, "text": text });
    output.print(
        || json!({ "ok": true, "proposals": proposals.iter().map(object).collect::<Vec<_>>() }),
        |out| {
            if proposals.is_empty() {
                return writeln!(out, "no proposals");
            }
            proposals.iter().try_for_each(|(id, text)| writeln!(out, "{id}  {}", vm_core::printable(text)))
        },
    )?;
    Ok(ExitCode::SUCCESS)
}
