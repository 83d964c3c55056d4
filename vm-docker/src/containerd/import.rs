//! Images become snapshots.

use std::collections::HashMap;

use containerd_client::{
    services::v1::{
        AddResourceRequest, ApplyRequest, CreateRequest, DeleteRequest, Resource, WriteAction, WriteContentRequest,
        snapshots::{CommitSnapshotRequest, PrepareSnapshotRequest, StatSnapshotRequest, UsageRequest},
    },
    tonic::Response,
    types::Descriptor,
};

use tokio::sync::watch;

use super::{Daemon, LAYER_PATIENCE, OWNER, exists_or, gone_or};
use crate::{
    DockerError, Refused,
    image::{Image, Layer},
};

/// A layer is sent in pieces of this many bytes; containerd accepts messages up to 16 MiB.
const PIECE: usize = 1 << 20;

/// What keeps what is made of an image. Who calls for it removes them.
pub(crate) struct Leases<'a> {
    /// Keeps the snapshots.
    pub(crate) image: &'a str,
    /// Keeps the layers' archives, and snapshots that are not complete.
    pub(crate) archives: &'a str,
    pub(crate) owner: &'a str,
}

impl Daemon {
    /// Makes the image's snapshots unless they exist, and returns the uppermost one's name. Layers take long: what is done with one
    /// is broken off when the host stops.
    pub(crate) async fn import(
        &self,
        image: &Image,
        leases: &Leases<'_>,
        mut stopped: watch::Receiver<bool>,
    ) -> Result<String, DockerError> {
        self.make_lease(leases.image, leases.owner).await?;
        self.make_lease(leases.archives, leases.owner).await?;
        let mut parent = String::new();
        for (layer, name) in image.layers.iter().zip(image.chain()) {
            // Kept before it is looked for, so that it is not collected in between.
            self.keep(leases.image, &name).await?;
            if !self.snapshot_exists(&name).await? {
                unless(&mut stopped, self.send(layer, leases.archives)).await?;
                self.apply(layer, &parent, &name, leases.archives, &mut stopped).await?;
            }
            parent = name;
        }
        Ok(parent)
    }

    /// Lets go of what a lease kept, and has it collected at once.
    pub(crate) async fn delete_lease(&self, lease: &str) -> Result<(), DockerError> {
        let request = self.request(DeleteRequest { id: lease.into(), sync: true });
        let deleted = self.ask_for(LAYER_PATIENCE, "delete a lease", self.client.leases().delete(request)).await;
        gone_or(deleted)
    }

    async fn make_lease(&self, lease: &str, owner: &str) -> Result<(), DockerError> {
        let labels = HashMap::from([(OWNER.to_owned(), owner.to_owned())]);
        let request = self.request(CreateRequest { id: lease.into(), labels });
        let made = self.ask("make a lease", self.client.leases().create(request)).await;
        exists_or(made.map(drop))
    }

    /// Has a lease keep a snapshot, which may not exist yet.
    async fn keep(&self, lease: &str, snapshot: &str) -> Result<(), DockerError> {
        let resource = Resource { id: snapshot.into(), r#type: format!("snapshots/{}", self.snapshotter) };
        let request = AddResourceRequest { id: lease.into(), resource: Some(resource) };
        let added = self.ask("keep a snapshot", self.client.leases().add_resource(self.request(request))).await;
        exists_or(added)
    }

    async fn snapshot_exists(&self, name: &str) -> Result<bool, DockerError> {
        let request = StatSnapshotRequest { snapshotter: self.snapshotter.clone(), key: name.into() };
        match self.ask("look for a snapshot", self.client.snapshots().stat(self.request(request))).await {
            Ok(_) => Ok(true),
            Err(DockerError::Daemon { reason: Refused::NotFound, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Puts a layer's archive into containerd's content store.
    async fn send(&self, layer: &Layer, import: &str) -> Result<(), DockerError> {
        let total = layer.bytes.len();
        let reference = format!("{import}-{}", layer.digest);
        let (bytes, digest) = (layer.bytes.clone(), layer.digest.clone());
        let pieces = (0..total).step_by(PIECE).chain([total]).map(move |offset| {
            let data = bytes.get(offset..total.min(offset.saturating_add(PIECE)));
            let data = data.unwrap_or_default().to_vec();
            let action = if data.is_empty() { WriteAction::Commit } else { WriteAction::Write };
            WriteContentRequest {
                action: action.into(),
                r#ref: reference.clone(),
                total: total as i64,
                expected: digest.clone(),
                offset: offset as i64,
                data,
                ..WriteContentRequest::default()
            }
        });
        let written = async {
            let request = self.leased(import, tokio_stream::iter(pieces));
            let mut answers = self.client.content().write(request).await?.into_inner();
            while answers.message().await?.is_some() {}
            Ok(Response::new(()))
        };
        let written = self.ask_for(LAYER_PATIENCE, "store a layer", written).await;
        exists_or(written)
    }

    /// Unpacks a stored layer over `parent` and gives the result its name.
    async fn apply(
        &self,
        layer: &Layer,
        parent: &str,
        name: &str,
        import: &str,
        stopped: &mut watch::Receiver<bool>,
    ) -> Result<(), DockerError> {
        let key = format!("{import}-{name}");
        let request = PrepareSnapshotRequest {
            snapshotter: self.snapshotter.clone(),
            key: key.clone(),
            parent: parent.into(),
            ..PrepareSnapshotRequest::default()
        };
        let mounts =
            self.ask("make a snapshot", self.client.snapshots().prepare(self.leased(import, request))).await?.mounts;

        let request = ApplyRequest {
            diff: Some(Descriptor {
                media_type: layer.media_type.into(),
                digest: layer.digest.clone(),
                size: layer.bytes.len() as i64,
                ..Descriptor::default()
            }),
            mounts,
            ..ApplyRequest::default()
        };
        let mut client = self.client.diff();
        let applied = client.apply(self.leased(import, request));
        unless(stopped, self.ask_for(LAYER_PATIENCE, "unpack a layer", applied)).await?;

        // Should containerd have read the archive otherwise than it was read here, nothing runs on that.
        let request = UsageRequest { snapshotter: self.snapshotter.clone(), key: key.clone() };
        let usage = self.ask("measure a layer", self.client.snapshots().usage(self.request(request))).await?;
        let size = u64::try_from(usage.size).unwrap_or(0);
        if size > layer.most {
            return Err(DockerError::LayerTooLarge { size, limit: layer.most });
        }

        let request = CommitSnapshotRequest {
            snapshotter: self.snapshotter.clone(),
            name: name.into(),
            key,
            ..CommitSnapshotRequest::default()
        };
        let committed =
            self.ask("commit a snapshot", self.client.snapshots().commit(self.leased(import, request))).await;
        exists_or(committed)
    }
}

/// Does what takes long, unless the host stops before it is done.
async fn unless<T>(
    stopped: &mut watch::Receiver<bool>,
    work: impl Future<Output = Result<T, DockerError>>,
) -> Result<T, DockerError> {
    tokio::select! {
        done = work => done,
        _ = stopped.wait_for(|stopped| *stopped) => Err(DockerError::NotRunning),
    }
}
