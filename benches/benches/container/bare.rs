//! The same container without a runtime around it: made, started and removed by containerd, with the specification that vm-docker
//! gave it.

use std::{
    collections::HashMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use containerd_client::{
    Client,
    services::v1::{
        Container, CreateContainerRequest, CreateRequest as LeaseRequest, CreateTaskRequest, DeleteContainerRequest,
        DeleteTaskRequest, GetContainerRequest, KillRequest, ListContainersRequest, StartRequest, WaitRequest,
        container,
        snapshots::{PrepareSnapshotRequest, RemoveSnapshotRequest, StatSnapshotRequest},
    },
    tonic::Request,
};
use prost_types::Any;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use vm_core::{Code, Contract, RuntimeKind, RuntimeProvider};
use vm_docker::DockerRuntime;

use crate::{
    percentiles::time,
    place::{NAMESPACE, Place},
};

const SNAPSHOTTER: &str = "overlayfs";

/// Keeps root file systems until their containers do.
const LEASE: &str = "bare";

/// Field 6 of `containerd.runc.v1.Options`, `binary_name`, of type string.
const BINARY_NAME: u8 = 6 << 3 | 2;

/// How containers like vm-docker's are made.
pub(crate) struct Bare {
    tokio: Runtime,
    client: Client,
    /// The specification of one.
    spec: Value,
    /// The snapshot below.
    parent: String,
    folder: PathBuf,
    /// Keeps the snapshot below.
    _contract: Arc<dyn Contract>,
    _runtime: DockerRuntime,
}

fn request<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("containerd-namespace", NAMESPACE.parse().unwrap());
    request
}

