//! What hosts left behind that were killed.

use std::collections::{BTreeSet, HashMap};

use containerd_client::{
    services::v1::{
        Container, CreateContainerRequest, ListContainersRequest, ListRequest, ListTasksRequest, container,
        snapshots::{Kind, ListSnapshotsRequest},
    },
    tonic::Response,
};

use prost_types::Any;

use super::{Daemon, OWNER, exists_or, launch::SPEC_TYPE};
use crate::{DockerError, folder::Owner};

/// Everything in the name space that belongs to some host, as (owner, name).
#[derive(Debug, Default)]
pub(crate) struct Owned {
    pub(crate) containers: BTreeSet<(Owner, String)>,
    pub(crate) leases: BTreeSet<(Owner, String)>,
    /// All tasks, of whomever.
    pub(crate) tasks: BTreeSet<String>,
    /// Tasks without a container: made late, when their containers had been given up. They have no labels.
    pub(crate) strays: BTreeSet<String>,
}

impl Daemon {
    /// Lists what hosts have made. A root file system without a container counts as a container: both have one name.
    pub(crate) async fn owned(&self) -> Result<Owned, DockerError> {
        let mut owned = Owned::default();
        // Before the containers: each has its container as long as it is wanted.
        let request = self.request(ListTasksRequest::default());
        let tasks = self.ask("list tasks", self.client.tasks().list(request)).await?.tasks;
        owned.tasks = tasks.into_iter().map(|task| task.id).collect();
        owned.strays.clone_from(&owned.tasks);
        // One by one: each comes with its specification, and all of them may be more than a message holds.
        let request = self.request(ListContainersRequest::default());
        let containers = async {
            let mut answers = self.client.containers().list_stream(request).await?.into_inner();
            let mut containers = Vec::new();
            while let Some(answer) = answers.message().await? {
                containers.extend(answer.container.map(|container| (container.id, owner(&container.labels))));
            }
            Ok(Response::new(containers))
        };
        for (id, owner) in self.ask("list containers", containers).await? {
            owned.strays.remove(&id);
            owned.containers.extend(owner.map(|owner| (owner, id)));
        }

        let request = self
            .request(ListSnapshotsRequest { snapshotter: self.snapshotter.clone(), ..ListSnapshotsRequest::default() });
        let snapshots = async {
            let mut answers = self.client.snapshots().list(request).await?.into_inner();
            let mut snapshots = Vec::new();
            while let Some(answer) = answers.message().await? {
                snapshots.extend(answer.info);
            }
            Ok(Response::new(snapshots))
        };
        for snapshot in self.ask("list snapshots", snapshots).await? {
            if snapshot.kind() == Kind::Active {
                owned.containers.extend(owner(&snapshot.labels).map(|owner| (owner, snapshot.name)));
            }
        }

        for lease in
            self.ask("list leases", self.client.leases().list(self.request(ListRequest::default()))).await?.leases
        {
            owned.leases.extend(owner(&lease.labels).map(|owner| (owner, lease.id)));
        }
        Ok(owned)
    }

    /// Gives a task a container that has none: containerd finds tasks by their containers. It belongs to `owner`, who removes both.
    pub(crate) async fn adopt_task(&self, id: &str, owner: &str, runtime: &str) -> Result<(), DockerError> {
        let container = Container {
            id: id.into(),
            labels: HashMap::from([(OWNER.to_owned(), owner.to_owned())]),
            runtime: Some(container::Runtime { name: runtime.into(), options: None }),
            spec: Some(Any { type_url: SPEC_TYPE.into(), value: b"{}".to_vec() }),
            ..Container::default()
        };
        let request = self.request(CreateContainerRequest { container: Some(container) });
        let made = self.ask("make a container for a task", self.client.containers().create(request)).await;
        exists_or(made.map(drop))
    }
}

fn owner(labels: &HashMap<String, String>) -> Option<Owner> {
    let label = labels.get(OWNER)?;
    let owner = Owner::read(label);
    if owner.is_none() {
        tracing::warn!(label, "something in containerd has the label of hosts, but no host wrote it: it is left alone");
    }
    owner
}
