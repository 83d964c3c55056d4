//! Shows who may do what.

use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::json;
use vm_core::{ContractName, HostPolicy, Policy, Vm};

use super::inspect::{columns, trimmed, unknown};
use super::output::Output;

/// Shows the policy of a contract, or of the host.
pub(super) fn show(vm: &Vm, output: Output, name: Option<&ContractName>) -> anyhow::Result<ExitCode> {
    match name {
        Some(name) => {
            let policy = vm.policy(name)?.ok_or_else(|| unknown(name))?;
            output.print(|| json!({ "ok": true, "policy": policy }), |out| write_rights(out, &policy))?;
        }
        None => {
            let policy = vm.host_policy()?;
            output.print(|| json!({ "ok": true, "policy": policy }), |out| write_host(out, &policy))?;
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
