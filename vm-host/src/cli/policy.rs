//! Shows who may do what.

use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::json;
use vm_core::{ContractName, HostPolicy, Policy, Vm};

use super::failure::Usage;
use super::inspect::{columns, trimmed, unknown, write_refused};
use super::output::Output;
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
            let mut policy = vm.policy(name)?.ok_or_else(|| unknown(name))?;
            if let Some(version) = version {
                policy = vm.policy_version(name, version)?.ok_or_else(|| missing(version))?;
            }
            output.print(|| json!({ "ok": true, "policy": policy }), |out| write_rights(out, &policy))?;
        }
        None => {
            let policy = match version {
                Some(version) => vm.host_policy_version(version)?.ok_or_else(|| missing(version))?,
                None => vm.host_policy()?,
            };
            let refused = records.refused(None);
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

fn write_host(out: &mut dyn Write, policy: &HostPolicy) -> io::Result<()> {
    let HostPolicy { version, author, reason, block, .. } = policy;
    let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    writeln!(out, "version {version}, by {author} in block {block}{reason}\n")?;
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
