//! Containers.

use std::path::Path;
use std::sync::Arc;

use vm_core::{RuntimeKind, RuntimeProvider};
use vm_docker::{DockerConfig, DockerRuntime};

use crate::HostError;
use crate::config::Config;

pub(super) fn runtime(config: &Config, address: &Path, namespace: &str) -> Result<Arc<dyn RuntimeProvider>, HostError> {
    let settings = DockerConfig {
        address: address.to_owned(),
        namespace: namespace.to_owned(),
        memory: config.limits.memory,
        cpu_millis: config.limits.cpu_millis,
        enable_sandbox: config.security.enable_sandbox,
        allow_network: config.security.allow_network,
        allow_file_system: config.security.allow_file_system,
        ..DockerConfig::default()
    };
    let runtime = DockerRuntime::new(settings)
        .map_err(|error| HostError::Runtime { runtime: RuntimeKind::Docker, source: Box::new(error) })?;
    Ok(Arc::new(runtime))
}
