//! Gives back the code of any version, with its interface and options.

use std::path::Path;
use std::process::ExitCode;

use serde_json::json;
use vm_core::{ContractName, HostFault, Phase, Refusal, Version, Vm, VmError};

use super::failure::{Usage, unusable};
use super::inspect::{field, unknown};
use super::output::{Output, thousands};

/// Tells what a version's code is, and writes it and its interface to files.
pub(super) fn code(
    vm: &Vm,
    output: Output,
    name: &ContractName,
    version: Option<&Version>,
    to: Option<&Path>,
    abi: Option<&Path>,
) -> anyhow::Result<ExitCode> {
    let record = vm.record(name)?.ok_or_else(|| unknown(name))?;
    let version = version.unwrap_or(&record.version);
    let versions = vm.versions(name)?;
    let Some(found) = versions.iter().find(|kept| kept.version == *version) else {
        let kept = versions.iter().map(|kept| kept.version.to_string()).collect::<Vec<_>>().join(", ");
        let refusal = Refusal::UnknownVersion { name: name.clone(), version: version.clone(), kept };
        return Err(VmError { phase: Phase::Load, kind: refusal.into() }.into());
    };
    let missing =
        || HostFault::Load { contract: name.to_string(), message: "its code is missing in the state".to_owned() };
    let code = vm
        .code(&found.code)?
        .ok_or_else(missing)
        .map_err(|fault| VmError { phase: Phase::Load, kind: fault.into() })?;
    let write =
        |file: &Path, bytes: &[u8]| std::fs::write(file, bytes).map_err(|error| unusable("write", file, &error));
    if let Some(file) = to {
        write(file, &code.bytes)?;
    }
    if let Some(file) = abi {
        let Some(text) = &code.abi else {
            return Err(
                Usage(format!("version {version} of {name} was deployed without an ABI; leave out --abi")).into()
            );
        };
        write(file, text.as_bytes())?;
    }
    output.print(
        || {
            json!({
                "ok": true,
                "contract": name,
                "version": version,
                "runtime": code.runtime,
                "code": found.code,
                "bytes": code.bytes.len(),
                "abi": code.abi,
                "options": code.options,
                "output": to,
            })
        },
        |out| {
            writeln!(out, "{name} {version}")?;
            field(out, "runtime", code.runtime.as_str())?;
            field(out, "code", &found.code.to_string())?;
            let written = |file: Option<&Path>| file.map_or(String::new(), |file| format!(", in {}", file.display()));
            field(out, "size", &format!("{} bytes{}", thousands(code.bytes.len() as u64), written(to)))?;
            match &code.abi {
                Some(text) => field(out, "abi", &format!("{} bytes{}", thousands(text.len() as u64), written(abi)))?,
                None => field(out, "abi", "none")?,
            }
            code.options.iter().try_for_each(|(key, value)| field(out, "option", &format!("{key}={value}")))
        },
    )?;
    Ok(ExitCode::SUCCESS)
}
