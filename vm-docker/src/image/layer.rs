use std::{
    io::{self, Read},
    sync::Arc,
};

use flate2::read::MultiGzDecoder;
use sha2::{Digest as _, Sha256};
use vm_core::CodeError;

use super::digest;

/// Most bytes that the layers of an image may have when they are unpacked: 1 GiB.
pub(super) const UNPACKED_LIMIT: u64 = 1 << 30;

/// Files that lie over those of the layers below.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    /// OCI's media type: a tar archive, perhaps compressed.
    pub(crate) media_type: &'static str,
    /// Hash of `bytes`.
    pub(crate) digest: String,
    /// Hash of the archive when it is unpacked.
    pub(crate) diff_id: String,
    pub(crate) bytes: Arc<[u8]>,
}

impl Layer {
    const TAR: &str = "application/vnd.oci.image.layer.v1.tar";
    const TAR_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

    /// The media type of a layer, by its first bytes.
    pub(super) fn media_type(bytes: &[u8]) -> &'static str {
        if bytes.starts_with(&[0x1f, 0x8b]) { Self::TAR_GZIP } else { Self::TAR }
    }

    /// A layer of an uncompressed archive that was made here.
    pub(super) fn from_tar(bytes: Vec<u8>) -> Self {
        let digest = digest(&bytes);
        Self { media_type: Self::TAR, diff_id: digest.clone(), digest, bytes: bytes.into() }
    }

    /// A layer of an image archive, unpacked once to see that it is what the image says and not more than `left` bytes,
    /// which becomes less by its size.
    pub(super) fn from_image(
        media_type: &str,
        digest: &str,
        diff_id: &str,
        bytes: &[u8],
        left: &mut u64,
    ) -> Result<Self, CodeError> {
        let (media_type, unpacked) = match media_type {
            Self::TAR | "application/vnd.docker.image.rootfs.diff.tar" => (Self::TAR, unpack(bytes, *left)),
            Self::TAR_GZIP | "application/vnd.docker.image.rootfs.diff.tar.gzip" => {
                (Self::TAR_GZIP, unpack(MultiGzDecoder::new(bytes), *left))
            }
            other => {
                return Err(CodeError::new(
                    "layer-type",
                    format!("layer {digest} is of type '{other}'; build the image with gzip or uncompressed layers"),
                ));
            }
        };
        let (size, found) = unpacked
            .map_err(|error| CodeError::new("bad-layer", format!("layer {digest} cannot be unpacked: {error}")))?;
        *left = left.checked_sub(size).ok_or_else(|| {
            let message = format!("its layers have more than {UNPACKED_LIMIT} bytes when unpacked");
            CodeError::new("image-too-large", message)
        })?;
        if found != diff_id {
            let message = format!("layer {digest} unpacks to {found}; the image says {diff_id}");
            return Err(CodeError::new("bad-digest", message));
        }
        Ok(Self { media_type, digest: digest.into(), diff_id: diff_id.into(), bytes: bytes.into() })
    }
}

/// Size and hash of what comes out of `archive`; stops soon after `limit` bytes.
fn unpack(archive: impl Read, limit: u64) -> io::Result<(u64, String)> {
    let mut archive = archive.take(limit.saturating_add(1));
    let mut hash = Sha256::new();
    let size = io::copy(&mut archive, &mut hash)?;
    Ok((size, format!("sha256:{}", hex::encode(hash.finalize()))))
}
