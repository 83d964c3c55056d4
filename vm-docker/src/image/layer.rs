use std::{
    io::{self, Read},
    sync::Arc,
};

use flate2::read::MultiGzDecoder;
use sha2::{Digest as _, Sha256};
use vm_core::CodeError;

use super::{digest, entries, files::Files};

/// Most bytes that the layers of an image may have when they are unpacked: 1 GiB.
const UNPACKED_LIMIT: u64 = 1 << 30;

/// Most entries that they may have together: files, folders and links.
const ENTRY_LIMIT: u64 = 200_000;

/// What the layers of an image may still take when they are unpacked.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) bytes: u64,
    pub(super) entries: u64,
}

impl Default for Room {
    fn default() -> Self {
        Self { bytes: UNPACKED_LIMIT, entries: ENTRY_LIMIT }
    }
}

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
    /// Bytes that it takes on disk, by what it holds.
    pub(crate) on_disk: u64,
    /// Most bytes that it should take there.
    pub(crate) most: u64,
}

/// Bytes on disk of what has so many in an archive: small files and folders take a block each.
fn on_disk(bytes: u64, entries: u64) -> u64 {
    const BLOCK: u64 = 4 << 10;
    bytes.saturating_add(entries.saturating_mul(BLOCK))
}

/// Most bytes on disk of what has so many in an archive: file systems round up, and prepare for growth.
fn most_on_disk(bytes: u64, entries: u64) -> u64 {
    const OF_ENTRY: u64 = 16 << 10;
    const OF_LAYER: u64 = 64 << 20;
    bytes.saturating_mul(2).saturating_add(entries.saturating_mul(OF_ENTRY)).saturating_add(OF_LAYER)
}

impl Layer {
    const TAR: &str = "application/vnd.oci.image.layer.v1.tar";
    const TAR_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

    /// The media type of a layer, by its first bytes.
    pub(super) fn media_type(bytes: &[u8]) -> &'static str {
        if bytes.starts_with(&[0x1f, 0x8b]) { Self::TAR_GZIP } else { Self::TAR }
    }

    /// A layer of an uncompressed archive that was made here.
    pub(crate) fn from_tar(bytes: Vec<u8>) -> Self {
        let digest = digest(&bytes);
        let size = bytes.len() as u64;
        let (on_disk, most) = (on_disk(size, 0), most_on_disk(size, 0));
        Self { media_type: Self::TAR, diff_id: digest.clone(), digest, bytes: bytes.into(), on_disk, most }
    }

    /// A layer of an image archive, unpacked once to see that it is what the image says, holds nothing but files, folders and
    /// links, and fits into what is `left`, which becomes less by it.
    pub(super) fn from_image(
        media_type: &str,
        digest: &str,
        diff_id: &str,
        bytes: &[u8],
        left: &mut Room,
        files: &mut Files,
    ) -> Result<Self, CodeError> {
        let (media_type, unpacked) = match media_type {
            Self::TAR | "application/vnd.docker.image.rootfs.diff.tar" => (Self::TAR, unpack(bytes, left, files)),
            Self::TAR_GZIP | "application/vnd.docker.image.rootfs.diff.tar.gzip" => {
                (Self::TAR_GZIP, unpack(MultiGzDecoder::new(bytes), left, files))
            }
            other => {
                return Err(CodeError::new(
                    "layer-type",
                    format!("layer {digest} is of type '{other}'; build the image with gzip or uncompressed layers"),
                ));
            }
        };
        let bad = |flaw: String| CodeError::new("bad-layer", format!("layer {digest} cannot be unpacked: {flaw}"));
        let too_large = |what: String| CodeError::new("image-too-large", format!("its layers have more than {what}"));
        let Unpacked { size, digest: found, entries } = unpacked.map_err(|error| bad(error.to_string()))?;
        left.bytes = left
            .bytes
            .checked_sub(size)
            .ok_or_else(|| too_large(format!("{UNPACKED_LIMIT} bytes when they are unpacked")))?;
        if found != diff_id {
            let message = format!("layer {digest} unpacks to {found}; the image says {diff_id}");
            return Err(CodeError::new("bad-digest", message));
        }
        let entries = entries.map_err(bad)?;
        left.entries = left
            .entries
            .checked_sub(entries)
            .ok_or_else(|| too_large(format!("{ENTRY_LIMIT} files, folders and links")))?;
        let (on_disk, most) = (on_disk(size, entries), most_on_disk(size, entries));
        Ok(Self { media_type, digest: digest.into(), diff_id: diff_id.into(), bytes: bytes.into(), on_disk, most })
    }
}

/// What comes out of an archive.
struct Unpacked {
    size: u64,
    digest: String,
    /// How many there are, or what is wrong with one.
    entries: Result<u64, String>,
}

/// Reads an archive to its end; stops soon after the bytes that are left.
fn unpack(archive: impl Read, left: &Room, files: &mut Files) -> io::Result<Unpacked> {
    let mut archive =
        Hashed { inner: archive.take(left.bytes.saturating_add(1)), hash: Sha256::new(), size: 0, failed: false };
    let entries = entries::count(&mut archive, left.entries, files);
    if let (Err(flaw), true) = (&entries, archive.failed) {
        return Err(io::Error::other(flaw.clone()));
    }
    // What follows the last entry belongs to the digest, too.
    io::copy(&mut archive, &mut io::sink())?;
    let digest = format!("sha256:{}", hex::encode(archive.hash.finalize()));
    Ok(Unpacked { size: archive.size, digest, entries })
}

/// Hashes and counts what is read.
struct Hashed<R> {
    inner: R,
    hash: Sha256,
    size: u64,
    /// True once there was nothing to hash, because it could not be read.
    failed: bool,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer).inspect_err(|_| self.failed = true)?;
        self.hash.update(buffer.get(..read).unwrap_or_default());
        self.size = self.size.saturating_add(read as u64);
        Ok(read)
    }
}
