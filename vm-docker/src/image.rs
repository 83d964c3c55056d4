//! A contract's code as an image: layers of files and the program to start.

mod archive;
mod entries;
mod executable;
mod files;
mod layer;
mod parts;
mod reference;

use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use vm_core::CodeError;

pub(crate) use layer::Layer;
pub(crate) use parts::Parts;
pub(crate) use reference::Reference;

/// The architecture whose executables and images are accepted, in the words of OCI.
pub(crate) const ARCHITECTURE: &str = match std::env::consts::ARCH.as_bytes() {
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

/// What code is.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// It holds the image.
    Here(Image),
    /// It names an image that containerd has.
    There(Reference),
}

impl Source {
    /// Recognises an executable or an image archive by its first bytes, and a reference by being a short text.
    pub(crate) fn read(code: &[u8]) -> Result<Self, CodeError> {
        if executable::recognise(code) {
            return executable::wrap(code).map(Self::Here);
        }
        if archive::recognise(code) {
            return archive::read(code).map(Self::Here);
        }
        if let Some(reference) = Reference::read(code) {
            return reference.map(Self::There);
        }
        let start = hex::encode(code.get(..8).unwrap_or(code));
        let expected = "neither a static ELF executable, an image archive, nor an image's name with its digest";
        Err(CodeError::new("unknown-format", format!("{expected}: it starts with '{start}'")))
    }
}

impl Image {
    /// An image that the code holds.
    #[cfg(test)]
    pub(crate) fn read(code: &[u8]) -> Result<Self, CodeError> {
        match Source::read(code)? {
            Source::Here(image) => Ok(image),
            Source::There(reference) => panic!("{reference} is no image"),
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

    /// A name that all images have that run the same program on the same files, and no other ones.
    pub(crate) fn name(&self) -> String {
        let Program { args, env, folder } = &*self.program;
        digest(format!("{:?}", (self.chain().last(), args, env, folder)).as_bytes())
    }

    /// Bytes that it takes on disk when it is unpacked, all its layers.
    pub(crate) fn on_disk(&self) -> u64 {
        self.layers.iter().map(|layer| layer.on_disk).fold(0, u64::saturating_add)
    }

    /// Bytes of memory that it takes.
    pub(crate) fn size(&self) -> usize {
        self.layers.iter().map(|layer| layer.bytes.len()).sum()
    }
}

/// A content's name: `sha256:` and its hash.
pub(crate) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}
