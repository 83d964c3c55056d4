//! The EVM.

use std::io::Write;
use std::sync::Arc;

use vm_core::{Code, RuntimeKind, RuntimeProvider};
use vm_evm::artifact::{self, Artifact, ArtifactError, solidity};
use vm_evm::{EvmConfig, EvmRuntime, Fork, Trace, UnknownFork};

use crate::HostError;
use crate::code::{Analysis, CodeFile, Loaded};
use crate::config::{Config, Provider};

/// Where the builder was told to trace to.
pub(crate) type Tracing = Option<Trace>;

/// A trace that is written here.
pub(crate) fn tracing(sink: impl Write + Send + 'static) -> Tracing {
    Some(Trace::to(sink))
}

/// The hard fork that a version means.
pub(super) fn fork(version: &str) -> Result<Fork, UnknownFork> {
    version.parse()
}

pub(super) fn runtime(
    config: &Config,
    version: Option<&str>,
    refuse_opcodes: &[String],
    tracing: &Tracing,
) -> Result<Arc<dyn RuntimeProvider>, HostError> {
    let refused = |source| HostError::Runtime { runtime: RuntimeKind::Evm, source };
    let fork = version.map_or(Ok(Fork::default()), fork).map_err(|error| refused(Box::new(error)))?;
    let settings = EvmConfig::new(fork)
        .memory_limit(config.limits.memory)
        .refuse_opcodes(refuse_opcodes.iter().map(String::as_str))
        .map_err(|error| refused(Box::new(error)))?;
    let runtime = EvmRuntime::new(settings).map_err(|error| refused(Box::new(error)))?;
    Ok(match tracing {
        Some(trace) => Arc::new(runtime.with_trace(trace.clone())),
        None => Arc::new(runtime),
    })
}

/// The fork and the opcodes of the configured provider.
fn configured(config: &Config) -> (Option<&str>, &[String]) {
    let evm = config.providers.iter().find_map(|provider| match provider {
        Provider::Evm { version, refuse_opcodes, .. } => Some((version.as_deref(), &refuse_opcodes[..])),
        _ => None,
    });
    evm.unwrap_or_default()
}

/// The fork that sources are compiled for, and code is analysed by. The configuration has checked it.
fn configured_fork(config: &Config) -> Fork {
    configured(config).0.and_then(|version| fork(version).ok()).unwrap_or_default()
}

/// Creation code out of whatever Solidity's tools write, or out of a source.
pub(crate) fn code(config: &Config, file: &CodeFile) -> Result<Loaded, HostError> {
    let failed = |error| HostError::Code { path: file.path.clone(), source: Box::new(error) };
    let in_abi =
        |error| HostError::Code { path: file.abi_path.as_ref().unwrap_or(&file.path).clone(), source: Box::new(error) };
    let abi = file.abi.as_deref().map(|abi| artifact::interface(abi, file.abi_contract.as_deref()));
    let abi = abi.transpose().map_err(in_abi)?;
    let with_abi = |artifact: Artifact| match &abi {
        Some(abi) => artifact.with_interface(abi).map_err(in_abi),
        None => Ok(artifact),
    };
    if file.path.extension().is_some_and(|extension| extension == "sol") {
        let settings = solidity::Settings {
            contract: file.contract.clone(),
            remappings: file.remappings.clone(),
            include_paths: file.include_paths.clone(),
        };
        let compiled = solidity::compile(&file.path, &settings, configured_fork(config)).map_err(failed)?;
        let compiler = &compiled.compiler;
        let mut notes = vec![format!("compiled with {} {}", compiler.program.display(), compiler.version)];
        notes.extend(compiled.diagnostics);
        let code = with_abi(compiled.artifact)?.into_code();
        return Ok(Loaded { code, notes });
    }
    let code = match artifact::read(&file.bytes, file.contract.as_deref()) {
        Ok(artifact) => with_abi(artifact)?.into_code(),
        // Nothing that a tool writes: the code itself, unless the runtime knows better.
        Err(ArtifactError::Unknown) => Code { abi, ..Code::new(RuntimeKind::Evm, file.bytes.clone()) },
        Err(error) => return Err(failed(error)),
    };
    Ok(Loaded { code, notes: Vec::new() })
}

/// What the code is and does, and whether a deployment would be accepted.
pub(crate) fn analysis(config: &Config, code: &Code) -> Result<Analysis, HostError> {
    let (version, refuse_opcodes) = configured(config);
    let verdict = runtime(config, version, refuse_opcodes, &None)?.verify(code);
    // Text is hex; anything else is the code itself.
    let bytes = match artifact::read(&code.bytes, None) {
        Ok(artifact) => artifact.bytecode,
        Err(_) => code.bytes.clone(),
    };
    let mut report = vm_evm::analyze(&bytes, configured_fork(config));
    if let Some(abi) = &code.abi {
        // An ABI that cannot be read is part of the verdict.
        let _ = report.name_selectors(abi);
    }
    let (mut text, json) = (report.to_string(), report.to_json());
    if let Err(error) = &verdict {
        text.push_str(&format!("  {:<12} {error}\n", "refused"));
    }
    Ok(Analysis { accepted: verdict.is_ok(), text, json })
}
