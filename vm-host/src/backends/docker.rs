//! Containers.

use std::sync::Arc;

use vm_core::{RuntimeKind, RuntimeProvider};
use vm_docker::{DockerConfig, DockerRuntime, Isolation};

use crate::HostError;
use crate::config::{Config, Docker};

pub(super) fn runtime(config: &Config, docker: &Docker) -> Result<Arc<dyn RuntimeProvider>, HostError> {
    let settings = DockerConfig {
        address: docker.address.clone(),
        namespace: docker.namespace.clone(),
        memory: config.limits.memory,
        cpu_millis: config.limits.cpu_millis,
        pool_min: docker.pool_min,
        pool_max: docker.pool_max,
        pool_idle: docker.pool_idle,
        pool_queue: docker.pool_queue,
        pool_wait: docker.pool_wait,
        isolation: if docker.isolate_calls { Isolation::Call } else { Isolation::Contract },
        replay_check: docker.replay_check,
        enable_sandbox: config.security.enable_sandbox,
        allow_network: config.security.allow_network,
        allow_file_system: config.security.allow_file_system,
        tmp_size: docker.tmp_size,
        ..DockerConfig::default()
    };
    let runtime = DockerRuntime::new(settings)
        .map_err(|error| HostError::Runtime { runtime: RuntimeKind::Docker, source: Box::new(error) })?;
    Ok(Arc::new(runtime))
}
