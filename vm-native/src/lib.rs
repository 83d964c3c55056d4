//! Smart contracts written in Rust and linked into the host.
//!
//! The code of such a contract is the name that it is registered under, as UTF-8 text, and its hash that of the name: what is linked under a
//! name must not change as long as a state has a version with it. So put the version into the name (`token@2`), and keep linking the
//! versions that may be returned to. Contracts come from `vm-sdk` ([`NativeConfig::contract`]), or implement
//! [`vm_core::Contract`] themselves ([`NativeConfig::custom`]).
//!
//! [`NativeConfig::system_contracts`] links those that come with this crate: `contract_manager`, `access_control` and
//! `multi_sign`, with which transactions use the verbs of the lifecycle and of policies.
//!
//! **Linked code is trusted.** It runs in the host's process, on the worker's thread: a panic is caught and is a trap, but its
//! memory is not limited, and it cannot be pre-empted. When it does not come back by its deadline, its caller gets the deadline
//! fault, and its worker is given up and replaced. Gas is charged for host operations and where the contract charges itself.
//!
//! ```
//! use vm_core::{Code, ContractName, DeployRequest, InvokeRequest, RuntimeKind, Vm, VmProvider};
//! use vm_native::{NativeConfig, NativeContract, NativeRuntime};
//!
//! # futures_executor::block_on(async {
//! let config = NativeConfig::new().contract("token", NativeContract::of::<token::Token>())?;
//! let vm = Vm::builder().runtime(NativeRuntime::new(config)).build()?;
//! vm.start().await?;
//!
//! let (name, alice) = (ContractName::new("coin")?, "alice".parse()?);
//! let code = Code::new(RuntimeKind::Native, "token");
//! vm.deploy(DeployRequest::new(name.clone(), "1.0.0".parse()?, code).args(["1000"]).from(alice)).await?;
//! vm.invoke(InvokeRequest::new(name.clone(), "transfer").args(["bob", "100"]).from(alice)).await?;
//! let receipt = vm.query(InvokeRequest::new(name, "balance_of").args(["bob"])).await?;
//! assert_eq!(receipt.text.as_deref(), Some("100"));
//! vm.stop().await?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

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
mod contract;
mod host;
mod runtime;
mod system;

pub use config::{NativeConfig, NativeError};
pub use runtime::NativeRuntime;
pub use system::{SystemCall, Unsayable};
pub use vm_sdk::NativeContract;
