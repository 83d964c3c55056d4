//! What contract authors use: one Rust source builds as native, WASM and container contract.
//!
//! A contract is an `impl` block. Its public functions are the methods; the first argument is the [`Context`], through which
//! they reach state, surroundings and other contracts.
//!
//! ```
//! use vm_sdk::{Address, Context, Map, Result, contract, ensure, event};
//!
//! /// Points that people give to each other.
//! #[derive(Debug)]
//! pub struct Points;
//!
//! const POINTS: Map<Address, u128> = Map::new("points");
//!
//! /// Somebody was given points.
//! #[event]
//! pub struct Given {
//!     to: Address,
//!     amount: u128,
//! }
//!
//! #[contract]
//! impl Points {
//!     #[init]
//!     pub fn init(cx: &mut Context, amount: u128) -> Result<()> {
//!         let owner = cx.caller()?;
//!         POINTS.set(cx, &owner, &amount)
//!     }
//!
//!     pub fn give(cx: &mut Context, to: Address, amount: u128) -> Result<()> {
//!         let from = cx.caller()?;
//!         let have = POINTS.get(cx, &from)?.unwrap_or_default();
//!         ensure!(amount <= have, "not enough points: have {have}, need {amount}");
//!         POINTS.set(cx, &from, &(have - amount))?;
//!         let had = POINTS.get(cx, &to)?.unwrap_or_default();
//!         POINTS.set(cx, &to, &(had + amount))?;
//!         cx.emit(&Given { to, amount })
//!     }
//!
//!     #[view]
//!     pub fn points_of(cx: &Context, account: Address) -> Result<u128> {
//!         Ok(POINTS.get(cx, &account)?.unwrap_or_default())
//!     }
//! }
//!
//! // A test needs no engine.
//! let mut sandbox = vm_sdk::testing::Sandbox::new();
//! let (alice, bob) = (sandbox.address_of("alice"), sandbox.address_of("bob"));
//! sandbox.from("alice").deploy::<Points>("points", &100u128).unwrap();
//! let points = PointsClient::at("points");
//! sandbox.from("alice").run(|cx| points.give(cx, bob, 30)).unwrap();
//! assert_eq!(sandbox.from("bob").run(|cx| points.points_of(cx, alice)), Ok(70));
//! ```
//!
//! To make it deployable, its package has a `src/main.rs` with the one line `vm_sdk::main!(points::Points);`, which is the same for a
//! WASM module and a container's executable. A host links the library itself and registers
//! `NativeContract::of::<Points>()`.
//!
//! rustc gives a module a stack of 1 MiB, and so 17 pages of memory, each of which costs gas in every call. A library cannot
//! change that for the packages that use it. With these lines in a `.cargo/config.toml`, in the package or a folder above it, most
//! contracts need one page, and few more than three:
//!
//! ```toml
//! [target.wasm32-unknown-unknown]
//! rustflags = ["-Clink-arg=-zstack-size=32768", "-Cstrip=symbols"]
//! ```
//!
//! The variable `RUSTFLAGS` takes the place of these, so it must not be set. `vm-host analyze` notes a module that begins with more.
//!
//! # Rules
//!
//! * A method's outcome may depend on its arguments and the context alone: no clock, no randomness, no order of hash maps, no floats.
//! * Nothing stays in memory from one call to the next; statics are no state.
//! * Integer overflow must not wrap: build contracts with `overflow-checks = true`. It then panics, which is a trap: the call
//!   fails and is undone.
//! * Where panics unwind (native, container), nothing in the contract may catch them.
//!
//! # Features
//!
//! | feature | brings |
//! |---|---|
//! | `native` | `NativeContract`, which hosts register |
//! | `container` | [`main!`] makes an executable that speaks the container protocol |
//! | `testing` | `testing::Sandbox`, an in-memory host for unit tests |
//!
//! WASM needs no feature, only the target `wasm32-unknown-unknown`, and there the features bring nothing.

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

pub mod abi;
mod address;
mod amount;
#[cfg(all(feature = "container", not(target_arch = "wasm32")))]
pub mod container;
mod context;
mod contract;
mod entry_point;
mod error;
mod event;
mod host;
#[cfg(all(feature = "native", not(target_arch = "wasm32")))]
mod native;
mod remote;
mod storage;
#[cfg(all(feature = "testing", not(target_arch = "wasm32")))]
pub mod testing;
#[cfg(target_arch = "wasm32")]
pub mod wasm;

pub use borsh;

/// Makes a contract out of `impl Name { ... }`.
///
/// Every `pub fn` in the block is a method. Its first argument is `cx: &mut Context`; the others, and what it returns, are
/// bool, u8 to u128, i8 to i128, `String`, `Vec<u8>` or [`Address`] (arguments also `&str` and `&[u8]`). It may return
/// nothing, and a `Result` of these with any error that is `Into<Error>`. Functions that are not `pub` are the author's own.
///
/// | mark | meaning |
/// |---|---|
/// | `#[init]` | called once, at deployment; returns nothing |
/// | `#[view]` | takes `&Context` and changes nothing |
/// | `#[upgrade]` | called when this code replaces another version: `cx: &mut Context, from: &str, to: &str` and further arguments; returns nothing |
///
/// The contract's name is the package's; `#[contract(name = "...")]` gives it another one. `#[contract(concurrency = 8)]` lets
/// a process in a container take up to 8 calls at a time, on as many threads, for contracts that wait for other contracts or
/// read much; without it, one after the other.
///
/// It implements [`Contract`] and makes a client `NameClient`, with which other contracts (and tests) call the methods:
/// same arguments, and a `Result` with the callee's refusal in the error.
pub use vm_sdk_macros::contract;

/// Lets a structure or an enum be stored: derives borsh.
///
/// ```
/// #[vm_sdk::data]
/// struct Offer {
///     seller: vm_sdk::Address,
///     price: u128,
/// }
/// const OFFERS: vm_sdk::Map<u64, Offer> = vm_sdk::Map::new("offers");
/// ```
pub use vm_sdk_macros::data;

/// Lets a structure be emitted: as [`data`], and implements [`Event`](trait@Event). The topic is the type's name, or
/// what stands in the attribute.
///
/// ```
/// #[vm_sdk::event("offer.accepted")]
/// struct Accepted {
///     buyer: vm_sdk::Address,
/// }
/// fn accept(cx: &mut vm_sdk::Context) -> vm_sdk::Result<()> {
///     let buyer = cx.caller()?;
///     cx.emit(&Accepted { buyer })
/// }
/// ```
pub use vm_sdk_macros::event;

pub use address::Address;
pub use amount::Amount;
pub use context::Context;
pub use contract::{Call, Contract, Entry, enter};
pub use error::{Error, Result, Stop};
pub use event::Event;
pub use host::{CallRequest, Entries, Env, HostApi, HostRef, Level, Reply, Status, Target};
#[cfg(all(feature = "native", not(target_arch = "wasm32")))]
pub use native::NativeContract;
pub use remote::Remote;
pub use storage::{Item, Map};
