//! A contract's code as an image: layers of files and the program to start.

mod archive;
mod executable;
mod layer;

use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use vm_core::CodeError;

pub(crate) use layer::Layer;

/// The architecture whose executables and images are accepted, in the words of OCI.
const ARCHITECTURE: &str = match std::env::consts::ARCH.as_bytes() {
    b"x86_64" => "amd64",
    b"aarch64" => "arm64",
    _ => std::env::consts::ARCH,
};

/// What a container runs. Made from the same bytes it is always the same.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    /// From the lowest to the highest.
    pub(crate) layers: Vec<Layer>,
    pub(crate) program: Arc<Program>,
}

/// The process that a container starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<String>,
    pub(crate) folder: String,
}

impl Image {
    /// Recognises an executable or an image archive by its first bytes.
    pub(crate) fn read(code: &[u8]) -> Result<Self, CodeError> {
        if executable::recognise(code) {
            executable::wrap(code)
        } else if archive::recognise(code) {
            archive::read(code)
        } else {
            let start = hex::encode(code.get(..8).unwrap_or(code));
            Err(CodeError::new(
                "unknown-format",
                format!("neither a static ELF executable nor an OCI image archive: it starts with '{start}'"),
            ))
        }
    }

    /// The names of the snapshots that the layers make on top of each other, as OCI defines them.
    pub(crate) fn chain(&self) -> Vec<String> {
        let mut chain: Vec<String> = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            chain.push(match chain.last() {
                None => layer.diff_id.clone(),
                Some(parent) => digest(format!("{parent} {}", layer.diff_id).as_bytes()),
            });
        }
        chain
    }

    /// Bytes of memory that it takes.
    pub(crate) fn size(&self) -> usize {
        self.layers.iter().map(|layer| layer.bytes.len()).sum()
    }
}

/// A content's name: `sha256:` and its hash.
fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}
