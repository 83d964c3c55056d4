//! The blobs of an image, found one after the other.

use std::collections::BTreeMap;

use vm_core::CodeError;

use super::{
    Image, Reference,
    archive::{self, Descriptor, Index, Manifest},
};

/// How deep an index may lie in an index.
const INDEX_DEPTH: usize = 3;

/// Which blobs an image has.
pub(crate) struct Parts {
    top: String,
    media_type: String,
}

/// A blob that lists others, whichever kind it is.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kind {
    #[serde(default)]
    media_type: String,
    manifests: Option<serde::de::IgnoredAny>,
}

impl Parts {
    pub(crate) fn of(reference: &Reference) -> Self {
        Self { top: reference.digest().into(), media_type: String::new() }
    }

    /// The digest of a blob that is not among `blobs`; `None` if they are all there.
    pub(crate) fn next_missing(&mut self, blobs: &BTreeMap<String, Vec<u8>>) -> Result<Option<String>, CodeError> {
        let mut digest = self.top.clone();
        for depth in 0..=INDEX_DEPTH {
            let Some(blob) = blobs.get(&digest) else { return Ok(Some(digest)) };
            let kind: Kind = archive::parse(&digest, blob)?;
            if depth == 0 {
                // What a reference names tells its own type, or shows it.
                self.media_type = match (&*kind.media_type, kind.manifests.is_some()) {
                    ("", true) => "application/vnd.oci.image.index.v1+json".into(),
                    (told, _) => told.into(),
                };
            }
            if kind.manifests.is_none() {
                let manifest: Manifest = archive::parse(&digest, blob)?;
                let mut parts = std::iter::once(manifest.config).chain(manifest.layers);
                return Ok(parts.find(|part| !blobs.contains_key(&part.digest)).map(|part| part.digest));
            }
            let index: Index = archive::parse(&digest, blob)?;
            match index.manifests.into_iter().find(Descriptor::fits) {
                Some(found) => digest = found.digest,
                // Assembling says so.
                None => return Ok(None),
            }
        }
        Ok(None)
    }

    /// The image, checked.
    pub(crate) fn assemble(self, blobs: BTreeMap<String, Vec<u8>>) -> Result<Image, CodeError> {
        archive::assemble(Descriptor::new(self.media_type, self.top), blobs)
    }
}
