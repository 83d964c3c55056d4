//! Whether this machine can run containers, and what to do where it cannot.

use std::process::ExitCode;

use serde_json::json;
use vm_host::backends::{Health, examine_containers};
use vm_host::config::{Config, Docker, Provider};

use super::failure::{Class, Usage};
use super::output::Output;

/// Looks at everything that containers need, by the settings of the configuration or, where it has no containers, the
/// usual ones.
pub(super) fn doctor(config: &Config, output: Output) -> anyhow::Result<ExitCode> {
    let configured = config.providers.iter().find_map(|provider| match provider {
        Provider::Docker(docker) => Some(docker.clone()),
        _ => None,
    });
    let docker = configured.clone().unwrap_or_else(Docker::default);
    let Some(findings) = examine_containers(config, &docker) else {
        return Err(Usage("this build has no containers; build it with the cargo feature docker".to_owned()).into());
    };
    let able = findings.iter().all(|finding| finding.health < Health::Bad);
    output.print(
        || {
            let told: Vec<_> = findings
                .iter()
                .map(|finding| {
                    json!({
                        "what": finding.what,
                        "health": finding.health.as_str(),
                        "found": finding.found,
                        "advice": finding.advice,
                    })
                })
                .collect();
            json!({ "ok": able, "configured": configured.is_some(), "findings": told })
        },
        |out| {
            for finding in &findings {
                writeln!(out, "{:<5} {:<20} {}", finding.health.as_str(), finding.what, finding.found)?;
                if !finding.advice.is_empty() {
                    writeln!(out, "{:<26} -> {}", "", finding.advice)?;
                }
            }
            Ok(())
        },
    )?;
    Ok(if able { ExitCode::SUCCESS } else { ExitCode::from(Class::Fault as u8) })
}
