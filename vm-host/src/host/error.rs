//! Why a host could not be built.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use vm_core::{RuntimeKind, VmError};

/// Why a configuration could not become a running host.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The data directory could not be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A runtime does not accept its settings.
    #[error("configuration: the {runtime} runtime cannot be set up: {source}")]
    Runtime {
        /// The runtime.
        runtime: RuntimeKind,
        /// The runtime's own error.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The configuration asks for something that this build lacks. [`Config::load`](crate::Config::load) finds that
    /// before, with its line.
    #[error("configuration: {what} is not part of this build; build with the cargo feature `{feature}`")]
    Absent {
        /// What is missing.
        what: String,
        /// The feature that brings it.
        feature: &'static str,
    },
    /// A file holds no code that can be deployed.
    #[error("{}: {source}", path.display())]
    Code {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Code whose runtime has no static analysis.
    #[error("code of the {runtime} runtime cannot be analysed; wasm modules and evm code can")]
    NoAnalysis {
        /// The runtime.
        runtime: RuntimeKind,
    },
    /// An operation that cannot be proposed.
    #[error("{source}")]
    Proposal {
        /// What of it no proposal can say.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The machine refused its parts.
    #[error(transparent)]
    Vm(#[from] VmError),
}

/// Why a data directory could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process has it open.
    #[error("state: data directory {} is in use by {holder}; wait for it, stop it, or choose another directory", path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
        /// Who holds it, as far as known.
        holder: String,
    },
    /// Something else has the name.
    #[error("state: {} is not a directory; name a directory for the data, or a path where nothing is yet", path.display())]
    NotDirectory {
        /// The path.
        path: PathBuf,
    },
    /// A directory that holds other things than a state.
    #[error("state: directory {} holds no state, but other files such as {found:?}; choose an empty directory or one that does not exist yet", path.display())]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// One of the files.
        found: String,
    },
    /// The directory or something in it cannot be written.
    #[error("state: data directory {} is not writable: {source}; check its owner and whether its file system is mounted read-only", path.display())]
    NotWritable {
        /// The directory.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The disk is full.
    #[error("state: the disk of data directory {} is full: {source}; nothing that was acknowledged is lost, free some space and try again", path.display())]
    Full {
        /// The directory.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The directory was written by another version.
    #[error("state: data directory {} has format {found}, and this version reads format {expected}; use the version of vm-host that wrote it, or another directory", path.display())]
    Format {
        /// The directory.
        path: PathBuf,
        /// The format that was found.
        found: String,
        /// The only format that this version reads.
        expected: u32,
    },
    /// The storage engine failed.
    #[error("state: {action} data directory {} failed: {message}", path.display())]
    Engine {
        /// The directory.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
        /// The engine's message.
        message: String,
    },
}
