//! Containers and their tasks.

use std::{collections::HashMap, path::Path};

use containerd_client::services::v1::{
    Container, CreateContainerRequest, CreateTaskRequest, StartRequest, WaitRequest, container,
    snapshots::PrepareSnapshotRequest,
};
use prost_types::Any;
use serde_json::Value;

use super::{Daemon, OWNER};
use crate::DockerError;

/// containerd's name for the type of an OCI runtime specification.
pub(super) const SPEC_TYPE: &str = "types.containerd.io/opencontainers/runtime-spec/1/Spec";

/// A container to be made.
pub(crate) struct NewContainer<'a> {
    pub(crate) id: &'a str,
    pub(crate) owner: &'a str,
    /// Keeps the root file system until the container does.
    pub(crate) lease: &'a str,
    /// The snapshot under the container's own.
    pub(crate) snapshot: &'a str,
    pub(crate) runtime: &'a str,
    pub(crate) spec: &'a Value,
    /// Named pipes for what its process writes.
    pub(crate) stdout: &'a Path,
    pub(crate) stderr: &'a Path,
}

impl Daemon {
    /// Makes a container with its root file system and its task, which is not started yet; asks for each only as long as it
    /// `goes_on`. Returns the number of the task's process.
    pub(crate) async fn create(
        &self,
        new: &NewContainer<'_>,
        goes_on: impl Fn() -> Result<(), DockerError>,
    ) -> Result<u32, DockerError> {
        let labels = HashMap::from([(OWNER.to_owned(), new.owner.to_owned())]);
        let request = PrepareSnapshotRequest {
            snapshotter: self.snapshotter.clone(),
            key: new.id.into(),
            parent: new.snapshot.into(),
            labels: labels.clone(),
        };
        let rootfs = self
            .ask("make a root file system", self.client.snapshots().prepare(self.leased(new.lease, request)))
            .await?
            .mounts;

        goes_on()?;
        let container = Container {
            id: new.id.into(),
            labels,
            runtime: Some(container::Runtime { name: new.runtime.into(), options: None }),
            spec: Some(Any { type_url: SPEC_TYPE.into(), value: new.spec.to_string().into_bytes() }),
            snapshotter: self.snapshotter.clone(),
            snapshot_key: new.id.into(),
            ..Container::default()
        };
        let request = CreateContainerRequest { container: Some(container) };
        self.ask("make a container", self.client.containers().create(self.request(request))).await?;

        goes_on()?;
        // A shim that is given only one of both crashes.
        let request = CreateTaskRequest {
            container_id: new.id.into(),
            rootfs,
            stdout: new.stdout.display().to_string(),
            stderr: new.stderr.display().to_string(),
            ..CreateTaskRequest::default()
        };
        Ok(self.ask("make a task", self.client.tasks().create(self.request(request))).await?.pid)
    }

    /// Starts a container's task.
    pub(crate) async fn start(&self, id: &str) -> Result<(), DockerError> {
        let request = StartRequest { container_id: id.into(), ..StartRequest::default() };
        self.ask("start a task", self.client.tasks().start(self.request(request))).await.map(drop)
    }

    /// Waits until a container's process has ended, however long that takes. Returns its exit code.
    pub(crate) async fn wait(&self, id: &str) -> Result<u32, DockerError> {
        let request = WaitRequest { container_id: id.into(), ..WaitRequest::default() };
        let ended = self.client.tasks().wait(self.request(request)).await;
        Ok(self.answer("wait for a task", ended)?.exit_status)
    }
}
