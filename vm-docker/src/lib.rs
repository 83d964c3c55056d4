//! Smart contracts in hardened containers, run through containerd.
//!
//! [`DockerRuntime`] is a [`RuntimeProvider`](vm_core::RuntimeProvider). A contract's code is a static executable, an image
//! archive (OCI's, or that of `docker save`), or the name of an image that containerd has, with its digest; a running container of it takes one call after the other,
//! or as many at a time as its contract declares ([`DockerConfig::concurrency`]), over a unix socket, in the protocol of `docs/container-protocol.md`. vm-sdk speaks it for contracts in Rust, `sdk/python` for
//! those in Python.
//!
//! ```
//! use vm_core::{Code, ContractName, DeployRequest, InvokeRequest, RuntimeKind, Vm, VmProvider};
//! use vm_docker::{DockerConfig, DockerRuntime};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let Some(address) = std::env::var_os("VM_TEST_CONTAINERD") else {
//! #     println!("skipped: VM_TEST_CONTAINERD names no containerd");
//! #     return Ok(());
//! # };
//! # let defaults = DockerConfig { address: address.into(), namespace: "documentation".into(), ..DockerConfig::default() };
//! # futures_executor::block_on(async {
//! # /*
//! let defaults = DockerConfig::default();
//! # */
//! let config = DockerConfig { memory: 64 << 20, ..defaults };
//! let vm = Vm::builder().runtime(DockerRuntime::new(config)?).build()?;
//! vm.start().await?;
//!
//! let token = ContractName::new("token")?;
//! let code = Code::new(RuntimeKind::Docker, std::fs::read("../contracts/artifacts/token-v1.elf")?);
//! vm.deploy(DeployRequest::new(token.clone(), "1.0".parse()?, code).args(["1000"])).await?;
//! let receipt = vm.invoke(InvokeRequest::new(token, "total_supply")).await?;
//! assert_eq!(receipt.text.as_deref(), Some("1000"));
//! vm.stop().await?;
//! # Ok(())
//! # })
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
//! and the quota; a container that computes between calls is replaced. The process outlives a call: **what it remembers from one call to the next is up to its author**, and an
//! author who wants the same result on every host remembers nothing and asks no clock. [`Isolation::Call`] gives every call
//! a process of its own if the library keeps its word, [`Isolation::Container`] a container, and [`DockerConfig::replay_check`] executes every call again
//! in a container of its own, and compares them. **Contracts with one image share processes, and so memory**, unless one of these is set.
//!
//! # Pools
//!
//! Contracts with the same image share its containers. [`DockerConfig::pool_min`] of them are kept ready, more start one at
//! a time when calls wait, up to [`DockerConfig::pool_max`], and leave when they are idle. Calls wait in the order in which
//! they came; the queue has a bound and waiting an end. All images together have at most [`DockerConfig::max_containers`]: who needs one more
//! takes it from the image that used an idle one longest ago. A call nested in another one keeps the containers of those it is nested in;
//! what could only wait for itself, or in a circle with others, is a fault at once. Code whose containers do not start is
//! paused for ever longer ([`DockerConfig::restart_pause`]); those that break off in calls fail no other call. A machine that starts has the contracts that it finds prepared in the
//! background ([`VmBuilder::warm`](vm_core::VmBuilder::warm)), so that their first call finds a container that waits.
//!
//! # What is told
//!
//! What a contract prints becomes `tracing` events of the target `vm::contract`, with the contract and the transaction. The
//! `metrics` facade gets numbers for each image, named `vm_docker_…`: `docs/metrics.md` lists them.
//!
//! # Faults
//!
//! A process that exits, is killed for its memory, breaks the protocol or misses the deadline is a
//! [`HostFault`](vm_core::HostFault): nothing is committed, there is no receipt, its container is killed (once calls have ended
//! that share it), and the next call gets a new one. A panic that the process reports (as vm-sdk does) is a trap, and the container goes on. containerd is
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

mod cgroup;
mod config;
mod connection;
mod container;
mod containerd;
mod contract;
mod disk;
mod doctor;
mod door;
mod engine;
mod error;
mod folder;
mod image;
mod managed;
mod metrics;
mod output;
mod pool;
mod room;
mod runtime;
mod sandbox;
mod session;
mod shim;

pub use config::{DockerConfig, Isolation, UnknownIsolation};
pub use doctor::{Finding, Health, examine};
pub use error::{DockerError, Exit, Refused};
pub use runtime::DockerRuntime;
