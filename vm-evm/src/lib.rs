//! EVM smart contracts on revm.
//!
//! [`EvmRuntime`] executes EVM byte code under the rules of a hard fork ([`Fork`]). Accounts, storage and code lie in the
//! state that all runtimes share, and one call stack leads through all of them: an EVM contract calls a contract of another
//! runtime and is called by it, values move along, and what fails is undone on both sides.
//!
//! # Contracts
//!
//! * **Code** is creation code, as hex text with or without `0x` (a compiler's `.bin`) or as bytes; [`artifact`] reads what
//!   Solidity's tools write, and compiles sources. Code that can reach an opcode which the fork lacks is refused. The JSON ABI is the
//!   [`Code`](vm_core::Code)'s `abi`. The contract lives at the address that its name gives; what its constructor reverts
//!   with is the reason why the deployment fails.
//! * **Calls** take text by the ABI (`transfer` `bob` `100`; names are addresses), by a full signature without one, or raw
//!   call data with an empty method. Results, revert reasons, custom errors and events come back as text.
//! * **Upgrades** keep account, balance and storage, and replace the code by what the new creation code's constructor
//!   returns. What else that constructor does is kept with the option `migrate = "constructor"`, and undone without it. Then the
//!   function `upgrade(string,string)` or `upgrade(string,string,bytes)` migrates the storage, if the ABI has it; calls never enter it.
//! * **To other runtimes**: `call(string,bytes)` at the address of the contract's name, with its method and its input in its
//!   own encoding; the output comes back as `bytes`, a refusal as `Error(string)`. DELEGATECALL into them is refused.
//! * **From other runtimes**: a full signature as the method, and the Solidity-encoded arguments.
//!
//! # What differs from Ethereum
//!
//! * There are no fees, no sender nonces and no intrinsic gas of a transaction: the dispatcher has its own price for entering
//!   a contract. Gas inside is Ethereum's, times the schedule's `evm.factor`; the refund cap applies to each entry from the
//!   dispatcher.
//! * `BLOCKHASH` knows the hashes that the host gives with the block, and is zero without; contract calls carry no blobs.
//! * Frames inside the EVM have Ethereum's depth of 1024; the dispatcher's own limit counts only entries into a runtime.
//! * A named contract that is frozen or revoked refuses other contracts, and the Vm's authorizer is asked for every call of a
//!   named contract.
//! * The wall-clock deadline is looked at in every jump and call. It ends the transaction as a host fault, which no contract
//!   can catch.
//!
//! Whole Ethereum transactions, with all of that, are another entry over the same state: [`EvmRuntime::transact`].
//!
//! # Example
//!
//! ```
//! use vm_core::{Code, DeployRequest, InvokeRequest, RuntimeKind, Vm, VmProvider};
//! use vm_evm::{EvmConfig, EvmRuntime, Fork};
//!
//! # futures_executor::block_on(async {
//! let vm = Vm::builder().runtime(EvmRuntime::new(EvmConfig::new(Fork::Cancun))?).build()?;
//! vm.start().await?;
//!
//! // A counter, assembled by hand: every call adds its argument to slot 0 and returns the sum.
//! let code = "60108060095f395ff3" // copies what follows, and returns it as the contract's code
//!     .to_owned() + "6004355f54015f555f545f5260205ff3";
//! let code = Code::new(RuntimeKind::Evm, code);
//! vm.deploy(DeployRequest::new("counter".parse()?, "1".parse()?, code)).await?;
//!
//! let counter = vm_core::ContractName::new("counter")?;
//! let add = InvokeRequest::new(counter, "add(uint256)").args(["5"]);
//! vm.invoke(add.clone()).await?;
//! let receipt = vm.invoke(add).await?;
//! assert_eq!(receipt.output[31], 10);
//! vm.stop().await?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! # Features
//!
//! None: the crate is always whole.

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

mod abi;
mod analysis;
pub mod artifact;
mod code;
mod config;
mod contract;
mod error;
mod ethereum;
mod fork;
mod gas;
mod runtime;
mod session;
mod trace;

pub use analysis::{Lacking, Metadata, OpcodeSet, Part, Report, Selector, Stretch, Undefined, Use, analyze};
pub use config::EvmConfig;
pub use error::EvmError;
pub use ethereum::{
    AccessListItem, Authorization, DynamicFee, EthereumReceipt, EthereumTransaction, EthereumTransactionKind,
    InvalidTransaction, TransactError,
};
pub use fork::{Fork, UnknownFork};
pub use runtime::EvmRuntime;
pub use trace::Trace;
