//! Nothing stays behind.

use containerd_client::services::v1::{
    DeleteContainerRequest, DeleteTaskRequest, KillRequest, snapshots::RemoveSnapshotRequest,
};
use tokio::time::timeout;

use super::{Daemon, PATIENCE, gone_or};
use crate::{DockerError, Refused};

const SIGKILL: u32 = 9;

impl Daemon {
    /// Ends a container's process and removes its task, its record and its root file system, whichever of them exist.
    /// May be repeated. Returns whether containerd knew its task.
    pub(crate) async fn remove(&self, id: &str) -> Result<bool, DockerError> {
        let request = KillRequest { container_id: id.into(), signal: SIGKILL, all: true, ..KillRequest::default() };
        // A process that has ended, or was never started, cannot be killed; deleting the task shows whether that matters.
        if !matches!(
            self.ask("kill a task", self.client.tasks().kill(self.request(request))).await,
            Err(DockerError::Unreachable { .. } | DockerError::TimedOut { .. })
        ) {
            let _ = timeout(PATIENCE, self.wait(id)).await;
        }

        let request = DeleteTaskRequest { container_id: id.into() };
        let knew = match self.ask("delete a task", self.client.tasks().delete(self.request(request))).await {
            Ok(_) => true,
            Err(DockerError::Daemon { reason: Refused::NotFound, .. }) => false,
            Err(error) => return Err(error),
        };

        let request = DeleteContainerRequest { id: id.into() };
        gone_or(self.ask("delete a container", self.client.containers().delete(self.request(request))).await)?;

        let request = RemoveSnapshotRequest { snapshotter: self.snapshotter.clone(), key: id.into() };
        gone_or(self.ask("remove a root file system", self.client.snapshots().remove(self.request(request))).await)?;
        Ok(knew)
    }
}
