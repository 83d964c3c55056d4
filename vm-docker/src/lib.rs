//! Smart contracts in hardened containers, run through containerd.
//!
//! [`DockerRuntime`] is a [`RuntimeProvider`](vm_core::RuntimeProvider). A contract's code is a static executable, or an
//! OCI image archive (a tar file with `index.json`); a running container of it takes one call after the other over a
//! unix socket, in the protocol of `docs/container-protocol.md`. Rust contracts use vm-sdk, which speaks it for them.
//!
//! ```no_run
//! use vm_core::{
//!     Arguments, Code, DeployRequest, InvokeRequest, RuntimeKind, Vm, VmProvider,
//! };
//! use vm_docker::{DockerConfig, DockerRuntime};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let config = DockerConfig { memory: 64 << 20, ..DockerConfig::default() };
//! let vm = Vm::builder().runtime(DockerRuntime::new(config)?).build()?;
//! vm.start().await?;
//!
//! let code = Code::new(RuntimeKind::Docker, std::fs::read("token")?);
//! vm.deploy(DeployRequest::new("token".parse()?, "1.0".parse()?, code)).await?;
//! let receipt = vm.invoke(InvokeRequest::new("token".parse::<vm_core::ContractName>()?, "total_supply")).await?;
//! println!("{:?}", receipt.text);
//! vm.stop().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What a contract can and cannot do
//!
//! Its process has no network, a read-only file system, no capabilities and no way to get any, an unprivileged user in a
//! user name space of its own, a list of allowed system calls, and limits of memory (without swap), processor time and
//! processes. [`DockerConfig`] has three switches that loosen this; each is logged as a warning and shown by the status.
//!
//! State is read and written only through the host, in the same journal as the calls of all other runtimes. Each
//! operation of the host is charged; **the processor time of a container is not metered**, only bounded by the deadline
//! and the quota. The process outlives a call: **what it remembers from one call to the next is up to its author**, and an
//! author who wants the same result on every host remembers nothing and asks no clock.
//!
//! # Faults
//!
//! A process that exits, is killed for its memory, breaks the protocol or misses the deadline is a
//! [`HostFault`](vm_core::HostFault): nothing is committed, there is no receipt, its container is killed, and the next call
//! gets a new one. A panic that the process reports (as vm-sdk does) is a trap, and the container goes on. containerd is
//! needed to start and remove containers, not for calls: those in flight end well when it is stopped.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "tests fail by panicking"
    )
)]

mod config;
mod connection;
mod container;
mod containerd;
mod contract;
mod engine;
mod error;
mod folder;
mod image;
mod pool;
mod runtime;
mod sandbox;
mod session;

pub use config::DockerConfig;
pub use error::{DockerError, Exit, Refused};
pub use runtime::DockerRuntime;
