//! Conformance of runtimes (feature `conformance`): trees of calls that contracts of all runtimes make of each other, against a model that
//! copies everything at each call.
//!
//! The contracts are *actors*, which do what a program says that they are given: `contracts/actor` in Rust, for every runtime that
//! contracts of vm-sdk run on, and `contracts/actor-sol` in Solidity. An author of a further backend deploys an actor on it and
//! runs the same suites:
//!
//! 1. build a [`Vm`](crate::Vm) with the runtimes that take part, in which [`owner`] has a balance of a million or more, and a limit of gas
//!    of 2^50;
//! 2. name each runtime's actor in a [`Form`];
//! 3. run [`pairs`], [`triples`], [`depth`], [`trees`] and [`swapped`]; or deploy some of each with [`Stage::deploy`], and have them do
//!    a [`Body`] of your own with [`Stage::run`].
//!
//! Each run compares with the model: status, output and gas handed down of every call in the call tree, events, state, balances, and what
//! was read and written; and that gas adds up over the tree to the receipt's.
//!
//! ```no_run
//! use vm_core::conformance::{self, Form};
//! use vm_core::{Code, Gas, Limits, RuntimeKind, RuntimeProvider, Vm, VmProvider};
//!
//! fn conforms(mine: impl RuntimeProvider + 'static, actor: Code) -> Result<(), Box<dyn std::error::Error>> {
//!     let limits = Limits { gas: Gas::new(1 << 50), ..Limits::default() };
//!     let funds = [(conformance::owner(), 1_000_000_000_u128.into())].into();
//!     let vm = Vm::builder().limits(limits).genesis(funds).runtime(mine).build()?;
//!     futures_executor::block_on(vm.start())?;
//!     let forms = [Form::sdk("mine", actor)];
//!     conformance::pairs(&vm, &forms)?;
//!     conformance::trees(&vm, &forms, 1, 100)?;
//!     Ok(())
//! }
//! ```

mod cases;
mod effects;
mod encode;
mod model;
mod random;
mod stage;
mod told;
mod tree;

pub use cases::{depth, pairs, triples};
pub use random::{Ran, swapped, trees};
pub use stage::{Form, Stage, owner};
pub use tree::{Body, Call, End, Op};
