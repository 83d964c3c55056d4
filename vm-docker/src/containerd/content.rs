//! Images that containerd has already.

use std::collections::BTreeMap;

use containerd_client::{
    services::v1::{InfoRequest, ReadContentRequest},
    tonic::Response,
};
use vm_core::{HostFault, PrepareError};

use super::{Daemon, LAYER_PATIENCE};
use crate::{
    DockerError, Refused,
    image::{self, Image, Parts, Reference},
};

/// Most bytes of an image's parts, as they are stored: 256 MiB.
const SIZE_LIMIT: u64 = 256 << 20;

impl Daemon {
    /// Reads an image out of containerd's content store, and checks every part of it by its digest.
    pub(crate) async fn read_image(&self, reference: &Reference) -> Result<Image, PrepareError> {
        let mut parts = Parts::of(reference);
        let mut blobs = BTreeMap::new();
        let mut left = SIZE_LIMIT;
        while let Some(digest) = parts.next_missing(&blobs)? {
            let blob = self.read_blob(&digest, &mut left).await.map_err(|error| match error {
                DockerError::Daemon { reason: Refused::NotFound, .. } => {
                    DockerError::NoImage { reference: reference.to_string(), digest: digest.clone() }
                }
                other => other,
            });
            blobs.insert(digest, blob.map_err(HostFault::from)?);
        }
        Ok(parts.assemble(blobs)?)
    }

    async fn read_blob(&self, digest: &str, left: &mut u64) -> Result<Vec<u8>, DockerError> {
        let request = InfoRequest { digest: digest.into() };
        let info = self.ask("look for a part of an image", self.client.content().info(self.request(request))).await?;
        let size = info.info.and_then(|info| u64::try_from(info.size).ok()).unwrap_or(0);
        *left = left.checked_sub(size).ok_or(DockerError::ImageTooLarge { limit: SIZE_LIMIT })?;
        let request = ReadContentRequest { digest: digest.into(), ..ReadContentRequest::default() };
        let read = async {
            let mut answers = self.client.content().read(self.request(request)).await?.into_inner();
            let mut blob = Vec::new();
            while let Some(answer) = answers.message().await? {
                blob.extend_from_slice(&answer.data);
                if blob.len() as u64 > size {
                    break;
                }
            }
            Ok(Response::new(blob))
        };
        let blob = self.ask_for(LAYER_PATIENCE, "read a part of an image", read).await?;
        // That a disk fails does not make code wrong, so it is found before anything is made of the bytes.
        let found = image::digest(&blob);
        if found == digest { Ok(blob) } else { Err(DockerError::Damaged { digest: digest.into(), found }) }
    }
}
