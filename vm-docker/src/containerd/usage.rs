//! What images take of containerd's disk.

use std::collections::BTreeSet;

use containerd_client::services::v1::{ListRequest, ListResourcesRequest, snapshots::UsageRequest};

use super::{Daemon, OWNER};
use crate::{DockerError, Refused};

impl Daemon {
    /// Bytes of the layers that hosts have unpacked in the name space, also those that are dead. Each counts once.
    pub(crate) async fn unpacked(&self) -> Result<u64, DockerError> {
        let of_snapshots = format!("snapshots/{}", self.snapshotter);
        let mut snapshots = BTreeSet::new();
        let leases =
            self.ask("list leases", self.client.leases().list(self.request(ListRequest::default()))).await?.leases;
        for lease in leases.into_iter().filter(|lease| lease.labels.contains_key(OWNER)) {
            let request = self.request(ListResourcesRequest { id: lease.id });
            // It may be gone by now.
            let Some(kept) =
                found(self.ask("list what a lease keeps", self.client.leases().list_resources(request)).await)?
            else {
                continue;
            };
            snapshots.extend(kept.resources.into_iter().filter(|kept| kept.r#type == of_snapshots).map(|kept| kept.id));
        }
        let mut total = 0_u64;
        for key in snapshots {
            let request = self.request(UsageRequest { snapshotter: self.snapshotter.clone(), key });
            let usage = found(self.ask("measure a layer", self.client.snapshots().usage(request)).await)?;
            total = total.saturating_add(usage.map_or(0, |usage| u64::try_from(usage.size).unwrap_or(0)));
        }
        Ok(total)
    }
}

/// `None` for what is not there.
fn found<T>(answer: Result<T, DockerError>) -> Result<Option<T>, DockerError> {
    match answer {
        Err(DockerError::Daemon { reason: Refused::NotFound, .. }) => Ok(None),
        other => other.map(Some),
    }
}
