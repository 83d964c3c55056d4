//! Containers.

use std::sync::Arc;

use vm_core::{RuntimeKind, RuntimeProvider};
use vm_docker::{DockerConfig, DockerRuntime, Isolation};

use super::{Finding, Health};
use crate::HostError;
use crate::config::{self, Config, Docker};

pub(super) fn runtime(config: &Config, docker: &Docker) -> Result<Arc<dyn RuntimeProvider>, HostError> {
    let runtime = DockerRuntime::new(settings(config, docker))
        .map_err(|error| HostError::Runtime { runtime: RuntimeKind::Docker, source: Box::new(error) })?;
    Ok(Arc::new(runtime))
}

pub(super) fn examine(config: &Config, docker: &Docker) -> Vec<Finding> {
    let findings = vm_docker::examine(&settings(config, docker)).into_iter().map(|finding| Finding {
        what: finding.what,
        health: match finding.health {
            vm_docker::Health::Good => Health::Good,
            vm_docker::Health::Weak => Health::Weak,
            vm_docker::Health::Bad => Health::Bad,
        },
        found: finding.found,
        advice: finding.advice,
    });
    findings.collect()
}

fn settings(config: &Config, docker: &Docker) -> DockerConfig {
    DockerConfig {
        address: docker.address.clone(),
        managed: docker.managed.then(|| docker.folder.clone()),
        namespace: docker.namespace.clone(),
        memory: config.limits.memory,
        cpu_millis: config.limits.cpu_millis,
        socket_folder: docker.socket_folder.clone(),
        first_host_user: Some(docker.first_host_user),
        pids: docker.pids,
        start_timeout: docker.start_timeout,
        max_containers: docker.max_containers,
        images_size: docker.images_size,
        restart_pause: docker.restart_pause,
        pool_min: docker.pool_min,
        pool_max: docker.pool_max,
        pool_idle: docker.pool_idle,
        pool_queue: docker.pool_queue,
        pool_wait: docker.pool_wait,
        concurrency: docker.concurrency,
        isolation: match docker.isolation {
            config::Isolation::Contract => Isolation::Contract,
            config::Isolation::Call => Isolation::Call,
            config::Isolation::Container => Isolation::Container,
        },
        replay_check: docker.replay_check,
        enable_sandbox: config.security.enable_sandbox,
        allow_network: config.security.allow_network,
        allow_file_system: config.security.allow_file_system,
        tmp_size: docker.tmp_size,
        ..DockerConfig::default()
    }
}
