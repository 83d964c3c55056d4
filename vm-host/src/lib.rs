//! From one configuration to a machine that runs contracts on every runtime that the build has.
//!
//! [`Config`] reads the file, [`builder`] makes a [`vm_core::Vm`] out of it, and [`backends::FjallBackend`] keeps its state
//! on disk. The command `vm-host` is made of the same parts.
//!
//! ```
//! use vm_core::{Code, ContractName, DeployRequest, InvokeRequest, RuntimeKind, VmProvider};
//! use vm_host::{Config, Format};
//!
//! # #[cfg(feature = "native")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let text = "
//!     [[vm.providers]]
//!     type = \"native\"
//!     [vm.state]
//!     backend = \"memory\"
//! ";
//! let config = Config::parse(text, Format::Toml, "vm.toml")?;
//! let vm = vm_host::builder(&config).sample_contracts()?.build()?;
//! # futures_executor::block_on(async {
//! vm.start().await?;
//! let (token, alice) = (ContractName::new("token")?, "alice".parse()?);
//! let code = Code::new(RuntimeKind::Native, "token");
//! vm.deploy(DeployRequest::new(token.clone(), "1".parse()?, code).args(["1000"]).from(alice)).await?;
//! vm.invoke(InvokeRequest::new(token.clone(), "transfer").args(["bob", "5"]).from(alice)).await?;
//! let receipt = vm.query(InvokeRequest::new(token, "balance_of").args(["bob"])).await?;
//! assert_eq!(receipt.text.as_deref(), Some("5"));
//! vm.stop().await?;
//! # Ok(())
//! # })
//! # }
//! # #[cfg(not(feature = "native"))]
//! # fn main() {}
//! ```
//!
//! | Feature | Default | Brings |
//! |---|---|---|
//! | `native` | yes | contracts that are linked into the host |
//! | `wasm` | yes | WebAssembly contracts |
//! | `evm` | yes | EVM contracts |
//! | `docker` | no | containers as contracts, through containerd; needs protoc at build time |
//! | `fjall` | yes | persistent state |
//! | `cli` | yes | the command `vm-host` |

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

pub mod backends;
pub mod code;
pub mod config;
mod host;

pub use config::{Config, ConfigError, Format, InvalidConfig};
pub use host::{HostBuilder, HostError, SAMPLE_CONTRACTS, StoreError, builder, proposal};