impl Bare {
    /// Has a runtime start a container with the bench's program, and looks at it. The image stays as long as the place.
    pub(crate) fn like_one_of_ours(place: &Place) -> Self {
        let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let client = tokio.block_on(Client::from_path(place.address())).unwrap();
        let ids = || {
            let listed = tokio.block_on(client.containers().list(request(ListContainersRequest::default()))).unwrap();
            listed.into_inner().containers.into_iter().map(|found| found.id).collect::<Vec<_>>()
        };
        let before = ids();
        let runtime = place.runtime(|_| {});
        let code = Code::new(RuntimeKind::Docker, place.plain.clone());
        let contract = futures_executor::block_on(runtime.prepare(&code)).unwrap();
        let id = ids().into_iter().find(|id| !before.contains(id)).unwrap();
        let found = tokio.block_on(client.containers().get(request(GetContainerRequest { id: id.clone() }))).unwrap();
        let spec = found.into_inner().container.unwrap().spec.unwrap().value;
        let stat = StatSnapshotRequest { snapshotter: SNAPSHOTTER.into(), key: id };
        let stat = tokio.block_on(client.snapshots().stat(request(stat))).unwrap();
        let lease = LeaseRequest { id: LEASE.into(), ..LeaseRequest::default() };
        // Another part of the bench may have made it.
        let _ = tokio.block_on(client.leases().create(request(lease)));
        let folder = place.path().join("b");
        fs::create_dir_all(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o711)).unwrap();
        Self {
            tokio,
            client,
            spec: serde_json::from_slice(&spec).unwrap(),
            parent: stat.into_inner().info.unwrap().parent,
            folder,
            _contract: contract,
            _runtime: runtime,
        }
    }

    /// What it takes to make a container, to start it, and to remove it with all that belongs to it, in microseconds.
    pub(crate) fn life(&self) -> [f64; 3] {
        self.life_with(None)
    }

    /// What of a life passes in the OCI runtime's program, in microseconds.
    pub(crate) fn life_in_runtime(&self) -> f64 {
        let (program, log) = (self.folder.join("runc"), self.folder.join("log"));
        let script = format!(
            "#!/bin/sh\nbegun=$(date +%s%N)\nrunc \"$@\"\ncode=$?\necho $(($(date +%s%N) - begun)) >>{}\nexit $code\n",
            log.display()
        );
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        self.life_with(Some(&program));
        let told = fs::read_to_string(&log).unwrap();
        fs::remove_file(&log).unwrap();
        told.lines().map(|nanoseconds| nanoseconds.parse::<f64>().unwrap() / 1000.0).sum()
    }

    fn life_with(&self, program: Option<&Path>) -> [f64; 3] {
        let (name, sockets) = self.name();
        let spec = self.spec_of(&name, &sockets);
        let phases = [
            time(|| self.tokio.block_on(self.create(&name, &spec, program))).0,
            time(|| self.tokio.block_on(self.start(&name))).0,
            time(|| self.tokio.block_on(self.delete(&name))).0,
        ];
        fs::remove_dir_all(sockets).unwrap();
        phases
    }

    /// A name, and a folder for sockets.
    fn name(&self) -> (String, PathBuf) {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("bare-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let sockets = self.folder.join(&name);
        fs::create_dir(&sockets).unwrap();
        fs::set_permissions(&sockets, fs::Permissions::from_mode(0o711)).unwrap();
        (name, sockets)
    }

    /// vm-docker's specification, but for what differs from container to container.
    fn spec_of(&self, name: &str, sockets: &Path) -> Value {
        let mut spec = self.spec.clone();
        let group = spec["linux"]["cgroupsPath"].as_str().unwrap();
        let group = Path::new(group).with_file_name(name);
        spec["linux"]["cgroupsPath"] = json!(group);
        spec["process"]["args"] = json!(["/contract", "wait"]);
        let mounts = spec["mounts"].as_array_mut().unwrap();
        let socket = mounts.iter_mut().find(|mount| mount["destination"] == "/run/vm").unwrap();
        socket["source"] = json!(sockets);
        spec
    }

    async fn create(&self, name: &str, spec: &Value, program: Option<&Path>) {
        let prepare = PrepareSnapshotRequest {
            snapshotter: SNAPSHOTTER.into(),
            key: name.into(),
            parent: self.parent.clone(),
            labels: HashMap::new(),
        };
        let mut prepare = request(prepare);
        prepare.metadata_mut().insert("containerd-lease", LEASE.parse().unwrap());
        let rootfs = self.client.snapshots().prepare(prepare).await.unwrap().into_inner().mounts;
        let options = program.map(|program| {
            let path = program.to_str().unwrap();
            let value = [&[BINARY_NAME, path.len() as u8], path.as_bytes()].concat();
            Any { type_url: "containerd.runc.v1.Options".into(), value }
        });
        let container = Container {
            id: name.into(),
            runtime: Some(container::Runtime { name: "io.containerd.runc.v2".into(), options: options.clone() }),
            spec: Some(Any {
                type_url: "types.containerd.io/opencontainers/runtime-spec/1/Spec".into(),
                value: spec.to_string().into_bytes(),
            }),
            snapshotter: SNAPSHOTTER.into(),
            snapshot_key: name.into(),
            ..Container::default()
        };
        let create = CreateContainerRequest { container: Some(container) };
        self.client.containers().create(request(create)).await.unwrap();
        let create = CreateTaskRequest { container_id: name.into(), rootfs, options, ..CreateTaskRequest::default() };
        self.client.tasks().create(request(create)).await.unwrap();
    }

    async fn start(&self, name: &str) {
        let start = StartRequest { container_id: name.into(), ..StartRequest::default() };
        self.client.tasks().start(request(start)).await.unwrap();
    }

    async fn delete(&self, name: &str) {
        let kill = KillRequest { container_id: name.into(), signal: 9, ..KillRequest::default() };
        self.client.tasks().kill(request(kill)).await.unwrap();
        let wait = WaitRequest { container_id: name.into(), ..WaitRequest::default() };
        self.client.tasks().wait(request(wait)).await.unwrap();
        let delete = DeleteTaskRequest { container_id: name.into() };
        self.client.tasks().delete(request(delete)).await.unwrap();
        self.client.containers().delete(request(DeleteContainerRequest { id: name.into() })).await.unwrap();
        let remove = RemoveSnapshotRequest { snapshotter: SNAPSHOTTER.into(), key: name.into() };
        self.client.snapshots().remove(request(remove)).await.unwrap();
    }
}
