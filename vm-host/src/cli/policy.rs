//! Shows who may do what.

use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::json;
use vm_core::{Address, ContractName, HistoryEntry, HostPolicy, Policy, Vm};

use super::failure::Usage;
use super::inspect::{columns, trimmed, unknown, write_refused};
use super::output::{Output, printable};
use super::records::Records;

/// Shows the policy of a contract, or of the host.
pub(super) fn show(
    vm: &Vm,
    records: &Records,
    output: Output,
    name: Option<&ContractName>,
    version: Option<u32>,
) -> anyhow::Result<ExitCode> {
    let missing = |version: u32| Usage(format!("there is no version {version} of the policy"));
    match name {
        Some(name) => {
            let record = vm.record(name)?.ok_or_else(|| unknown(name))?;
            let version = version.unwrap_or(record.policy);
            let policy = vm.policy_version(name, version)?.ok_or_else(|| missing(version))?;
            // The entry of the history that it came with.
            let history = vm.history(name, 1, usize::MAX)?;
            let came = history.into_iter().find(|entry| entry.after.policy == version);
            output.print(
                || {
                    let entry = came.as_ref();
                    json!({
                        "ok": true,
                        "policy": policy,
                        "version": version,
                        "author": entry.map(|entry| entry.actor),
                        "reason": entry.map(|entry| &entry.reason),
                        "block": entry.map(|entry| entry.block),
                    })
                },
                |out| {
                    if let Some(HistoryEntry { actor, reason, block, .. }) = &came {
                        write_origin(out, version, actor, reason, *block)?;
                    }
                    write_rights(out, &policy)
                },
            )?;
        }
        None => {
            // What was refused belongs to no version.
            let (policy, refused) = match version {
                Some(version) => (vm.host_policy_version(version)?.ok_or_else(|| missing(version))?, Vec::new()),
                None => (vm.host_policy()?, records.refused(None, None)),
            };
            output.print(
                || json!({ "ok": true, "policy": policy, "refused": refused }),
                |out| write_host(out, &policy).and_then(|()| write_refused(out, &refused)),
            )?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn write_rights(out: &mut dyn Write, policy: &Policy) -> io::Result<()> {
    let mut table = columns(&["RIGHT", "WHO"]);
    for (right, rule) in policy.iter() {
        table.add_row([right.to_string(), rule.to_string()]);
    }
    writeln!(out, "{}", trimmed(&table))
}

/// Which version it is, and where it comes from.
fn write_origin(out: &mut dyn Write, version: u32, author: &Address, reason: &str, block: u64) -> io::Result<()> {
    let reason = if reason.is_empty() { String::new() } else { format!(": {}", printable(reason)) };
    writeln!(out, "version {version}, by {author} in block {block}{reason}\n")
}

fn write_host(out: &mut dyn Write, policy: &HostPolicy) -> io::Result<()> {
    let HostPolicy { version, author, reason, block, .. } = policy;
    write_origin(out, *version, author, reason, *block)?;
    let mut table = columns(&["HOST", "WHO"]);
    table.add_row(["deploy".to_owned(), policy.deploy.to_string()]);
    table.add_row(["administrators".to_owned(), policy.administrators.to_string()]);
    for (organisation, role, members) in policy.organisations.iter() {
        let members: Vec<_> = members.iter().map(ToString::to_string).collect();
        table.add_row([format!("{role} of {organisation}"), members.join(", ")]);
    }
    writeln!(out, "{}\n\nnew contracts begin with", trimmed(&table))?;
    write_rights(out, &policy.contracts)
}
