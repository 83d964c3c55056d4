//! What a failed command tells: a class with its exit code, and the words.

use std::fmt;
use std::path::Path;

use vm_core::{ArgumentError, ErrorKind, Receipt, Refusal, Target, VmError};
use vm_host::{ConfigError, HostError, StoreError};

use super::arguments::MULTI_SIGN;
use super::interrupt::Interrupted;

/// Kinds of failure, each with its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Class {
    /// Wrong arguments or files.
    Usage = 2,
    /// The contract reverted or trapped.
    Contract = 3,
    /// A rule refused the request.
    Refused = 4,
    /// The host or its surroundings failed.
    Fault = 5,
    /// A signal asked the command to end.
    Interrupted = 130,
}

/// A mistake of the one who typed the command.
#[derive(Debug)]
pub(super) struct Usage(pub(super) String);

impl std::error::Error for Usage {}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The usage error for a file that cannot be read or written.
pub(super) fn unusable(action: &str, path: &Path, error: &std::io::Error) -> anyhow::Error {
    Usage(format!("cannot {action} {}: {error}", path.display())).into()
}

/// The Vm's own error, if it is one.
pub(super) fn vm_error(error: &anyhow::Error) -> Option<&VmError> {
    match error.downcast_ref::<HostError>() {
        Some(HostError::Vm(error)) => Some(error),
        _ => error.downcast_ref(),
    }
}

/// The error in words, with what to do about it on the command line.
pub(super) fn message(error: &anyhow::Error) -> String {
    let refusal = vm_error(error).and_then(VmError::refusal);
    match refusal {
        Some(Refusal::Arguments(ArgumentError::NoInterface)) => {
            format!(
                "{error}: the whole input with --input-hex HEX, or deploy it together with its interface, --abi FILE"
            )
        }
        Some(Refusal::UnknownContract(Target::Name(name))) if name.as_str() == MULTI_SIGN => {
            format!("{error}; deploy the one that is linked, vm-host deploy {MULTI_SIGN} {MULTI_SIGN}")
        }
        _ => error.to_string(),
    }
}

/// Tells the class of an error from what it holds.
pub(super) fn class(error: &anyhow::Error) -> Class {
    let absent = matches!(
        error.downcast_ref(),
        Some(
            HostError::Absent { .. }
                | HostError::Runtime { .. }
                | HostError::Code { .. }
                | HostError::NoAnalysis { .. }
                | HostError::Proposal { .. }
        )
    );
    let misplaced = matches!(
        error.downcast_ref(),
        Some(HostError::Store(StoreError::NotDirectory { .. } | StoreError::Foreign { .. }))
    );
    if error.is::<Interrupted>() {
        return Class::Interrupted;
    }
    if absent || misplaced || error.is::<Usage>() || error.is::<ConfigError>() {
        return Class::Usage;
    }
    match vm_error(error).map(|error| &error.kind) {
        Some(ErrorKind::Refused(_)) => Class::Refused,
        Some(ErrorKind::Failed(_)) => Class::Contract,
        Some(ErrorKind::Fault(_)) | None => Class::Fault,
    }
}

/// The receipt of a constructor or migration that failed.
pub(super) fn receipt(error: &anyhow::Error) -> Option<&Receipt> {
    match &vm_error(error)?.kind {
        ErrorKind::Failed(receipt) => Some(receipt),
        _ => None,
    }
}

/// The same, for who takes something out of it.
pub(super) fn receipt_mut(error: &mut anyhow::Error) -> Option<&mut Receipt> {
    match &mut error.downcast_mut::<VmError>()?.kind {
        ErrorKind::Failed(receipt) => Some(receipt),
        _ => None,
    }
}

/// A stable name of what went wrong, for scripts.
pub(super) fn code(error: &anyhow::Error) -> &'static str {
    if error.is::<ConfigError>() {
        return "configuration";
    }
    if error.is::<Usage>() {
        return "usage";
    }
    if error.is::<Interrupted>() {
        return "interrupted";
    }
    match error.downcast_ref::<HostError>() {
        Some(HostError::Store(StoreError::Locked { .. })) => return "data_directory_in_use",
        Some(HostError::Store(StoreError::NotWritable { .. })) => return "data_directory_not_writable",
        Some(HostError::Store(StoreError::Full { .. })) => return "disk_full",
        Some(HostError::Store(_)) => return "data_directory",
        Some(HostError::Absent { .. } | HostError::Runtime { .. }) => return "configuration",
        Some(HostError::Code { .. }) => return "code_unusable",
        Some(HostError::NoAnalysis { .. }) => return "no_analysis",
        Some(HostError::Proposal { .. }) => return "proposal",
        _ => {}
    }
    match vm_error(error).map(|error| &error.kind) {
        Some(ErrorKind::Refused(refusal)) => match &**refusal {
            Refusal::NotRunning(_) => "not_running",
            Refusal::UnknownContract(_) => "unknown_contract",
            Refusal::NameTaken(_) => "name_taken",
            Refusal::VersionTaken { .. } => "version_taken",
            Refusal::UnknownVersion { .. } => "unknown_version",
            Refusal::CurrentVersion { .. } => "current_version",
            Refusal::Migration { .. } => "migration",
            Refusal::NotCallable { .. } => "not_callable",
            Refusal::Transition { .. } => "illegal_transition",
            Refusal::Denied(_) | Refusal::Ungoverned { .. } => "denied",
            Refusal::Policy(_) | Refusal::Method { .. } | Refusal::Group(_) => "policy",
            Refusal::Arguments(_) => "arguments",
            Refusal::Code(_) => "code_rejected",
            Refusal::NoRuntime(_) => "no_runtime",
            Refusal::RuntimeChange { .. } => "runtime_change",
            Refusal::TooLarge { .. } => "too_large",
            Refusal::Balance(_) => "balance",
            Refusal::QueryValue => "query_value",
            Refusal::Gas { .. } => "gas",
            Refusal::Schedule { .. } => "schedule",
            _ => "refused",
        },
        Some(ErrorKind::Failed(_)) => "contract_failed",
        Some(ErrorKind::Fault(fault)) => match fault.root() {
            vm_core::HostFault::Deadline(_) => "deadline",
            vm_core::HostFault::Quota { .. } => "quota",
            vm_core::HostFault::Stopping => "stopping",
            vm_core::HostFault::State(_) => "state",
            vm_core::HostFault::Conflict { .. } => "conflict",
            vm_core::HostFault::Unavailable { .. } => "unavailable",
            vm_core::HostFault::Process { .. } => "process",
            vm_core::HostFault::Load { .. } => "load",
            _ => "internal",
        },
        None => "host",
    }
}
