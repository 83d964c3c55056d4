//! What is asked of containerd: typed errors, time-outs, the name space.

mod content;
mod import;
mod launch;
mod orphans;
mod removal;
mod usage;

pub(crate) use import::Leases;
pub(crate) use launch::NewContainer;

use std::{
    fmt,
    future::Future,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use containerd_client::{
    Client,
    services::v1::{CreateNamespaceRequest, Namespace, PluginsRequest},
    tonic::{Code, Request, Response, Status, metadata::AsciiMetadataValue},
};
use tokio::time::timeout;

use crate::{DockerConfig, DockerError, Refused};

/// How long containerd may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The same where it has to move a whole layer.
const LAYER_PATIENCE: Duration = Duration::from_secs(120);

/// Label of everything that is made: who made it.
const OWNER: &str = "vm-docker.owner";

/// A connection to containerd. It is made again by itself when containerd was restarted.
pub(crate) struct Daemon {
    client: Client,
    address: PathBuf,
    namespace: AsciiMetadataValue,
    snapshotter: String,
    version: String,
    problem: Mutex<Option<String>>,
}

impl fmt::Debug for Daemon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Daemon").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Daemon {
    /// Connects, and makes the name space unless it exists.
    pub(crate) async fn connect(config: &DockerConfig) -> Result<Self, DockerError> {
        let daemon = Self::reach(config).await?;
        let namespace = CreateNamespaceRequest {
            namespace: Some(Namespace { name: config.namespace.clone(), ..Namespace::default() }),
        };
        let request = daemon.request(namespace);
        let created = daemon.ask("make a name space", daemon.client.namespaces().create(request)).await;
        exists_or(created.map(drop))?;
        Ok(daemon)
    }

    /// Connects, and changes nothing.
    pub(crate) async fn reach(config: &DockerConfig) -> Result<Self, DockerError> {
        let operation = "connect";
        let unreachable =
            |message: String| DockerError::Unreachable { address: config.address.clone(), operation, message };
        let client = timeout(PATIENCE, Client::from_path(&config.address))
            .await
            .map_err(|_| DockerError::TimedOut { operation, limit: PATIENCE })?
            .map_err(|error| unreachable(innermost(&error)))?;
        let namespace = config.namespace.parse().map_err(|_| DockerError::Config {
            field: "namespace",
            message: format!("'{}' is no name", config.namespace),
        })?;
        let mut daemon = Self {
            client,
            address: config.address.clone(),
            namespace,
            snapshotter: config.snapshotter.clone(),
            version: String::new(),
            problem: Mutex::new(None),
        };
        let version = daemon.ask("tell its version", daemon.client.version().version(daemon.request(()))).await?;
        daemon.version = version.version;
        Ok(daemon)
    }

    /// containerd's version.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// Where it unpacks images, on its machine. `None` if it does not tell.
    pub(crate) async fn root(&self) -> Option<PathBuf> {
        let filter = format!("type==io.containerd.snapshotter.v1,id=={}", self.snapshotter);
        let request = self.request(PluginsRequest { filters: vec![filter] });
        let told = self.ask("tell its plugins", self.client.introspection().plugins(request)).await.ok()?;
        told.plugins.into_iter().find_map(|plugin| plugin.exports.get("root").map(PathBuf::from))
    }

    /// Why the last question was not answered, if it was not.
    pub(crate) fn problem(&self) -> Option<String> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A request in the name space.
    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("containerd-namespace", self.namespace.clone());
        request
    }

    /// A request whose results are kept by a lease.
    fn leased<T>(&self, lease: &str, message: T) -> Request<T> {
        let mut request = self.request(message);
        if let Ok(lease) = lease.parse() {
            request.metadata_mut().insert("containerd-lease", lease);
        }
        request
    }

    /// Waits for an answer, but not for ever.
    async fn ask<T>(
        &self,
        operation: &'static str,
        answer: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, DockerError> {
        self.ask_for(PATIENCE, operation, answer).await
    }

    async fn ask_for<T>(
        &self,
        limit: Duration,
        operation: &'static str,
        answer: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, DockerError> {
        match timeout(limit, answer).await {
            Ok(answer) => self.answer(operation, answer),
            Err(_) => {
                let error = DockerError::TimedOut { operation, limit };
                self.note(Some(format!("containerd: {error}")));
                Err(error)
            }
        }
    }

    fn answer<T>(&self, operation: &'static str, answer: Result<Response<T>, Status>) -> Result<T, DockerError> {
        let error = match answer {
            Ok(response) => {
                self.note(None);
                return Ok(response.into_inner());
            }
            Err(status) => self.refusal(operation, &status),
        };
        let unreachable = matches!(error, DockerError::Unreachable { .. });
        self.note(unreachable.then(|| error.to_string()));
        Err(error)
    }

    fn refusal(&self, operation: &'static str, status: &Status) -> DockerError {
        let transport = std::error::Error::source(status);
        if status.code() == Code::Unavailable || transport.is_some() {
            let message = transport.map_or_else(|| status.message().to_owned(), innermost);
            return DockerError::Unreachable { address: self.address.clone(), operation, message };
        }
        DockerError::Daemon {
            operation,
            reason: match status.code() {
                Code::NotFound => Refused::NotFound,
                Code::AlreadyExists => Refused::Exists,
                _ => Refused::Other,
            },
            message: status.message().to_owned(),
        }
    }

    fn note(&self, problem: Option<String>) {
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }
}

/// That something exists already is as good as having made it.
fn exists_or(made: Result<(), DockerError>) -> Result<(), DockerError> {
    match made {
        Err(DockerError::Daemon { reason: Refused::Exists, .. }) => Ok(()),
        other => other,
    }
}

/// That something is gone already is as good as having removed it.
fn gone_or(removed: Result<(), DockerError>) -> Result<(), DockerError> {
    match removed {
        Err(DockerError::Daemon { reason: Refused::NotFound, .. }) => Ok(()),
        other => other,
    }
}

/// The cause at the end of a chain of errors: what transports hide says most.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
